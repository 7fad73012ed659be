//! The collector as a whole: builds every part, joins them, runs until it is told to stop.
//! The only file that knows all the parts; nothing is decided here.
//! Longer than 400 lines because every part is built and joined here and nowhere else.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use agent_model::Problems;
use collector_alerting::Routing;
use collector_journal::Position;
use rules::drill::DrillPlan;
use rules_sigma::CorrelationState;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, broadcast, watch};
use tokio::task::JoinSet;

use crate::agents_api::AgentsApi;
use crate::authority::{self, Authority, AuthorityError};
use crate::config::Config;
use crate::derive::Deriver;
use crate::derived::Reporter;
use crate::drills::{Checker, Drills};
use crate::evaluate::{Evaluator, RECORDED_JOB};
use crate::feed::{Feed, FeedError, Follower};
use crate::health::Health;
use crate::http::{Gate, WebApi};
use crate::ingest::{Ingest, Limits};
use crate::province::Province;
use crate::query::Query;
use crate::rulebook::Rulebook;
use crate::schemas::Schemas;
use crate::self_metrics::SelfMetrics;
use crate::serve::Listener;
use crate::stores::{Stores, StoresError};
use crate::tls::{self, TlsError};
use crate::views::detections::DetectionsView;
use crate::views::metrics::MetricsView;
use crate::{agents_api, clock, health, housekeeping, http, token, views};

/// Holds the code that makes the first user; gone once it was used.
pub const SETUP_CODE_FILE: &str = "setup.code";

/// Where this start listens for browsers and for agents; written when it does, so that port 0 can be asked for.
pub const WEB_ADDRESS_FILE: &str = "web.address";
pub const AGENTS_ADDRESS_FILE: &str = "agents.address";

/// A host whose newest report is older than this has fallen silent: three ticks of the default interval.
pub const SILENT_AFTER_MS: i64 = 45_000;

/// Changes that a slow page may miss before it is told to fetch everything again.
const CHANGES_MAX: usize = 256;

/// How long the parts may take to finish what they hold; what they cannot is in the journal.
const STOP_TIME_MAX: std::time::Duration = std::time::Duration::from_secs(8);

/// What only this start knows.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Where to leave an admin token for the CLI; loopback only, new at each start.
    pub admin_token_file: Option<PathBuf>,
}

#[derive(Debug, thiserror::Error)]
pub enum AppError {
    #[error("the configuration cannot be used:\n{0}")]
    Config(Problems),
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    #[error(transparent)]
    Stores(#[from] StoresError),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Random(#[from] token::RandomError),
    #[error("the collector's own metrics cannot be registered")]
    Metrics(#[from] prometheus::Error),
    #[error("the collector's own name is not valid")]
    Name(#[from] agent_model::HostIdError),
    #[error("cannot listen on {address} for {what}; is it taken by another program?")]
    Listen {
        what: &'static str,
        address: std::net::SocketAddr,
        #[source]
        source: std::io::Error,
    },
    #[error("the HTTP client for the probes of drills cannot be made")]
    Probes(#[from] reqwest::Error),
    #[error("the journal can no longer be read")]
    Feed(#[from] FeedError),
    #[error("a part of the collector broke off")]
    Part(#[from] tokio::task::JoinError),
}

/// Log lines go to standard error; `RUST_LOG` chooses which.
pub fn start_log() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second call (in tests) keeps the first log.
    drop(log.try_init());
}

/// Everything that is wrong with the files the configuration names.
pub fn check(config: &Config) -> Result<(), Problems> {
    let mut problems = Rulebook::load(&config.rules).problems;
    if let Some(Err(wrong)) = config.alerting_file.as_deref().map(Routing::open) {
        problems.0.extend(wrong.0);
    }
    if let Some((_, wrong)) = config.drills_dir.as_deref().map(DrillPlan::load_directory) {
        problems.0.extend(wrong.0);
    }
    if problems.0.is_empty() { Ok(()) } else { Err(problems) }
}

/// Runs the collector until `stop` turns true or a part fails for good.
pub async fn run(
    config: Config,
    options: Options,
    stop: watch::Receiver<bool>,
) -> Result<(), AppError> {
    // A second provider would be a mistake, an installed one is what we want.
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let now_ms = clock::now_ms();
    let authority = Arc::new(Authority::open(&config.state_dir.join("ca"), now_ms)?);
    let routing = match &config.alerting_file {
        Some(file) => Routing::open(file).map_err(AppError::Config)?,
        None => Routing::nobody(),
    };
    let province = Province::load(&config).map_err(AppError::Config)?;
    let metrics = SelfMetrics::new()?;
    let stores = Stores::open(&config, routing).await?;
    let (schemas, ledger) = stores.take_up().await?;
    let rulebook = Rulebook::load(&config.rules);
    for problem in &rulebook.problems.0 {
        tracing::error!("a rule is not in force: {problem}");
    }
    let rule_problems = rulebook.problems.0.iter().map(ToString::to_string).collect();
    let mut parts = Parts::new(config, options, stores, schemas, metrics, stop);
    let feed = parts.follow(&rulebook).await?;
    let ingest = Arc::new(Ingest::new(
        parts.stores.journal.clone(),
        parts.schemas.clone(),
        ledger,
        feed,
        parts.limits(),
        parts.metrics.ingest.clone(),
    ));
    parts.watch_health();
    parts.keep_house();
    parts.keep_places(&province);
    parts.derive(&ingest, &province, now_ms)?;
    parts.evaluate(rulebook, &ingest, now_ms)?;
    parts.alert();
    parts.listen_for_agents(&ingest, &authority).await?;
    parts.listen_for_people(&authority, province, rule_problems).await?;
    parts.until_the_end().await
}

/// The parts while they are joined.
struct Parts {
    config: Config,
    options: Options,
    stores: Stores,
    schemas: Schemas,
    metrics: SelfMetrics,
    query: Query,
    health: watch::Sender<Health>,
    /// The time of receipt of the newest column.
    arrived: watch::Sender<i64>,
    /// Turns when backups, gaps or probe results arrived.
    changed: broadcast::Sender<()>,
    /// How many security events became searchable.
    seen: broadcast::Sender<usize>,
    tasks: JoinSet<Result<(), FeedError>>,
    stop: watch::Receiver<bool>,
}

impl Parts {
    fn new(
        config: Config,
        options: Options,
        stores: Stores,
        schemas: Schemas,
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

    fn limits(&self) -> Limits {
        let agents = &self.config.agents;
        Limits {
            series_per_host_max: agents.series_per_host_max,
            future_max_ms: agents.future_max.as_millis(),
            past_max_ms: agents.past_max.as_millis(),
        }
    }

    /// Starts the views, each from the position it has stored.
    async fn follow(&mut self, rulebook: &Rulebook) -> Result<Feed, AppError> {
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
        let view = self.detections_view(rulebook).await?;
        self.tasks.spawn(view.run(detections));
        Ok(feed)
    }

    async fn detections_view(&self, rulebook: &Rulebook) -> Result<DetectionsView, AppError> {
        let (_, saved) =
            self.stores.alerting.detections_position().await.map_err(StoresError::from)?;
        let state = saved.map(|bytes| CorrelationState::from_bytes(&bytes)).transpose();
        let state = state.unwrap_or_else(|error| {
            tracing::error!(error = %crate::describe(&error), "correlations begin anew");
            None
        });
        Ok(DetectionsView {
            alerting: self.stores.alerting.clone(),
            rules: Arc::clone(&rulebook.detections),
            state: state.unwrap_or_default(),
            metrics: self.metrics.clone(),
        })
    }

    fn watch_health(&mut self) {
        let (state_dir, reserve) =
            (self.config.state_dir.clone(), self.config.journal.free_reserve.0);
        let (health, stop) = (self.health.clone(), self.stop.clone());
        self.tasks.spawn(async move {
            health::watch(state_dir, reserve, health, stop).await;
            Ok(())
        });
    }

    fn keep_house(&mut self) {
        let (stores, metrics, stop) =
            (self.stores.clone(), self.metrics.clone(), self.stop.clone());
        self.tasks.spawn(async move {
            housekeeping::run(stores, metrics, stop).await;
            Ok(())
        });
    }

    fn keep_places(&mut self, province: &Province) {
        let (province, query, stop) = (province.clone(), self.query.clone(), self.stop.clone());
        self.tasks.spawn(async move {
            province.keep_places(query, stop).await;
            Ok(())
        });
    }

    fn derive(
        &mut self,
        ingest: &Arc<Ingest>,
        province: &Province,
        now_ms: i64,
    ) -> Result<(), AppError> {
        let deriver = Deriver {
            stores: self.stores.clone(),
            ingest: Arc::clone(ingest),
            metrics: self.metrics.clone(),
            health: self.health.subscribe(),
            reserve_bytes: self.config.journal.free_reserve.0,
            policy: Arc::clone(&province.backups),
            inventory: Arc::clone(&province.inventory),
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

    fn evaluate(
        &mut self,
        rulebook: Rulebook,
        ingest: &Arc<Ingest>,
        now_ms: i64,
    ) -> Result<(), AppError> {
        let evaluator = Evaluator {
            query: self.query.clone(),
            alerting: self.stores.alerting.clone(),
            ingest: Arc::clone(ingest),
            metrics: self.metrics.clone(),
            reporter: Reporter::new(now_ms, RECORDED_JOB)?,
            interval: self.config.rules.evaluation_interval.0,
            arrived: self.arrived.subscribe(),
        };
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            evaluator.run(rulebook.metrics, stop).await;
            Ok(())
        });
        Ok(())
    }

    /// Takes up the drills that were running.
    fn drill(&mut self) -> Result<Arc<Drills>, AppError> {
        let checker = Checker::new(self.query.clone())?;
        let (directory, inventory) =
            (self.config.drills_dir.as_deref(), self.stores.inventory.clone());
        let drills = Arc::new(Drills::load(directory, inventory, checker));
        let (running, stop) = (Arc::clone(&drills), self.stop.clone());
        self.tasks.spawn(async move {
            running.run(stop).await;
            Ok(())
        });
        Ok(drills)
    }

    /// Sends what alerting has to send.
    fn alert(&mut self) {
        let (alerting, mut stop) = (self.stores.alerting.clone(), self.stop.clone());
        self.tasks.spawn(async move {
            alerting
                .run(clock::now_ms, async move { drop(stop.wait_for(|stop| *stop).await) })
                .await;
            Ok(())
        });
    }

    async fn listen_for_agents(
        &mut self,
        ingest: &Arc<Ingest>,
        authority: &Arc<Authority>,
    ) -> Result<(), AppError> {
        let agents = &self.config.agents;
        let bodies = usize::try_from(agents.bodies_bytes_max.0 / 1024).unwrap_or(usize::MAX);
        let api = AgentsApi {
            ingest: Arc::clone(ingest),
            authority: Arc::clone(authority),
            inventory: self.stores.inventory.clone(),
            certificate_lifetime_ms: agents.certificate_lifetime.as_millis(),
            bodies: Arc::new(Semaphore::new(bodies.min(Semaphore::MAX_PERMITS))),
            metrics: self.metrics.clone(),
        };
        let socket = listen("agents", agents.listen.0).await?;
        let listener = Listener {
            tls: Some(tls::for_agents(authority, clock::now_ms())?),
            router: agents_api::router(Arc::new(api)),
            connections_max: agents.connections_max,
            refused: self.metrics.connections_refused.clone(),
            name: "agents",
            socket,
        };
        self.announce(&listener.socket, AGENTS_ADDRESS_FILE)?;
        self.serve(listener);
        Ok(())
    }

    async fn listen_for_people(
        &mut self,
        authority: &Arc<Authority>,
        province: Province,
        rule_problems: Vec<String>,
    ) -> Result<(), AppError> {
        let web = self.config.web.clone();
        let api = WebApi {
            inventory: self.stores.inventory.clone(),
            alerting: self.stores.alerting.clone(),
            events: Arc::clone(&self.stores.events),
            province,
            drills: self.drill()?,
            rule_problems,
            pictures: http::Pictures::default(),
            streams: http::stream_places(),
            seen: self.seen.clone(),
            arrived: self.arrived.subscribe(),
            started_ms: clock::now_ms(),
            stop: self.stop.clone(),
            authority: Arc::clone(authority),
            query: self.query.clone(),
            gate: self.gate().await?,
            metrics: self.metrics.clone(),
            health: self.health.subscribe(),
            session_lifetime_ms: web.session_lifetime_ms,
            secure_cookies: web.tls.is_some(),
            agents_port: self.config.agents.listen.0.port(),
        };
        let socket = listen("browsers", web.listen).await?;
        let tls = web.tls.as_ref().map(|(chain, key)| tls::for_people(chain, key)).transpose()?;
        let listener = Listener {
            socket,
            tls,
            router: http::router(Arc::new(api)),
            connections_max: 1_000,
            refused: self.metrics.connections_refused.clone(),
            name: "web",
        };
        self.announce(&listener.socket, WEB_ADDRESS_FILE)?;
        self.serve(listener);
        Ok(())
    }

    /// Makes the admin token and, while there is no user, the setup code, and leaves each in its file.
    async fn gate(&self) -> Result<Gate, AppError> {
        let secret_file = |path: &Path| -> Result<String, AppError> {
            let secret = token::random_secret()?;
            authority::write_secret(path, &secret)?;
            Ok(secret)
        };
        let admin = self.options.admin_token_file.as_deref().map(secret_file).transpose()?;
        let code_file = self.config.state_dir.join(SETUP_CODE_FILE);
        let nobody = self.stores.inventory.has_no_users().await.map_err(StoresError::from)?;
        let code = nobody.then(|| secret_file(&code_file)).transpose()?;
        Ok(Gate::new(admin.as_deref(), code.as_deref(), code_file))
    }

    fn announce(&self, socket: &TcpListener, file: &str) -> Result<(), AppError> {
        if let Ok(address) = socket.local_addr() {
            tracing::info!(%address, "listening: {file}");
            authority::write_secret(&self.config.state_dir.join(file), &address.to_string())?;
        }
        Ok(())
    }

    fn serve(&mut self, listener: Listener) {
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            listener.run(stop).await;
            Ok(())
        });
    }

    /// Waits for the stop signal or for the first part that fails; then for every part to finish what it holds.
    async fn until_the_end(mut self) -> Result<(), AppError> {
        let failed = loop {
            tokio::select! {
                _ = self.stop.wait_for(|stop| *stop) => break None,
                ended = self.tasks.join_next() => match ended {
                    Some(Ok(Ok(()))) => {}
                    Some(Ok(Err(error))) => break Some(AppError::from(error)),
                    Some(Err(error)) => break Some(AppError::from(error)),
                    None => break None,
                },
            }
        };
        tracing::info!("stopping");
        let finishing = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(STOP_TIME_MAX, finishing).await.is_err() {
            tracing::warn!(parts = self.tasks.len(), "parts were cut at the stop");
            self.tasks.shutdown().await;
        }
        failed.map_or(Ok(()), Err)
    }
}

async fn listen(
    what: &'static str,
    address: std::net::SocketAddr,
) -> Result<TcpListener, AppError> {
    let bound = TcpListener::bind(address).await;
    bound.map_err(|source| AppError::Listen { what, address, source })
}
