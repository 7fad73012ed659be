//! The parts while they are joined, each started by one function here.
//! Leaves to others: in which order (`app`), the doors (`listeners`), and the end (`shutdown`).

use std::sync::Arc;

use collector_journal::Position;
use rules_sigma::CorrelationState;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{broadcast, watch};
use tokio::task::JoinSet;

use super::{AppError, Options, SILENT_AFTER_MS};
use crate::config::Config;
use crate::derive::Deriver;
use crate::derived::Reporter;
use crate::drills::{Checker, Drills, Plans};
use crate::evaluate::Evaluator;
use crate::feed::{Feed, FeedError, Follower};
use crate::files::Files;
use crate::health::Health;
use crate::heartbeat::Heart;
use crate::ingest::{Ingest, Limits};
use crate::outward::Outward;
use crate::province::Province;
use crate::push::{Catalog, Pushes};
use crate::query::Query;
use crate::recorded::Recorder;
use crate::reload::{InForce, Reloader};
use crate::rulebook::Rulebook;
use crate::schemas::Schemas;
use crate::self_metrics::SelfMetrics;
use crate::stores::{Stores, StoresError};
use crate::tls::{WebCertificate, WebIdentity};
use crate::views::detections::DetectionsView;
use crate::views::metrics::MetricsView;
use crate::{clock, health, housekeeping, outward, province, views};

/// Changes that a slow page may miss before it is told to fetch everything again.
const CHANGES_MAX: usize = 256;

/// What the parts share, and the tasks that they are.
pub(super) struct Parts {
    pub(super) config: Config,
    pub(super) options: Options,
    pub(super) stores: Stores,
    pub(super) schemas: Schemas,
    /// The places of pushed series.
    pub(super) catalog: Arc<Catalog>,
    pub(super) metrics: SelfMetrics,
    pub(super) query: Query,
    pub(super) health: watch::Sender<Health>,
    /// The time of receipt of the newest column.
    pub(super) arrived: watch::Sender<i64>,
    /// Turns when backups, gaps or probe results arrived.
    pub(super) changed: broadcast::Sender<()>,
    /// How many security events became searchable.
    pub(super) seen: broadcast::Sender<usize>,
    pub(super) tasks: JoinSet<Result<(), FeedError>>,
    pub(super) stop: watch::Receiver<bool>,
}

impl Parts {
    pub(super) fn new(
        config: Config,
        options: Options,
        stores: Stores,
        schemas: Schemas,
        catalog: Arc<Catalog>,
        metrics: SelfMetrics,
        stop: watch::Receiver<bool>,
    ) -> Self {
        let query = Query::new(Arc::clone(&stores.metrics));
        let (health, arrived) = (watch::Sender::new(Health::default()), watch::Sender::new(0));
        let (changed, seen) =
            (broadcast::Sender::new(CHANGES_MAX), broadcast::Sender::new(CHANGES_MAX));
        let tasks = JoinSet::new();
        Self {
            config,
            options,
            stores,
            schemas,
            catalog,
            metrics,
            query,
            health,
            arrived,
            changed,
            seen,
            tasks,
            stop,
        }
    }

    pub(super) fn limits(&self) -> Limits {
        let agents = &self.config.agents;
        Limits {
            series_per_host_max: agents.series_per_host_max,
            future_max_ms: agents.future_max.as_millis(),
            past_max_ms: agents.past_max.as_millis(),
        }
    }

    /// The way of what is pushed, beside that of reports.
    pub(super) fn pushes(&self, feed: Feed) -> Arc<Pushes> {
        let limits = self.limits();
        Arc::new(Pushes {
            journal: self.stores.journal.clone(),
            feed,
            catalog: Arc::clone(&self.catalog),
            inventory: self.stores.inventory.clone(),
            future_max_ms: limits.future_max_ms,
            past_max_ms: limits.past_max_ms,
            metrics: self.metrics.push.clone(),
            otlp_metrics: self.metrics.otlp.clone(),
            state: crate::push::State::default(),
        })
    }

    /// Starts the views, each from the position it has stored.
    pub(super) async fn follow(
        &mut self,
        rules: &watch::Sender<Arc<Rulebook>>,
    ) -> Result<Feed, AppError> {
        let positions = self.stores.positions().await?;
        let mut feed = Feed::default();
        let mut follower = |position: u64| -> Follower {
            feed.follow(self.stores.journal.clone(), self.schemas.clone(), Position(position))
        };
        let (metrics, events) = (follower(positions.metrics), follower(positions.events));
        let (records, detections) = (follower(positions.records), follower(positions.detections));
        let view = MetricsView::new(
            Arc::clone(&self.stores.metrics),
            self.schemas.clone(),
            Arc::clone(&self.catalog),
            self.metrics.clone(),
            SILENT_AFTER_MS,
            self.arrived.clone(),
        );
        self.tasks.spawn(view.run(metrics));
        let store = Arc::clone(&self.stores.events);
        self.tasks.spawn(views::events::run(
            store,
            self.metrics.clone(),
            events,
            self.seen.clone(),
        ));
        let inventory = self.stores.inventory.clone();
        let changed = self.changed.clone();
        self.tasks.spawn(views::records::run(inventory, self.metrics.clone(), records, changed));
        let view = self.detections_view(rules).await?;
        self.tasks.spawn(view.run(detections));
        Ok(feed)
    }

    async fn detections_view(
        &self,
        rules: &watch::Sender<Arc<Rulebook>>,
    ) -> Result<DetectionsView, AppError> {
        let (_, saved) =
            self.stores.alerting.detections_position().await.map_err(StoresError::from)?;
        let state = saved.map(|bytes| CorrelationState::from_bytes(&bytes)).transpose();
        let state = state.unwrap_or_else(|error| {
            tracing::error!(error = %crate::describe(&error), "correlations begin anew");
            None
        });
        Ok(DetectionsView {
            alerting: self.stores.alerting.clone(),
            rules: rules.subscribe(),
            state: state.unwrap_or_default(),
            metrics: self.metrics.clone(),
        })
    }

    pub(super) fn watch_health(&mut self) {
        let (state_dir, reserve) =
            (self.config.state_dir.clone(), self.config.journal.free_reserve.0);
        let journal = self.stores.journal.clone();
        let (health, stop) = (self.health.clone(), self.stop.clone());
        self.tasks.spawn(async move {
            health::watch(state_dir, reserve, journal, health, stop).await;
            Ok(())
        });
    }

    /// Starts what sends samples on to other systems.
    pub(super) fn send_outward(&mut self) -> Result<Outward, AppError> {
        let sources = outward::Sources {
            journal: self.stores.journal.clone(),
            schemas: self.schemas.clone(),
            state_dir: self.config.state_dir.clone(),
            reserve_bytes: self.config.journal.free_reserve.0,
        };
        let targets = &self.config.remote_write.targets;
        let registry = &self.metrics.registry;
        Ok(Outward::start(targets, &sources, registry, &mut self.tasks, &self.stop)?)
    }

    pub(super) fn keep_house(&mut self, outward: Outward) {
        let (stores, metrics, stop) =
            (self.stores.clone(), self.metrics.clone(), self.stop.clone());
        self.tasks.spawn(async move {
            housekeeping::run(stores, outward, metrics, stop).await;
            Ok(())
        });
    }

    pub(super) fn keep_places(&mut self, province: &watch::Sender<Arc<Province>>) {
        let (province, query, stop) = (province.subscribe(), self.query.clone(), self.stop.clone());
        self.tasks.spawn(async move {
            province::keep_places(province, query, stop).await;
            Ok(())
        });
    }

    pub(super) fn derive(
        &mut self,
        ingest: &Arc<Ingest>,
        province: &watch::Sender<Arc<Province>>,
        now_ms: i64,
    ) -> Result<(), AppError> {
        let deriver = Deriver {
            budgeted_ms: None,
            stores: self.stores.clone(),
            ingest: Arc::clone(ingest),
            metrics: self.metrics.clone(),
            health: self.health.subscribe(),
            reserve_bytes: self.config.journal.free_reserve.0,
            province: province.subscribe(),
            query: self.query.clone(),
            reporter: Reporter::new(now_ms, "collector")?,
            changed: self.changed.subscribe(),
        };
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            deriver.run(stop).await;
            Ok(())
        });
        Ok(())
    }

    pub(super) fn evaluate(
        &mut self,
        rules: &watch::Sender<Arc<Rulebook>>,
        ingest: &Arc<Ingest>,
        now_ms: i64,
    ) -> Result<(), AppError> {
        let evaluator = Evaluator {
            query: self.query.clone(),
            alerting: self.stores.alerting.clone(),
            ingest: Arc::clone(ingest),
            metrics: self.metrics.clone(),
            recorder: Recorder::new(now_ms)?,
            external: Arc::new(rules::External {
                labels: agent_model::Labels::empty(),
                url: self.config.web.external_url.clone(),
            }),
            interval: self.config.rules.evaluation_interval.0,
            arrived: self.arrived.subscribe(),
        };
        let (rules, stop) = (rules.subscribe(), self.stop.clone());
        self.tasks.spawn(async move {
            evaluator.run(rules, stop).await;
            Ok(())
        });
        Ok(())
    }

    /// Takes up the drills that were running.
    pub(super) fn drill(&mut self, plans: Plans) -> Result<Arc<Drills>, AppError> {
        let checker = Checker::new(self.query.clone())?;
        let drills = Arc::new(Drills::new(plans, self.stores.inventory.clone(), checker));
        let (running, stop) = (Arc::clone(&drills), self.stop.clone());
        self.tasks.spawn(async move {
            running.run(stop).await;
            Ok(())
        });
        Ok(drills)
    }

    /// Has files read again at SIGHUP, and whenever somebody asks the reloader.
    pub(super) fn reload(
        &mut self,
        files: Files,
        rules: watch::Sender<Arc<Rulebook>>,
        province: watch::Sender<Arc<Province>>,
        drills: Arc<Drills>,
        certificate: Option<WebCertificate>,
    ) -> Result<Arc<Reloader>, AppError> {
        let in_force = InForce {
            rules,
            province,
            drills,
            alerting: self.stores.alerting.clone(),
            identity: certificate.map(WebIdentity::new).map(Arc::new),
            metrics: self.metrics.clone(),
            changed: self.changed.clone(),
        };
        let audit = self.stores.inventory.clone();
        let reloader = Arc::new(Reloader::new(files, in_force, audit, clock::now_ms()));
        let mut hang_up = signal(SignalKind::hangup())?;
        let (asked, mut stop) = (Arc::clone(&reloader), self.stop.clone());
        self.tasks.spawn(async move {
            loop {
                let stopping = tokio::select! {
                    _ = hang_up.recv() => false,
                    _ = stop.wait_for(|stop| *stop) => true,
                };
                if stopping {
                    return Ok(());
                }
                asked.reload("SIGHUP").await;
            }
        });
        Ok(reloader)
    }

    /// Tells a watcher outside that all is well, while it is.
    pub(super) fn beat(&mut self) {
        let heart = Heart {
            alerting: self.stores.alerting.clone(),
            health: self.health.subscribe(),
            rule_health: self.metrics.rule_health.clone(),
            figures: self.metrics.heartbeat.clone(),
        };
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            heart.run(stop).await;
            Ok(())
        });
    }

    /// Sends what alerting has to send.
    pub(super) fn alert(&mut self) {
        let (alerting, mut stop) = (self.stores.alerting.clone(), self.stop.clone());
        self.tasks.spawn(async move {
            alerting
                .run(clock::now_ms, async move { drop(stop.wait_for(|stop| *stop).await) })
                .await;
            Ok(())
        });
    }
}
