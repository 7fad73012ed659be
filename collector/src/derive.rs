//! The loop that writes derived metrics: at an interval, and soon after something happened that they tell of.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use agent_model::{Labels, Millis, Sample};
use collector_inventory::HostSummary;
use collector_inventory::config::{ServiceInputs, ServiceReport};
use rules_promql::{Limits, PromqlError, Value};
use tokio::sync::{broadcast, watch};

use crate::app::SILENT_AFTER_MS;
use crate::clock;
use crate::derived::{Readings, Reporter, Sources, is_up, readings};
use crate::health::Health;
use crate::ingest::Ingest;
use crate::province::Province;
use crate::query::Query;
use crate::self_metrics::SelfMetrics;
use crate::stores::Stores;

/// `up` and the like are never older than this.
const INTERVAL: Duration = Duration::from_secs(10);

/// After a change at least this long passes, so that a burst of reports is one round.
const SPACING: Duration = Duration::from_millis(500);

/// How often the week's alerts are counted against their budget: it reads all of them.
const BUDGET_MS: Millis = 60_000;

/// Gap records that are counted; older ones are history.
const GAPS_MAX: u32 = 10_000;

/// Backup runs older than this are history too.
const BACKUPS_MS: i64 = 400 * 86_400_000;

/// Whether a probe succeeds from any host; what is too old to count is not there.
const PROBES: &str = "max by (probe) (probe_success)";

/// Makes derived metrics from the stores.
pub struct Deriver {
    pub stores: Stores,
    pub ingest: Arc<Ingest>,
    pub metrics: SelfMetrics,
    pub health: watch::Receiver<Health>,
    pub reserve_bytes: u64,
    pub province: watch::Receiver<Arc<Province>>,
    pub query: Query,
    pub reporter: Reporter,
    /// Turns when backups, gaps or facts arrived.
    pub changed: broadcast::Receiver<()>,
    /// When the week's alerts were last counted.
    pub budgeted_ms: Option<Millis>,
}

impl Deriver {
    /// Runs until `stop` turns true.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) {
        loop {
            if let Err(error) = self.round().await {
                tracing::error!(error = %crate::describe(error.as_ref()), "derived metrics are missing");
            }
            tokio::time::sleep(SPACING).await;
            tokio::select! {
                () = tokio::time::sleep(INTERVAL) => {}
                changed = self.changed.recv() => {
                    // Having missed some changes is a change too; without a sender the collector is stopping.
                    if matches!(changed, Err(broadcast::error::RecvError::Closed)) {
                        return;
                    }
                }
                _ = stop.wait_for(|stop| *stop) => return,
            }
        }
    }

    /// What the probes and the hosts tell of each service of `inventory.yml`.
    async fn services(
        &self,
        province: &Province,
        hosts: &[HostSummary],
        now_ms: Millis,
    ) -> Result<BTreeMap<String, ServiceReport>, Box<dyn std::error::Error + Send + Sync>> {
        if province.inventory.services.is_empty() {
            return Ok(BTreeMap::new());
        }
        let query = self.query.clone();
        let evaluation = move || -> Result<Value, PromqlError> {
            let expression = rules_promql::parse(PROBES)?;
            rules_promql::evaluate_instant(&expression, now_ms, &query, &Limits::default())
        };
        let mut inputs = ServiceInputs::default();
        if let Value::Vector(probes) = tokio::task::spawn_blocking(evaluation).await?? {
            let named = |(labels, sample): (Labels, Sample)| {
                Some((labels.get("probe")?.to_owned(), sample.value > 0.0))
            };
            inputs.probes = probes.into_iter().filter_map(named).collect();
        }
        let reporting =
            |host: &HostSummary| (host.host.clone(), is_up(host, now_ms, SILENT_AFTER_MS));
        inputs.hosts = hosts.iter().map(reporting).collect();
        Ok(province.inventory.service_statuses(&inputs))
    }

    async fn round(&mut self) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let now_ms = clock::now_ms();
        let inventory = &self.stores.inventory;
        let (hosts, gaps) = (inventory.hosts().await?, inventory.gaps(GAPS_MAX).await?);
        let backups = inventory.backups(now_ms - BACKUPS_MS).await?;
        let health = self.health.borrow().clone();
        self.metrics.note_alerting(&self.stores.alerting.stats(now_ms).await?);
        self.metrics.note_failures(&self.stores.alerting.failed_by_receiver(now_ms).await?);
        self.metrics.note_channels(&self.stores.alerting.channels(now_ms).await?, now_ms);
        if self.budgeted_ms.is_none_or(|at_ms| !(at_ms..at_ms + BUDGET_MS).contains(&now_ms)) {
            self.metrics.note_budget(&self.stores.alerting.budget(0, now_ms).await?);
            self.budgeted_ms = Some(now_ms);
        }
        let province = Arc::clone(&self.province.borrow());
        let services = self.services(&province, &hosts, now_ms).await?;
        let sources = Sources {
            hosts: &hosts,
            services: &services,
            backups: &backups,
            gaps: &gaps,
            province: &province,
            health: &health,
            reserve_bytes: self.reserve_bytes,
            own: &self.metrics.registry.gather(),
        };
        let readings = readings(&sources, now_ms, SILENT_AFTER_MS);
        self.store(readings, now_ms).await
    }

    /// At the reserve the journal takes nothing, and just then rules must see it: the readings go to memory only, to be
    /// made anew after a crash.
    async fn store(
        &mut self,
        readings: Readings,
        now_ms: Millis,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let report = self.reporter.report(readings.clone(), now_ms);
        let Err(error) = self.ingest.store_derived(report, now_ms).await else { return Ok(()) };
        self.reporter.forget_schema();
        let (labels, values): (Vec<Labels>, Vec<f64>) = readings.into_iter().unzip();
        let series = self.stores.metrics.series_refs(&labels)?;
        self.stores.metrics.append(&series, now_ms, &values)?;
        Err(error.into())
    }
}
