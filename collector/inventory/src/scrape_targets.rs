//! Exporters that agents scrape, as the agents say: where they are, and why the last scrape that failed did.
//! Promises: a host has the targets that it named last, and no more than a bound; an error stays until another is told. Leaves to
//! others: whether a target answers now, which its own samples say.

use agent_model::{HostId, Millis, ScrapeTarget, ScrapeTargets};
use sqlx::SqliteConnection;

use crate::error::sql;
use crate::values::host_from_sql;
use crate::{Inventory, InventoryError};

/// Targets of one host; an agent takes a hundred.
pub const SCRAPE_TARGETS_MAX: i64 = 200;

/// What a host says that it scrapes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SaidTargets {
    pub host: HostId,
    pub said_ms: Millis,
    pub targets: ScrapeTargets,
}

/// An exporter that a host scrapes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostTarget {
    pub host: HostId,
    pub target: ScrapeTarget,
}

#[derive(sqlx::FromRow)]
struct Row {
    host: String,
    job: String,
    instance: String,
    url: String,
    interval_ms: i64,
    timeout_ms: i64,
    last_error: String,
}

/// Stores what was said; returns how many targets found no room.
pub(crate) async fn store(
    connection: &mut SqliteConnection,
    said: &SaidTargets,
) -> Result<u64, InventoryError> {
    let failed = || sql("store what a host scrapes");
    let host = said.host.as_str();
    if said.targets.complete {
        // Those that are named again come back with their errors.
        sqlx::query("UPDATE scrape_targets SET said_ms = -1 WHERE host = $1")
            .bind(host)
            .execute(&mut *connection)
            .await
            .map_err(failed())?;
    }
    let mut dropped = 0;
    for target in &said.targets.targets {
        let stored = sqlx::query(
            "INSERT INTO scrape_targets
                 (host, job, instance, url, interval_ms, timeout_ms, last_error, said_ms)
             SELECT $1, $2, $3, $4, $5, $6, $7, $8
             WHERE (SELECT COUNT(*) FROM scrape_targets
                    WHERE host = $1 AND said_ms >= 0 AND (job <> $2 OR instance <> $3)) < $9
             ON CONFLICT (host, job, instance) DO UPDATE SET
                 url = excluded.url,
                 interval_ms = excluded.interval_ms,
                 timeout_ms = excluded.timeout_ms,
                 last_error = CASE WHEN excluded.last_error = '' THEN scrape_targets.last_error
                                   ELSE excluded.last_error END,
                 said_ms = excluded.said_ms",
        )
        .bind(host)
        .bind(&target.job)
        .bind(&target.instance)
        .bind(&target.url)
        .bind(target.interval_ms)
        .bind(target.timeout_ms)
        .bind(&target.last_error)
        .bind(said.said_ms.max(0))
        .bind(SCRAPE_TARGETS_MAX)
        .execute(&mut *connection)
        .await
        .map_err(failed())?;
        dropped += u64::from(stored.rows_affected() == 0);
    }
    if said.targets.complete {
        sqlx::query("DELETE FROM scrape_targets WHERE host = $1 AND said_ms < 0")
            .bind(host)
            .execute(&mut *connection)
            .await
            .map_err(failed())?;
    }
    Ok(dropped)
}

impl Inventory {
    /// Every exporter that a host scrapes, in order.
    pub async fn scrape_targets(&self) -> Result<Vec<HostTarget>, InventoryError> {
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT host, job, instance, url, interval_ms, timeout_ms, last_error
             FROM scrape_targets ORDER BY host, job, instance",
        )
        .fetch_all(&self.readers)
        .await
        .map_err(sql("list what hosts scrape"))?;
        rows.into_iter()
            .map(|row| {
                let target = ScrapeTarget {
                    job: row.job,
                    instance: row.instance,
                    url: row.url,
                    interval_ms: row.interval_ms,
                    timeout_ms: row.timeout_ms,
                    last_error: row.last_error,
                };
                Ok(HostTarget { host: host_from_sql(&row.host)?, target })
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(complete: bool, targets: &[(&str, &str)]) -> SaidTargets {
        let target = |(instance, error): &(&str, &str)| ScrapeTarget {
            job: "db".to_owned(),
            instance: (*instance).to_owned(),
            url: format!("http://{instance}/metrics"),
            interval_ms: 15_000,
            timeout_ms: 10_000,
            last_error: (*error).to_owned(),
        };
        let targets = ScrapeTargets { complete, targets: targets.iter().map(target).collect() };
        SaidTargets { host: HostId::new("dc1-srv01").unwrap(), said_ms: 5, targets }
    }

    async fn apply(inventory: &Inventory, said: SaidTargets) -> u64 {
        let mut connection = inventory.writer.acquire().await.unwrap();
        store(&mut connection, &said).await.unwrap()
    }

    async fn all(inventory: &Inventory) -> Vec<(String, String)> {
        let all = inventory.scrape_targets().await.unwrap().into_iter();
        all.map(|one| (one.target.instance, one.target.last_error)).collect()
    }

    #[tokio::test]
    async fn a_host_has_the_targets_that_it_named_last_and_their_last_errors() {
        let directory = tempfile::tempdir().unwrap();
        let inventory = Inventory::open(&directory.path().join("inventory.sqlite")).await.unwrap();
        let pairs = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
        };
        apply(&inventory, said(true, &[("a", ""), ("b", "")])).await;
        apply(&inventory, said(false, &[("b", "no answer")])).await;
        assert_eq!(all(&inventory).await, pairs(&[("a", ""), ("b", "no answer")]));
        apply(&inventory, said(true, &[("b", ""), ("c", "")])).await;
        assert_eq!(all(&inventory).await, pairs(&[("b", "no answer"), ("c", "")]));
        apply(&inventory, said(true, &[])).await;
        assert_eq!(all(&inventory).await, pairs(&[]));
    }

    #[tokio::test]
    async fn a_host_has_a_bound_of_targets() {
        let directory = tempfile::tempdir().unwrap();
        let inventory = Inventory::open(&directory.path().join("inventory.sqlite")).await.unwrap();
        let names: Vec<String> = (0..=SCRAPE_TARGETS_MAX).map(|at| format!("t{at}")).collect();
        let targets: Vec<_> = names.iter().map(|name| (name.as_str(), "")).collect();
        assert_eq!(apply(&inventory, said(true, &targets)).await, 1);
        assert_eq!(apply(&inventory, said(false, &targets[..1])).await, 0);
        assert_eq!(apply(&inventory, said(true, &targets[1..])).await, 0, "they replace others");
    }
}
