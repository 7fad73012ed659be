//! The stores, opened together, and how far each has come.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use collector_alerting::{Alerting, AlertingConfig, AlertingError, Routing};
use collector_event_store::{EventStore, EventStoreConfig, EventStoreError};
use collector_inventory::{Inventory, InventoryError, Ledger};
use collector_journal::{Journal, JournalConfig, JournalError, Position};
use collector_metric_store::{MetricStore, MetricStoreConfig, MetricStoreError};

use crate::clock;
use crate::config::Config;
use crate::feed::{FeedError, Reported, decode, next_good};
use crate::schemas::Schemas;

const DAY_MS: i64 = 86_400_000;

/// Every store of the collector; clones share them.
#[derive(Clone)]
pub struct Stores {
    pub journal: Journal,
    pub metrics: Arc<MetricStore>,
    pub events: Arc<EventStore>,
    pub inventory: Inventory,
    pub alerting: Alerting,
}

#[derive(Debug, thiserror::Error)]
pub enum StoresError {
    #[error("the directory {path} cannot be made")]
    Directory {
        path: std::path::PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("the journal cannot be opened")]
    Journal(#[from] JournalError),
    #[error("the metric store cannot be opened")]
    Metrics(#[from] MetricStoreError),
    #[error("the event store cannot be opened")]
    Events(#[from] EventStoreError),
    #[error("the inventory cannot be opened")]
    Inventory(#[from] InventoryError),
    #[error("alerting cannot be opened")]
    Alerting(#[from] AlertingError),
    #[error("a stored schema cannot be read")]
    Schema(#[from] agent_wire::WireError),
    #[error("the end of the journal cannot be taken up again")]
    Replay(#[from] FeedError),
}

/// The journal position that each view has stored.
#[derive(Clone, Copy, Debug)]
pub struct Positions {
    pub metrics: u64,
    pub events: u64,
    pub records: u64,
    pub detections: u64,
}

impl Positions {
    pub fn by_view(&self) -> [(&'static str, u64); 4] {
        [
            ("metrics", self.metrics),
            ("events", self.events),
            ("records", self.records),
            ("detections", self.detections),
        ]
    }

    pub fn slowest(&self) -> u64 {
        self.by_view().into_iter().map(|(_, position)| position).min().unwrap_or(0)
    }

    fn furthest(&self) -> u64 {
        self.by_view().into_iter().map(|(_, position)| position).max().unwrap_or(0)
    }
}

impl Stores {
    /// Opens every store below the state directory. The journal comes last: it must not hand out a position again
    /// that a view has seen.
    pub async fn open(config: &Config, routing: Routing) -> Result<Self, StoresError> {
        let state_dir = &config.state_dir;
        private_directory(state_dir)?;
        let directory = |name: &str| -> Result<std::path::PathBuf, StoresError> {
            let path = state_dir.join(name);
            std::fs::create_dir_all(&path)
                .map_err(|source| StoresError::Directory { path: path.clone(), source })?;
            Ok(path)
        };
        let inventory = Inventory::open(&state_dir.join("inventory.db")).await?;
        let alerting = Alerting::open(
            AlertingConfig {
                database: state_dir.join("alerting.db"),
                external_url: config.web.external_url.clone(),
                answers_links: config.web.is_external_url_given,
            },
            routing,
            clock::now_ms(),
        )
        .await?;
        // Pushed series without a host share the empty name there; both ways in have walls of their own.
        let host_series_max =
            config.agents.series_per_host_max.max(config.remote_write.series_per_token_max);
        let metrics = MetricStore::open(MetricStoreConfig {
            retention_ms: config.retention.metrics.as_millis(),
            rollup_retention_ms: config.retention.metric_rollups.as_millis(),
            // By then everything has come that is taken at all.
            rollup_after_ms: config.agents.past_max.as_millis().saturating_add(DAY_MS),
            host_series_max: host_series_max as u64,
            ..MetricStoreConfig::new(directory("metrics")?)
        })?;
        let days = config.retention.events.as_millis() / 86_400_000 + 1;
        let events = EventStore::open(EventStoreConfig {
            retention_days: u32::try_from(days).unwrap_or(u32::MAX),
            ..EventStoreConfig::new(directory("events")?)
        })?;
        let (metrics, events) = (Arc::new(metrics), Arc::new(events));
        let seen = positions(&metrics, &events, &inventory, &alerting).await?.furthest();
        let sent = crate::outward::furthest(&state_dir.join(crate::outward::DIRECTORY));
        let journal = Journal::open(JournalConfig {
            seen: sent.max(Position(seen)),
            free_reserve_bytes: config.journal.free_reserve.0,
            bytes_max: config.journal.bytes_max.0,
            ..JournalConfig::new(directory("journal")?, monotonic)
        })?;
        Ok(Self { journal, metrics, events, inventory, alerting })
    }

    /// Acknowledged records that the newest journal segment holds and nobody can read, a sentence for each range.
    pub fn journal_damage(&self) -> Vec<String> {
        let damaged = self.journal.recovery().damaged.iter();
        let told = damaged.map(|range| {
            let (first, last) = (range.first.0, range.last.0);
            format!("{}: records {first} to {last} cannot be read", range.path.display())
        });
        told.collect()
    }

    pub async fn positions(&self) -> Result<Positions, StoresError> {
        positions(&self.metrics, &self.events, &self.inventory, &self.alerting).await
    }

    /// The schemas and the ledger of reports as of the journal's end: what ingest needs before it may begin.
    pub async fn take_up(&self) -> Result<(Schemas, Ledger), StoresError> {
        let schemas = Schemas::default();
        for stored in self.inventory.schemas().await? {
            let schema = Arc::new(agent_wire::decode_schema(&stored.bytes)?);
            schemas.add(&stored.host, &[(stored.id, schema)], &[stored.id]);
        }
        let mut ledger = self.inventory.ledger().await?;
        let from = self.inventory.position().await?.saturating_add(1);
        let mut next = Position(from).max(self.journal.first());
        let mut reader = self.journal.read(next);
        while let Some((position, bytes)) = next_good(&mut reader, &mut next)? {
            let decoded = decode(position, bytes, &schemas)?;
            let Some(Reported { record, report, hash }) = decoded.reported() else { continue };
            let now_ms = record.received_ms;
            ledger.record(&record.host, report.key, hash, report.created_ms, now_ms);
            for gap in &report.gaps {
                ledger.explain(&record.host, gap, now_ms);
            }
        }
        Ok((schemas, ledger))
    }

    /// Bytes free for an unprivileged program on the file system of a directory.
    pub fn free_bytes(directory: &Path) -> Option<u64> {
        let stat = nix::sys::statvfs::statvfs(directory).ok()?;
        Some(stat.blocks_available().saturating_mul(stat.fragment_size()))
    }
}

/// Only the collector's own user may look into the state: it holds keys and what hosts report.
fn private_directory(path: &Path) -> Result<(), StoresError> {
    use std::os::unix::fs::DirBuilderExt;
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|source| StoresError::Directory { path: path.to_owned(), source })
}

async fn positions(
    metrics: &MetricStore,
    events: &EventStore,
    inventory: &Inventory,
    alerting: &Alerting,
) -> Result<Positions, StoresError> {
    Ok(Positions {
        metrics: metrics.position(),
        events: events.position(),
        records: inventory.position().await?,
        detections: alerting.detections_position().await?.0,
    })
}

/// The journal measures its syncs with it.
fn monotonic() -> Duration {
    static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    START.get_or_init(clock::instant).elapsed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slowest_view_decides_what_the_journal_may_forget() {
        let positions = Positions { metrics: 9, events: 4, records: 12, detections: 7 };
        assert_eq!((positions.slowest(), positions.furthest()), (4, 12));
    }
}
