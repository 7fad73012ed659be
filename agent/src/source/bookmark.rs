//! Where a source stands in what it reads: a position in a log, a cursor of the journal, the files it has taken.
//!
//! The spool keeps it in the record that holds the evidence before it, and gives it back at the next start. Its content
//! is the source's own affair; it is small, because it is written with every batch.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The place of one source. It moves by [`super::EvidenceSender::spool_to`] only.
#[derive(Debug)]
pub struct Bookmark {
    source: Arc<str>,
    content: Option<Vec<u8>>,
}

/// The bookmarks that the spool gave back at the start, until their sources take them.
#[derive(Clone, Debug, Default)]
pub struct Bookmarks {
    found: Arc<Mutex<BTreeMap<Arc<str>, Vec<u8>>>>,
    /// Some may be missing: the file that held them was damaged.
    damaged: bool,
}

impl Bookmark {
    /// What the source wrote last; `None` when it never did, empty when it was lost.
    pub fn content(&self) -> Option<&[u8]> {
        self.content.as_deref()
    }

    /// Whether it already stands there.
    pub fn is_at(&self, content: &[u8]) -> bool {
        self.content() == Some(content)
    }

    pub(super) fn source(&self) -> Arc<str> {
        Arc::clone(&self.source)
    }

    pub(super) fn set(&mut self, content: Vec<u8>) {
        self.content = Some(content);
    }
}

impl Bookmarks {
    pub fn new(found: BTreeMap<Arc<str>, Vec<u8>>, damaged: bool) -> Self {
        Self { found: Arc::new(Mutex::new(found)), damaged }
    }

    /// The bookmark of a source, which from now on is the source's own.
    pub fn take(&self, source: &str) -> Bookmark {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner).remove(source);
        let content = found.or_else(|| self.damaged.then(Vec::new));
        Bookmark { source: source.into(), content }
    }
}
