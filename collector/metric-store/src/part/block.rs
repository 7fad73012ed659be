//! Blocks: the bytes of one series in a part, or of times that series share; each begins with its CRC32.
//!
//! Series: `chunk count`, then per chunk `samples, first time, span, offset and length of its times, length of its
//! values`, then the values. Integers are varints; see `chunk::varint`.

use crate::chunk::{CHUNK_SAMPLES_MAX, Decoded, varint};

const CRC_BYTES: usize = 4;

/// Where a block lies in the file, CRC included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) offset: u64,
    pub(crate) bytes: u32,
}

/// A chunk before it is written: its times are in the file already.
pub(crate) struct NewChunk {
    pub(crate) samples: usize,
    pub(crate) first_ms: i64,
    pub(crate) last_ms: i64,
    pub(crate) times: Place,
    pub(crate) values: Vec<u8>,
}

/// A chunk as its block tells it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ChunkEntry<'a> {
    pub(crate) samples: usize,
    pub(crate) first_ms: i64,
    pub(crate) last_ms: i64,
    pub(crate) times: Place,
    pub(crate) values: &'a [u8],
}

pub(crate) fn encode(chunks: &[NewChunk]) -> Vec<u8> {
    let mut out = Vec::new();
    varint::put(&mut out, chunks.len() as u64);
    for chunk in chunks {
        varint::put(&mut out, chunk.samples as u64);
        varint::put_signed(&mut out, chunk.first_ms);
        varint::put_signed(&mut out, chunk.last_ms.wrapping_sub(chunk.first_ms));
        varint::put(&mut out, chunk.times.offset);
        varint::put(&mut out, u64::from(chunk.times.bytes));
        varint::put(&mut out, chunk.values.len() as u64);
    }
    for chunk in chunks {
        out.extend_from_slice(&chunk.values);
    }
    out
}

pub(crate) fn decode(mut bytes: &[u8]) -> Decoded<Vec<ChunkEntry<'_>>> {
    let count = varint::take_length(&mut bytes)?;
    let mut heads = Vec::new();
    for _ in 0..count {
        let samples = varint::take_length(&mut bytes)?;
        if samples > CHUNK_SAMPLES_MAX {
            return Err("a chunk claims too many samples");
        }
        let first_ms = varint::take_signed(&mut bytes)?;
        let last_ms = first_ms.wrapping_add(varint::take_signed(&mut bytes)?);
        let offset = varint::take(&mut bytes)?;
        let length = u32::try_from(varint::take(&mut bytes)?).map_err(|_| "times are too long")?;
        let values = varint::take_length(&mut bytes)?;
        heads.push((samples, first_ms, last_ms, Place { offset, bytes: length }, values));
    }
    let entry = |(samples, first_ms, last_ms, times, length)| {
        let values = varint::take_bytes(&mut bytes, length)?;
        Ok(ChunkEntry { samples, first_ms, last_ms, times, values })
    };
    heads.into_iter().map(entry).collect()
}

/// The block as it stands in the file.
pub(crate) fn seal(content: &[u8]) -> Vec<u8> {
    let mut block = crc32fast::hash(content).to_le_bytes().to_vec();
    block.extend_from_slice(content);
    block
}

/// The content of a block, if it is what was written.
pub(crate) fn unseal(block: &[u8]) -> Decoded<&[u8]> {
    let (crc, content) = block.split_first_chunk::<CRC_BYTES>().ok_or("a block is cut short")?;
    if crc32fast::hash(content) == u32::from_le_bytes(*crc) {
        Ok(content)
    } else {
        Err("a block fails its CRC")
    }
}
