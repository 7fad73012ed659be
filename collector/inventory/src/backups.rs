//! Backup runs and copies: what was claimed, and what was looked at and how deeply.
//! A look that failed never replaces what an earlier look saw; it stands beside it as an error.

use std::collections::BTreeMap;

use agent_model::{BackupCopy, BackupRun, HostId, Millis};
use sqlx::SqliteConnection;

use crate::error::sql;
use crate::values::{from_sql, host_from_sql, outcome_from_sql, to_sql};
use crate::{Inventory, InventoryError};

mod copies;

pub(crate) use copies::store_copy;

/// Everything known of one job of one host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupJob {
    pub host: HostId,
    pub job: String,
    pub last_run: Option<BackupRun>,
    /// The last run with outcome `Succeeded`; runs that prove nothing do not count.
    pub last_success: Option<BackupRun>,
    /// Runs since the asked time, the newest first.
    pub runs: Vec<BackupRun>,
    /// The newest look at each place and depth.
    pub copies: Vec<StoredBackupCopy>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredBackupCopy {
    /// What the newest look without an error saw. `observed_ms` is 0 when no look has succeeded.
    pub copy: BackupCopy,
    /// When the look that failed after it was made; its reason is `copy.error`.
    pub error_ms: Option<Millis>,
}

#[derive(sqlx::FromRow)]
struct RunRow {
    host: String,
    job: String,
    tool: String,
    started_ms: i64,
    finished_ms: i64,
    outcome: i64,
    exit_code: Option<i64>,
    bytes: Option<i64>,
    files: Option<i64>,
    content_id: Option<String>,
    detail: String,
    reported_by: String,
}

pub(crate) async fn store_run(
    connection: &mut SqliteConnection,
    host: &HostId,
    run: &BackupRun,
    received_ms: Millis,
) -> Result<(), InventoryError> {
    sqlx::query(
        "INSERT INTO backup_runs (host, job, tool, started_ms, finished_ms, outcome, exit_code,
             bytes, files, content_id, detail, reported_by, received_ms)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
    )
    .bind(host.as_str())
    .bind(&run.job)
    .bind(&run.tool)
    .bind(run.started_ms)
    .bind(run.finished_ms)
    .bind(run.outcome as i64)
    .bind(run.exit_code.map(i64::from))
    .bind(run.bytes.map(to_sql))
    .bind(run.files.map(to_sql))
    .bind(&run.content_id)
    .bind(&run.detail)
    .bind(&run.reported_by)
    .bind(received_ms)
    .execute(connection)
    .await
    .map_err(sql("store a backup run"))?;
    Ok(())
}

const LAST_RUNS: &str = "SELECT runs.* FROM backup_runs runs
     JOIN (SELECT host, job, MAX(finished_ms) AS newest_ms FROM backup_runs GROUP BY host, job) last
     ON last.host = runs.host AND last.job = runs.job AND last.newest_ms = runs.finished_ms";

const LAST_SUCCESSES: &str = "SELECT runs.* FROM backup_runs runs
     JOIN (SELECT host, job, MAX(finished_ms) AS newest_ms FROM backup_runs
           WHERE outcome = 1 GROUP BY host, job) last
     ON last.host = runs.host AND last.job = runs.job AND last.newest_ms = runs.finished_ms
     WHERE runs.outcome = 1";

const RUNS_SINCE: &str =
    "SELECT * FROM backup_runs WHERE finished_ms >= $1 ORDER BY finished_ms DESC";

impl Inventory {
    /// Every job that ran or whose copies were looked at, with its runs since `since_ms`.
    pub async fn backups(&self, since_ms: Millis) -> Result<Vec<BackupJob>, InventoryError> {
        let failed = || sql("list backups");
        let mut view = self.readers.begin().await.map_err(failed())?;
        let last: Vec<RunRow> =
            sqlx::query_as(LAST_RUNS).fetch_all(&mut *view).await.map_err(failed())?;
        let last_success: Vec<RunRow> =
            sqlx::query_as(LAST_SUCCESSES).fetch_all(&mut *view).await.map_err(failed())?;
        let since: Vec<RunRow> = sqlx::query_as(RUNS_SINCE)
            .bind(since_ms)
            .fetch_all(&mut *view)
            .await
            .map_err(failed())?;
        let copies = copies::all(&mut view).await?;
        let mut jobs = Jobs::default();
        for run in last {
            let job = jobs.of(&run.host, &run.job)?;
            job.last_run = Some(run.ready()?);
        }
        for run in last_success {
            let job = jobs.of(&run.host, &run.job)?;
            job.last_success = Some(run.ready()?);
        }
        for run in since {
            let job = jobs.of(&run.host, &run.job)?;
            job.runs.push(run.ready()?);
        }
        for (host, stored) in copies {
            let job = jobs.of(&host, &stored.copy.job)?;
            job.copies.push(stored);
        }
        Ok(jobs.0.into_values().collect())
    }
}

#[derive(Default)]
struct Jobs(BTreeMap<(HostId, String), BackupJob>);

impl Jobs {
    fn of(&mut self, host: &str, job: &str) -> Result<&mut BackupJob, InventoryError> {
        let host = host_from_sql(host)?;
        let key = (host.clone(), job.to_owned());
        Ok(self.0.entry(key).or_insert_with(|| BackupJob {
            host,
            job: job.to_owned(),
            last_run: None,
            last_success: None,
            runs: Vec::new(),
            copies: Vec::new(),
        }))
    }
}

impl RunRow {
    fn ready(self) -> Result<BackupRun, InventoryError> {
        Ok(BackupRun {
            job: self.job,
            tool: self.tool,
            started_ms: self.started_ms,
            finished_ms: self.finished_ms,
            outcome: outcome_from_sql(self.outcome)?,
            exit_code: self.exit_code.and_then(|code| i32::try_from(code).ok()),
            bytes: self.bytes.map(from_sql),
            files: self.files.map(from_sql),
            content_id: self.content_id,
            detail: self.detail,
            reported_by: self.reported_by,
        })
    }
}
