//! The collector as a whole: what is started, in which order. Nothing is decided here.
//! With its folder the only place that knows all the parts: `parts` joins them, `listeners` opens the doors, `shutdown` ends.

mod error;
mod listeners;
mod parts;
mod shutdown;

use std::path::PathBuf;
use std::sync::Arc;

use agent_model::Problems;
use tokio::sync::watch;

use crate::authority::Authority;
use crate::config::Config;
use crate::files::Files;
use crate::ingest::Ingest;
use crate::province::Province;
use crate::push::Catalog;
use crate::self_metrics::SelfMetrics;
use crate::stores::Stores;
use crate::{clock, outward, token};

pub use error::AppError;
use parts::Parts;

/// Holds the code that makes the first user; gone once it was used.
pub const SETUP_CODE_FILE: &str = "setup.code";

/// Where this start listens for browsers and for agents; written when it does, so that port 0 can be asked for.
pub const WEB_ADDRESS_FILE: &str = "web.address";
pub const AGENTS_ADDRESS_FILE: &str = "agents.address";

/// A host whose newest report is older than this has fallen silent: three ticks of the default interval.
pub const SILENT_AFTER_MS: i64 = 45_000;

/// What only this start knows.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Where to leave an admin token for the CLI, for who may read the file; new at each start.
    pub admin_token_file: Option<PathBuf>,
    /// Where files that people write lie under their usual names, unless the configuration names them.
    pub files_dir: Option<PathBuf>,
}

/// Log lines go to standard error; `RUST_LOG` chooses which.
pub fn start_log() {
    start_log_at("info");
}

/// The same from another level on, unless `RUST_LOG` says otherwise.
pub fn start_log_at(level: &str) {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(level));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // Colours are for people: in a file or the system's journal they are rubbish.
    let log = log.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()));
    // A second call (in tests) keeps the first log.
    drop(log.try_init());
}

/// Everything that is wrong with the files the configuration names.
pub fn check(config: &Config) -> Result<(), Problems> {
    let mut problems = Files::new(config, None).problems();
    problems.0.extend(outward::check(&config.remote_write.targets).0);
    if problems.0.is_empty() { Ok(()) } else { Err(problems) }
}

/// What is no mistake in these files and should still be known.
pub fn remarks(config: &Config) -> Vec<String> {
    Files::new(config, None).remarks()
}

/// Runs the collector until `stop` turns true or a part fails for good. SIGHUP has changed files read again.
pub async fn run(
    config: Config,
    options: Options,
    stop: watch::Receiver<bool>,
) -> Result<(), AppError> {
    // A second provider would be a mistake, an installed one is what we want.
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let now_ms = clock::now_ms();
    let authority = Arc::new(Authority::open(&config.state_dir.join("ca"), now_ms)?);
    let files = Files::new(&config, options.files_dir.clone());
    let routing = files.routing().map_err(AppError::Config)?;
    let province = Province::read(&files).map_err(AppError::Config)?;
    let certificate = files.certificate().map_err(AppError::Config)?;
    let metrics = SelfMetrics::new()?;
    let stores = Stores::open(&config, routing).await?;
    crate::snapshot::restored::tell(&config.state_dir, &stores.inventory, now_ms).await?;
    for range in stores.journal_damage() {
        tracing::error!("acknowledged data is lost to the views that had not stored it: {range}");
        metrics.journal_damaged.inc();
    }
    let (schemas, ledger) = stores.take_up().await?;
    let (rulebook, plans) = (files.rulebook(), files.drill_plans());
    for problem in rulebook.problems.0.iter().chain(&plans.problems.0) {
        tracing::error!("left out, it is not in force: {problem}");
    }
    let (rules, province) = (sender(rulebook), sender(province));
    let seed = u64::from_le_bytes(token::random_bytes()?);
    let series_max = config.remote_write.series_per_token_max;
    let catalog = Arc::new(Catalog::new(Arc::clone(&stores.metrics), seed, series_max));
    let mut parts = Parts::new(config, options, stores, schemas, catalog, metrics, stop);
    let feed = parts.follow(&rules).await?;
    let pushes = parts.pushes(feed.clone());
    let ingest = Arc::new(Ingest::new(
        parts.stores.journal.clone(),
        parts.schemas.clone(),
        ledger,
        feed,
        parts.limits(),
        parts.metrics.ingest.clone(),
    ));
    parts.watch_health();
    let outward = parts.send_outward()?;
    parts.keep_house(outward.clone());
    parts.keep_places(&province);
    parts.derive(&ingest, &province, now_ms)?;
    parts.evaluate(&rules, &ingest, now_ms)?;
    parts.alert();
    parts.beat();
    let drills = parts.drill(plans)?;
    let reloader = parts.reload(files, rules, province, drills, certificate)?;
    parts.listen_for_agents(&ingest, &authority).await?;
    parts.listen_for_people(&authority, reloader, pushes, outward).await?;
    // It holds the ends of the feed from which the views read: they finish once nobody can report any more.
    drop(ingest);
    parts.until_the_end().await
}

fn sender<T>(value: T) -> watch::Sender<Arc<T>> {
    watch::Sender::new(Arc::new(value))
}
