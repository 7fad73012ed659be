//! Applying reports: everything a batch brings, and the journal position it reaches, in one transaction.
//! Applying the same batch again, or another cut of it after a crash, changes nothing: the position tells of whole
//! batches, the ledger of single reports.

use std::collections::BTreeMap;

use agent_model::{
    BackupCopy, BackupRun, Fact, Gap, HostId, Millis, ProbeResult, ReportKey, SchemaId,
};
use sqlx::SqliteConnection;

use crate::error::sql;
use crate::ledger::{Conflict, HostLedger, Verdict};
use crate::metadata::{self, Described};
use crate::scrape_targets::{self, SaidTargets};
use crate::values::{from_sql, to_sql};
use crate::{Inventory, InventoryError, backups, gaps, probes, schemas, stored_ledger};

/// Facts kept per host; the sources of an agent name a few dozen.
pub const FACTS_PER_HOST_MAX: i64 = 500;

/// The row of `progress` that holds the journal position.
const JOURNAL: &str = "journal";

/// What the inventory keeps of one report.
#[derive(Clone, Debug)]
pub struct AppliedReport {
    pub host: HostId,
    pub key: ReportKey,
    /// SHA-256 over the report's bytes, the same that was given to `Ledger::check`.
    pub hash: [u8; 32],
    pub received_ms: Millis,
    pub created_ms: Millis,
    /// The host's clock minus the collector's.
    pub clock_offset_ms: Millis,
    pub agent_version: String,
    /// Schemas this report carries, as `agent_wire::encode_schema` made them.
    pub schemas: Vec<(SchemaId, Vec<u8>)>,
    /// Schemas its columns refer to.
    pub schemas_used: Vec<SchemaId>,
    pub backup_runs: Vec<BackupRun>,
    pub backup_copies: Vec<BackupCopy>,
    pub probe_results: Vec<ProbeResult>,
    pub facts: Vec<Fact>,
    pub gaps: Vec<Gap>,
}

/// What became of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    pub new: u64,
    /// Reports that were stored before, or another was under their number.
    pub repeated: u64,
    /// Facts beyond `FACTS_PER_HOST_MAX`.
    pub facts_dropped: u64,
    /// Descriptions of metrics beyond their bounds.
    pub descriptions_dropped: u64,
    /// Scrape targets beyond their bound.
    pub targets_dropped: u64,
}

impl AppliedReport {
    /// A report that brings nothing but its number.
    pub fn empty(host: HostId, key: ReportKey, hash: [u8; 32], received_ms: Millis) -> Self {
        Self {
            host,
            key,
            hash,
            received_ms,
            created_ms: received_ms,
            clock_offset_ms: 0,
            agent_version: String::new(),
            schemas: Vec::new(),
            schemas_used: Vec::new(),
            backup_runs: Vec::new(),
            backup_copies: Vec::new(),
            probe_results: Vec::new(),
            facts: Vec::new(),
            gaps: Vec::new(),
        }
    }
}

impl Inventory {
    /// The journal position up to which everything is stored; 0 before the first.
    pub async fn position(&self) -> Result<u64, InventoryError> {
        let position: Option<i64> =
            sqlx::query_scalar("SELECT position FROM progress WHERE name = $1")
                .bind(JOURNAL)
                .fetch_optional(&self.readers)
                .await
                .map_err(sql("read its position"))?;
        Ok(position.map_or(0, from_sql))
    }

    /// Stores the reports of the journal's records up to `position`, in their order. At or below the stored position
    /// nothing changes. `reports` may be empty: then only the position moves.
    pub async fn apply(
        &self,
        position: u64,
        reports: &[AppliedReport],
    ) -> Result<Applied, InventoryError> {
        self.apply_all(position, reports, &[], &[]).await
    }

    /// The same with what the records say of metrics and of scrape targets, each in their order.
    pub async fn apply_all(
        &self,
        position: u64,
        reports: &[AppliedReport],
        described: &[Described],
        targets: &[SaidTargets],
    ) -> Result<Applied, InventoryError> {
        let failed = || sql("apply reports");
        let mut transaction = self.writer.begin().await.map_err(failed())?;
        let moved = sqlx::query(
            "INSERT INTO progress (name, position) VALUES ($1, $2)
             ON CONFLICT (name) DO UPDATE SET position = excluded.position
             WHERE excluded.position > progress.position",
        )
        .bind(JOURNAL)
        .bind(to_sql(position))
        .execute(&mut *transaction)
        .await
        .map_err(failed())?;
        let mut applied = Applied::default();
        if moved.rows_affected() == 0 {
            return Ok(applied);
        }
        let mut by_host: BTreeMap<&HostId, Vec<&AppliedReport>> = BTreeMap::new();
        for report in reports {
            by_host.entry(&report.host).or_default().push(report);
        }
        for (host, reports) in by_host {
            apply_host(&mut transaction, host, &reports, &mut applied).await?;
        }
        for said in described {
            applied.descriptions_dropped += metadata::store(&mut transaction, said).await?;
        }
        for said in targets {
            applied.targets_dropped += scrape_targets::store(&mut transaction, said).await?;
        }
        transaction.commit().await.map_err(failed())?;
        Ok(applied)
    }
}

async fn apply_host(
    connection: &mut SqliteConnection,
    host: &HostId,
    reports: &[&AppliedReport],
    applied: &mut Applied,
) -> Result<(), InventoryError> {
    let before = stored_ledger::load(connection, host).await?;
    let mut ledger = before.clone();
    for report in reports {
        if repeated(&ledger, report) {
            applied.repeated += 1;
            continue;
        }
        applied.new += 1;
        note_host(connection, report).await?;
        let received_ms = report.received_ms;
        let closed = ledger.record(report.key, &report.hash, report.created_ms, received_ms);
        for gap in &report.gaps {
            ledger.explain(gap, received_ms);
        }
        for gap in closed.iter().chain(&report.gaps) {
            gaps::store(connection, host, gap, received_ms).await?;
        }
        applied.facts_dropped += store_records(connection, report).await?;
    }
    stored_ledger::save(connection, host, &before, &ledger).await
}

/// Other conflicts were for ingest to refuse; what it acknowledged is stored.
fn repeated(ledger: &HostLedger, report: &AppliedReport) -> bool {
    match ledger.check(report.key, &report.hash, report.created_ms) {
        Verdict::Duplicate | Verdict::Conflict(Conflict::OtherContent) => true,
        Verdict::New | Verdict::Conflict(_) => false,
    }
}

async fn note_host(
    connection: &mut SqliteConnection,
    report: &AppliedReport,
) -> Result<(), InventoryError> {
    // A backlog that comes late must not put an old version or clock over a newer one.
    sqlx::query(
        "INSERT INTO hosts
             (host, first_report_ms, last_report_ms, agent_version, clock_offset_ms, epoch)
         VALUES ($1, $2, $2, $3, $4, $5)
         ON CONFLICT (host) DO UPDATE SET
             first_report_ms = COALESCE(hosts.first_report_ms, excluded.first_report_ms),
             last_report_ms = excluded.last_report_ms,
             agent_version = excluded.agent_version,
             clock_offset_ms = excluded.clock_offset_ms,
             epoch = CASE WHEN excluded.epoch > hosts.epoch THEN excluded.epoch
                          ELSE hosts.epoch END
         WHERE hosts.last_report_ms IS NULL OR excluded.last_report_ms >= hosts.last_report_ms",
    )
    .bind(report.host.as_str())
    .bind(report.received_ms)
    .bind(&report.agent_version)
    .bind(report.clock_offset_ms)
    .bind(to_sql(report.key.epoch.0))
    .execute(connection)
    .await
    .map_err(sql("note the report of a host"))?;
    Ok(())
}

/// Returns how many facts found no room.
async fn store_records(
    connection: &mut SqliteConnection,
    report: &AppliedReport,
) -> Result<u64, InventoryError> {
    let host = &report.host;
    for (id, bytes) in &report.schemas {
        schemas::store(connection, host, *id, bytes, report.received_ms).await?;
    }
    for id in &report.schemas_used {
        schemas::note_use(connection, host, *id, report.received_ms).await?;
    }
    for run in &report.backup_runs {
        backups::store_run(connection, host, run, report.received_ms).await?;
    }
    for copy in &report.backup_copies {
        backups::store_copy(connection, host, copy).await?;
    }
    for result in &report.probe_results {
        probes::store(connection, host, result).await?;
    }
    let mut dropped = 0;
    for fact in &report.facts {
        dropped += u64::from(!store_fact(connection, report, fact).await?);
    }
    Ok(dropped)
}

/// `false` when the host has as many facts as are kept.
async fn store_fact(
    connection: &mut SqliteConnection,
    report: &AppliedReport,
    fact: &Fact,
) -> Result<bool, InventoryError> {
    let failed = || sql("store a fact");
    if fact.value.is_empty() {
        sqlx::query("DELETE FROM facts WHERE host = $1 AND name = $2 AND updated_ms <= $3")
            .bind(report.host.as_str())
            .bind(&fact.name)
            .bind(report.created_ms)
            .execute(connection)
            .await
            .map_err(failed())?;
        return Ok(true);
    }
    let stored = sqlx::query(
        "INSERT INTO facts (host, name, value, updated_ms)
         SELECT $1, $2, $3, $4
         WHERE (SELECT COUNT(*) FROM facts WHERE host = $1 AND name <> $2) < $5
         ON CONFLICT (host, name) DO UPDATE SET
             value = CASE WHEN excluded.updated_ms >= facts.updated_ms
                          THEN excluded.value ELSE facts.value END,
             updated_ms = CASE WHEN excluded.updated_ms >= facts.updated_ms
                               THEN excluded.updated_ms ELSE facts.updated_ms END",
    )
    .bind(report.host.as_str())
    .bind(&fact.name)
    .bind(&fact.value)
    .bind(report.created_ms)
    .bind(FACTS_PER_HOST_MAX)
    .execute(connection)
    .await
    .map_err(failed())?;
    Ok(stored.rows_affected() > 0)
}

#[cfg(test)]
mod tests;
