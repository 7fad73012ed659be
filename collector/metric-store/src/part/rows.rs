//! Rows: where the block of each slot lies, in order of slot, in groups that are read one by one, so that a part costs
//! memory by its groups, not by its series.
//!
//! Group: `crc32 of the rest u32 | per row: slot (as a step), offset (as a signed step), bytes`, integers as varints.

use roaring::RoaringBitmap;

use super::block::{self, Place};
use crate::chunk::{Decoded, varint};

/// Rows of one group: about a kilobyte, so that a query for one series reads no more.
pub(crate) const GROUP_ROWS: usize = 128;

/// Where the samples of a slot lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) slot: u32,
    pub(crate) place: Place,
}

/// A group as the footer tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) first_slot: u32,
    /// The end of its bytes, from the beginning of all groups.
    pub(crate) end: u32,
}

/// At least one row, in order of slot.
pub(crate) fn encode(rows: &[Row]) -> Vec<u8> {
    let mut content = Vec::new();
    let (mut slot, mut offset) = (0u32, 0u64);
    for row in rows {
        varint::put(&mut content, u64::from(row.slot.wrapping_sub(slot)));
        varint::put_signed(&mut content, row.place.offset.wrapping_sub(offset).cast_signed());
        varint::put(&mut content, u64::from(row.place.bytes));
        (slot, offset) = (row.slot, row.place.offset);
    }
    block::seal(&content)
}

/// Adds the group's rows of wanted slots to `out`.
pub(crate) fn decode(group: &[u8], wanted: &RoaringBitmap, out: &mut Vec<Row>) -> Decoded<()> {
    let mut bytes = block::unseal(group)?;
    let bytes = &mut bytes;
    let (mut slot, mut offset) = (0u32, 0u64);
    while !bytes.is_empty() {
        let step = u32::try_from(varint::take(bytes)?).map_err(|_| "a slot is too large")?;
        slot = slot.wrapping_add(step);
        offset = offset.wrapping_add_signed(varint::take_signed(bytes)?);
        let length = u32::try_from(varint::take(bytes)?).map_err(|_| "a block is too long")?;
        if wanted.contains(slot) {
            out.push(Row { slot, place: Place { offset, bytes: length } });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_and_only_those_wanted() {
        let row = |slot, offset, bytes| Row { slot, place: Place { offset, bytes } };
        let rows = [row(3, 1 << 40, 7), row(4, 16, u32::MAX), row(u32::MAX, 90, 0)];
        let group = encode(&rows);
        let mut found = Vec::new();
        decode(&group, &[3, 4, 5, u32::MAX].into_iter().collect(), &mut found).unwrap();
        assert_eq!(found, rows);
        found.clear();
        decode(&group, &[4].into_iter().collect(), &mut found).unwrap();
        assert_eq!(found, rows[1..2]);
        let mut damaged = group.clone();
        damaged[9] ^= 1;
        assert!(decode(&damaged, &RoaringBitmap::new(), &mut found).is_err());
    }

    proptest::proptest! {
        #[test]
        fn foreign_bytes_do_not_panic(bytes in proptest::collection::vec(0u8.., 0..100)) {
            let wanted = (0..1000).collect();
            decode(&block::seal(&bytes), &wanted, &mut Vec::new()).ok();
            decode(&bytes, &wanted, &mut Vec::new()).ok();
        }
    }
}
