//! The pages people look at: built from `web/` by `build.rs` and embedded.
//! Promises: the program needs no file beside it. Leaves to others: serving them.

use std::borrow::Cow;

use rust_embed::RustEmbed;

#[derive(RustEmbed)]
#[folder = "$OUT_DIR/dist"]
struct Pages;

/// One embedded file.
#[derive(Debug)]
pub struct File {
    pub bytes: Cow<'static, [u8]>,
    /// Its media type.
    pub mime: String,
}

/// A file of the pages by its path, such as `index.html` or `assets/…`.
pub fn file(path: &str) -> Option<File> {
    let file = Pages::get(path)?;
    Some(File { mime: file.metadata.mimetype().to_owned(), bytes: file.data })
}
