//! What goes to a collector next, and what becomes of it.
//! Evidence: the oldest that it does not hold, in strict order. Metrics: the newest that it does not hold, so that
//! after an outage the present comes first and the past follows.

use agent_model::{Millis, Report, SchemaId, Stream};
use agent_wire::encode_report;
use bytes::Bytes;

use super::cursor::Cursor;
use super::log::Records;
use super::record::{Head, Kind, Position};
use super::{Spool, SpoolError, logs_of};

/// How much one envelope may carry.
#[derive(Clone, Copy, Debug)]
pub struct BatchLimits {
    pub bytes: usize,
    pub reports: usize,
    /// Metrics made before this stay where they are; evidence is always due.
    pub created_from_ms: Millis,
}

/// A report on its way to one collector.
#[derive(Clone, Debug)]
pub struct Delivery {
    pub report: Bytes,
    pub(super) head: Head,
}

impl Delivery {
    pub fn position(&self) -> Position {
        self.head.position
    }

    pub fn created_ms(&self) -> Millis {
        self.head.created_ms
    }

    /// The schemas its columns need.
    pub fn schemas(&self) -> &[SchemaId] {
        &self.head.schemas
    }
}

impl Spool {
    /// The next reports for a collector, empty when there is nothing to send.
    pub fn batch(
        &mut self,
        collector: usize,
        stream: Stream,
        limits: BatchLimits,
    ) -> Result<Vec<Delivery>, SpoolError> {
        match stream {
            Stream::Evidence => self.oldest_evidence(collector, limits),
            Stream::Metrics => self.newest_metrics(collector, limits),
        }
    }

    /// A collector's answer: `stored` it needs no more, `refused` it will never take.
    pub fn settle(
        &mut self,
        collector: usize,
        stream: Stream,
        stored: &[Position],
        refused: &[Delivery],
        now_ms: Millis,
    ) -> Result<(), SpoolError> {
        let heads: Vec<Head> = refused.iter().map(|delivery| delivery.head.clone()).collect();
        self.name_refused(collector, stream, &heads);
        self.write_gaps(now_ms);
        for position in stored.iter().copied().chain(heads.iter().map(|head| head.position)) {
            self.cursors[collector].hold(
                stream,
                position.epoch,
                position.sequence,
                position.sequence,
            );
        }
        self.retire()
    }

    /// Drops the segments that no collector needs any more, and what only they needed.
    pub(super) fn retire(&mut self) -> Result<(), SpoolError> {
        let mut retired = Vec::new();
        for (at, log) in self.logs.iter().enumerate() {
            let stream = if at == 0 { Stream::Metrics } else { Stream::Evidence };
            let sealed = log.segments().iter().take(log.sealed()).enumerate();
            let held = sealed.filter(|(_, segment)| {
                self.cursors.iter().all(|cursor| segment.is_held(cursor.held(stream)))
            });
            retired.extend(held.map(|(index, _)| (at, index)));
        }
        // What sources are to find again at the next start must not go with the evidence that brought it.
        let evidence = retired.iter().any(|&(log, _)| log != 0);
        if evidence && let Err(error) = self.save_bookmarks() {
            self.note_upkeep(&error);
            retired.retain(|&(log, _)| log == 0);
        }
        let removed = !retired.is_empty();
        if removed {
            self.save();
        }
        // From the back, so that the indexes before stay right.
        for (at, index) in retired.into_iter().rev() {
            self.logs[at].remove(index, &mut self.spare)?;
        }
        if removed {
            let segments = || self.logs.iter().flat_map(|log| log.segments());
            let schemas = &mut self.schemas;
            let needed: std::collections::HashSet<_> =
                segments().flat_map(|segment| segment.schemas.iter().copied()).collect();
            let recent = &self.current_schemas;
            schemas.keep(|id| needed.contains(id) || recent.contains(id));
            let epochs: Vec<u64> = segments().map(|segment| segment.first.epoch).collect();
            let current = self.epoch.epoch;
            for cursor in &mut self.cursors {
                cursor.keep_epochs(|epoch| epoch == current || epochs.contains(&epoch));
            }
        }
        Ok(())
    }

    fn newest_metrics(
        &mut self,
        collector: usize,
        limits: BatchLimits,
    ) -> Result<Vec<Delivery>, SpoolError> {
        let mut at = self.logs[0].segments().len();
        while at > 0 {
            at -= 1;
            let segment = &self.logs[0].segments()[at];
            let (epoch, first, last) =
                (segment.first.epoch, segment.first.sequence, segment.last.sequence);
            let held = self.cursors[collector].held(Stream::Metrics);
            let Some((run_first, run_last)) =
                held.newest_missing(epoch, first, last).filter(|_| segment.records > 0)
            else {
                continue;
            };
            let records = self.logs[0].read(at, Position { epoch, sequence: run_first })?;
            let in_run = |head: &Head| (run_first..=run_last).contains(&head.position.sequence);
            let mut chosen = Vec::new();
            let mut bytes = 0;
            let mut any = false;
            for found in records.found.iter().rev().filter(|found| in_run(&found.head)) {
                any = true;
                bytes += found.report.len();
                let full = bytes > limits.bytes || chosen.len() == limits.reports;
                if found.head.created_ms < limits.created_from_ms || (full && !chosen.is_empty()) {
                    break;
                }
                let report = records.bytes.slice(found.report.clone());
                chosen.push(Delivery { report, head: found.head.clone() });
            }
            if !any {
                self.declare_damage(Stream::Metrics, epoch, run_first, run_last)?;
                continue;
            }
            chosen.reverse();
            // A schema goes before the columns that need it.
            chosen.sort_by_key(|delivery| delivery.head.kind != Kind::Schemas);
            return Ok(chosen);
        }
        Ok(Vec::new())
    }

    fn oldest_evidence(
        &mut self,
        collector: usize,
        limits: BatchLimits,
    ) -> Result<Vec<Delivery>, SpoolError> {
        let mut merged = Vec::new();
        let mut horizon: Option<Position> = None;
        for &log in logs_of(Stream::Evidence) {
            let (deliveries, end) = self.oldest_of(log, collector, limits)?;
            horizon = match (horizon, end) {
                (Some(one), Some(other)) => Some(one.min(other)),
                (one, other) => one.or(other),
            };
            merged.extend(deliveries);
        }
        // Beyond the horizon one of the logs has more that was not looked at.
        merged.retain(|delivery| horizon.is_none_or(|end| delivery.head.position <= end));
        merged.sort_by_key(|delivery| delivery.head.position);
        let mut bytes = 0;
        let mut fits = |delivery: &Delivery| {
            bytes += delivery.report.len();
            bytes <= limits.bytes
        };
        let count = merged.iter().take(limits.reports).take_while(|it| fits(it)).count();
        merged.truncate(count.max(1));
        Ok(merged)
    }

    /// The oldest reports of a log that a collector does not hold, from one segment; and up to where the log was
    /// looked through, `None` for its end.
    fn oldest_of(
        &mut self,
        log: usize,
        collector: usize,
        limits: BatchLimits,
    ) -> Result<(Vec<Delivery>, Option<Position>), SpoolError> {
        for at in 0..self.logs[log].segments().len() {
            let segment = &self.logs[log].segments()[at];
            let (segment_first, segment_last) = (segment.first, segment.last);
            let cursor = &self.cursors[collector];
            let from = cursor.evidence.oldest_missing(segment_first, segment_last.sequence);
            let Some(from) = from.filter(|_| segment.records > 0) else { continue };
            let records = self.logs[log].read(at, from)?;
            if records.found.last().is_none_or(|last| last.head.position < segment_last) {
                let lost_from = records.found.last().map_or(from.sequence, |last| {
                    (last.head.position.sequence + 1).max(from.sequence)
                });
                let (epoch, last) = (segment_last.epoch, segment_last.sequence);
                self.declare_damage(Stream::Evidence, epoch, lost_from, last)?;
            }
            let cursor = &self.cursors[collector];
            let (deliveries, full) = deliverable(&records, cursor, limits, &self.host);
            let Some(last) = deliveries.last() else { continue };
            let more = at + 1 < self.logs[log].segments().len();
            let end = if full { Some(last.head.position) } else { more.then_some(segment_last) };
            return Ok((deliveries, end));
        }
        Ok((Vec::new(), None))
    }
}

/// The records that a collector does not hold, and whether the limits cut them off. What is meant for another
/// collector keeps its place as an empty report.
fn deliverable(
    records: &Records,
    cursor: &Cursor,
    limits: BatchLimits,
    host: &agent_model::HostId,
) -> (Vec<Delivery>, bool) {
    let mut deliveries = Vec::new();
    let mut bytes = 0;
    for found in &records.found {
        let head = &found.head;
        if cursor.evidence.contains(head.position) {
            continue;
        }
        if deliveries.len() == limits.reports || (bytes > limits.bytes && !deliveries.is_empty()) {
            return (deliveries, true);
        }
        let mine = cursor.is_meant(head.audience);
        let report =
            if mine { records.bytes.slice(found.report.clone()) } else { empty_report(host, head) };
        bytes += report.len();
        deliveries.push(Delivery { report, head: head.clone() });
    }
    (deliveries, false)
}

fn empty_report(host: &agent_model::HostId, head: &Head) -> Bytes {
    struct NoSchemas;
    impl agent_wire::SchemaSource for NoSchemas {
        fn schema(&self, _: &SchemaId) -> Option<std::sync::Arc<agent_model::Schema>> {
            None
        }
    }
    let key = head.position.key(head.kind.stream());
    let report = Report::empty(host.clone(), key, head.created_ms);
    // Without columns there is nothing that could fail.
    encode_report(&report, &NoSchemas).unwrap_or_default()
}
