//! Opening what a crash left: cut the torn tail, find damage, and never hand out a position twice.
//!
//! A tail is torn when no later record proves that it had been acknowledged; then it is cut. Where a later record does
//! prove it (see `record`), the bytes stay, the range is reported, and readers are told of the gap. So they do where the
//! disk could not give back what stands there: that says nothing of what was acknowledged.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};

use crate::cursor::{Cursor, Step};
use crate::segment::{self, HEADER_BYTES};
use crate::shared::Segment;
use crate::{JournalError, Position, record};

/// What opening found and did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Bytes cut from the tail: never acknowledged, as far as the disk can tell.
    pub torn_bytes: u64,
    /// Acknowledged records that cannot be read, in the newest segment. Older segments are looked at when they are read.
    pub damaged: Vec<DamagedRange>,
    /// Set when some view had seen records that the journal no longer has: positions go on behind this one.
    pub raised_to: Option<Position>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DamagedRange {
    pub path: PathBuf,
    pub first: Position,
    pub last: Position,
}

/// The newest segment, open for writing.
#[derive(Debug)]
pub(crate) struct Active {
    pub(crate) file: File,
    pub(crate) path: PathBuf,
    pub(crate) salt: u64,
    /// Where the next record goes.
    pub(crate) offset: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Recovered {
    pub(crate) segments: Vec<Segment>,
    pub(crate) durable: Position,
    /// `None`: the next append makes a new segment.
    pub(crate) active: Option<Active>,
    pub(crate) recovery: Recovery,
}

pub(crate) fn recover(directory: &Path, floor: Position) -> Result<Recovered, JournalError> {
    let mut recovered = Recovered { segments: list(directory)?, ..Recovered::default() };
    while let Some(last) = recovered.segments.last().cloned() {
        let Some(cursor) = Cursor::open(last.path.clone())? else {
            if remove_half_made(directory, &last, &mut recovered)? {
                continue;
            }
            break;
        };
        open_tail(cursor, &last, &mut recovered)?;
        break;
    }
    if floor > recovered.durable {
        tracing::error!(journal_end = %recovered.durable, seen = %floor,
            "a view has seen records that the journal does not have; positions go on behind them");
        recovered.recovery.raised_to = Some(floor);
        recovered.durable = floor;
        recovered.active = None;
    }
    Ok(recovered)
}

fn list(directory: &Path) -> Result<Vec<Segment>, JournalError> {
    let failed = |error| JournalError::io("list the journal directory", directory)(error);
    let mut segments = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let path = entry.path();
        if let Some(first) = segment::first_of(&path) {
            let end = entry.metadata().map_err(failed)?.len();
            segments.push(Segment::new(first, path, end));
        }
    }
    segments.sort_by_key(|segment| segment.first);
    Ok(segments)
}

/// A newest segment without a readable header: `true` when it held nothing and is gone. Otherwise it stays as a gap,
/// and positions go on behind all it can have held.
fn remove_half_made(
    directory: &Path,
    last: &Segment,
    recovered: &mut Recovered,
) -> Result<bool, JournalError> {
    if last.end <= HEADER_BYTES {
        std::fs::remove_file(&last.path)
            .map_err(JournalError::io("remove the half-made journal segment", &last.path))?;
        segment::sync_directory(directory)?;
        recovered.durable = last.first.previous();
        recovered.recovery.torn_bytes += last.end;
        recovered.segments.pop();
        return Ok(true);
    }
    recovered.durable = last.first.plus(held_by(last.end));
    let range = (last.first, recovered.durable);
    report_damage(&mut recovered.recovery, &last.path, range);
    Ok(false)
}

fn open_tail(
    cursor: Cursor,
    last: &Segment,
    recovered: &mut Recovered,
) -> Result<(), JournalError> {
    let (path, salt) = (last.path.clone(), cursor.salt);
    let tail = scan(cursor, last.end, &mut recovered.recovery)?;
    let failed = |operation| JournalError::io(operation, &path);
    let opened = OpenOptions::new().read(true).write(true).open(&path);
    let file = opened.map_err(failed("open the journal segment"))?;
    if tail.end < last.end {
        let torn = last.end - tail.end;
        tracing::warn!(segment = %path.display(), bytes = torn, "cut the torn tail of the journal");
        recovered.recovery.torn_bytes += torn;
        file.set_len(tail.end).map_err(failed("cut the torn tail of"))?;
    }
    // After a mere kill the last records may be good and only in memory: readers must not see them before they are
    // as safe as the rest.
    segment::sync(&file).map_err(failed("sync the journal segment"))?;
    if let Some(segment) = recovered.segments.last_mut() {
        segment.end = tail.end;
    }
    recovered.durable = recovered.durable.max(tail.last);
    // A file whose sectors go bad gets nothing more.
    recovered.active = tail.is_sound.then_some(Active { file, path, salt, offset: tail.end });
    Ok(())
}

/// Where the newest segment ends.
struct Tail {
    end: u64,
    last: Position,
    /// The disk gave back all of it.
    is_sound: bool,
}

fn scan(mut cursor: Cursor, end: u64, recovery: &mut Recovery) -> Result<Tail, JournalError> {
    let mut unproven: Vec<(Position, Position)> = Vec::new();
    let mut cut: Option<(u64, Position)> = None;
    let mut ends_damaged = false;
    loop {
        let offset = cursor.offset;
        match cursor.step(end)? {
            Step::Record { header, .. } => {
                ends_damaged = false;
                if cut.is_some_and(|(_, last)| header.synced > last) {
                    for range in unproven.drain(..) {
                        report_damage(recovery, &cursor.path, range);
                    }
                    cut = None;
                }
            }
            Step::Damage { first } => {
                ends_damaged = true;
                unproven.push((first, cursor.expected.previous()));
                cut.get_or_insert((offset, first.previous()));
            }
            Step::End => break,
        }
    }
    let is_sound = cursor.unreadable_to == 0;
    let read_to = Tail { end: cursor.offset, last: cursor.expected.previous(), is_sound };
    match cut {
        None => Ok(read_to),
        Some((cut, last)) if cursor.unreadable_to <= cut => Ok(Tail { end: cut, last, is_sound }),
        Some((cut, _)) => {
            let held = if ends_damaged { held_by(end - cut) } else { 0 };
            let last = read_to.last.plus(held);
            if let Some((_, to)) = unproven.last_mut().filter(|_| ends_damaged) {
                *to = last;
            }
            for range in unproven {
                report_damage(recovery, &cursor.path, range);
            }
            Ok(Tail { end, last, is_sound })
        }
    }
}

/// More records than so many bytes can hold.
fn held_by(bytes: u64) -> u64 {
    bytes / record::HEADER_BYTES as u64 + 1
}

fn report_damage(recovery: &mut Recovery, path: &Path, (first, last): (Position, Position)) {
    tracing::error!(segment = %path.display(), %first, %last,
        "acknowledged journal records cannot be read: restore the disk or the file");
    recovery.damaged.push(DamagedRange { path: path.to_path_buf(), first, last });
}
