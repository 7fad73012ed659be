//! Finds where series lie in a part: the groups of rows that hold wanted slots, and no others.

use roaring::RoaringBitmap;

use super::Part;
use super::reader::READ_BYTES_MAX;
use super::rows::{self, Row};
use crate::MetricStoreError;

const UNREADABLE: &str = "where its series lie cannot be read";

impl Part {
    /// Where the wanted series lie, in order of slot, as far as that can be read; damage is counted.
    pub(crate) fn sound_rows(&self, wanted: &RoaringBitmap) -> Result<Vec<Row>, MetricStoreError> {
        self.rows_of(wanted, |reason| {
            self.count_damage(self.rows_offset, reason);
            Ok(())
        })
    }

    /// Where the wanted series lie, in order of slot; damage is an error.
    pub(crate) fn rows(&self, wanted: &RoaringBitmap) -> Result<Vec<Row>, MetricStoreError> {
        self.rows_of(wanted, |reason| {
            self.count_damage(self.rows_offset, reason);
            self.sound(Err(reason))
        })
    }

    /// Reads the groups that hold wanted slots, neighbours in one go; `damaged` decides about one that is not sound.
    fn rows_of(
        &self,
        wanted: &RoaringBitmap,
        damaged: impl Fn(&'static str) -> Result<(), MetricStoreError>,
    ) -> Result<Vec<Row>, MetricStoreError> {
        let picked = wanted & &self.series;
        let mut found = Vec::with_capacity(usize::try_from(picked.len()).unwrap_or_default());
        let mut groups = self.groups_of(&picked).into_iter().peekable();
        while let Some(first) = groups.next() {
            let (start, mut last) = (self.group_start(first), first);
            while let Some(next) = groups.next_if(|next| {
                *next == last + 1 && u64::from(self.groups[*next].end - start) <= READ_BYTES_MAX
            }) {
                last = next;
            }
            let length = u64::from(self.groups[last].end - start);
            let bytes = match self.bytes_at(self.rows_offset + u64::from(start), length) {
                // A bad sector among them: each group by itself.
                Err(MetricStoreError::Damaged { .. }) => None,
                read => Some(read?),
            };
            for group in first..=last {
                let (from, to) = (self.group_start(group), self.groups[group].end);
                let alone;
                let group = match &bytes {
                    Some(bytes) => bytes.get((from - start) as usize..(to - start) as usize),
                    None => {
                        alone = self.group_alone(from, to)?;
                        alone.as_deref()
                    }
                };
                let decoded = group.ok_or(UNREADABLE);
                let decoded = decoded.and_then(|group| rows::decode(group, &picked, &mut found));
                decoded.or_else(&damaged)?;
            }
        }
        Ok(found)
    }

    /// None when the disk cannot give it back.
    fn group_alone(&self, from: u32, to: u32) -> Result<Option<Vec<u8>>, MetricStoreError> {
        match self.bytes_at(self.rows_offset + u64::from(from), u64::from(to - from)) {
            Err(MetricStoreError::Damaged { .. }) => Ok(None),
            read => read.map(Some),
        }
    }

    fn group_start(&self, group: usize) -> u32 {
        group.checked_sub(1).map_or(0, |before| self.groups[before].end)
    }

    /// The groups where these slots are, in order.
    fn groups_of(&self, picked: &RoaringBitmap) -> Vec<usize> {
        let mut groups = Vec::new();
        let mut slots = picked.iter();
        let mut from = 0;
        while let Some(slot) = slots.next() {
            let behind = self.groups[from..].partition_point(|group| group.first_slot <= slot);
            from += behind;
            groups.push(from.saturating_sub(1));
            match self.groups.get(from) {
                Some(next) => slots.advance_to(next.first_slot),
                None => break,
            }
        }
        groups
    }
}
