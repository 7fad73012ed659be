//! The ledger on disk: a row for each stream of each epoch, written in the transaction of the reports it counts.

use std::collections::HashMap;

use agent_model::{Epoch, Gap, HostId, Millis};
use sqlx::SqliteConnection;

use crate::error::{damaged, sql};
use crate::ledger::{HostLedger, Ledger, StreamLedger, text};
use crate::values::{from_sql, host_from_sql, stream_from_sql, to_sql};
use crate::{HostGap, Inventory, InventoryError, gaps};

#[derive(sqlx::FromRow)]
struct Row {
    host: String,
    epoch: i64,
    stream: i64,
    watermark: i64,
    watermark_created_ms: i64,
    ranges: String,
    recent: String,
}

impl Row {
    fn put(self, ledger: &mut HostLedger) -> Result<(), InventoryError> {
        let ranges = text::ranges_from_text(&self.ranges);
        let recent = text::recent_from_text(&self.recent);
        let stream = StreamLedger {
            watermark: from_sql(self.watermark),
            watermark_created_ms: self.watermark_created_ms,
            ranges: ranges.ok_or_else(|| damaged("ranges of the ledger", &self.ranges))?,
            recent: recent.ok_or_else(|| damaged("hashes of the ledger", &self.recent))?,
        };
        let key = (Epoch(from_sql(self.epoch)), stream_from_sql(self.stream)?);
        ledger.streams.insert(key, stream);
        Ok(())
    }
}

pub(crate) async fn load(
    connection: &mut SqliteConnection,
    host: &HostId,
) -> Result<HostLedger, InventoryError> {
    let forgotten: Option<i64> =
        sqlx::query_scalar("SELECT epoch_forgotten FROM hosts WHERE host = $1")
            .bind(host.as_str())
            .fetch_optional(&mut *connection)
            .await
            .map_err(sql("read the ledger"))?;
    let rows: Vec<Row> = sqlx::query_as("SELECT * FROM ledger WHERE host = $1")
        .bind(host.as_str())
        .fetch_all(connection)
        .await
        .map_err(sql("read the ledger"))?;
    let mut ledger =
        HostLedger { forgotten: from_sql(forgotten.unwrap_or(0)), ..HostLedger::default() };
    for row in rows {
        row.put(&mut ledger)?;
    }
    Ok(ledger)
}

/// Writes what differs from `before`. The host's row must exist.
pub(crate) async fn save(
    connection: &mut SqliteConnection,
    host: &HostId,
    before: &HostLedger,
    after: &HostLedger,
) -> Result<(), InventoryError> {
    for (key @ (epoch, stream), ledger) in &after.streams {
        if before.streams.get(key) == Some(ledger) {
            continue;
        }
        sqlx::query(
            "INSERT INTO ledger
                 (host, epoch, stream, watermark, watermark_created_ms, ranges, recent)
             VALUES ($1, $2, $3, $4, $5, $6, $7)
             ON CONFLICT (host, epoch, stream) DO UPDATE SET
                 watermark = excluded.watermark,
                 watermark_created_ms = excluded.watermark_created_ms,
                 ranges = excluded.ranges,
                 recent = excluded.recent",
        )
        .bind(host.as_str())
        .bind(to_sql(epoch.0))
        .bind(*stream as i64)
        .bind(to_sql(ledger.watermark))
        .bind(ledger.watermark_created_ms)
        .bind(text::ranges_to_text(&ledger.ranges))
        .bind(text::recent_to_text(&ledger.recent))
        .execute(&mut *connection)
        .await
        .map_err(sql("write the ledger"))?;
    }
    if before.forgotten == after.forgotten {
        return Ok(());
    }
    for statement in [
        "UPDATE hosts SET epoch_forgotten = $2 WHERE host = $1",
        "DELETE FROM ledger WHERE host = $1 AND epoch <= $2",
    ] {
        sqlx::query(statement)
            .bind(host.as_str())
            .bind(to_sql(after.forgotten))
            .execute(&mut *connection)
            .await
            .map_err(sql("write the ledger"))?;
    }
    Ok(())
}

impl Inventory {
    /// The whole ledger as of `position()`: ingest checks against it once the journal's tail is applied too.
    pub async fn ledger(&self) -> Result<Ledger, InventoryError> {
        let failed = || sql("read the ledger");
        let mut transaction = self.readers.begin().await.map_err(failed())?;
        let forgotten: Vec<(String, i64)> =
            sqlx::query_as("SELECT host, epoch_forgotten FROM hosts")
                .fetch_all(&mut *transaction)
                .await
                .map_err(failed())?;
        let rows: Vec<Row> = sqlx::query_as("SELECT * FROM ledger")
            .fetch_all(&mut *transaction)
            .await
            .map_err(failed())?;
        let mut hosts: HashMap<String, HostLedger> = HashMap::new();
        for (host, forgotten) in forgotten {
            hosts.entry(host).or_default().forgotten = from_sql(forgotten);
        }
        for row in rows {
            let host = row.host.clone();
            row.put(hosts.entry(host).or_default())?;
        }
        let mut ledger = Ledger::default();
        for (host, host_ledger) in hosts {
            ledger.insert(host_from_sql(&host)?, host_ledger);
        }
        Ok(ledger)
    }

    /// Records as an unexplained gap every hole that has not shrunk for `delay_ms`, each once, and returns them.
    /// Reports that come after all are stored nevertheless.
    pub async fn name_holes(
        &self,
        delay_ms: Millis,
        now_ms: Millis,
    ) -> Result<Vec<HostGap>, InventoryError> {
        let failed = || sql("name the holes of the ledger");
        let mut transaction = self.writer.begin().await.map_err(failed())?;
        let hosts: Vec<String> =
            sqlx::query_scalar("SELECT DISTINCT host FROM ledger WHERE ranges <> ''")
                .fetch_all(&mut *transaction)
                .await
                .map_err(failed())?;
        let mut named = Vec::new();
        for host in hosts {
            let host = host_from_sql(&host)?;
            let before = load(&mut transaction, &host).await?;
            let mut after = before.clone();
            let holes: Vec<Gap> = after.name_holes(now_ms.saturating_sub(delay_ms));
            save(&mut transaction, &host, &before, &after).await?;
            for gap in holes {
                gaps::store(&mut transaction, &host, &gap, now_ms).await?;
                named.push(HostGap { host: host.clone(), gap, recorded_ms: now_ms });
            }
        }
        transaction.commit().await.map_err(failed())?;
        Ok(named)
    }
}
