//! The shared end of the two lanes to one collector: the connection, when it may be tried again, and what is
//! known about its health.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::StatusCode;
use tokio::sync::Mutex;

use super::backoff;
use super::link::{self, Answer, Connection, LinkError};
use crate::clock::Clock;
use crate::config::CollectorAddress;
use crate::identity::{Identity, IdentityError};

/// A certificate that the collector refuses is a person's task: no need to knock every second.
const REFUSED_WAIT: Duration = Duration::from_secs(60);

/// The longest that a collector may send us away for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(600);

#[derive(Debug, thiserror::Error)]
pub enum SendError {
    #[error(transparent)]
    Link(#[from] LinkError),
    #[error(transparent)]
    Identity(#[from] IdentityError),
    #[error("{address} answered {status}: {text}")]
    Status { address: CollectorAddress, status: StatusCode, text: String },
    #[error("the acknowledgement of {address} makes no sense")]
    Acknowledgement {
        address: CollectorAddress,
        #[source]
        source: agent_wire::WireError,
    },
    #[error("the acknowledgement of {address} answers {got} reports, {sent} were sent")]
    Count { address: CollectorAddress, got: usize, sent: usize },
}

/// What is told about a collector in the agent's own metrics.
#[derive(Debug, Default)]
pub(crate) struct Health {
    pub(crate) connected: AtomicBool,
    pub(crate) sent_reports: AtomicU64,
    pub(crate) sent_bytes: AtomicU64,
    pub(crate) failures: AtomicU64,
    pub(crate) last_acknowledged_ms: AtomicI64,
    /// The collector's clock minus ours, half a round trip included.
    pub(crate) clock_offset_ms: AtomicI64,
}

pub(crate) struct Collector {
    /// Its place in the configuration, by which the spool knows it.
    pub(crate) index: usize,
    pub(crate) address: CollectorAddress,
    pub(crate) health: Arc<Health>,
    state_dir: PathBuf,
    clock: Clock,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    connection: Option<Connection>,
    failures: u32,
    not_before: Option<Instant>,
}

impl Collector {
    pub(crate) fn new(
        index: usize,
        address: CollectorAddress,
        state_dir: PathBuf,
        clock: Clock,
    ) -> Self {
        let health = Arc::new(Health::default());
        Self { index, address, health, state_dir, clock, state: Mutex::default() }
    }

    /// Posts over the shared connection, after the wait that earlier failures ask for. Answers other than
    /// 200 and 400 and 413 are errors here, and set the wait.
    pub(crate) async fn post(
        &self,
        path: &str,
        content_type: &'static str,
        body: Bytes,
    ) -> Result<Answer, SendError> {
        let mut connection = self.connection().await?;
        let bytes = body.len() as u64;
        let answer = link::post(&mut connection, &self.address, path, content_type, body).await;
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                self.fail(None).await;
                return Err(error.into());
            }
        };
        match answer.status {
            StatusCode::OK | StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE => {
                self.state.lock().await.failures = 0;
                self.health.sent_bytes.fetch_add(bytes, Ordering::Relaxed);
                Ok(answer)
            }
            status => {
                let refused = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN].contains(&status);
                let wait = if refused { Some(REFUSED_WAIT) } else { answer.retry_after };
                self.fail(wait).await;
                let text = answer.error_text();
                Err(SendError::Status { address: self.address.clone(), status, text })
            }
        }
    }

    /// Lets the next request make a new connection: the identity has changed.
    pub(crate) async fn reconnect(&self) {
        self.state.lock().await.connection = None;
    }

    /// The connection that is there, or a new one. Holding the lock meanwhile makes the other lane wait for it.
    async fn connection(&self) -> Result<Connection, SendError> {
        let mut state = self.state.lock().await;
        if let Some(not_before) = state.not_before {
            tokio::time::sleep_until(not_before.into()).await;
            state.not_before = None;
        }
        if let Some(connection) = state.connection.as_ref().filter(|it| !it.is_closed()) {
            return Ok(connection.clone());
        }
        state.connection = None;
        let made = async {
            let identity = Identity::load(&self.state_dir, &self.address)?;
            let config = Arc::new(identity.client_config()?);
            Ok::<_, SendError>(link::connect(&self.address, config).await?)
        };
        match made.await {
            Ok(connection) => {
                tracing::info!(collector = %self.address, "connected");
                self.health.connected.store(true, Ordering::Relaxed);
                state.connection = Some(connection.clone());
                Ok(connection)
            }
            Err(error) => {
                self.note_failure(&mut state, None);
                Err(error)
            }
        }
    }

    async fn fail(&self, wait: Option<Duration>) {
        let mut state = self.state.lock().await;
        if wait.is_none() {
            state.connection = None;
        }
        self.note_failure(&mut state, wait);
    }

    fn note_failure(&self, state: &mut State, wait: Option<Duration>) {
        state.failures = state.failures.saturating_add(1);
        let jittered = backoff::wait(state.failures, backoff::random());
        let wait = wait.map_or(jittered, |wait| wait.min(RETRY_AFTER_MAX).max(jittered));
        state.not_before = Some(self.clock.instant() + wait);
        self.health.failures.fetch_add(1, Ordering::Relaxed);
        self.health.connected.store(state.connection.is_some(), Ordering::Relaxed);
    }
}
