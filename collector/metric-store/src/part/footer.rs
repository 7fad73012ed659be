//! The footer: what the part covers, which slots it has, and where its rows and names lie.
//! Trailer, at the end of the file: `footer offset u64 | packed bytes u32 | unpacked bytes u32 | crc32 of all u32 | magic 8`.

use roaring::RoaringBitmap;

use super::rows::Group;
use super::{Kind, Meta};
use crate::MetricStoreError;
use crate::chunk::{Decoded, varint};

pub(crate) const TRAILER_BYTES: usize = 28;

/// zstd's default: footers are written once and read at every start.
const COMPRESSION_LEVEL: i32 = 3;

#[derive(Debug)]
pub(crate) struct Footer {
    pub(crate) meta: Meta,
    pub(crate) series: RoaringBitmap,
    /// Where the first group of rows begins; the others follow.
    pub(crate) rows_offset: u64,
    pub(crate) groups: Vec<Group>,
    pub(crate) names_offset: u64,
    pub(crate) names_bytes: u64,
    /// What the owner of roll-ups wants to know of them; empty for samples.
    pub(crate) extra: Vec<u8>,
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
pub(crate) fn encode(
    footer: &Footer,
    kind: Kind,
    offset: u64,
) -> Result<Vec<u8>, MetricStoreError> {
    let failed = |reason: String| MetricStoreError::Encode { reason };
    let plain = encode_plain(footer, kind)?;
    let mut out = zstd::bulk::compress(&plain, COMPRESSION_LEVEL)
        .map_err(|error| failed(error.to_string()))?;
    let length = |length: usize| u32::try_from(length).map_err(|error| failed(error.to_string()));
    let (packed_bytes, unpacked_bytes) = (length(out.len())?, length(plain.len())?);
    let crc = checksum(&out, offset, unpacked_bytes);
    out.extend_from_slice(&offset.to_le_bytes());
    out.extend_from_slice(&packed_bytes.to_le_bytes());
    out.extend_from_slice(&unpacked_bytes.to_le_bytes());
    out.extend_from_slice(&crc.to_le_bytes());
    out.extend_from_slice(&kind.magic());
    Ok(out)
}

fn checksum(packed: &[u8], offset: u64, unpacked_bytes: u32) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(packed);
    crc.update(&offset.to_le_bytes());
    crc.update(&unpacked_bytes.to_le_bytes());
    crc.finalize()
}

fn encode_plain(footer: &Footer, kind: Kind) -> Result<Vec<u8>, MetricStoreError> {
    let mut out = Vec::new();
    let meta = &footer.meta;
    for number in [
        meta.first_sequence,
        meta.last_sequence,
        u64::from(meta.level),
        meta.from_position,
        meta.position,
        meta.samples,
        footer.rows_offset,
        footer.names_offset,
        footer.names_bytes,
    ] {
        varint::put(&mut out, number);
    }
    varint::put_signed(&mut out, meta.min_ms);
    varint::put_signed(&mut out, meta.max_ms);
    varint::put(&mut out, footer.groups.len() as u64);
    let (mut slot, mut end) = (0u32, 0u32);
    for group in &footer.groups {
        varint::put(&mut out, u64::from(group.first_slot.wrapping_sub(slot)));
        varint::put(&mut out, u64::from(group.end.wrapping_sub(end)));
        (slot, end) = (group.first_slot, group.end);
    }
    if kind == Kind::Rollups {
        varint::put(&mut out, footer.extra.len() as u64);
        out.extend_from_slice(&footer.extra);
    }
    let written = footer.series.serialize_into(&mut out);
    written.map_err(|error| MetricStoreError::Encode { reason: error.to_string() })?;
    Ok(out)
}

impl Trailer {
    /// From the last bytes of the file.
    pub(crate) fn decode(bytes: &[u8; TRAILER_BYTES], kind: Kind) -> Decoded<Self> {
        if bytes[20..] != kind.magic() {
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
    pub(crate) fn unpack(&self, packed: &[u8], kind: Kind) -> Decoded<Footer> {
        if checksum(packed, self.offset, self.unpacked_bytes) != self.crc {
            return Err("its footer fails its CRC");
        }
        let plain = zstd::bulk::decompress(packed, self.unpacked_bytes as usize)
            .map_err(|_| "its footer does not unpack")?;
        decode_plain(&plain, kind)
    }
}

fn decode_plain(mut bytes: &[u8], kind: Kind) -> Decoded<Footer> {
    let bytes = &mut bytes;
    let first_sequence = varint::take(bytes)?;
    let last_sequence = varint::take(bytes)?;
    let level = u8::try_from(varint::take(bytes)?).map_err(|_| "its level is too high")?;
    let from_position = varint::take(bytes)?;
    let position = varint::take(bytes)?;
    let samples = varint::take(bytes)?;
    let rows_offset = varint::take(bytes)?;
    let names_offset = varint::take(bytes)?;
    let names_bytes = varint::take(bytes)?;
    let min_ms = varint::take_signed(bytes)?;
    let max_ms = varint::take_signed(bytes)?;
    let meta = Meta {
        first_sequence,
        last_sequence,
        level,
        from_position,
        position,
        cleaned: 0,
        min_ms,
        max_ms,
        samples,
    };
    let mut groups = Vec::new();
    let (mut first_slot, mut end) = (0u32, 0u32);
    let step =
        |bytes: &mut &[u8]| u32::try_from(varint::take(bytes)?).map_err(|_| "a step is too large");
    for _ in 0..varint::take_length(bytes)? {
        first_slot = first_slot.wrapping_add(step(bytes)?);
        end = end.checked_add(step(bytes)?).ok_or("its rows are too many")?;
        groups.push(Group { first_slot, end });
    }
    let mut extra = Vec::new();
    if kind == Kind::Rollups {
        let length = varint::take_length(bytes)?;
        extra = varint::take_bytes(bytes, length)?.to_vec();
    }
    let series = RoaringBitmap::deserialize_from(*bytes).map_err(|_| "its slots do not unpack")?;
    Ok(Footer { meta, series, rows_offset, groups, names_offset, names_bytes, extra })
}
