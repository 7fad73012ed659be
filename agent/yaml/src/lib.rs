//! YAML that people write: unknown keys refused, every problem at once, each with its line and what would be right.
//!
//! A file is parsed once to a tree with positions ([`Document`]), then read into any type that derives
//! [`deserr::Deserr`]; the derive collects all problems instead of stopping at the first. Anchors, aliases and merge
//! keys are read, within a bound; tags and several documents in a file are refused.
//! Leaves to others: what the keys mean, and every check across keys (they add to the same [`Problems`]).

mod entries;
mod findings;
mod http_url;
mod load;
mod place;
mod scalars;
mod tree;
mod write;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use agent_model::{Problem, Problems};
use deserr::Deserr;

pub use entries::Entries;
pub use findings::Findings;
pub use http_url::http_url;
pub use place::Place;
pub use scalars::{Address, Anything, At, Bytes, Duration, FilePath, Number, Text};

use tree::Node;

/// The largest configuration file that is read: a rule pack of thousands of rules fits many times over, and a
/// device or a log named by mistake does not fill the memory.
pub const FILE_BYTES_MAX: u64 = 16 << 20;

/// A parsed file that remembers where everything stood.
#[derive(Debug)]
pub struct Document {
    file: PathBuf,
    root: Arc<Node>,
}

impl Document {
    /// Reads and parses a file; a file that cannot be read is a problem like any other.
    pub fn open(file: &Path) -> Result<Self, Problems> {
        let refuse = |message: String| {
            Problems(vec![Problem { file: file.to_owned(), line: None, message }])
        };
        let size =
            fs::metadata(file).map_err(|error| refuse(format!("cannot be read: {error}")))?;
        if size.len() > FILE_BYTES_MAX {
            let bytes = size.len();
            return Err(refuse(format!("has {bytes} bytes; at most {FILE_BYTES_MAX} are read")));
        }
        let text = fs::read_to_string(file)
            .map_err(|error| refuse(format!("cannot be read as UTF-8 text: {error}")))?;
        Self::parse(file, &text)
    }

    /// Parses text; `file` only names it in problems.
    pub fn parse(file: &Path, text: &str) -> Result<Self, Problems> {
        match load::load(text) {
            Ok(root) => Ok(Self { file: file.to_owned(), root: Arc::new(root) }),
            Err((line, message)) => {
                Err(Problems(vec![Problem { file: file.to_owned(), line, message }]))
            }
        }
    }

    /// Reads the whole document into a `T`, or says everything that is wrong with it.
    pub fn read<T: Deserr<Findings>>(&self) -> Result<T, Problems> {
        deserr::deserialize::<T, _, Findings>(tree::Value(Arc::clone(&self.root))).map_err(
            |findings| {
                let problems = findings.0.into_iter();
                Problems(problems.map(|(place, message)| self.problem(&place, message)).collect())
            },
        )
    }

    /// A problem at a place of this document, for checks made after reading.
    pub fn problem(&self, place: &Place, message: impl Into<String>) -> Problem {
        let line = Some(tree::line_of(&self.root, place));
        Problem { file: self.file.clone(), line, message: message.into() }
    }

    pub fn file(&self) -> &Path {
        &self.file
    }
}

/// Opens and reads a file in one step, for those that make no checks of their own.
pub fn read_file<T: Deserr<Findings>>(file: &Path) -> Result<T, Problems> {
    Document::open(file)?.read()
}

#[cfg(test)]
mod tests;
