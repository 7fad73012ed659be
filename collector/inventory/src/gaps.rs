//! Gap records: what will never arrive, as agents said it or as the ledger saw it.

use agent_model::{Epoch, Gap, HostId, Millis};
use sqlx::SqliteConnection;

use crate::error::sql;
use crate::values::{from_sql, host_from_sql, reason_from_sql, stream_from_sql, to_sql};
use crate::{Inventory, InventoryError};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostGap {
    pub host: HostId,
    pub gap: Gap,
    /// When the collector learnt of it.
    pub recorded_ms: Millis,
}

#[derive(sqlx::FromRow)]
struct Row {
    host: String,
    stream: i64,
    epoch: i64,
    first_sequence: i64,
    last_sequence: i64,
    from_ms: i64,
    to_ms: i64,
    samples: i64,
    events: i64,
    reason: i64,
    recorded_ms: i64,
}

pub(crate) async fn store(
    connection: &mut SqliteConnection,
    host: &HostId,
    gap: &Gap,
    now_ms: Millis,
) -> Result<(), InventoryError> {
    sqlx::query(
        "INSERT INTO gaps (host, stream, epoch, first_sequence, last_sequence, from_ms, to_ms,
             samples, events, reason, recorded_ms)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
    )
    .bind(host.as_str())
    .bind(gap.stream as i64)
    .bind(to_sql(gap.epoch.0))
    .bind(to_sql(gap.first_sequence))
    .bind(to_sql(gap.last_sequence))
    .bind(gap.from_ms)
    .bind(gap.to_ms)
    .bind(to_sql(gap.samples))
    .bind(to_sql(gap.events))
    .bind(gap.reason as i64)
    .bind(now_ms)
    .execute(connection)
    .await
    .map_err(sql("store a gap record"))?;
    Ok(())
}

impl Inventory {
    /// The gaps learnt of last, the newest first.
    pub async fn gaps(&self, limit: u32) -> Result<Vec<HostGap>, InventoryError> {
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT * FROM gaps ORDER BY recorded_ms DESC, host, epoch, first_sequence LIMIT $1",
        )
        .bind(limit)
        .fetch_all(&self.readers)
        .await
        .map_err(sql("list gap records"))?;
        rows.into_iter().map(Row::ready).collect()
    }

    /// Records a gap that the collector itself made, such as a view set aside.
    pub async fn gap_record(
        &self,
        host: &HostId,
        gap: &Gap,
        now_ms: Millis,
    ) -> Result<(), InventoryError> {
        let mut connection = self.writer.acquire().await.map_err(sql("store a gap record"))?;
        store(&mut connection, host, gap, now_ms).await
    }
}

impl Row {
    fn ready(self) -> Result<HostGap, InventoryError> {
        Ok(HostGap {
            host: host_from_sql(&self.host)?,
            gap: Gap {
                stream: stream_from_sql(self.stream)?,
                epoch: Epoch(from_sql(self.epoch)),
                first_sequence: from_sql(self.first_sequence),
                last_sequence: from_sql(self.last_sequence),
                from_ms: self.from_ms,
                to_ms: self.to_ms,
                samples: from_sql(self.samples),
                events: from_sql(self.events),
                reason: reason_from_sql(self.reason)?,
            },
            recorded_ms: self.recorded_ms,
        })
    }
}
