//! Alerting alone, in the place of an Alertmanager: its flags, its signals, its API, without sign-in.
//!
//! Promises: what other programs posted, silences and what was told survive a restart; a configuration that is wrong
//! leaves the one that runs. There is no cluster: peers are refused instead of being left without their alerts.

mod flags;

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use agent_model::Problems;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use collector_alerting::{Alerting, AlertingConfig, AlertingError, Heartbeat, Routing};
use prometheus::IntCounterVec;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Mutex, watch};

use super::{Figures, Manager};
use crate::clock;
use crate::serve::Listener;

pub use flags::Flags;

/// Connections at once: senders of alerts keep one each.
const CONNECTIONS_MAX: usize = 1_000;

/// How often the room for writes on a full disk is seen to.
const RESERVE_INTERVAL: std::time::Duration = std::time::Duration::from_secs(60);

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

/// Runs until SIGTERM or Ctrl-C (`stop`).
pub async fn run(flags: Flags, stop: watch::Receiver<bool>) -> Result<(), StandaloneError> {
    flags.check()?;
    flags.say_what_has_no_meaning();
    let addresses = flags.addresses()?;
    let routing = Routing::open(&flags.config_file).map_err(StandaloneError::Config)?;
    if Heartbeat::of(&routing).is_some() {
        tracing::warn!(
            "`heartbeat` is not sent by alerting alone: only a collector knows whether it is well"
        );
    }
    std::fs::create_dir_all(&flags.storage_path)
        .map_err(|source| StandaloneError::Storage { path: flags.storage_path.clone(), source })?;
    let now_ms = clock::now_ms();
    let config = AlertingConfig {
        database: flags.storage_path.join("alerting.db"),
        external_url: flags.external_url(&addresses),
        // There is no page here.
        answers_links: false,
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
    let any = address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED);
    if any && bound.as_ref().is_err_and(lacks_ipv6) {
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

/// Whether the machine has no IPv6; a port that is taken must not be tried by another way.
fn lacks_ipv6(error: &std::io::Error) -> bool {
    let code = error.raw_os_error().map(nix::errno::Errno::from_raw);
    matches!(code, Some(nix::errno::Errno::EAFNOSUPPORT | nix::errno::Errno::EADDRNOTAVAIL))
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
        let taken = match Routing::open(file).and_then(Routing::whole) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_machine_without_ipv6_listens_by_the_older_protocol_alone() {
        let error = std::io::Error::from_raw_os_error;
        assert!(lacks_ipv6(&error(nix::libc::EAFNOSUPPORT)));
        assert!(lacks_ipv6(&error(nix::libc::EADDRNOTAVAIL)));
        assert!(!lacks_ipv6(&error(nix::libc::EADDRINUSE)));
        assert!(!lacks_ipv6(&error(nix::libc::EACCES)));
    }
}
