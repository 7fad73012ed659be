//! Names of series as bytes: batches of slots with their labels, in the catalogue and at the end of every part.
//!
//! Batch: `packed bytes u32 | unpacked bytes u32 | crc32 of both and the packed bytes u32 | zstd`. Unpacked: `count of
//! strings, each length and bytes | count of series, each slot (as a step), count of labels, name and value of each`.
//! Integers inside are varints. A batch is complete in itself, so that a bad one costs no other.

use std::sync::RwLock;

use hashbrown::HashMap;
use roaring::RoaringBitmap;

use crate::MetricStoreError;
use crate::chunk::{Decoded, varint};
use crate::index::{Index, Pair};
use crate::store::read;
use crate::symbols::Symbol;

/// Series of one batch: what is held in memory at once while names are written or read, some MB.
const BATCH_SERIES_MAX: usize = 32_768;

const HEAD_BYTES: usize = 12;
/// Fast: names are written with every cut, and merged parts write them again.
const COMPRESSION_LEVEL: i32 = 1;
/// A batch that claims more is damaged: its series would have labels of kilobytes on the average.
const UNPACKED_BYTES_MAX: usize = 256 << 20;

/// Whether a slot may become another series while names are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Renaming {
    /// In the catalogue: a slot is used again when its series is forgotten.
    Allowed,
    /// Over all parts of one store: two series with one slot would be mixed up.
    Damage,
}

/// Gives `put` the names of these series, batch by batch; the index is locked for one batch at a time.
pub(crate) fn encode_all(
    index: &RwLock<Index>,
    slots: &RoaringBitmap,
    mut put: impl FnMut(&[u8]) -> Result<(), MetricStoreError>,
) -> Result<(), MetricStoreError> {
    let mut slots = slots.iter();
    loop {
        let batch: Vec<u32> = slots.by_ref().take(BATCH_SERIES_MAX).collect();
        if batch.is_empty() {
            return Ok(());
        }
        let bytes = encode(&read(index), &batch)?;
        put(&bytes)?;
    }
}

/// One batch of the series in these slots, in order of slot; what has been forgotten meanwhile is left out.
fn encode(index: &Index, slots: &[u32]) -> Result<Vec<u8>, MetricStoreError> {
    let mut local: HashMap<Symbol, u64> = HashMap::new();
    let (mut strings, mut series) = (Vec::new(), Vec::new());
    let (mut previous, mut count) = (0, 0u64);
    for slot in slots.iter().filter(|slot| index.all().contains(**slot)) {
        count += 1;
        varint::put(&mut series, u64::from(slot.wrapping_sub(previous)));
        previous = *slot;
        let pairs = index.pairs(*slot);
        varint::put(&mut series, pairs.len() as u64);
        for symbol in pairs.iter().flat_map(|pair| [pair.name, pair.value]) {
            let next = local.len() as u64;
            let number = *local.entry(symbol).or_insert_with(|| {
                let text = index.text(symbol);
                varint::put(&mut strings, text.len() as u64);
                strings.extend_from_slice(text.as_bytes());
                next
            });
            varint::put(&mut series, number);
        }
    }
    let mut plain = Vec::new();
    varint::put(&mut plain, local.len() as u64);
    plain.append(&mut strings);
    varint::put(&mut plain, count);
    plain.append(&mut series);
    pack(&plain)
}

fn pack(plain: &[u8]) -> Result<Vec<u8>, MetricStoreError> {
    let failed = |reason: String| MetricStoreError::Encode { reason };
    let packed = zstd::bulk::compress(plain, COMPRESSION_LEVEL)
        .map_err(|error| failed(error.to_string()))?;
    let length =
        |bytes: &[u8]| u32::try_from(bytes.len()).map_err(|error| failed(error.to_string()));
    let (packed_bytes, unpacked_bytes) = (length(&packed)?, length(plain)?);
    let mut out = packed_bytes.to_le_bytes().to_vec();
    out.extend_from_slice(&unpacked_bytes.to_le_bytes());
    out.extend_from_slice(&checksum(packed_bytes, unpacked_bytes, &packed).to_le_bytes());
    out.extend_from_slice(&packed);
    Ok(out)
}

fn checksum(packed_bytes: u32, unpacked_bytes: u32, packed: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&packed_bytes.to_le_bytes());
    crc.update(&unpacked_bytes.to_le_bytes());
    crc.update(packed);
    crc.finalize()
}

/// Reads batches off `bytes` until they end; every series goes into the index under its slot. Returns their number.
pub(crate) fn decode_into(index: &mut Index, mut bytes: &[u8], renaming: Renaming) -> Decoded<u64> {
    let mut count = 0;
    while !bytes.is_empty() {
        let plain = unpack(&mut bytes)?;
        count += decode_batch(index, &plain, renaming)?;
    }
    Ok(count)
}

fn unpack(bytes: &mut &[u8]) -> Decoded<Vec<u8>> {
    let head = varint::take_bytes(bytes, HEAD_BYTES)?;
    let four = |at: usize| u32::from_le_bytes(std::array::from_fn(|byte| head[at + byte]));
    let (packed_bytes, unpacked_bytes) = (four(0), four(4));
    let packed = varint::take_bytes(bytes, packed_bytes as usize)?;
    if checksum(packed_bytes, unpacked_bytes, packed) != four(8) {
        return Err("names of series fail their CRC");
    }
    let size = unpacked_bytes as usize;
    if size > UNPACKED_BYTES_MAX {
        return Err("names of series are too long");
    }
    zstd::bulk::decompress(packed, size).map_err(|_| "names of series do not unpack")
}

fn decode_batch(index: &mut Index, mut bytes: &[u8], renaming: Renaming) -> Decoded<u64> {
    let bytes = &mut bytes;
    let mut strings = Vec::new();
    for _ in 0..varint::take_length(bytes)? {
        let length = varint::take_length(bytes)?;
        let text = varint::take_bytes(bytes, length)?;
        strings.push(std::str::from_utf8(text).map_err(|_| "a label is not UTF-8")?);
    }
    let series = varint::take(bytes)?;
    let symbols = index.take_all(&strings);
    let restored = restore(index, bytes, &symbols, series, renaming);
    index.release_all(&symbols);
    restored.map(|()| series)
}

fn restore(
    index: &mut Index,
    bytes: &mut &[u8],
    symbols: &[Symbol],
    series: u64,
    renaming: Renaming,
) -> Decoded<()> {
    let mut slot = 0u32;
    let mut pairs = Vec::new();
    for _ in 0..series {
        let step = u32::try_from(varint::take(bytes)?).map_err(|_| "a slot is too large")?;
        slot = slot.wrapping_add(step);
        pairs.clear();
        for _ in 0..varint::take_length(bytes)? {
            let mut symbol = || {
                let at = varint::take_length(bytes)?;
                symbols.get(at).copied().ok_or("a label names an unknown string")
            };
            pairs.push(Pair { name: symbol()?, value: symbol()? });
        }
        index.restore(slot, &pairs, renaming)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use agent_model::Labels;
    use proptest::prelude::*;

    use super::*;
    use crate::cardinality::Limiter;

    fn empty() -> Index {
        Index::new(Limiter::new(u64::MAX, u64::MAX))
    }

    fn named(labels: &[Labels]) -> (RwLock<Index>, RoaringBitmap) {
        let mut index = empty();
        let slots = labels.iter().map(|labels| index.register(labels, &mut Vec::new()).slot);
        let slots = slots.collect();
        (RwLock::new(index), slots)
    }

    fn encoded(index: &RwLock<Index>, slots: &RoaringBitmap) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode_all(index, slots, |batch| {
            bytes.extend_from_slice(batch);
            Ok(())
        })
        .unwrap();
        bytes
    }

    #[test]
    fn names_of_several_batches_come_back_in_their_slots() {
        let series = |at: usize| Labels::metric("m", [("at", at.to_string())]);
        let many: Vec<Labels> = (0..BATCH_SERIES_MAX + 2).map(series).collect();
        let (index, slots) = named(&many);
        let mut restored = empty();
        let count = decode_into(&mut restored, &encoded(&index, &slots), Renaming::Damage);
        assert_eq!(count, Ok(many.len() as u64));
        for (slot, labels) in (0..).zip(&many) {
            assert_eq!(restored.labels(slot), *labels);
            assert_eq!(restored.get(labels, &mut Vec::new()).map(|series| series.slot), Some(slot));
        }
    }

    #[test]
    fn two_series_of_one_slot_are_damage_between_parts_and_a_new_name_in_the_catalogue() {
        let (one, slots) = named(&[Labels::metric("old", [("host", "a")])]);
        let (other, _) = named(&[Labels::metric("new", [("host", "b")])]);
        let (old, new) = (encoded(&one, &slots), encoded(&other, &slots));
        let mut index = empty();
        decode_into(&mut index, &old, Renaming::Damage).unwrap();
        assert!(decode_into(&mut index, &new, Renaming::Damage).is_err());
        decode_into(&mut index, &new, Renaming::Allowed).unwrap();
        assert_eq!((index.labels(0).to_string().as_str(), index.len()), ("new{host=\"b\"}", 1));
    }

    proptest! {
        #[test]
        fn foreign_bytes_do_not_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(bytes.is_empty() || decode_into(&mut empty(), &bytes, Renaming::Allowed).is_err());
            // What a CRC would have kept out.
            decode_batch(&mut empty(), &bytes, Renaming::Allowed).ok();
        }
    }
}
