//! A record of the spool: one encoded report behind a head that says all the spool must know of it.
//!
//! Bytes, all little-endian: length of the rest (u32), CRC-32 of the rest (u32), then kind (u8), epoch (u64),
//! sequence (u64), created_ms (i64), samples (u32), events (u32), audience (u64), schema count (u8),
//! that many schema ids (32 bytes each), the bookmarks if the kind's highest bit says so (since version 2), and the
//! report. The position inside the CRC is what tells a fresh record from the remains of an older one in a file that is
//! used again; the bookmarks inside it make evidence and the place of its source one fact.

use std::ops::Range;

use agent_model::{Epoch, Millis, ReportKey, SchemaId, Stream};

use super::bookmarks::{self, Mark};

/// Length and checksum.
const FRAME_BYTES: usize = 8;

/// The head without schema ids.
const HEAD_BYTES: usize = 1 + 8 + 8 + 8 + 4 + 4 + 8 + 1;

/// Set in the kind's byte when bookmarks follow the schema ids.
const WITH_BOOKMARKS: u8 = 0x80;

/// Names a report within a stream; the order is that of creation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Position {
    pub epoch: u64,
    pub sequence: u64,
}

/// What a record holds, which decides where it lies and when it may be dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Columns only.
    Metrics = 1,
    Events = 2,
    /// Backup runs and copies, probe results, facts, gaps: dropped last.
    Results = 3,
    /// Columns with the schema they are the first to use, or a schema alone.
    Schemas = 4,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) kind: Kind,
    pub(super) position: Position,
    pub(super) created_ms: Millis,
    pub(super) samples: u32,
    pub(super) events: u32,
    /// The collector this report is meant for, [`EVERYBODY`] for all; another gets an empty report instead.
    pub(super) audience: u64,
    /// The schemas its columns need.
    pub(super) schemas: Vec<SchemaId>,
}

/// The audience of an ordinary report.
pub(super) const EVERYBODY: u64 = 0;

/// A record as it was found in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) head: Head,
    /// The bookmarks' bytes within the buffer that was scanned; empty when there are none.
    pub(super) bookmarks: Range<usize>,
    /// The report's bytes, there too.
    pub(super) report: Range<usize>,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Metrics, Self::Events, Self::Results, Self::Schemas];

    pub fn stream(self) -> Stream {
        match self {
            Self::Metrics | Self::Schemas => Stream::Metrics,
            Self::Events | Self::Results => Stream::Evidence,
        }
    }
}

impl Position {
    pub(super) const FIRST: Self = Self { epoch: 0, sequence: 0 };

    pub fn key(self, stream: Stream) -> ReportKey {
        ReportKey { epoch: Epoch(self.epoch), stream, sequence: self.sequence }
    }
}

pub(super) fn encode(head: &Head, marks: &[Mark], report: &[u8]) -> Vec<u8> {
    let mut bookmarks = Vec::new();
    if !marks.is_empty() {
        bookmarks::encode(marks, &mut bookmarks);
    }
    let rest_bytes = HEAD_BYTES + head.schemas.len() * 32 + bookmarks.len() + report.len();
    let mut out = Vec::with_capacity(FRAME_BYTES + rest_bytes);
    out.extend_from_slice(&u32::try_from(rest_bytes).unwrap_or(u32::MAX).to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    out.push(head.kind as u8 | if marks.is_empty() { 0 } else { WITH_BOOKMARKS });
    out.extend_from_slice(&head.position.epoch.to_le_bytes());
    out.extend_from_slice(&head.position.sequence.to_le_bytes());
    out.extend_from_slice(&head.created_ms.to_le_bytes());
    out.extend_from_slice(&head.samples.to_le_bytes());
    out.extend_from_slice(&head.events.to_le_bytes());
    out.extend_from_slice(&head.audience.to_le_bytes());
    out.push(u8::try_from(head.schemas.len()).unwrap_or(u8::MAX));
    head.schemas.iter().for_each(|id| out.extend_from_slice(&id.0));
    out.extend_from_slice(&bookmarks);
    out.extend_from_slice(report);
    let checksum = crc32fast::hash(&out[FRAME_BYTES..]);
    out[4..FRAME_BYTES].copy_from_slice(&checksum.to_le_bytes());
    out
}

/// The records at the start of `bytes`, each of a kind that belongs there, each later than the one before and the
/// first one at or after `from`; and where they end: at the first byte that is not such a record.
pub(super) fn scan(
    bytes: &[u8],
    from: Position,
    belongs: impl Fn(Kind) -> bool,
) -> (Vec<Found>, usize) {
    let mut records = Vec::new();
    let mut at = 0;
    let mut least = from;
    while let Some((found, end)) = decode(bytes, at) {
        if found.head.position < least || !belongs(found.head.kind) {
            break;
        }
        least = Position { sequence: found.head.position.sequence + 1, ..found.head.position };
        records.push(found);
        at = end;
    }
    (records, at)
}

fn decode(bytes: &[u8], at: usize) -> Option<(Found, usize)> {
    let frame = bytes.get(at..at + FRAME_BYTES)?;
    let rest_bytes = u32::from_le_bytes(frame[..4].try_into().ok()?) as usize;
    let checksum = u32::from_le_bytes(frame[4..].try_into().ok()?);
    let start = at + FRAME_BYTES;
    let rest = bytes.get(start..start.checked_add(rest_bytes)?)?;
    if rest_bytes < HEAD_BYTES || crc32fast::hash(rest) != checksum {
        return None;
    }
    let u64_at = |at: usize| Some(u64::from_le_bytes(rest.get(at..at + 8)?.try_into().ok()?));
    let u32_at = |at: usize| Some(u32::from_le_bytes(rest.get(at..at + 4)?.try_into().ok()?));
    let schemas_end = HEAD_BYTES + usize::from(rest[HEAD_BYTES - 1]) * 32;
    let ids = rest.get(HEAD_BYTES..schemas_end)?.chunks_exact(32);
    let bookmarks_bytes = match rest[0] & WITH_BOOKMARKS {
        0 => 0,
        _ => bookmarks::length(&rest[schemas_end..])?,
    };
    let bookmarks_end = schemas_end + bookmarks_bytes;
    let head = Head {
        kind: Kind::ALL.into_iter().find(|kind| *kind as u8 == rest[0] & !WITH_BOOKMARKS)?,
        position: Position { epoch: u64_at(1)?, sequence: u64_at(9)? },
        created_ms: u64_at(17)?.cast_signed(),
        samples: u32_at(25)?,
        events: u32_at(29)?,
        audience: u64_at(33)?,
        schemas: ids.filter_map(|id| id.try_into().ok().map(SchemaId)).collect(),
    };
    let end = start + rest_bytes;
    let bookmarks = start + schemas_end..start + bookmarks_end;
    Some((Found { head, bookmarks, report: start + bookmarks_end..end }, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(sequence: u64) -> Head {
        Head {
            kind: Kind::Events,
            position: Position { epoch: 7, sequence },
            created_ms: -5,
            samples: 1,
            events: 2,
            audience: 3,
            schemas: vec![SchemaId([9; 32])],
        }
    }

    #[test]
    fn a_record_cut_or_flipped_at_any_byte_ends_the_scan_before_it() {
        let mut bytes = encode(&head(1), &[], b"one");
        let first_end = bytes.len();
        let marks = [("log".into(), b"7".to_vec()), ("journald".into(), Vec::new())];
        bytes.extend(encode(&head(2), &marks, b"two"));
        let (records, end) = scan(&bytes, Position::FIRST, |_| true);
        assert_eq!((records.len(), end), (2, bytes.len()));
        assert_eq!(records[1].head, head(2));
        assert_eq!(&bytes[records[1].report.clone()], b"two");
        assert!(records[0].bookmarks.is_empty());
        let found = bookmarks::decode(&bytes[records[1].bookmarks.clone()]).unwrap();
        assert_eq!(found, marks);
        for cut in first_end..bytes.len() {
            assert_eq!(scan(&bytes[..cut], Position::FIRST, |_| true).1, first_end, "cut at {cut}");
            let mut flipped = bytes.clone();
            flipped[cut] ^= 1;
            assert_eq!(scan(&flipped, Position::FIRST, |_| true).1, first_end, "flipped at {cut}");
        }
    }

    #[test]
    fn the_remains_of_older_records_are_not_taken_for_new_ones() {
        let mut bytes = encode(&head(5), &[], b"new");
        let end = bytes.len();
        bytes.extend(encode(&head(4), &[], b"old"));
        assert_eq!(scan(&bytes, Position::FIRST, |_| true).1, end);
        assert_eq!(scan(&bytes, Position { epoch: 7, sequence: 6 }, |_| true).1, 0);
    }
}
