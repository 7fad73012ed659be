//! Where the selected series lie in one part, in the order in which a selection reads them.

use std::ops::Range;

use roaring::RoaringBitmap;

use crate::MetricStoreError;
use crate::part::block::Place;
use crate::part::{Part, TimesCache};

pub(super) struct Placed<'a> {
    part: &'a Part,
    /// With their places in the selection, in its order.
    blocks: Vec<(u32, Place)>,
}

impl<'a> Placed<'a> {
    /// `by_slot` are the selected slots, in order, with their places in the selection. What is damaged is counted.
    pub(super) fn find(
        part: &'a Part,
        wanted: &RoaringBitmap,
        by_slot: &[(u32, u32)],
    ) -> Result<Self, MetricStoreError> {
        let rows = part.sound_rows(wanted)?;
        let mut blocks = Vec::with_capacity(rows.len());
        for row in rows {
            if let Ok(found) = by_slot.binary_search_by_key(&row.slot, |(slot, _)| *slot) {
                blocks.push((by_slot[found].1, row.place));
            }
        }
        blocks.sort_unstable_by_key(|(at, _)| *at);
        Ok(Self { part, blocks })
    }

    /// Gives `sink` the block of every series at these places of the selection.
    pub(super) fn read(
        &self,
        places: &Range<u32>,
        times: &mut TimesCache,
        mut sink: impl FnMut(u32, &[u8], &mut TimesCache) -> Result<(), MetricStoreError>,
    ) -> Result<(), MetricStoreError> {
        let before = |end: u32| self.blocks.partition_point(|(at, _)| *at < end);
        let mut batch = self.blocks[before(places.start)..before(places.end)].to_vec();
        batch.sort_unstable_by_key(|(_, place)| place.offset);
        self.part.read_blocks(&batch, &mut |at, block| sink(at, block, times))
    }
}
