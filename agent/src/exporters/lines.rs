//! How the series of an exporter were written in its last bodies, and which slot each has.
//! Promises: a body that is written as the one before costs one comparison a line; what is no longer written is
//! forgotten when it outweighs the rest. Leaves to others: what the labels are, and what stands in a slot.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

/// Where the value of a line goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// No rule kept it.
    Dropped,
    Slot(u32),
    /// Its slot was given up; its labels must be read again.
    Unknown,
}

/// Lines that are remembered beside those of one body: below this, forgetting is not worth the work.
const SLACK: usize = 256;

#[derive(Debug, Default)]
pub(super) struct Lines {
    /// One behind the other.
    text: String,
    ends: Vec<u32>,
    places: Vec<Place>,
    /// Hash of a line → its number. Two lines of one hash are one line too few here, which only costs time.
    index: HashMap<u64, u32>,
    /// Keyed by chance, so that no exporter can aim at collisions.
    hasher: RandomState,
}

impl Lines {
    /// How line `at` is written; empty beyond the last.
    pub(super) fn text(&self, at: usize) -> &str {
        let Some(&end) = self.ends.get(at) else { return "" };
        let start = if at == 0 { 0 } else { self.ends[at - 1] };
        &self.text[start as usize..end as usize]
    }

    pub(super) fn place(&self, at: usize) -> Place {
        self.places.get(at).copied().unwrap_or(Place::Unknown)
    }

    /// The line that is written like this.
    pub(super) fn find(&self, series: &str) -> Option<usize> {
        let at = *self.index.get(&self.hasher.hash_one(series))? as usize;
        (self.text(at) == series).then_some(at)
    }

    /// Remembers a line, or its new place.
    pub(super) fn put(&mut self, series: &str, place: Place) {
        if let Some(at) = self.find(series) {
            self.places[at] = place;
            return;
        }
        let (Ok(at), Ok(end)) =
            (u32::try_from(self.ends.len()), u32::try_from(self.text.len() + series.len()))
        else {
            return;
        };
        self.text.push_str(series);
        self.ends.push(end);
        self.places.push(place);
        self.index.insert(self.hasher.hash_one(series), at);
    }

    /// Slots have moved; `None` are those that were given up.
    pub(super) fn move_slots(&mut self, moved: &[Option<u32>]) {
        for place in &mut self.places {
            if let Place::Slot(slot) = *place {
                let new = moved.get(slot as usize).copied().flatten();
                *place = new.map_or(Place::Unknown, Place::Slot);
            }
        }
    }

    /// After a body of so many samples: forgets everything when most of it is not written any more.
    pub(super) fn forget_beyond(&mut self, written: usize) {
        if self.ends.len() > 2 * written + SLACK {
            *self = Self::default();
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }
}
