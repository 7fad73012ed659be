//! Alertmanager's API v2 over our alerting: what amtool, Prometheus' notifier and Grafana speak.
//!
//! Promises: fields, times, status codes and the bodies of errors are those of Alertmanager (its OpenAPI file and its
//! answers to wrong requests), so that its clients need not know whom they speak to. What changes something leaves a
//! [`Done`] in its answer, for whoever keeps an audit log.
//! What is asked for is answered within the [`Scope`] of who asks, and what is changed is judged by their [`Asker`]; a
//! server without sign-in has neither and believes what the request says.
//! Leaves to others: who may ask (`http` has roles; alone, as [`standalone`], there are none, as in Alertmanager).

mod alerts;
mod answer;
mod figures;
mod parameters;
mod silences;
pub mod standalone;
mod status;

use std::sync::Arc;

use agent_model::Millis;
use axum::extract::DefaultBodyLimit;
use axum::response::Response;
use axum::routing::{MethodRouter, any, get, post};
use axum::{Router, middleware};
use collector_alerting::Alerting;

pub use figures::Figures;

#[cfg(doc)]
use crate::done::Done;
#[cfg(doc)]
use crate::scope::Scope;
#[cfg(doc)]
use crate::silencing::Asker;

/// A post of alerts: Prometheus sends 64 at a time, each of a few kilobytes.
const BODY_BYTES_MAX: usize = 4 << 20;

/// What the API works with.
#[derive(Clone)]
pub struct Manager {
    pub alerting: Alerting,
    pub figures: Figures,
    pub started_ms: Millis,
    /// How long silences are shown after their end.
    pub silences_kept_ms: Millis,
}

/// The routes below `/api/v2`.
pub fn routes() -> Router<Arc<Manager>> {
    let router = Router::new()
        .route("/api/v2/status", only("GET", get(status::status)))
        .route("/api/v2/receivers", only("GET", get(status::receivers)))
        .route("/api/v2/alerts", only("GET,POST", get(alerts::list).post(alerts::take)))
        .route("/api/v2/alerts/groups", only("GET", get(alerts::groups)))
        .route("/api/v2/silences", only("GET,POST", get(silences::list).post(silences::set)))
        .route(
            "/api/v2/silence/{id}",
            only("DELETE,GET", get(silences::one).delete(silences::expire)),
        )
        .route("/api/v2/{*rest}", any(answer::no_such_path));
    router
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::map_response(answer::in_its_words))
}

/// Says which methods there are to who takes another.
fn only(methods: &'static str, router: MethodRouter<Arc<Manager>>) -> MethodRouter<Arc<Manager>> {
    router.fallback(async move |method: axum::http::Method| -> Response {
        answer::wrong_method(&method, methods)
    })
}

/// For a server that has nothing else at `/`.
fn own_routes() -> Router<Arc<Manager>> {
    let healthy = || async { "OK" };
    routes()
        .route("/-/healthy", get(healthy))
        .route("/-/ready", get(healthy))
        .route("/metrics", get(figures::show))
        .route("/-/reload", post(standalone::reload).put(standalone::reload))
}
