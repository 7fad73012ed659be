//! Where the selected series lie in one part, in the order in which a selection reads them.

use roaring::RoaringBitmap;

use crate::MetricStoreError;
use crate::part::block::Place;
use crate::part::{Part, TimesCache};

pub(super) struct Placed<'a> {
    part: &'a Part,
    /// With their places in the selection, in its order.
    blocks: Vec<(u32, Place)>,
    next: usize,
    times: TimesCache,
}

impl<'a> Placed<'a> {
    /// `by_slot` are the selected slots, in order, with their places in the selection. What is damaged is counted.
    pub(super) fn find(
        part: &'a Part,
        wanted: &RoaringBitmap,
        by_slot: &[(u32, u32)],
        cached_times_max: usize,
    ) -> Result<Self, MetricStoreError> {
        let rows = part.sound_rows(wanted)?;
        let mut blocks = Vec::with_capacity(rows.len());
        for row in rows {
            if let Ok(found) = by_slot.binary_search_by_key(&row.slot, |(slot, _)| *slot) {
                blocks.push((by_slot[found].1, row.place));
            }
        }
        blocks.sort_unstable_by_key(|(at, _)| *at);
        Ok(Self { part, blocks, next: 0, times: TimesCache::new(cached_times_max) })
    }

    /// Gives `sink` the block of every series up to the place `end` that was not given yet.
    pub(super) fn read(
        &mut self,
        end: u32,
        mut sink: impl FnMut(u32, &[u8], &mut TimesCache) -> Result<(), MetricStoreError>,
    ) -> Result<(), MetricStoreError> {
        let rest = &mut self.blocks[self.next..];
        let count = rest.partition_point(|(at, _)| *at < end);
        self.next += count;
        let batch = &mut rest[..count];
        batch.sort_unstable_by_key(|(_, place)| place.offset);
        let times = &mut self.times;
        self.part.read_blocks(batch, &mut |at, block| sink(at, block, times))
    }
}
