//! The records view: backups, probes, facts, gaps, schemas, what metrics are and the ledger of reports become rows of the inventory.
//! Promises: one transaction per batch, with the journal position; a batch that comes twice changes nothing.

use std::time::Duration;

use collector_inventory::{AppliedReport, Described, Describer, Inventory, SaidTargets};
use tokio::sync::broadcast;

use crate::clock;
use crate::feed::{Content, Decoded, FeedError, Follower, Reported};
use crate::self_metrics::SelfMetrics;
use crate::views::wait_after_failure;

/// Batches that bring no row are committed together at this interval: their position is all there is to store.
const QUIET_COMMIT_INTERVAL: Duration = Duration::from_secs(5);

/// Follows the feed into the inventory.
pub async fn run(
    inventory: Inventory,
    metrics: SelfMetrics,
    mut follower: Follower,
    changed: broadcast::Sender<()>,
) -> Result<(), FeedError> {
    let mut committed = clock::instant();
    while let Some(batch) = follower.next_batch().await? {
        let Some(last) = batch.last() else { continue };
        let position = last.position.0;
        let reports: Vec<AppliedReport> =
            batch.iter().filter_map(|decoded| decoded.reported()).map(applied).collect();
        let described: Vec<Described> =
            batch.iter().flat_map(|decoded| described(decoded)).collect();
        let targets: Vec<SaidTargets> =
            batch.iter().filter_map(|decoded| decoded.reported()).flat_map(targets).collect();
        if reports.is_empty() && described.is_empty() && committed.elapsed() < QUIET_COMMIT_INTERVAL
        {
            continue;
        }
        let applied = loop {
            match inventory.apply_all(position, &reports, &described, &targets).await {
                Ok(applied) => break applied,
                Err(error) => wait_after_failure("records", &metrics, &error).await,
            }
        };
        metrics.descriptions_dropped.inc_by(applied.descriptions_dropped);
        metrics.targets_dropped.inc_by(applied.targets_dropped);
        committed = clock::instant();
        let tells = |Reported { report, .. }: &Reported| {
            !(report.backup_runs.is_empty()
                && report.backup_copies.is_empty()
                && report.gaps.is_empty())
        };
        if batch.iter().filter_map(|decoded| decoded.reported()).any(tells) {
            // Nobody listening is no failure: pages come and go.
            drop(changed.send(()));
        }
    }
    Ok(())
}

/// What a record says of metrics.
fn described(decoded: &Decoded) -> Vec<Described> {
    let pushed = match &decoded.content {
        Content::Push(pushed) => pushed,
        Content::Report(reported) => return described_by_host(reported),
    };
    let record = &pushed.record;
    let describer = Describer::Owner(record.owner.name.clone());
    let (said_ms, metrics) = (record.received_ms, record.described.clone());
    let said = Described { describer, said_ms, complete: false, metrics };
    if said.metrics.is_empty() { Vec::new() } else { vec![said] }
}

/// The agent leaves the instance of its own sources to the collector.
fn described_by_host(Reported { record, report, .. }: &Reported) -> Vec<Described> {
    let said = report.metadata.iter().map(|one| {
        let host = record.host.as_str();
        let instance = if one.instance.is_empty() { host } else { &one.instance };
        let (host, job, instance) = (host.to_owned(), one.job.clone(), instance.to_owned());
        Described {
            describer: Describer::Target { host, job, instance },
            said_ms: record.received_ms,
            complete: one.complete,
            metrics: one.metrics.clone(),
        }
    });
    said.collect()
}

fn targets(Reported { record, report, .. }: &Reported) -> impl Iterator<Item = SaidTargets> {
    let (host, said_ms) = (record.host.clone(), record.received_ms);
    let said = report.targets.iter().cloned();
    said.map(move |targets| SaidTargets { host: host.clone(), said_ms, targets })
}

fn applied(reported: &Reported) -> AppliedReport {
    let Reported { record, report, hash } = reported;
    let schemas = report.schemas.iter();
    let mut schemas_used: Vec<_> = report.columns.iter().map(|column| column.schema).collect();
    schemas_used.dedup();
    AppliedReport {
        host: record.host.clone(),
        key: report.key,
        hash: *hash,
        received_ms: record.received_ms,
        created_ms: report.created_ms,
        clock_offset_ms: record.clock_offset_ms,
        agent_version: record.agent_version.clone(),
        schemas: schemas.map(|schema| (schema.id(), agent_wire::encode_schema(schema))).collect(),
        schemas_used,
        backup_runs: report.backup_runs.clone(),
        backup_copies: report.backup_copies.clone(),
        probe_results: report.probe_results.clone(),
        facts: report.facts.clone(),
        gaps: report.gaps.clone(),
    }
}
