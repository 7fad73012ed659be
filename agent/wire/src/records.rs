//! Evidence records as bytes: events, backup runs and copies, probe results, facts and gaps.
//! A number that this version does not know is refused for what must not be misread (outcomes, depths, kinds)
//! and kept as the base case for what people read anyway (event classes, severities).

use agent_model::{
    BackupCopy, BackupOutcome, BackupRun, COPY_ENTRIES_MAX, CopyEntry, Epoch, Event, EventClass,
    Fact, Gap, GapReason, ProbeKind, ProbeResult, Report, Severity, Stream, VerificationDepth,
};

use crate::error::{WireError, invalid, limit};
use crate::limits::{EVENT_FIELDS_MAX, RECORDS_MAX, TEXT_BYTES_MAX};
use crate::{proto, targets};

/// The records of a report; its envelope fields, schemas and columns are left empty.
pub(crate) fn to_proto(report: &Report) -> proto::Report {
    proto::Report {
        events: report.events.iter().map(event_to_proto).collect(),
        backup_runs: report.backup_runs.iter().map(run_to_proto).collect(),
        backup_copies: report.backup_copies.iter().map(copy_to_proto).collect(),
        probe_results: report.probe_results.iter().map(probe_to_proto).collect(),
        facts: report.facts.iter().map(fact_to_proto).collect(),
        gaps: report.gaps.iter().map(gap_to_proto).collect(),
        metadata: report.metadata.iter().map(targets::metadata_to_proto).collect(),
        targets: report.targets.iter().map(targets::targets_to_proto).collect(),
        ..proto::Report::default()
    }
}

pub(crate) fn from_proto(message: proto::Report, report: &mut Report) -> Result<(), WireError> {
    report.events = message.events.into_iter().map(event_from_proto).collect();
    report.backup_runs =
        message.backup_runs.into_iter().map(run_from_proto).collect::<Result<_, _>>()?;
    report.backup_copies =
        message.backup_copies.into_iter().map(copy_from_proto).collect::<Result<_, _>>()?;
    report.probe_results =
        message.probe_results.into_iter().map(probe_from_proto).collect::<Result<_, _>>()?;
    report.facts = message.facts.into_iter().map(fact_from_proto).collect();
    report.metadata = message.metadata.into_iter().map(targets::metadata_from_proto).collect();
    report.targets = message.targets.into_iter().map(targets::targets_from_proto).collect();
    report.gaps = message.gaps.iter().map(gap_from_proto).collect::<Result<_, _>>()?;
    Ok(())
}

/// Counts, text lengths and numbers, before anything is built.
pub(crate) fn check_limits(message: &proto::Report) -> Result<(), WireError> {
    limit("events of a report", message.events.len(), RECORDS_MAX)?;
    limit("backup runs of a report", message.backup_runs.len(), RECORDS_MAX)?;
    limit("backup copies of a report", message.backup_copies.len(), RECORDS_MAX)?;
    limit("probe results of a report", message.probe_results.len(), RECORDS_MAX)?;
    limit("facts of a report", message.facts.len(), RECORDS_MAX)?;
    limit("gaps of a report", message.gaps.len(), RECORDS_MAX)?;
    targets::check_limits(message)?;
    let text = |value: &str| limit("bytes of a text field", value.len(), TEXT_BYTES_MAX);
    for event in &message.events {
        limit("fields of an event", event.fields.len(), EVENT_FIELDS_MAX)?;
        text(&event.source)?;
        text(&event.message)?;
        event.fields.iter().try_for_each(|(name, value)| text(name).and_then(|()| text(value)))?;
    }
    for run in &message.backup_runs {
        number(BackupOutcome::ALL, "a backup outcome", run.outcome, |outcome| outcome as u32)?;
        [&run.job, &run.tool, &run.detail, &run.reported_by]
            .into_iter()
            .try_for_each(|it| text(it))?;
    }
    for copy in &message.backup_copies {
        number(VerificationDepth::ALL, "a verification depth", copy.depth, |depth| depth as u32)?;
        [&copy.job, &copy.tool, &copy.location].into_iter().try_for_each(|it| text(it))?;
        limit("recent copies of a look", copy.recent.len(), COPY_ENTRIES_MAX)?;
        copy.recent.iter().try_for_each(|entry| text(&entry.content_id))?;
    }
    for result in &message.probe_results {
        number(ProbeKind::ALL, "a probe kind", result.kind, |kind| kind as u32)?;
        [&result.probe, &result.target, &result.failure].into_iter().try_for_each(|it| text(it))?;
    }
    for fact in &message.facts {
        text(&fact.name).and_then(|()| text(&fact.value))?;
    }
    message.gaps.iter().try_for_each(|gap| gap_from_proto(gap).map(drop))
}

fn number<T: Copy, const N: usize>(
    known: [T; N],
    what: &'static str,
    got: u32,
    as_number: impl Fn(T) -> u32,
) -> Result<T, WireError> {
    let found = known.into_iter().find(|&value| as_number(value) == got);
    found.ok_or_else(|| invalid(what, format!("{got} is not known to this version")))
}

fn event_to_proto(event: &Event) -> proto::Event {
    proto::Event {
        time_ms: event.time_ms,
        class_uid: event.class.uid(),
        severity_id: event.severity.id(),
        source: event.source.clone(),
        message: event.message.clone(),
        fields: event.fields.clone().into_iter().collect(),
    }
}

fn event_from_proto(event: proto::Event) -> Event {
    Event {
        time_ms: event.time_ms,
        class: EventClass::from_uid(event.class_uid),
        severity: Severity::from_id(event.severity_id),
        source: event.source,
        message: event.message,
        fields: event.fields.into_iter().collect(),
    }
}

fn run_to_proto(run: &BackupRun) -> proto::BackupRun {
    proto::BackupRun {
        job: run.job.clone(),
        tool: run.tool.clone(),
        started_ms: run.started_ms,
        finished_ms: run.finished_ms,
        outcome: run.outcome as u32,
        exit_code: run.exit_code,
        bytes: run.bytes,
        files: run.files,
        content_id: run.content_id.clone(),
        detail: run.detail.clone(),
        reported_by: run.reported_by.clone(),
    }
}

fn run_from_proto(run: proto::BackupRun) -> Result<BackupRun, WireError> {
    let outcome =
        number(BackupOutcome::ALL, "a backup outcome", run.outcome, |outcome| outcome as u32)?;
    Ok(BackupRun {
        job: run.job,
        tool: run.tool,
        started_ms: run.started_ms,
        finished_ms: run.finished_ms,
        outcome,
        exit_code: run.exit_code,
        bytes: run.bytes,
        files: run.files,
        content_id: run.content_id,
        detail: run.detail,
        reported_by: run.reported_by,
    })
}

fn copy_to_proto(copy: &BackupCopy) -> proto::BackupCopy {
    proto::BackupCopy {
        job: copy.job.clone(),
        tool: copy.tool.clone(),
        location: copy.location.clone(),
        observed_ms: copy.observed_ms,
        newest_ms: copy.newest_ms,
        consistent_ms: copy.consistent_ms,
        oldest_ms: copy.oldest_ms,
        bytes: copy.bytes,
        copies: copy.copies,
        content_id: copy.content_id.clone(),
        recent: copy.recent.iter().map(entry_to_proto).collect(),
        depth: copy.depth as u32,
        error: copy.error.clone(),
    }
}

fn copy_from_proto(copy: proto::BackupCopy) -> Result<BackupCopy, WireError> {
    let depth =
        number(VerificationDepth::ALL, "a verification depth", copy.depth, |depth| depth as u32)?;
    Ok(BackupCopy {
        job: copy.job,
        tool: copy.tool,
        location: copy.location,
        observed_ms: copy.observed_ms,
        newest_ms: copy.newest_ms,
        consistent_ms: copy.consistent_ms,
        oldest_ms: copy.oldest_ms,
        bytes: copy.bytes,
        copies: copy.copies,
        content_id: copy.content_id,
        recent: copy.recent.into_iter().map(entry_from_proto).collect(),
        depth,
        error: copy.error,
    })
}

fn entry_to_proto(entry: &CopyEntry) -> proto::CopyEntry {
    let CopyEntry { content_id, consistent_ms, bytes } = entry.clone();
    proto::CopyEntry { content_id, consistent_ms, bytes }
}

fn entry_from_proto(entry: proto::CopyEntry) -> CopyEntry {
    let proto::CopyEntry { content_id, consistent_ms, bytes } = entry;
    CopyEntry { content_id, consistent_ms, bytes }
}

fn probe_to_proto(result: &ProbeResult) -> proto::ProbeResult {
    proto::ProbeResult {
        probe: result.probe.clone(),
        kind: result.kind as u32,
        target: result.target.clone(),
        time_ms: result.time_ms,
        success: result.success,
        duration_seconds: result.duration_seconds,
        http_status: result.http_status.map(u32::from),
        certificate_expiry_ms: result.certificate_expiry_ms,
        failure: result.failure.clone(),
    }
}

fn probe_from_proto(result: proto::ProbeResult) -> Result<ProbeResult, WireError> {
    let kind = number(ProbeKind::ALL, "a probe kind", result.kind, |kind| kind as u32)?;
    let status = result.http_status.map(u16::try_from).transpose();
    let http_status =
        status.map_err(|_| invalid("an HTTP status", "it does not fit sixteen bits"))?;
    Ok(ProbeResult {
        probe: result.probe,
        kind,
        target: result.target,
        time_ms: result.time_ms,
        success: result.success,
        duration_seconds: result.duration_seconds,
        http_status,
        certificate_expiry_ms: result.certificate_expiry_ms,
        failure: result.failure,
    })
}

fn fact_to_proto(fact: &Fact) -> proto::Fact {
    proto::Fact { name: fact.name.clone(), value: fact.value.clone() }
}

fn fact_from_proto(fact: proto::Fact) -> Fact {
    Fact { name: fact.name, value: fact.value }
}

fn gap_to_proto(gap: &Gap) -> proto::Gap {
    let Epoch(epoch) = gap.epoch;
    proto::Gap {
        stream: gap.stream as u32,
        epoch,
        first_sequence: gap.first_sequence,
        last_sequence: gap.last_sequence,
        from_ms: gap.from_ms,
        to_ms: gap.to_ms,
        samples: gap.samples,
        events: gap.events,
        reason: gap.reason as u32,
    }
}

fn gap_from_proto(gap: &proto::Gap) -> Result<Gap, WireError> {
    if gap.first_sequence == 0 || gap.first_sequence > gap.last_sequence {
        return Err(invalid("a gap", "its ends are not in order"));
    }
    Ok(Gap {
        stream: number(Stream::ALL, "a gap's stream", gap.stream, |stream| stream as u32)?,
        epoch: Epoch(gap.epoch),
        first_sequence: gap.first_sequence,
        last_sequence: gap.last_sequence,
        from_ms: gap.from_ms,
        to_ms: gap.to_ms,
        samples: gap.samples,
        events: gap.events,
        reason: number(GapReason::ALL, "a gap's reason", gap.reason, |reason| reason as u32)?,
    })
}
