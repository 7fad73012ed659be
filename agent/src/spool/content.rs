//! Evidence as reports: each report holds events only or results only, because they are dropped at different times,
//! and stays within what one envelope carries well.

use agent_model::{Gap, HostId, Report};

use super::record::{Kind, Position};
use crate::source::Evidence;

/// Records in one report: a burst of log lines makes few reports.
const RECORDS_MAX: usize = 1_000;

/// Text in one report, roughly: an acknowledgement comes back before a slow line has idled.
const TEXT_BYTES_MAX: usize = 128 << 10;

/// A report that has no number yet.
pub(super) struct Draft {
    pub(super) kind: Kind,
    pub(super) events: u32,
    /// How many pieces of evidence it was made from.
    pub(super) pieces: usize,
    pub(super) report: Report,
}

/// The next report from the front of the evidence; `None` when there is none left.
pub(super) fn draft(host: &HostId, evidence: &[Evidence], now_ms: i64) -> Option<Draft> {
    let kind = kind_of(evidence.first()?);
    let mut report = empty(host, kind, now_ms);
    let mut bytes = 0;
    let mut pieces = 0;
    for piece in evidence {
        bytes += size_of(piece);
        let full = pieces == RECORDS_MAX || bytes > TEXT_BYTES_MAX;
        if kind_of(piece) != kind || (full && pieces > 0) {
            break;
        }
        pieces += 1;
        match piece.clone() {
            Evidence::Event(event) => report.events.push(event),
            Evidence::BackupRun(run) => report.backup_runs.push(run),
            Evidence::BackupCopy(copy) => report.backup_copies.push(copy),
            Evidence::ProbeResult(result) => report.probe_results.push(result),
            Evidence::Facts(facts) => report.facts.extend(facts),
        }
    }
    let events = u32::try_from(report.events.len()).unwrap_or(u32::MAX);
    Some(Draft { kind, events, pieces, report })
}

pub(super) fn gaps(host: &HostId, gaps: Vec<Gap>, now_ms: i64) -> Draft {
    let mut report = empty(host, Kind::Results, now_ms);
    report.gaps = gaps;
    Draft { kind: Kind::Results, events: 0, pieces: 0, report }
}

pub(super) fn empty(host: &HostId, kind: Kind, now_ms: i64) -> Report {
    Report::empty(host.clone(), Position::FIRST.key(kind.stream()), now_ms)
}

fn kind_of(piece: &Evidence) -> Kind {
    match piece {
        Evidence::Event(_) => Kind::Events,
        Evidence::BackupRun(_)
        | Evidence::BackupCopy(_)
        | Evidence::ProbeResult(_)
        | Evidence::Facts(_) => Kind::Results,
    }
}

/// The texts that can be long; the rest is counted as a hundred bytes.
fn size_of(piece: &Evidence) -> usize {
    let texts = match piece {
        Evidence::Event(event) => {
            let fields = event.fields.iter().map(|(name, value)| name.len() + value.len() + 8);
            event.message.len() + fields.sum::<usize>()
        }
        Evidence::BackupRun(run) => run.detail.len(),
        Evidence::BackupCopy(copy) => copy.location.len(),
        Evidence::ProbeResult(result) => result.failure.len(),
        Evidence::Facts(facts) => facts.iter().map(|fact| fact.value.len() + 16).sum(),
    };
    texts + 100
}
