//! Reads records in order across segments, up to what is on disk now. Never waits for the writer, nor it for a reader.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use bytes::Bytes;

use crate::cursor::{Cursor, Step};
use crate::shared::{Mark, Shared};
use crate::{GapCause, JournalError, Position};

/// Reads block on the disk: use it on a thread that may.
#[derive(Debug)]
pub struct JournalReader {
    shared: Arc<Shared>,
    next: Position,
    cursor: Option<Open>,
}

#[derive(Debug)]
struct Open {
    first: Position,
    cursor: Cursor,
}

/// Where the next record is to be found.
struct Place {
    first: Position,
    last: Position,
    path: std::path::PathBuf,
    end: u64,
    mark: Option<Mark>,
}

impl JournalReader {
    pub(crate) fn new(shared: Arc<Shared>, from: Position) -> Self {
        Self { shared, next: from.max(Position(1)), cursor: None }
    }

    /// The position that the next record will have, if it can be read.
    pub fn position(&self) -> Position {
        self.next
    }

    /// The next durable record; `None` when there is none yet (ask again after the next append).
    ///
    /// [`JournalError::Gap`] is told once and names records that will never come; the following call goes on behind
    /// them. After any other error the same call may be tried again.
    #[allow(
        clippy::should_implement_trait,
        reason = "an iterator that ended stays ended; this one goes on when the journal grows"
    )]
    pub fn next(&mut self) -> Result<Option<(Position, Bytes)>, JournalError> {
        loop {
            let Some(place) = self.place()? else { return Ok(None) };
            if !self.open(&place)? {
                continue;
            }
            let Some(Open { cursor, .. }) = &mut self.cursor else { continue };
            match cursor.step(place.end)? {
                Step::Record { header, .. } if header.position < self.next => {}
                Step::Record { header, payload } if header.position <= place.last => {
                    if header.position > self.next {
                        return Err(self.gap_before(header.position, &place));
                    }
                    self.next = header.position.next();
                    let mark = Mark { position: self.next, offset: cursor.offset };
                    self.shared.state().mark(place.first, mark);
                    return Ok(Some((header.position, payload)));
                }
                Step::Damage { .. } if cursor.expected <= self.next => {}
                Step::Damage { .. } if cursor.offset < place.end => {
                    let found = cursor.expected.min(place.last.next());
                    return Err(self.gap_before(found, &place));
                }
                // The end, or a tail that was never acknowledged and is superseded by the next segment.
                Step::Record { .. } | Step::Damage { .. } | Step::End => {
                    self.cursor = None;
                    return Err(self.gap_before(place.last.next(), &place));
                }
            }
        }
    }

    /// The segment of the next record; an error when that record lies before every segment.
    fn place(&mut self) -> Result<Option<Place>, JournalError> {
        let state = self.shared.state();
        if self.next > state.durable {
            return Ok(None);
        }
        let Some(index) = state.find(self.next) else {
            let first = state.segments.first().map_or(state.durable.next(), |first| first.first);
            drop(state);
            return Err(self.gap(first, GapCause::Released));
        };
        let segment = &state.segments[index];
        Ok(Some(Place {
            first: segment.first,
            last: state.last_of(index),
            path: segment.path.clone(),
            end: segment.end,
            mark: segment.mark_before(self.next),
        }))
    }

    /// Has the cursor in the place's segment; `false` when the segment has been released in between.
    fn open(&mut self, place: &Place) -> Result<bool, JournalError> {
        if self.cursor.as_ref().is_some_and(|open| open.first == place.first) {
            return Ok(true);
        }
        self.cursor = None;
        match Cursor::open(place.path.clone()) {
            Ok(Some(mut cursor)) => {
                if let Some(mark) = place.mark {
                    cursor.seek(mark);
                }
                self.cursor = Some(Open { first: place.first, cursor });
                Ok(true)
            }
            Ok(None) => Err(self.gap_before(place.last.next(), place)),
            Err(JournalError::Io { source, .. })
                if source.kind() == io::ErrorKind::NotFound && self.released(place.first) =>
            {
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    fn released(&self, first: Position) -> bool {
        self.shared.state().segments.iter().all(|segment| segment.first != first)
    }

    fn gap_before(&mut self, found: Position, place: &Place) -> JournalError {
        self.gap(found, GapCause::Damaged { path: place.path.clone() })
    }

    /// Steps over the missing records and tells of them.
    fn gap(&mut self, found: Position, cause: GapCause) -> JournalError {
        let (first, last) = (self.next, found.previous());
        self.next = found;
        self.shared.counters.gaps_read.fetch_add(1, Relaxed);
        tracing::error!(%first, %last, %cause, "journal records are missing");
        JournalError::Gap { first, last, cause }
    }
}
