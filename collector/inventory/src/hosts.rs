//! Hosts as they have shown themselves: last report, version, clock, facts, certificates.

use std::collections::HashSet;

use agent_model::{Epoch, HostId, Millis};

use crate::error::sql;
use crate::values::{from_sql, host_from_sql};
use crate::{HostIdentity, Inventory, InventoryError};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostSummary {
    pub host: HostId,
    pub state: HostState,
    pub first_report_ms: Option<Millis>,
    /// By the collector's clock; `None` until the first report.
    pub last_report_ms: Option<Millis>,
    pub agent_version: String,
    /// The host's clock minus the collector's, measured with the last report.
    pub clock_offset_ms: Millis,
    pub epoch: Epoch,
    /// When the newest certificate that is not revoked expires.
    pub certificate_expiry_ms: Option<Millis>,
}

/// Whether a host may report; whether it does is told by `last_report_ms`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostState {
    /// Holds an identity, has not reported yet.
    Enrolled,
    /// Has reported at least once.
    Active,
    Revoked,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostDetail {
    pub summary: HostSummary,
    pub facts: Vec<HostFact>,
    /// The newest first.
    pub identities: Vec<HostIdentity>,
}

#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct HostFact {
    pub name: String,
    pub value: String,
    pub updated_ms: Millis,
}

#[derive(sqlx::FromRow)]
struct Row {
    host: String,
    first_report_ms: Option<i64>,
    last_report_ms: Option<i64>,
    agent_version: String,
    clock_offset_ms: i64,
    epoch: i64,
    revoked: bool,
    certificate_expiry_ms: Option<i64>,
}

impl HostState {
    pub fn name(self) -> &'static str {
        match self {
            Self::Enrolled => "enrolled",
            Self::Active => "active",
            Self::Revoked => "revoked",
        }
    }
}

impl Row {
    fn ready(self) -> Result<HostSummary, InventoryError> {
        let state = match (self.revoked, self.last_report_ms) {
            (true, _) => HostState::Revoked,
            (false, None) => HostState::Enrolled,
            (false, Some(_)) => HostState::Active,
        };
        Ok(HostSummary {
            host: host_from_sql(&self.host)?,
            state,
            first_report_ms: self.first_report_ms,
            last_report_ms: self.last_report_ms,
            agent_version: self.agent_version,
            clock_offset_ms: self.clock_offset_ms,
            epoch: Epoch(from_sql(self.epoch)),
            certificate_expiry_ms: self.certificate_expiry_ms,
        })
    }
}

impl Inventory {
    /// Every host that was enrolled or has reported, in order of its id.
    pub async fn hosts(&self) -> Result<Vec<HostSummary>, InventoryError> {
        self.summaries(None).await
    }

    /// The names of all hosts, revoked ones too.
    pub async fn host_names(&self) -> Result<HashSet<String>, InventoryError> {
        let names: Vec<String> = sqlx::query_scalar("SELECT host FROM hosts")
            .fetch_all(&self.readers)
            .await
            .map_err(sql("list the names of hosts"))?;
        Ok(names.into_iter().collect())
    }

    pub async fn host(&self, host: &HostId) -> Result<Option<HostDetail>, InventoryError> {
        let Some(summary) = self.summaries(Some(host)).await?.pop() else { return Ok(None) };
        let facts: Vec<HostFact> = sqlx::query_as(
            "SELECT name, value, updated_ms FROM facts WHERE host = $1 ORDER BY name",
        )
        .bind(host.as_str())
        .fetch_all(&self.readers)
        .await
        .map_err(sql("list the facts of a host"))?;
        let identities = self.identities_of(host).await?;
        Ok(Some(HostDetail { summary, facts, identities }))
    }

    async fn summaries(&self, only: Option<&HostId>) -> Result<Vec<HostSummary>, InventoryError> {
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT hosts.host, first_report_ms, last_report_ms, agent_version, clock_offset_ms,
                 epoch, revoked,
                 (SELECT MAX(not_after_ms) FROM identities
                  WHERE identities.host = hosts.host AND revoked_ms IS NULL)
                     AS certificate_expiry_ms
             FROM hosts WHERE $1 IS NULL OR hosts.host = $1 ORDER BY hosts.host",
        )
        .bind(only.map(HostId::as_str))
        .fetch_all(&self.readers)
        .await
        .map_err(sql("list hosts"))?;
        rows.into_iter().map(Row::ready).collect()
    }
}
