//! The loop of the agent: ticks and events into the spool, the spool to the collectors.
//! This file wires the parts and knows all of them; how each works is its own business.

mod describe;
mod facts;
mod own_metrics;
mod renew;
mod round;
mod scrape;
mod stop;
mod tick;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use agent_model::{HostId, HostIdError, Stream};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use self::describe::Describer;
use self::own_metrics::{Counters, OwnMetrics};
use self::stop::{close, finish};
use self::tick::Ticker;
use crate::clock::Clock;
use crate::config::Config;
use crate::identity::{Identity, IdentityError, kept};
use crate::send::{Collector, Known, Lane};
use crate::source::{
    Bookmarks, Evidence, EvidenceMessage, EvidenceSender, HostRoot, MetricSource, SourceContext,
    SourceGroup, Teller, carry_told,
};
use crate::spool::{
    CollectorName, MetricsReading, SpoolError, SpoolHandle, SpoolOptions, SpoolThread,
    allocate_on_disk,
};
use crate::{
    backup, drop_box, exporters, metrics, outage_notice, probe, security, send, text_format, web,
};

/// Messages that become one report: a burst of events costs one sync, and one message more waits for the next.
const GROUP_MESSAGES_MAX: usize = 64;

/// How long evidence waits before it asks a full disk again.
const DISK_RETRY: Duration = Duration::from_secs(1);

/// Other users pass through to the drop box, and see nothing on the way.
const STATE_DIR_MODE: u32 = 0o711;

/// Keys, log lines and cursors are the agent's own.
const PRIVATE_MODE: u32 = 0o700;

/// Why the agent could not start or go on.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error(transparent)]
    Identity(#[from] IdentityError),
    #[error(
        "the configuration calls this host {configured}, its certificate {certified}; write \
         `host: {certified}` in agent.yml, or enrol it as {configured} with --replace"
    )]
    Host { configured: HostId, certified: HostId },
    #[error("the host's own name cannot be its id (`host` in agent.yml)")]
    HostName(#[source] HostIdError),
    #[error(transparent)]
    Spool(#[from] SpoolError),
    #[error("{} cannot be made", path.display())]
    Directory {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("the agent's page cannot listen on {address} (web.listen in agent.yml)")]
    Listen {
        address: std::net::SocketAddr,
        #[source]
        source: std::io::Error,
    },
    #[error("the spool's thread ended")]
    Close(#[source] tokio::task::JoinError),
}

/// Runs the agent until `shutdown` is cancelled, then leaves the spool clean on the disk.
pub async fn run(config: Config, shutdown: CancellationToken) -> Result<(), RunError> {
    let clock = Clock;
    let (identities, damaged) = match kept::all(&config.state_dir) {
        Ok(identities) => (identities, None),
        Err(error) => (Vec::new(), Some(error)),
    };
    let known = known_collectors(&config, &identities);
    let host = host_of(&config, &known, &identities, damaged)?;
    make_directory(&config.state_dir, STATE_DIR_MODE)?;
    for private in ["identity", "sources", "spool"] {
        make_directory(&config.state_dir.join(private), PRIVATE_MODE)?;
    }
    let listener = listen(&config).await?;
    let noticed = host.clone();
    let (spool, thread) = open_spool(&config, &host, &known, &identities, clock)?;
    tracing::info!(%host, version = env!("CARGO_PKG_VERSION"), "agent starts");
    // Sources stop first, then what carries their evidence.
    let senders_stop = CancellationToken::new();
    let (evidence, receiver) = EvidenceSender::channel();
    let counters = Arc::new(Counters::default());
    let mut sources = JoinSet::new();
    let bookmarks = spool.bookmarks().await?;
    let way = Way { evidence: evidence.clone(), bookmarks, shutdown: shutdown.clone() };
    let mut metric_sources = start_sources(&config, &way, &mut sources)?;
    let (teller, told) = Teller::channel();
    let scraped =
        scrape::start(&config, host, &shutdown, teller.clone(), &mut metric_sources, &mut sources);
    start_drop_box(&config, way, &counters, &mut sources)?;
    let mut carriers = JoinSet::new();
    carriers.spawn(carry(receiver, spool.clone(), Arc::clone(&counters), clock));
    carriers.spawn(scrape::carry(scraped, spool.clone()));
    let collectors = start_senders(&config, known, &spool, clock, &senders_stop, &mut carriers);
    let (notice, served) = (config.outage_notice.clone(), collectors.clone());
    let state = config.state_dir.clone();
    sources.spawn(outage_notice::run(notice, noticed, state, served, clock, shutdown.clone()));
    let (publish, last) = watch::channel(None);
    if let Some(listener) = listener {
        carriers.spawn(web::serve(listener, last, senders_stop.clone()));
    }
    sources.spawn(carry_told(told, evidence.clone()));
    let facts = facts::facts(&config.root);
    sources.spawn(async move {
        // A stop before the first commit: the next start tells them again.
        evidence.spool(vec![Evidence::Facts(facts)]).await.unwrap_or_default();
    });
    let own = Arc::new(OwnMetrics {
        collectors,
        counters,
        state_dir: config.state_dir.clone(),
        started_ms: clock.now_ms(),
    });
    let ticker = Ticker::new(metric_sources, clock);
    let describer = Describer::new(teller);
    let ticking = tick_loop(ticker, describer, own, &spool, config.interval, publish);
    let ticked = shutdown.run_until_cancelled(ticking).await.unwrap_or(Ok(()));
    shutdown.cancel();
    finish("sources", sources).await;
    senders_stop.cancel();
    finish("senders", carriers).await;
    close(spool, thread).await?;
    tracing::info!("agent stopped, the spool is on the disk");
    ticked
}

/// One reading of every metric source, and one scrape of every exporter, in Prometheus' text format.
pub async fn once(config: &Config) -> String {
    let mut ticker = Ticker::new(metrics::sources(&config.metrics, &config.root), Clock);
    let reading = ticker.read(|_, _| {}).await;
    let mut text = String::new();
    // Writing to a string cannot fail.
    text_format::write(reading.samples(), &mut text).unwrap_or_default();
    let host = config.host.clone().or_else(|| host_name().ok());
    let host = host.as_ref().map_or("localhost", HostId::as_str);
    text + &exporters::once(&config.exporters, config.interval, host).await
}

/// The collectors behind the configured addresses: those at which the same one was met are one.
fn known_collectors(config: &Config, identities: &[Identity]) -> Vec<Known> {
    let mut known: Vec<Known> = Vec::new();
    for address in &config.collectors {
        let met = identities.iter().find(|identity| identity.was_met_at(address));
        let authority = met.map(|identity| identity.authority);
        let same = known.iter_mut().find(|one| authority.is_some() && one.authority == authority);
        match same {
            Some(one) => one.addresses.push(address.clone()),
            None => known.push(Known { addresses: vec![address.clone()], authority }),
        }
    }
    known
}

/// The host's name: that of the configuration and of every certificate in use, which must agree.
fn host_of(
    config: &Config,
    known: &[Known],
    identities: &[Identity],
    damaged: Option<IdentityError>,
) -> Result<HostId, RunError> {
    let used = |identity: &&Identity| {
        known.iter().any(|collector| collector.authority == Some(identity.authority))
    };
    // One collector that is not enrolled yet, or that has moved, does not keep the others waiting.
    let mut certified: Vec<&Identity> = identities.iter().filter(used).collect();
    if certified.is_empty() {
        certified = identities.iter().collect();
    }
    let mut host = config.host.clone();
    for identity in certified {
        let certified = identity.validity()?.host;
        match &host {
            Some(configured) if *configured != certified => {
                return Err(RunError::Host { configured: configured.clone(), certified });
            }
            _ => host = Some(certified),
        }
    }
    match (host, config.collectors.first()) {
        (Some(host), _) => Ok(host),
        (None, Some(address)) => {
            let missing = IdentityError::NotEnrolled { address: address.clone() };
            Err(damaged.unwrap_or(missing).into())
        }
        (None, None) => Ok(host_name()?),
    }
}

/// The host's own name as a host id; an error when it is not fit for one.
pub fn host_name() -> Result<HostId, RunError> {
    let name = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
    let name = name.unwrap_or_default().to_ascii_lowercase();
    HostId::new(&name).map_err(RunError::HostName)
}

async fn listen(config: &Config) -> Result<Option<TcpListener>, RunError> {
    let Some(address) = config.web.listen else { return Ok(None) };
    let listener = TcpListener::bind(address).await;
    listener.map(Some).map_err(|source| RunError::Listen { address, source })
}

fn open_spool(
    config: &Config,
    host: &HostId,
    known: &[Known],
    identities: &[Identity],
    clock: Clock,
) -> Result<(SpoolHandle, SpoolThread), RunError> {
    let options = SpoolOptions {
        directory: config.state_dir.join("spool"),
        host: host.clone(),
        bytes_max: config.spool.bytes_max,
        collectors: known.iter().map(|collector| collector_name(collector, identities)).collect(),
        allocate: Box::new(allocate_on_disk),
    };
    Ok(SpoolHandle::start(options, clock.now_ms())?)
}

/// What every source is given.
struct Way {
    evidence: EvidenceSender,
    bookmarks: Bookmarks,
    shutdown: CancellationToken,
}

/// An authority's collector keeps its place in the spool at whatever address; before it is met, the address must do.
fn collector_name(collector: &Known, identities: &[Identity]) -> CollectorName {
    let identity =
        identities.iter().find(|identity| Some(identity.authority) == collector.authority);
    match identity {
        Some(identity) => CollectorName {
            name: identity.authority.to_string(),
            former: identity.addresses.clone(),
        },
        None => {
            let addresses = collector.addresses.iter().map(|address| address.as_file_name());
            CollectorName { name: addresses.collect::<Vec<_>>().join("+"), former: Vec::new() }
        }
    }
}

fn start_sources(
    config: &Config,
    way: &Way,
    tasks: &mut JoinSet<()>,
) -> Result<Vec<Box<dyn MetricSource>>, RunError> {
    let context = |name: &str| {
        let state_dir = config.state_dir.join("sources").join(name);
        make_directory(&state_dir, PRIVATE_MODE)?;
        let (evidence, shutdown) = (way.evidence.clone(), way.shutdown.clone());
        let (root, bookmarks): (HostRoot, _) = (config.root.clone(), way.bookmarks.clone());
        Ok::<_, RunError>(SourceContext { root, state_dir, evidence, bookmarks, shutdown })
    };
    let groups: [SourceGroup; 3] = [
        security::sources(&config.security, &context("security")?),
        backup::sources(&config.backup, &context("backup")?),
        probe::sources(&config.probe, &context("probe")?),
    ];
    let mut metric_sources = metrics::sources(&config.metrics, &config.root);
    for group in groups {
        metric_sources.extend(group.metrics);
        group.tasks.into_iter().for_each(|task| drop(tasks.spawn(task)));
    }
    Ok(metric_sources)
}

fn start_drop_box(
    config: &Config,
    way: Way,
    counters: &Arc<Counters>,
    tasks: &mut JoinSet<()>,
) -> Result<(), RunError> {
    let path = config.drop_box_dir();
    let directory = |source| RunError::Directory { path: path.clone(), source };
    let drop_box = drop_box::DropBox::open(&path, &config.drop_box).map_err(directory)?;
    let counters = Arc::clone(counters);
    let bookmark = way.bookmarks.take(drop_box::SOURCE);
    tasks.spawn(drop_box.run(way.evidence, bookmark, way.shutdown, move |taken, rejected| {
        counters.drop_box_taken.fetch_add(taken, Ordering::Relaxed);
        counters.drop_box_rejected.fetch_add(rejected, Ordering::Relaxed);
    }));
    Ok(())
}

fn start_senders(
    config: &Config,
    known: Vec<Known>,
    spool: &SpoolHandle,
    clock: Clock,
    stop: &CancellationToken,
    tasks: &mut JoinSet<()>,
) -> Vec<Arc<Collector>> {
    let mut collectors = Vec::new();
    for (index, known) in known.into_iter().enumerate() {
        let state_dir = config.state_dir.clone();
        let collector = Collector::new(index, known, state_dir.clone(), clock);
        let collector = Arc::new(collector);
        for stream in Stream::ALL {
            let rate = config.spool.backlog_bytes_per_second;
            let (collector, spool) = (Arc::clone(&collector), spool.clone());
            let lane = Lane::new(collector, stream, spool, clock, config.interval, rate);
            tasks.spawn(lane.run(stop.clone()));
        }
        tasks.spawn(renew::run(Arc::clone(&collector), state_dir, clock, stop.clone()));
        collectors.push(collector);
    }
    collectors
}

/// Carries evidence into the spool, many messages at once when they come fast, and answers when it is durable.
async fn carry(
    mut receiver: mpsc::Receiver<EvidenceMessage>,
    spool: SpoolHandle,
    counters: Arc<Counters>,
    clock: Clock,
) {
    let mut messages = Vec::with_capacity(GROUP_MESSAGES_MAX);
    while receiver.recv_many(&mut messages, GROUP_MESSAGES_MAX).await > 0 {
        let (mut bundles, answers): (Vec<_>, Vec<_>) =
            messages.drain(..).map(|message| (message.bundle, message.spooled)).unzip();
        while !bundles.is_empty() {
            match spool.append_evidence(bundles, clock.now_ms()).await {
                Ok(rest) => bundles = rest,
                Err(_) => return,
            }
            if !bundles.is_empty() {
                counters.evidence_retries.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(DISK_RETRY).await;
            }
        }
        // A source that is gone needs no answer.
        answers.into_iter().for_each(|answer| answer.send(()).unwrap_or_default());
    }
}

/// The first reading at once, the next ones at a moment of the interval that differs from host to host.
async fn tick_loop(
    mut ticker: Ticker,
    mut describer: Describer,
    own: Arc<OwnMetrics>,
    spool: &SpoolHandle,
    interval: Duration,
    publish: watch::Sender<Option<Arc<MetricsReading>>>,
) -> Result<(), RunError> {
    let first = tokio::time::Instant::now() + interval.mul_f64(send::random());
    let mut ticks = tokio::time::interval_at(first, interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        let statistics = spool.statistics().await?;
        let reading = ticker.read(|out, surplus| own.write(&statistics, surplus, out)).await;
        describer.tell(&reading, Clock.instant());
        let reading = Arc::new(reading);
        publish.send_replace(Some(Arc::clone(&reading)));
        spool.append_metrics(reading).await?;
        let before = tokio::time::Instant::now();
        let due = ticks.tick().await;
        if before > due + interval {
            own.counters.ticks_missed.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn make_directory(path: &Path, mode: u32) -> Result<(), RunError> {
    let made = fs::create_dir_all(path)
        .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(mode)));
    made.map_err(|source| RunError::Directory { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests;
