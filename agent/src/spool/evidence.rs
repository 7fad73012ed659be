//! Evidence into the spool: each bundle whole in one record, with the bookmark behind it.
//! Promises: after a crash at any moment a source finds its bookmark exactly behind the last evidence that is there.

use agent_model::{Millis, Stream};

use super::record::EVERYBODY;
use super::{Spool, SpoolError, bookmarks, content};
use crate::source::{self, Bundle};

impl Spool {
    /// Takes bundles in, in their order, and removes from `bundles` what was taken; what stays after an error is
    /// to be offered again. Durable only after [`Spool::sync`].
    pub fn append_evidence(
        &mut self,
        bundles: &mut Vec<Bundle>,
        now_ms: Millis,
    ) -> Result<(), SpoolError> {
        bundles.iter_mut().for_each(|bundle| self.bound(bundle));
        // Parts of a bundle that was beyond the wire, which are not joined again.
        let mut apart: usize = 0;
        while let Some(first) = bundles.first() {
            if first.evidence.is_empty() {
                self.move_bookmark(first.clone())?;
                bundles.remove(0);
                continue;
            }
            let joined = if apart > 0 { 1 } else { bundles.len() };
            let draft = content::draft(&self.host, &bundles[..joined], now_ms);
            let count = draft.bundles;
            match self.append(draft, EVERYBODY, Vec::new()) {
                Ok(position) => {
                    let marks = bundles.drain(..count).filter_map(|bundle| bundle.bookmark);
                    marks.for_each(|mark| self.bookmarks.put(position, mark));
                    apart = apart.saturating_sub(count);
                }
                Err(SpoolError::Report(error)) => {
                    if count == 1 && bundles[0].evidence.len() == 1 {
                        // It can never be sent, so offering it again would stop its source for ever.
                        self.statistics.failed_appends += 1;
                        tracing::error!(%error, "evidence is beyond the limits and is dropped");
                        bundles[0].evidence.clear();
                    } else {
                        let parts: Vec<_> = bundles.drain(..count).flat_map(taken_apart).collect();
                        apart = apart.saturating_sub(count) + parts.len();
                        bundles.splice(..0, parts);
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Where every source stands.
    pub fn bookmarks(&self) -> source::Bookmarks {
        self.bookmarks.all()
    }

    /// Writes down where every source stands, once the evidence before is durable.
    pub(super) fn save_bookmarks(&mut self) -> Result<(), SpoolError> {
        if !self.bookmarks.is_dirty() {
            return Ok(());
        }
        self.sync_stream(Stream::Evidence)?;
        self.bookmarks.save()
    }

    /// A bookmark that moves without evidence: no record would tell of it, so the table does, at once.
    fn move_bookmark(&mut self, bundle: Bundle) -> Result<(), SpoolError> {
        let Some(mark) = bundle.bookmark else { return Ok(()) };
        let mut position = self.next_position(Stream::Evidence);
        position.sequence -= 1;
        self.bookmarks.put(position, mark);
        self.save_bookmarks()
    }

    /// A bookmark beyond its bound is left out: its source may repeat, and the evidence is kept.
    fn bound(&mut self, bundle: &mut Bundle) {
        if let Some(mark) = bundle.bookmark.take_if(|mark| !bookmarks::fits(mark)) {
            self.statistics.failed_upkeep += 1;
            let (source, bytes) = (mark.0, mark.1.len());
            tracing::error!(%source, bytes, "a bookmark is too large and is not kept");
        }
    }
}

/// Each piece for itself, and the bookmark behind all of them.
fn taken_apart(bundle: Bundle) -> impl Iterator<Item = Bundle> {
    let pieces = bundle.evidence.into_iter();
    let pieces = pieces.map(|piece| Bundle { evidence: vec![piece], bookmark: None });
    pieces.chain([Bundle { evidence: Vec::new(), bookmark: bundle.bookmark }])
}
