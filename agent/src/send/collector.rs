//! The shared end of the two lanes to one collector: the connection, when it may be tried again, and what is
//! known about its health.
//!
//! A collector is who its authority says it is, at whatever address. Several addresses are tried in their order.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::StatusCode;
use tokio::sync::Mutex;

use super::backoff;
use super::link::{self, Answer, Connection, Distrust, LinkError};
use super::refusals::{self, Refusals};
use crate::clock::Clock;
use crate::config::CollectorAddress;
use crate::identity::{AuthorityId, Identity, IdentityError, kept};

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
    #[error("{address} {advice}")]
    Distrust {
        address: CollectorAddress,
        advice: &'static str,
        #[source]
        source: LinkError,
    },
    #[error("{address} answered {status}: {text}")]
    Status { address: CollectorAddress, status: StatusCode, text: String },
    #[error("another collector answers at {address} than a moment ago")]
    Moved { address: CollectorAddress },
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
    pub(crate) refusals: Refusals,
    pub(crate) last_acknowledged_ms: AtomicI64,
    /// The collector's clock minus ours, half a round trip included.
    pub(crate) clock_offset_ms: AtomicI64,
}

/// A collector as the configuration and the identities know it.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    /// At least one.
    pub(crate) addresses: Vec<CollectorAddress>,
    /// `None` when nobody was met yet at its address.
    pub(crate) authority: Option<AuthorityId>,
}

pub(crate) struct Collector {
    /// Its place among the collectors, by which the spool knows it.
    pub(crate) index: usize,
    pub(crate) known_at_start: Option<AuthorityId>,
    pub(crate) health: Arc<Health>,
    addresses: Vec<CollectorAddress>,
    state_dir: PathBuf,
    clock: Clock,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    connection: Option<(Connection, AuthorityId)>,
    met: Option<AuthorityId>,
    failures: u32,
    not_before: Option<Instant>,
}

impl Collector {
    pub(crate) fn new(index: usize, known: Known, state_dir: PathBuf, clock: Clock) -> Self {
        let Known { addresses, authority: known_at_start } = known;
        let health = Arc::new(Health::default());
        Self { index, known_at_start, health, addresses, state_dir, clock, state: Mutex::default() }
    }

    /// The first of its addresses: by it people know it.
    pub(crate) fn address(&self) -> &CollectorAddress {
        &self.addresses[0]
    }

    /// Who is at the other end of the connection, which is made when there is none.
    pub(crate) async fn authority(&self) -> Result<AuthorityId, SendError> {
        Ok(self.connection().await?.1)
    }

    /// Who was at the other end last, without asking.
    pub(crate) async fn met(&self) -> Option<AuthorityId> {
        let state = self.state.lock().await;
        state.met.or(self.known_at_start)
    }

    /// Posts over the shared connection, after the wait that earlier failures ask for; with `expected` only to the
    /// collector of that authority. Answers other than 200 and 400 and 413 are errors here, and set the wait.
    pub(crate) async fn post(
        &self,
        path: &str,
        content_type: &'static str,
        body: Bytes,
        expected: Option<AuthorityId>,
    ) -> Result<Answer, SendError> {
        let (mut connection, authority) = self.connection().await?;
        if expected.is_some_and(|expected| expected != authority) {
            return Err(SendError::Moved { address: self.address().clone() });
        }
        let bytes = body.len() as u64;
        let answer = link::post(&mut connection, self.address(), path, content_type, body).await;
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                let error = self.explained(error);
                let wait = matches!(error, SendError::Distrust { .. }).then_some(REFUSED_WAIT);
                self.fail(wait, true).await;
                return Err(error);
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
                if refused {
                    self.health.refusals.count(refusals::of_answer(&answer.reason()));
                }
                self.fail(wait, wait.is_none()).await;
                let text = answer.error_text();
                Err(SendError::Status { address: self.address().clone(), status, text })
            }
        }
    }

    /// Whether a request would go out at once.
    pub(crate) fn is_open(&self) -> bool {
        self.state.try_lock().is_ok_and(|state| {
            let waits = state.not_before.is_some_and(|at| at > self.clock.instant());
            !waits && state.connection.as_ref().is_some_and(|(it, _)| !it.is_closed())
        })
    }

    /// Lets the next request make a new connection: the identity has changed.
    pub(crate) async fn reconnect(&self) {
        self.state.lock().await.connection = None;
    }

    /// The connection that is there, or a new one. Holding the lock meanwhile makes the other lane wait for it.
    async fn connection(&self) -> Result<(Connection, AuthorityId), SendError> {
        let mut state = self.state.lock().await;
        if let Some(not_before) = state.not_before {
            tokio::time::sleep_until(not_before.into()).await;
            state.not_before = None;
        }
        if let Some(connection) = state.connection.as_ref().filter(|(it, _)| !it.is_closed()) {
            return Ok(connection.clone());
        }
        state.connection = None;
        match self.dial().await {
            Ok(connection) => {
                self.health.connected.store(true, Ordering::Relaxed);
                state.met = Some(connection.1);
                state.connection = Some(connection.clone());
                Ok(connection)
            }
            Err(error) => {
                if matches!(error, SendError::Identity(IdentityError::NotEnrolled { .. })) {
                    self.health.refusals.count("not_enrolled");
                }
                self.note_failure(&mut state, None);
                Err(error)
            }
        }
    }

    /// The first address that answers with a certificate of an authority that this host is enrolled at.
    async fn dial(&self) -> Result<(Connection, AuthorityId), SendError> {
        let mut first_error = None;
        for address in &self.addresses {
            match self.dial_one(address).await {
                Ok(dialled) => return Ok(dialled),
                Err(error) => {
                    first_error.get_or_insert(error);
                }
            }
        }
        let none = || IdentityError::NotEnrolled { address: self.address().clone() }.into();
        Err(first_error.unwrap_or_else(none))
    }

    async fn dial_one(
        &self,
        address: &CollectorAddress,
    ) -> Result<(Connection, AuthorityId), SendError> {
        let mut other = None;
        // Our certificate is shown only to a collector that has proven itself to be of its authority.
        for identity in kept::choices(&self.state_dir, address)? {
            let config = Arc::new(identity.client_config()?);
            match link::connect(address, config).await {
                Ok(connection) => {
                    tracing::info!(collector = %address, "connected");
                    self.remember(&identity, address);
                    return Ok((connection, identity.authority));
                }
                Err(error) if error.distrust() == Some(Distrust::OtherAuthority) => {
                    other.get_or_insert(error);
                }
                Err(error) => return Err(self.explained(error)),
            }
        }
        let none = || IdentityError::NotEnrolled { address: address.clone() }.into();
        Err(other.map_or_else(none, |error| self.explained(error)))
    }

    /// The next start knows at once who is at this address.
    fn remember(&self, identity: &Identity, address: &CollectorAddress) {
        if identity.was_met_at(address) {
            return;
        }
        let authority = identity.authority;
        tracing::info!(collector = %address, %authority,
            "a collector that this host is enrolled at was met at a new address");
        // Read once more: it may have been renewed while the line was dialled.
        let learnt = Identity::load(&self.state_dir, authority).and_then(|now| {
            now.map_or(Ok(()), |mut identity| identity.learn(&self.state_dir, address))
        });
        if let Err(error) = learnt {
            tracing::warn!(error = crate::chain(&error), "a collector's address was not noted");
        }
    }

    /// Puts a lack of trust into words, and counts it.
    fn explained(&self, source: LinkError) -> SendError {
        let Some(distrust) = source.distrust() else { return source.into() };
        self.health.refusals.count(distrust.name());
        SendError::Distrust { address: self.address().clone(), advice: distrust.advice(), source }
    }

    async fn fail(&self, wait: Option<Duration>, broken: bool) {
        let mut state = self.state.lock().await;
        if broken {
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
