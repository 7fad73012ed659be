//! What metrics are, and who says so: a target of a host, or somebody who pushes series.
//!
//! Promises: a description that many give is stored once; what is stored is bounded in all and for each host or owner, and what
//! finds no room is counted. A target says one thing of a metric at a time. Who pushes may speak for many exporters that do not
//! agree, so what it says beside each other stays; what it no longer says while it says another thing goes after two days.
//! Leaves to others: which metrics somebody may describe, and what is said again and again.

use agent_model::{MetricKind, MetricMetadata, Millis};
use futures_util::TryStreamExt;
use sha2::{Digest, Sha256};
use sqlx::SqliteConnection;

use crate::error::sql;
use crate::{Inventory, InventoryError};

/// Descriptions kept in all: some 30 MB when most texts are usual ones.
pub const DESCRIPTIONS_MAX: i64 = 100_000;

/// Descriptions of one host's targets, or of one owner who pushes: a Prometheus with all its exporters has some thousands.
pub const DESCRIBED_MAX: i64 = 20_000;

/// Whoever pushes says everything again within a day; what it left out for longer is no longer so.
const PUSHED_KEPT_MS: Millis = 2 * 86_400_000;

/// Who says what a metric is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Describer {
    Target {
        host: String,
        job: String,
        instance: String,
    },
    /// The name of a token that writes.
    Owner(String),
}

/// What somebody says of metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    pub describer: Describer,
    pub said_ms: Millis,
    /// What it said before and does not say now no longer holds.
    pub complete: bool,
    pub metrics: Vec<MetricMetadata>,
}

/// What a target says of a metric.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetMetric {
    pub host: String,
    pub job: String,
    pub instance: String,
    pub metadata: MetricMetadata,
}

#[derive(sqlx::FromRow)]
struct Row {
    metric: String,
    kind: i64,
    help: String,
    unit: String,
}

#[derive(sqlx::FromRow)]
struct TargetRow {
    host: String,
    job: String,
    instance: String,
    #[sqlx(flatten)]
    row: Row,
}

impl Row {
    fn ready(self) -> MetricMetadata {
        let Self { metric, kind, help, unit } = self;
        let kind = MetricKind::from_number(u64::try_from(kind).unwrap_or(0));
        MetricMetadata { metric, kind, help, unit }
    }
}

impl Describer {
    /// Owner, host, job and instance; what it has not is empty.
    fn parts(&self) -> [&str; 4] {
        match self {
            Self::Target { host, job, instance } => ["", host, job, instance],
            Self::Owner(owner) => [owner, "", "", ""],
        }
    }
}

/// Stores what was said; returns how many descriptions found no room.
pub(crate) async fn store(
    connection: &mut SqliteConnection,
    said: &Described,
) -> Result<u64, InventoryError> {
    let failed = || sql("store what metrics are");
    let parts = said.describer.parts();
    let describer = number(&parts);
    let mut new = Vec::new();
    for metadata in &said.metrics {
        let description = description(metadata);
        // Mostly it is said again.
        let again = sqlx::query(
            "UPDATE metrics_described SET said_ms = $3 WHERE describer = $1 AND description = $2",
        )
        .bind(describer)
        .bind(description)
        .bind(said.said_ms)
        .execute(&mut *connection)
        .await
        .map_err(failed())?;
        if again.rows_affected() == 0 {
            new.push((description, metadata));
        }
        // A target that says the same again has said nothing else meanwhile.
        if again.rows_affected() == 0 || matches!(said.describer, Describer::Owner(_)) {
            replace(connection, describer, description, metadata, said).await?;
        }
    }
    if said.complete {
        sqlx::query("DELETE FROM metrics_described WHERE describer = $1 AND said_ms < $2")
            .bind(describer)
            .bind(said.said_ms)
            .execute(&mut *connection)
            .await
            .map_err(failed())?;
    }
    if new.is_empty() {
        return Ok(0);
    }
    sqlx::query(
        "INSERT INTO metric_describers (describer, owner, host, job, instance)
         VALUES ($1, $2, $3, $4, $5) ON CONFLICT (describer) DO NOTHING",
    )
    .bind(describer)
    .bind(parts[0])
    .bind(parts[1])
    .bind(parts[2])
    .bind(parts[3])
    .execute(&mut *connection)
    .await
    .map_err(failed())?;
    insert(connection, (describer, parts), said.said_ms, &new).await
}

/// Takes away what no longer holds beside a description.
async fn replace(
    connection: &mut SqliteConnection,
    describer: i64,
    description: i64,
    metadata: &MetricMetadata,
    said: &Described,
) -> Result<(), InventoryError> {
    let before_ms = match said.describer {
        Describer::Target { .. } => Millis::MAX,
        Describer::Owner(_) => said.said_ms.saturating_sub(PUSHED_KEPT_MS),
    };
    sqlx::query(
        "DELETE FROM metrics_described
         WHERE describer = $1 AND said_ms < $4 AND description IN
             (SELECT description FROM metric_descriptions
              WHERE metric = $2 AND description <> $3)",
    )
    .bind(describer)
    .bind(&metadata.metric)
    .bind(description)
    .bind(before_ms)
    .execute(connection)
    .await
    .map_err(sql("store what metrics are"))?;
    Ok(())
}

/// Inserts what was not said before, as far as there is room.
async fn insert(
    connection: &mut SqliteConnection,
    (describer, parts): (i64, [&str; 4]),
    said_ms: Millis,
    new: &[(i64, &MetricMetadata)],
) -> Result<u64, InventoryError> {
    let failed = || sql("store what metrics are");
    let mut in_all = count(connection).await?;
    if in_all >= DESCRIPTIONS_MAX {
        // What was replaced holds room until somebody needs it.
        forget_unsaid(connection).await?;
        in_all = count(connection).await?;
    }
    let mut own: i64 = sqlx::query_scalar(
        "SELECT COUNT(*) FROM metrics_described WHERE describer IN
             (SELECT describer FROM metric_describers WHERE owner = $1 AND host = $2)",
    )
    .bind(parts[0])
    .bind(parts[1])
    .fetch_one(&mut *connection)
    .await
    .map_err(failed())?;
    let mut dropped = 0;
    for (description, metadata) in new {
        if own >= DESCRIBED_MAX {
            dropped += 1;
            continue;
        }
        let made = sqlx::query(
            "INSERT INTO metric_descriptions (description, metric, kind, help, unit)
             SELECT $1, $2, $3, $4, $5
             WHERE $6 OR EXISTS (SELECT 1 FROM metric_descriptions WHERE description = $1)
             ON CONFLICT (description) DO UPDATE SET metric = excluded.metric",
        )
        .bind(description)
        .bind(&metadata.metric)
        .bind(metadata.kind as i64)
        .bind(&metadata.help)
        .bind(&metadata.unit)
        .bind(in_all < DESCRIPTIONS_MAX)
        .execute(&mut *connection)
        .await
        .map_err(failed())?;
        if made.rows_affected() == 0 {
            dropped += 1;
            continue;
        }
        // One too many where it was there before: the bound is reached a little early, within this batch only.
        in_all += 1;
        own += 1;
        sqlx::query(
            "INSERT INTO metrics_described (describer, description, said_ms) VALUES ($1, $2, $3)
             ON CONFLICT (describer, description) DO UPDATE SET said_ms = excluded.said_ms",
        )
        .bind(describer)
        .bind(description)
        .bind(said_ms)
        .execute(&mut *connection)
        .await
        .map_err(failed())?;
    }
    Ok(dropped)
}

async fn count(connection: &mut SqliteConnection) -> Result<i64, InventoryError> {
    let count = sqlx::query_scalar("SELECT COUNT(*) FROM metric_descriptions");
    count.fetch_one(connection).await.map_err(sql("count what metrics are"))
}

/// Forgets descriptions that nobody gives; returns how many.
async fn forget_unsaid(connection: &mut SqliteConnection) -> Result<u64, InventoryError> {
    let done = sqlx::query(
        "DELETE FROM metric_descriptions WHERE NOT EXISTS
             (SELECT 1 FROM metrics_described links
              WHERE links.description = metric_descriptions.description)",
    );
    let done = done.execute(connection).await.map_err(sql("forget what metrics are"))?;
    Ok(done.rows_affected())
}

/// Forgets what nobody has said for so long; returns how many rows went.
pub(crate) async fn prune(inventory: &Inventory, before_ms: Millis) -> Result<u64, InventoryError> {
    let failed = || sql("forget what metrics are");
    let mut transaction = inventory.writer.begin().await.map_err(failed())?;
    let mut rows = sqlx::query("DELETE FROM metrics_described WHERE said_ms < $1")
        .bind(before_ms)
        .execute(&mut *transaction)
        .await
        .map_err(failed())?
        .rows_affected();
    rows += forget_unsaid(&mut transaction).await?;
    let describers = sqlx::query(
        "DELETE FROM metric_describers WHERE NOT EXISTS
             (SELECT 1 FROM metrics_described links
              WHERE links.describer = metric_describers.describer)",
    );
    rows += describers.execute(&mut *transaction).await.map_err(failed())?.rows_affected();
    transaction.commit().await.map_err(failed())?;
    Ok(rows)
}

impl Inventory {
    /// Everything that is said of metrics, or of one, each description once, by metric.
    pub async fn metric_metadata(
        &self,
        metric: Option<&str>,
    ) -> Result<Vec<MetricMetadata>, InventoryError> {
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT metric, kind, help, unit FROM metric_descriptions
             WHERE ($1 IS NULL OR metric = $1) AND EXISTS
                 (SELECT 1 FROM metrics_described links
                  WHERE links.description = metric_descriptions.description)
             ORDER BY metric, kind, help, unit",
        )
        .bind(metric)
        .fetch_all(&self.readers)
        .await
        .map_err(sql("list what metrics are"))?;
        Ok(rows.into_iter().map(Row::ready).collect())
    }

    /// What the targets of hosts say of metrics, or of one: as many as asked for of those that are picked.
    pub async fn target_metadata(
        &self,
        metric: Option<&str>,
        limit: usize,
        picked: impl Fn(&TargetMetric) -> bool,
    ) -> Result<Vec<TargetMetric>, InventoryError> {
        let failed = || sql("list what targets say of metrics");
        let mut rows = sqlx::query_as::<_, TargetRow>(
            "SELECT host, job, instance, metric, kind, help, unit
             FROM metric_describers describers
             JOIN metrics_described links ON links.describer = describers.describer
             JOIN metric_descriptions texts ON texts.description = links.description
             WHERE owner = '' AND ($1 IS NULL OR metric = $1)
             ORDER BY host, job, instance, metric",
        )
        .bind(metric)
        .fetch(&self.readers);
        let mut found = Vec::new();
        while found.len() < limit
            && let Some(row) = rows.try_next().await.map_err(failed())?
        {
            let TargetRow { host, job, instance, row } = row;
            let one = TargetMetric { host, job, instance, metadata: row.ready() };
            if picked(&one) {
                found.push(one);
            }
        }
        Ok(found)
    }
}

fn description(MetricMetadata { metric, kind, help, unit }: &MetricMetadata) -> i64 {
    number(&[metric, kind.name(), help, unit])
}

/// The first bits of a SHA-256: two of a hundred thousand texts meet by chance once in billions of collectors.
fn number(parts: &[&str]) -> i64 {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    let hash: [u8; 32] = hash.finalize().into();
    let (first, _) = hash.split_at(8);
    first.iter().fold(0, |number, byte| number << 8 | i64::from(*byte))
}

#[cfg(test)]
mod tests;
