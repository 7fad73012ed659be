//! Probe results: every change of outcome is kept for a while, the latest is asked for most.

use agent_model::{HostId, Millis, ProbeResult};
use sqlx::SqliteConnection;

use crate::error::sql;
use crate::values::{host_from_sql, kind_from_sql};
use crate::{Inventory, InventoryError};

#[derive(Clone, Debug, PartialEq)]
pub struct HostProbe {
    /// The host the probe ran on.
    pub host: HostId,
    pub result: ProbeResult,
}

#[derive(sqlx::FromRow)]
struct Row {
    host: String,
    probe: String,
    kind: i64,
    target: String,
    time_ms: i64,
    success: bool,
    duration_seconds: f64,
    http_status: Option<i64>,
    certificate_expiry_ms: Option<i64>,
    failure: String,
}

pub(crate) async fn store(
    connection: &mut SqliteConnection,
    host: &HostId,
    result: &ProbeResult,
) -> Result<(), InventoryError> {
    sqlx::query(
        "INSERT INTO probe_results (host, probe, kind, target, time_ms, success,
             duration_seconds, http_status, certificate_expiry_ms, failure)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(host.as_str())
    .bind(&result.probe)
    .bind(result.kind as i64)
    .bind(&result.target)
    .bind(result.time_ms)
    .bind(result.success)
    .bind(result.duration_seconds)
    .bind(result.http_status.map(i64::from))
    .bind(result.certificate_expiry_ms)
    .bind(&result.failure)
    .execute(connection)
    .await
    .map_err(sql("store a probe result"))?;
    Ok(())
}

impl Inventory {
    /// The latest result of every probe of every host. A probe that was removed stays until its results are pruned:
    /// look at `time_ms`.
    pub async fn probe_results(&self) -> Result<Vec<HostProbe>, InventoryError> {
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT results.* FROM probe_results results
             JOIN (SELECT host, probe, MAX(time_ms) AS newest_ms FROM probe_results
                   GROUP BY host, probe) newest
             ON newest.host = results.host AND newest.probe = results.probe
                AND newest.newest_ms = results.time_ms
             ORDER BY results.host, results.probe",
        )
        .fetch_all(&self.readers)
        .await
        .map_err(sql("list probe results"))?;
        let mut results: Vec<HostProbe> =
            rows.into_iter().map(Row::ready).collect::<Result<_, _>>()?;
        results.dedup_by(|later, kept| {
            (&later.host, &later.result.probe) == (&kept.host, &kept.result.probe)
        });
        Ok(results)
    }

    /// The results of one probe since a time, the newest first.
    pub async fn probe_history(
        &self,
        host: &HostId,
        probe: &str,
        since_ms: Millis,
        limit: u32,
    ) -> Result<Vec<HostProbe>, InventoryError> {
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT * FROM probe_results WHERE host = $1 AND probe = $2 AND time_ms >= $3
             ORDER BY time_ms DESC LIMIT $4",
        )
        .bind(host.as_str())
        .bind(probe)
        .bind(since_ms)
        .bind(limit)
        .fetch_all(&self.readers)
        .await
        .map_err(sql("list the results of a probe"))?;
        rows.into_iter().map(Row::ready).collect()
    }
}

impl Row {
    fn ready(self) -> Result<HostProbe, InventoryError> {
        Ok(HostProbe {
            host: host_from_sql(&self.host)?,
            result: ProbeResult {
                probe: self.probe,
                kind: kind_from_sql(self.kind)?,
                target: self.target,
                time_ms: self.time_ms,
                success: self.success,
                duration_seconds: self.duration_seconds,
                http_status: self.http_status.and_then(|status| u16::try_from(status).ok()),
                certificate_expiry_ms: self.certificate_expiry_ms,
                failure: self.failure,
            },
        })
    }
}
