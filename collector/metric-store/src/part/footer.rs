//! The footer: what the part covers, its strings once, and every series with the place of its block.
//! Trailer, at the end of the file: `footer offset u64 | packed bytes u32 | unpacked bytes u32 | crc32 of both u32 | magic 8`.

use std::collections::HashMap;
use std::sync::Arc;

use agent_model::{Label, Labels};

use super::block::Place;
use super::{MAGIC, Meta};
use crate::MetricStoreError;
use crate::chunk::{Decoded, varint};

pub(crate) const TRAILER_BYTES: usize = 28;

/// zstd's default: footers are written once and read at every start.
const COMPRESSION_LEVEL: i32 = 3;

#[derive(Debug)]
pub(crate) struct Footer {
    pub(crate) meta: Meta,
    /// In the order of the file.
    pub(crate) series: Vec<(Labels, Place)>,
}

/// Where the footer lies, as the trailer tells.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trailer {
    pub(crate) offset: u64,
    pub(crate) packed_bytes: u32,
    unpacked_bytes: u32,
    crc: u32,
}

/// The bytes from the end of the last block to the end of the file.
pub(crate) fn encode(footer: &Footer, offset: u64) -> Result<Vec<u8>, MetricStoreError> {
    let failed = |reason: String| MetricStoreError::Encode { reason };
    let plain = encode_plain(footer);
    let mut out = zstd::bulk::compress(&plain, COMPRESSION_LEVEL)
        .map_err(|error| failed(error.to_string()))?;
    let length = |length: usize| u32::try_from(length).map_err(|error| failed(error.to_string()));
    let (packed_bytes, unpacked_bytes) = (length(out.len())?, length(plain.len())?);
    let crc = checksum(&out, offset, unpacked_bytes);
    out.extend_from_slice(&offset.to_le_bytes());
    out.extend_from_slice(&packed_bytes.to_le_bytes());
    out.extend_from_slice(&unpacked_bytes.to_le_bytes());
    out.extend_from_slice(&crc.to_le_bytes());
    out.extend_from_slice(&MAGIC);
    Ok(out)
}

fn checksum(packed: &[u8], offset: u64, unpacked_bytes: u32) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(packed);
    crc.update(&offset.to_le_bytes());
    crc.update(&unpacked_bytes.to_le_bytes());
    crc.finalize()
}

fn encode_plain(footer: &Footer) -> Vec<u8> {
    let mut out = Vec::new();
    let meta = &footer.meta;
    for number in [
        meta.first_sequence,
        meta.last_sequence,
        u64::from(meta.level),
        meta.from_position,
        meta.position,
        meta.samples,
    ] {
        varint::put(&mut out, number);
    }
    varint::put_signed(&mut out, meta.min_ms);
    varint::put_signed(&mut out, meta.max_ms);
    let mut symbols: HashMap<Arc<str>, u64> = HashMap::new();
    let mut strings = Vec::new();
    let mut series = Vec::new();
    let mut end = 0;
    for (labels, place) in &footer.series {
        varint::put(&mut series, labels.len() as u64);
        for text in labels.iter().flat_map(|label| [&label.name, &label.value]) {
            let next = symbols.len() as u64;
            let symbol = *symbols.entry(Arc::clone(text)).or_insert_with(|| {
                varint::put(&mut strings, text.len() as u64);
                strings.extend_from_slice(text.as_bytes());
                next
            });
            varint::put(&mut series, symbol);
        }
        varint::put(&mut series, place.offset - end);
        varint::put(&mut series, u64::from(place.bytes));
        end = place.offset + u64::from(place.bytes);
    }
    varint::put(&mut out, symbols.len() as u64);
    out.extend_from_slice(&strings);
    varint::put(&mut out, footer.series.len() as u64);
    out.extend_from_slice(&series);
    out
}

impl Trailer {
    /// From the last bytes of the file.
    pub(crate) fn decode(bytes: &[u8; TRAILER_BYTES]) -> Decoded<Self> {
        if bytes[20..] != MAGIC {
            return Err("it has no trailer");
        }
        let four = |at: usize| u32::from_le_bytes(std::array::from_fn(|byte| bytes[at + byte]));
        Ok(Self {
            offset: u64::from_le_bytes(std::array::from_fn(|byte| bytes[byte])),
            packed_bytes: four(8),
            unpacked_bytes: four(12),
            crc: four(16),
        })
    }

    /// Reads the footer out of its packed bytes.
    pub(crate) fn unpack(&self, packed: &[u8]) -> Decoded<Footer> {
        if checksum(packed, self.offset, self.unpacked_bytes) != self.crc {
            return Err("its footer fails its CRC");
        }
        let plain = zstd::bulk::decompress(packed, self.unpacked_bytes as usize)
            .map_err(|_| "its footer does not unpack")?;
        decode_plain(&plain)
    }
}

fn decode_plain(mut bytes: &[u8]) -> Decoded<Footer> {
    let bytes = &mut bytes;
    let first_sequence = varint::take(bytes)?;
    let last_sequence = varint::take(bytes)?;
    let level = u8::try_from(varint::take(bytes)?).map_err(|_| "its level is too high")?;
    let from_position = varint::take(bytes)?;
    let position = varint::take(bytes)?;
    let samples = varint::take(bytes)?;
    let min_ms = varint::take_signed(bytes)?;
    let max_ms = varint::take_signed(bytes)?;
    let meta = Meta {
        first_sequence,
        last_sequence,
        level,
        from_position,
        position,
        min_ms,
        max_ms,
        samples,
    };
    let mut symbols: Vec<Arc<str>> = Vec::new();
    for _ in 0..varint::take_length(bytes)? {
        let length = varint::take_length(bytes)?;
        let text = varint::take_bytes(bytes, length)?;
        symbols.push(std::str::from_utf8(text).map_err(|_| "a label is not UTF-8")?.into());
    }
    let mut series = Vec::new();
    let mut end = 0;
    for _ in 0..varint::take_length(bytes)? {
        series.push(decode_series(bytes, &symbols, &mut end)?);
    }
    Ok(Footer { meta, series })
}

fn decode_series(
    bytes: &mut &[u8],
    symbols: &[Arc<str>],
    end: &mut u64,
) -> Decoded<(Labels, Place)> {
    let mut labels = Vec::new();
    for _ in 0..varint::take_length(bytes)? {
        let mut symbol = || {
            let at = varint::take_length(bytes)?;
            symbols.get(at).cloned().ok_or("a label names an unknown string")
        };
        labels.push(Label { name: symbol()?, value: symbol()? });
    }
    let offset = end.checked_add(varint::take(bytes)?).ok_or("an offset is too large")?;
    let length = u32::try_from(varint::take(bytes)?).map_err(|_| "a block is too long")?;
    *end = offset.checked_add(u64::from(length)).ok_or("an offset is too large")?;
    let labels = Labels::new(labels.into_iter().map(|label| (label.name, label.value)));
    Ok((labels, Place { offset, bytes: length }))
}
