//! Prometheus' HTTP API (prometheus.io/docs/prometheus/latest/querying/api) for Grafana, promtool and the pages.
//!
//! Promises: the same routes, JSON, error types and status codes; a query is bounded in samples, series, time and number
//! at once, and ends when its deadline passes or the client leaves.
//! Leaves to others: who may ask (`sign_in`), and what is evaluated (`rules_promql`).

mod admin;
mod answer;
mod expression;
mod federate;
mod metadata;
mod names;
mod parameters;
mod query;
mod rules;
mod series;
mod status;
mod targets;
mod values;
mod work;

use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use axum::{Router, middleware};

pub use work::Places;

use crate::http::WebApi;

pub(super) fn routes() -> Router<Arc<WebApi>> {
    /// A form may be longer than an address can be.
    fn both<H, T>(handler: H) -> MethodRouter<Arc<WebApi>>
    where
        H: axum::handler::Handler<T, Arc<WebApi>>,
        T: 'static,
    {
        get(handler.clone()).post(handler)
    }
    Router::new()
        .route("/api/v1/query", both(query::instant))
        .route("/api/v1/query_range", both(query::range))
        .route("/api/v1/query_exemplars", both(query::exemplars))
        .route("/api/v1/format_query", both(expression::format))
        .route("/api/v1/parse_query", both(expression::tree))
        .route("/api/v1/series", both(series::series))
        .route("/api/v1/labels", both(series::labels))
        .route("/api/v1/label/{name}/values", get(series::label_values))
        .route("/api/v1/metadata", get(metadata::metadata))
        .route("/api/v1/rules", get(rules::rules))
        .route("/api/v1/alerts", get(rules::alerts))
        .route("/api/v1/targets", get(targets::targets))
        .route("/api/v1/targets/metadata", get(metadata::of_targets))
        .route("/api/v1/scrape_pools", get(targets::scrape_pools))
        .route("/api/v1/status/buildinfo", get(status::build_info))
        .route("/api/v1/status/config", get(status::config))
        .route("/api/v1/status/flags", get(status::flags))
        .route("/api/v1/status/runtimeinfo", get(status::runtime_info))
        .route("/api/v1/status/tsdb", get(status::tsdb))
        .route(
            "/api/v1/admin/tsdb/delete_series",
            post(admin::delete_series).put(admin::delete_series),
        )
        .route(
            "/api/v1/admin/tsdb/clean_tombstones",
            post(admin::clean_tombstones).put(admin::clean_tombstones),
        )
        .layer(middleware::map_response(answer::in_its_words))
        .route("/federate", get(federate::federate))
}

/// `GET /metrics`: the collector's own metrics in the text format.
pub(super) async fn own_metrics(State(api): State<Arc<WebApi>>) -> Response {
    let families = api.metrics.registry.gather();
    match prometheus::TextEncoder::new().encode_to_string(&families) {
        Ok(text) => ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}
