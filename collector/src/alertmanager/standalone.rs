//! Alerting alone, in the place of an Alertmanager: its flags, its signals, its API, without sign-in.
//!
//! Promises: what other programs posted, silences and what was told survive a restart; a configuration that is wrong
//! leaves the one that runs. There is no cluster: peers are refused instead of being left without their alerts.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use agent_model::Problems;
use agent_yaml::Duration;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use clap::Args;
use collector_alerting::{Alerting, AlertingConfig, AlertingError, Routing};
use prometheus::IntCounterVec;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Mutex, watch};

use super::{Figures, Manager};
use crate::clock;
use crate::serve::Listener;

/// Connections at once: senders of alerts keep one each.
const CONNECTIONS_MAX: usize = 1_000;

/// How often the room for writes on a full disk is seen to.
const RESERVE_INTERVAL: std::time::Duration = std::time::Duration::from_secs(60);

/// Alertmanager's flags. Those that have no meaning here are taken and do nothing.
#[derive(Args, Debug)]
pub struct Flags {
    /// The routing of alerts, in Alertmanager's format.
    #[arg(long = "config.file", default_value = "alertmanager.yml")]
    config_file: PathBuf,
    /// Where alerts, silences and notifications are kept.
    #[arg(long = "storage.path", default_value = "data/")]
    storage_path: PathBuf,
    /// How long silences are shown after their end.
    #[arg(long = "data.retention", default_value = "120h", value_parser = duration)]
    data_retention: Duration,
    /// Address to listen on; may be given more than once. Without a host it is every address of this machine.
    #[arg(long = "web.listen-address", default_value = ":9093")]
    web_listen_address: Vec<String>,
    /// Where people reach this server, for links in notifications.
    #[arg(long = "web.external-url", default_value = "")]
    web_external_url: String,
    /// What every path begins with; by default the path of the external URL.
    #[arg(long = "web.route-prefix")]
    web_route_prefix: Option<String>,
    /// Least grave log lines that are written.
    #[arg(long = "log.level", default_value = "info", value_parser = ["debug", "info", "warn", "error"])]
    log_level: String,
    #[command(flatten)]
    cluster: Cluster,
    #[command(flatten)]
    without_meaning: WithoutMeaning,
}

/// A cluster's flags: peers are refused.
#[derive(Args, Debug)]
struct Cluster {
    /// Taken; nothing listens there, because there is no cluster.
    #[arg(long = "cluster.listen-address", default_value = "", hide = true)]
    listen_address: String,
    /// Refused: there is no cluster.
    #[arg(long = "cluster.peer", hide = true)]
    peer: Vec<String>,
}

/// Flags of Alertmanager that change nothing here.
#[derive(Args, Debug)]
struct WithoutMeaning {
    #[arg(long = "log.format", hide = true)]
    log_format: Option<String>,
    #[arg(long = "alerts.gc-interval", hide = true)]
    alerts_gc_interval: Option<String>,
    #[arg(long = "data.maintenance-interval", hide = true)]
    data_maintenance_interval: Option<String>,
    #[arg(long = "web.get-concurrency", hide = true)]
    web_get_concurrency: Option<String>,
    #[arg(long = "web.timeout", hide = true)]
    web_timeout: Option<String>,
    #[arg(long = "enable-feature", hide = true)]
    enable_feature: Option<String>,
    #[arg(long = "cluster.advertise-address", hide = true)]
    advertise_address: Option<String>,
    #[arg(long = "cluster.peer-timeout", hide = true)]
    peer_timeout: Option<String>,
    #[arg(long = "cluster.peer-name", hide = true)]
    peer_name: Option<String>,
    #[arg(long = "cluster.peers-resolve-timeout", hide = true)]
    peers_resolve_timeout: Option<String>,
    #[arg(long = "cluster.gossip-interval", hide = true)]
    gossip_interval: Option<String>,
    #[arg(long = "cluster.pushpull-interval", hide = true)]
    pushpull_interval: Option<String>,
    #[arg(long = "cluster.tcp-timeout", hide = true)]
    tcp_timeout: Option<String>,
    #[arg(long = "cluster.probe-timeout", hide = true)]
    probe_timeout: Option<String>,
    #[arg(long = "cluster.probe-interval", hide = true)]
    probe_interval: Option<String>,
    #[arg(long = "cluster.settle-timeout", hide = true)]
    settle_timeout: Option<String>,
    #[arg(long = "cluster.reconnect-interval", hide = true)]
    reconnect_interval: Option<String>,
    #[arg(long = "cluster.reconnect-timeout", hide = true)]
    reconnect_timeout: Option<String>,
    #[arg(long = "cluster.label", hide = true)]
    label: Option<String>,
}

fn duration(text: &str) -> Result<Duration, String> {
    Duration::parse(text)
}

#[derive(Debug, thiserror::Error)]
pub enum StandaloneError {
    #[error("{0}")]
    Flags(String),
    #[error("{0}")]
    Config(Problems),
    #[error("the directory {} for --storage.path cannot be made", path.display())]
    Storage {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error(
        "nothing can listen on {address}; see who uses the port, or give another with --web.listen-address"
    )]
    Listen {
        address: SocketAddr,
        #[source]
        source: std::io::Error,
    },
    #[error("signals cannot be waited for")]
    Signals(#[source] std::io::Error),
    #[error("the figures cannot be set up")]
    Figures(#[from] prometheus::Error),
    #[error(transparent)]
    Alerting(#[from] AlertingError),
}

impl StandaloneError {
    /// Whether flags or the configuration are wrong, and not the machine.
    pub fn is_of_the_writer(&self) -> bool {
        matches!(self, Self::Flags(_) | Self::Config(_))
    }
}

/// Reads the configuration again; shared by the signal and the request that ask for it.
#[derive(Clone)]
pub(super) struct Reload(Arc<Mutex<(PathBuf, Alerting, Figures)>>);

impl Flags {
    /// What is logged, for whoever starts the log: more than `info` of our own parts only, because the database's
    /// statements would bury it.
    pub fn log_filter(&self) -> &str {
        match self.log_level.as_str() {
            "debug" => "info,collector=debug,collector_alerting=debug",
            level => level,
        }
    }

    /// What cannot be meant as it was given.
    fn check(&self) -> Result<(), StandaloneError> {
        if self.cluster.peer.is_empty() {
            return Ok(());
        }
        Err(StandaloneError::Flags(
            "--cluster.peer: there is no cluster here, so its peers would not hear of each other's \
             silences and notifications; leave the flag out and let senders know one server"
                .to_owned(),
        ))
    }

    fn addresses(&self) -> Result<Vec<SocketAddr>, StandaloneError> {
        self.web_listen_address.iter().map(|text| address(text)).collect()
    }

    fn external_url(&self, addresses: &[SocketAddr]) -> String {
        if !self.web_external_url.is_empty() {
            return self.web_external_url.trim_end_matches('/').to_owned();
        }
        let host = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
        let port = addresses.first().map_or(9093, SocketAddr::port);
        format!("http://{}:{port}", host.unwrap_or_else(|| "localhost".to_owned()))
    }

    /// Without slashes around; empty for none.
    fn prefix(&self) -> String {
        let of_url = || {
            let url = reqwest::Url::parse(&self.web_external_url).ok();
            url.map(|url| url.path().to_owned()).unwrap_or_default()
        };
        let prefix = self.web_route_prefix.clone().unwrap_or_else(of_url);
        prefix.trim_matches('/').to_owned()
    }
}

/// `host:port`, or `:port` for every address.
fn address(text: &str) -> Result<SocketAddr, StandaloneError> {
    let wrong =
        || StandaloneError::Flags(format!("--web.listen-address: {text:?} is not host:port"));
    let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
    let port: u16 = port.parse().map_err(|_| wrong())?;
    let ip = match host.trim_matches(['[', ']']) {
        "" => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        "localhost" => IpAddr::from([127, 0, 0, 1]),
        host => host.parse().map_err(|_| wrong())?,
    };
    Ok(SocketAddr::new(ip, port))
}

/// Runs until SIGTERM or Ctrl-C (`stop`).
pub async fn run(flags: Flags, stop: watch::Receiver<bool>) -> Result<(), StandaloneError> {
    flags.check()?;
    let addresses = flags.addresses()?;
    let routing = Routing::open(&flags.config_file).map_err(StandaloneError::Config)?;
    std::fs::create_dir_all(&flags.storage_path)
        .map_err(|source| StandaloneError::Storage { path: flags.storage_path.clone(), source })?;
    let now_ms = clock::now_ms();
    let config = AlertingConfig {
        database: flags.storage_path.join("alerting.db"),
        external_url: flags.external_url(&addresses),
    };
    let alerting = Alerting::open(config, routing, now_ms).await?;
    let figures = Figures::new()?;
    figures.note_reload(true, now_ms);
    let file = flags.config_file.clone();
    let reload = Reload(Arc::new(Mutex::new((file, alerting.clone(), figures.clone()))));
    let manager = Manager {
        alerting: alerting.clone(),
        figures,
        started_ms: now_ms,
        silences_kept_ms: flags.data_retention.as_millis(),
    };
    let refused = manager.figures.connections_refused.clone();
    let router = router(manager, reload.clone(), &flags.prefix());
    let mut listeners = tokio::task::JoinSet::new();
    for address in addresses {
        let listener = listen(address, router.clone(), refused.clone()).await?;
        listeners.spawn(listener.run(stop.clone()));
    }
    let hangup = signal(SignalKind::hangup()).map_err(StandaloneError::Signals)?;
    tokio::spawn(reload_at(hangup, reload));
    tokio::spawn(keep_reserve(alerting.clone()));
    let mut ended = stop.clone();
    alerting.run(clock::now_ms, async move { drop(ended.wait_for(|stop| *stop).await) }).await;
    while listeners.join_next().await.is_some() {}
    alerting.close().await;
    Ok(())
}

fn router(manager: Manager, reload: Reload, prefix: &str) -> Router {
    let own = super::own_routes().with_state(Arc::new(manager)).layer(axum::Extension(reload));
    if prefix.is_empty() { own } else { Router::new().nest(&format!("/{prefix}"), own) }
}

async fn listen(
    address: SocketAddr,
    router: Router,
    refused: IntCounterVec,
) -> Result<Listener, StandaloneError> {
    let mut bound = TcpListener::bind(address).await;
    if bound.is_err() && address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) {
        // A machine without IPv6.
        bound = TcpListener::bind((IpAddr::from([0, 0, 0, 0]), address.port())).await;
    }
    let socket = bound.map_err(|source| StandaloneError::Listen { address, source })?;
    let address = socket.local_addr().unwrap_or(address);
    tracing::info!(%address, "Listening on");
    if !address.ip().is_loopback() {
        tracing::warn!(%address, "there is no sign-in here: who reaches this address may silence every alert");
    }
    Ok(Listener {
        socket,
        tls: None,
        router,
        connections_max: CONNECTIONS_MAX,
        refused,
        name: "alertmanager",
    })
}

async fn keep_reserve(alerting: Alerting) {
    let mut times = tokio::time::interval(RESERVE_INTERVAL);
    loop {
        times.tick().await;
        if let Err(error) = alerting.keep_reserve().await {
            let error = crate::describe(&error);
            tracing::warn!(error, "no room could be taken ahead for alerts");
        }
    }
}

async fn reload_at(mut hangup: tokio::signal::unix::Signal, reload: Reload) {
    while hangup.recv().await.is_some() {
        // Told in the log; nobody waits for an answer.
        drop(reload.again().await);
    }
}

impl Reload {
    async fn again(&self) -> Result<(), String> {
        let turn = self.0.lock().await;
        let (file, alerting, figures) = &*turn;
        let now_ms = clock::now_ms();
        let taken = match Routing::open(file) {
            Ok(routing) => {
                alerting.reload(routing, now_ms).await.map_err(|error| crate::describe(&error))
            }
            Err(problems) => Err(problems.to_string()),
        };
        figures.note_reload(taken.is_ok(), now_ms);
        match &taken {
            Ok(()) => tracing::info!(file = %file.display(), "the configuration was read again"),
            Err(reason) => tracing::error!("not reloaded, what was in force stays: {reason}"),
        }
        taken
    }
}

pub(super) async fn reload(
    axum::Extension(reload): axum::Extension<Reload>,
    State(_): State<Arc<Manager>>,
) -> (StatusCode, String) {
    match reload.again().await {
        Ok(()) => (StatusCode::OK, String::new()),
        Err(reason) => {
            let text = format!("failed to reload config: {reason}\n");
            (StatusCode::INTERNAL_SERVER_ERROR, text)
        }
    }
}
