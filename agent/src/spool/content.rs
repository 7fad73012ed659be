//! Evidence as reports: each report holds events only or results only, because they are dropped at different times,
//! and stays within what one envelope carries well.

use agent_model::{Gap, HostId, MetricMetadata, Report};

use super::bookmarks::Mark;
use super::record::{Kind, Position};
use crate::source::{Bundle, Evidence};

/// Records in one report of several bundles: a burst of log lines makes few reports.
const RECORDS_MAX: usize = 1_000;

/// Text in one such report, roughly: an acknowledgement comes back before a slow line has idled.
const TEXT_BYTES_MAX: usize = 128 << 10;

/// Bundles in one report; the count of its bookmarks is one byte.
const BUNDLES_MAX: usize = 200;

/// A report that has no number yet.
pub(super) struct Draft {
    pub(super) kind: Kind,
    pub(super) events: u32,
    pub(super) report: Report,
    /// Where the sources of its evidence stand behind it.
    pub(super) marks: Vec<Mark>,
    /// How many bundles it was made from.
    pub(super) bundles: usize,
}

/// The next report from the front of the bundles. A bundle is never split, because its bookmark stands for all of it;
/// it shares a report with those behind it while they are of its kind and within the bounds.
pub(super) fn draft(host: &HostId, bundles: &[Bundle], now_ms: i64) -> Draft {
    let kind = bundles.first().map_or(Kind::Results, kind_of);
    let mut draft = Draft::new(empty(host, kind, now_ms), kind);
    let (mut bytes, mut records) = (0, 0);
    for bundle in bundles {
        bytes += bundle.evidence.iter().map(size_of).sum::<usize>();
        records += bundle.evidence.len();
        let full = records > RECORDS_MAX || bytes > TEXT_BYTES_MAX || draft.bundles == BUNDLES_MAX;
        let joins = kind_of(bundle) == kind && !bundle.evidence.is_empty() && !full;
        if draft.bundles > 0 && !joins {
            break;
        }
        draft.bundles += 1;
        draft.marks.extend(bundle.bookmark.clone());
        let report = &mut draft.report;
        for piece in bundle.evidence.iter().cloned() {
            match piece {
                Evidence::Event(event) => report.events.push(event),
                Evidence::BackupRun(run) => report.backup_runs.push(run),
                Evidence::BackupCopy(copy) => report.backup_copies.push(copy),
                Evidence::ProbeResult(result) => report.probe_results.push(result),
                Evidence::Facts(facts) => report.facts.extend(facts),
                Evidence::Metadata(metadata) => report.metadata.push(metadata),
                Evidence::Targets(targets) => report.targets.push(targets),
            }
        }
    }
    draft.events = u32::try_from(draft.report.events.len()).unwrap_or(u32::MAX);
    draft
}

impl Draft {
    pub(super) fn new(report: Report, kind: Kind) -> Self {
        Self { kind, events: 0, report, marks: Vec::new(), bundles: 0 }
    }
}

pub(super) fn gaps(host: &HostId, gaps: Vec<Gap>, now_ms: i64) -> Draft {
    let mut report = empty(host, Kind::Results, now_ms);
    report.gaps = gaps;
    Draft::new(report, Kind::Results)
}

pub(super) fn empty(host: &HostId, kind: Kind, now_ms: i64) -> Report {
    Report::empty(host.clone(), Position::FIRST.key(kind.stream()), now_ms)
}

/// Events among results count as results: the bundle stays whole.
fn kind_of(bundle: &Bundle) -> Kind {
    let event = |piece: &Evidence| matches!(piece, Evidence::Event(_));
    if bundle.evidence.iter().all(event) { Kind::Events } else { Kind::Results }
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
        Evidence::Metadata(metadata) => metadata.metrics.iter().map(MetricMetadata::bytes).sum(),
        Evidence::Targets(targets) => {
            targets.targets.iter().map(|one| one.url.len() + one.last_error.len() + 100).sum()
        }
    };
    texts + 100
}
