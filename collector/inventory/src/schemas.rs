//! Schemas: what agents' columns refer to, kept as the wire's bytes for as long as anything may refer to them.

use agent_model::{HostId, Millis, SchemaId};
use sqlx::SqliteConnection;

use crate::error::{damaged, sql};
use crate::values::host_from_sql;
use crate::{Inventory, InventoryError};

/// The last use is noted to this step only, so that a steady agent costs no write per report.
const USE_STEP_MS: Millis = 3_600_000;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredSchema {
    pub host: HostId,
    pub id: SchemaId,
    /// As `agent_wire::encode_schema` made them.
    pub bytes: Vec<u8>,
    pub last_used_ms: Millis,
}

#[derive(sqlx::FromRow)]
struct Row {
    host: String,
    schema_id: String,
    bytes: Vec<u8>,
    last_used_ms: i64,
}

pub(crate) async fn store(
    connection: &mut SqliteConnection,
    host: &HostId,
    id: SchemaId,
    bytes: &[u8],
    now_ms: Millis,
) -> Result<(), InventoryError> {
    sqlx::query(
        "INSERT INTO schemas (host, schema_id, bytes, last_used_ms) VALUES ($1, $2, $3, $4)
         ON CONFLICT (host, schema_id) DO UPDATE SET last_used_ms = excluded.last_used_ms",
    )
    .bind(host.as_str())
    .bind(hex::encode(id.0))
    .bind(bytes)
    .bind(now_ms)
    .execute(connection)
    .await
    .map_err(sql("store a schema"))?;
    Ok(())
}

pub(crate) async fn note_use(
    connection: &mut SqliteConnection,
    host: &HostId,
    id: SchemaId,
    now_ms: Millis,
) -> Result<(), InventoryError> {
    sqlx::query(
        "UPDATE schemas SET last_used_ms = $1
         WHERE host = $2 AND schema_id = $3 AND last_used_ms < $4",
    )
    .bind(now_ms)
    .bind(host.as_str())
    .bind(hex::encode(id.0))
    .bind(now_ms.saturating_sub(USE_STEP_MS))
    .execute(connection)
    .await
    .map_err(sql("note the use of a schema"))?;
    Ok(())
}

impl Inventory {
    /// Every schema of every host: what the collector loads at its start.
    pub async fn schemas(&self) -> Result<Vec<StoredSchema>, InventoryError> {
        let rows: Vec<Row> = sqlx::query_as("SELECT * FROM schemas ORDER BY host, schema_id")
            .fetch_all(&self.readers)
            .await
            .map_err(sql("list schemas"))?;
        rows.into_iter()
            .map(|row| {
                let id = hex::decode(&row.schema_id).ok().and_then(|id| id.try_into().ok());
                Ok(StoredSchema {
                    host: host_from_sql(&row.host)?,
                    id: SchemaId(id.ok_or_else(|| damaged("a schema id", &row.schema_id))?),
                    bytes: row.bytes,
                    last_used_ms: row.last_used_ms,
                })
            })
            .collect()
    }
}
