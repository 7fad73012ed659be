//! One record on disk: a header of 24 bytes and the payload, integers little-endian.
//!
//! `marker u32 | length u32 | position u64 | unsynced u32 | crc32 u32 | payload`. The CRC covers the segment's salt, the
//! header before it and the payload. `position - unsynced` is the last record known to be on disk when this one was
//! written: a later record can so prove that an unreadable earlier one was acknowledged (damage, not a torn tail).

use crate::Position;

/// Where to look for the next record behind damage.
pub(crate) const MARKER: [u8; 4] = *b"\xf1hdR";
pub(crate) const HEADER_BYTES: usize = 24;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RecordHeader {
    pub(crate) length: usize,
    pub(crate) position: Position,
    /// The last record on disk when this one was written.
    pub(crate) synced: Position,
    crc: u32,
}

/// What a payload of this length takes on disk.
pub(crate) fn disk_bytes(payload: usize) -> usize {
    HEADER_BYTES + payload
}

/// Appends the record to `out`. `length` is the payload's, checked by the caller to fit.
pub(crate) fn encode(
    out: &mut Vec<u8>,
    salt: u64,
    position: Position,
    synced: Position,
    payload: &[u8],
) {
    let start = out.len();
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    let unsynced = u32::try_from(position.0.saturating_sub(synced.0)).unwrap_or(u32::MAX);
    out.extend_from_slice(&MARKER);
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&position.0.to_le_bytes());
    out.extend_from_slice(&unsynced.to_le_bytes());
    let crc = checksum(salt, &out[start..], payload);
    out.extend_from_slice(&crc.to_le_bytes());
    out.extend_from_slice(payload);
}

impl RecordHeader {
    /// `None` when this is no header at all; a header is believed only after [`RecordHeader::proves`].
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let header: &[u8; HEADER_BYTES] = bytes.first_chunk()?;
        if header[..4] != MARKER {
            return None;
        }
        let four = |at: usize| u32::from_le_bytes(std::array::from_fn(|byte| header[at + byte]));
        let position = u64::from_le_bytes(std::array::from_fn(|byte| header[8 + byte]));
        Some(Self {
            length: usize::try_from(four(4)).ok()?,
            position: Position(position),
            synced: Position(position.saturating_sub(u64::from(four(16)))),
            crc: four(20),
        })
    }

    /// Whether header and payload are what was written; `bytes` starts at the header.
    pub(crate) fn proves(&self, salt: u64, bytes: &[u8]) -> bool {
        let whole = HEADER_BYTES + self.length;
        bytes.len() >= whole
            && checksum(salt, &bytes[..HEADER_BYTES - 4], &bytes[HEADER_BYTES..whole]) == self.crc
    }
}

fn checksum(salt: u64, header: &[u8], payload: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&salt.to_le_bytes());
    crc.update(header);
    crc.update(payload);
    crc.finalize()
}
