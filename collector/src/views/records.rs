//! The records view: backups, probes, facts, gaps, schemas, what metrics are and the ledger of reports become rows of the inventory.
//! Promises: one transaction per batch, with the journal position; a batch that comes twice changes nothing.

use std::time::Duration;

use collector_inventory::{AppliedReport, Described, Describer, Inventory};
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
            batch.iter().filter_map(|decoded| described(decoded)).collect();
        if reports.is_empty() && described.is_empty() && committed.elapsed() < QUIET_COMMIT_INTERVAL
        {
            continue;
        }
        let applied = loop {
            match inventory.apply_described(position, &reports, &described).await {
                Ok(applied) => break applied,
                Err(error) => wait_after_failure("records", &metrics, &error).await,
            }
        };
        metrics.descriptions_dropped.inc_by(applied.descriptions_dropped);
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
fn described(decoded: &Decoded) -> Option<Described> {
    let Content::Push(pushed) = &decoded.content else { return None };
    let record = &pushed.record;
    let describer = Describer::Owner(record.owner.name.clone());
    let (said_ms, metrics) = (record.received_ms, record.described.clone());
    (!metrics.is_empty()).then_some(Described { describer, said_ms, complete: false, metrics })
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
