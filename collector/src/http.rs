//! What people, their browsers and their tools ask for over HTTP.
//!
//! Promises: nothing but the page's own files, readiness, sign-in and links of messages is answered without a session or a
//! token; what each role may do stands in `permissions` alone; a request that changes something from a browser carries the
//! header `X-Haidang`; every error is JSON `{"error": …}`.
//! Leaves to others: connections and TLS (`serve`), and what the answers are made from.

mod acknowledge;
mod alertmanager;
mod alerts;
mod api_tokens;
mod audit;
mod audited;
mod backups;
mod channels;
mod drills;
mod error;
mod events;
mod gauges;
mod guard;
mod guesses;
mod handling;
mod hosts;
mod live;
mod lives;
mod on_call;
mod otlp;
mod overview;
mod pages;
mod passwords;
mod permissions;
mod picture;
mod prometheus;
mod pushes;
mod reload;
mod remote_write;
mod sign_in;
mod silences;
mod status;
mod tokens;
mod users;

use std::sync::Arc;

use agent_model::Millis;
use axum::http::StatusCode;
use axum::routing::{any, get, post};
use axum::{Router, middleware};
use collector_alerting::Alerting;
use collector_event_store::EventStore;
use collector_inventory::Inventory;
use tokio::sync::{Semaphore, broadcast, watch};
use tokio_util::task::TaskTracker;

pub use error::ApiError;
pub use guard::{Gate, Who};
pub use picture::Pictures;
pub use prometheus::Places;
pub use pushes::push_bodies;

use crate::alertmanager::Manager;
use crate::api_tokens::ApiTokens;
use crate::authority::Authority;
use crate::drills::Drills;
use crate::health::Health;
use crate::outward::Outward;
use crate::province::Province;
use crate::push::Pushes;
use crate::query::Query;
use crate::reload::Reloader;
use crate::rulebook::Rulebook;
use crate::self_metrics::SelfMetrics;

/// A request's body from a browser or a tool: a silence or a password is small, a rule file is not sent here.
const BODY_BYTES_MAX: usize = 1 << 20;

/// What the web port works with.
pub struct WebApi {
    pub inventory: Inventory,
    pub api_tokens: ApiTokens,
    pub pushes: Arc<Pushes>,
    /// What changes something and is not done yet.
    pub deeds: TaskTracker,
    /// The systems that samples are sent on to.
    pub outward: Outward,
    /// One permit per kibibyte of pushes being received.
    pub push_bodies: Arc<Semaphore>,
    pub alerting: Alerting,
    /// The same alerting as other programs speak to it.
    pub alertmanager: Arc<Manager>,
    pub events: Arc<EventStore>,
    pub province: watch::Receiver<Arc<Province>>,
    pub drills: Arc<Drills>,
    /// The rules in force.
    pub rules: watch::Receiver<Arc<Rulebook>>,
    pub reloader: Arc<Reloader>,
    /// Of groups of rules that set none.
    pub evaluation_interval_ms: Millis,
    /// Places for queries.
    pub places: Places,
    /// What of the journal the last start could not read, a sentence each.
    pub journal_damage: Vec<String>,
    pub pictures: Pictures,
    /// Places for live streams.
    pub streams: Arc<Semaphore>,
    /// Ticks when somebody may do other than before: live pages prove anew who they are.
    pub users_changed: watch::Sender<()>,
    /// How many security events became searchable.
    pub seen: broadcast::Sender<usize>,
    /// The time of receipt of the newest column.
    pub arrived: watch::Receiver<Millis>,
    /// When this collector began to listen.
    pub started_ms: Millis,
    pub stop: watch::Receiver<bool>,
    pub authority: Arc<Authority>,
    pub query: Query,
    pub gate: Gate,
    pub metrics: SelfMetrics,
    pub health: watch::Receiver<Health>,
    pub session_lifetime_ms: Millis,
    /// Over TLS a cookie is never sent in the clear.
    pub secure_cookies: bool,
    /// What a host is told to connect to.
    pub agents_port: u16,
}

/// Places for live streams, see `live`.
pub fn stream_places() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(live::STREAMS_MAX))
}

pub fn router(api: Arc<WebApi>) -> Router {
    let guarded = Router::new()
        .merge(prometheus::routes())
        .merge(hosts::routes())
        .merge(alerts::routes())
        .merge(handling::routes())
        .merge(silences::routes())
        .merge(channels::routes())
        .merge(lives::routes())
        .merge(on_call::routes())
        .merge(alertmanager::routes(&api))
        .merge(audit::routes())
        .merge(users::routes())
        .merge(api_tokens::routes())
        .merge(drills::routes())
        .route("/api/overview", get(overview::overview))
        .route("/api/status", get(overview::status))
        .route("/api/backups", get(backups::list))
        .route("/api/events", get(events::search))
        .route("/api/live", get(live::stream))
        .route("/api/tokens", post(tokens::create))
        .route("/metrics", get(prometheus::own_metrics))
        .route("/-/reload", get(reload::last).post(reload::reload).put(reload::reload))
        .route_layer(middleware::from_fn_with_state(Arc::clone(&api), guard::guard));
    // They write their own entries of the audit log.
    let entrances = Router::new()
        .merge(acknowledge::routes())
        .route("/api/session", get(sign_in::current).post(sign_in::begin).delete(sign_in::end))
        .route("/api/setup", post(sign_in::setup))
        .route_layer(middleware::from_fn_with_state(Arc::clone(&api), audited::to_the_end));
    Router::new()
        .merge(guarded)
        .merge(entrances)
        .layer(middleware::map_response(error::in_our_words))
        // They ask for a token that writes by themselves, and bound their bodies.
        .route("/api/v1/write", post(remote_write::write))
        .route("/api/v1/otlp/v1/metrics", post(otlp::metrics))
        .route("/-/ready", get(ready))
        .route("/-/healthy", get(|| async { "Hải Đăng is alive.\n" }))
        .route("/api/{*rest}", any(|| async { ApiError::not_found("no such route") }))
        .fallback(get(pages::serve))
        .layer(axum::extract::DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::from_fn(pages::security_headers))
        .with_state(api)
}

async fn ready(
    axum::extract::State(api): axum::extract::State<Arc<WebApi>>,
) -> (StatusCode, String) {
    let health = api.health.borrow().clone();
    if health.ready {
        (StatusCode::OK, "ready\n".to_owned())
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {}\n", health.reasons.join("; ")))
    }
}
