//! Finds where series lie in a part: the groups of rows that hold wanted slots, and no others.

use roaring::RoaringBitmap;

use super::Part;
use super::reader::READ_BYTES_MAX;
use super::rows::{self, Row};
use crate::MetricStoreError;

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
            let bytes = self.bytes_at(self.rows_offset + u64::from(start), length)?;
            for group in first..=last {
                let from = (self.group_start(group) - start) as usize;
                let group = bytes.get(from..(self.groups[group].end - start) as usize);
                if let Err(reason) = rows::decode(group.unwrap_or_default(), &picked, &mut found) {
                    damaged(reason)?;
                }
            }
        }
        Ok(found)
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
