//! `admin/tsdb/…`: deleting series by hand, as Prometheus with its admin API switched on.
//!
//! Promises: only an administrator may; an answer of 204 means
//! that it is on disk. Metrics alone can be deleted: events and the audit log have no such route.
//! Leaves to others: what a deletion is (the metric store).

use std::sync::Arc;

use agent_model::{Matcher, Millis};
use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use collector_metric_store::MetricStoreError;

use super::answer::Failure;
use super::parameters::Parameters;
use crate::done::Done;
use crate::http::{WebApi, Who};
use crate::query::Query;

/// Of selectors in the audit log: people read it.
const SELECTORS_CHARS_MAX: usize = 1_000;

pub(super) async fn delete_series(
    State(api): State<Arc<WebApi>>,
    Extension(who): Extension<Who>,
    parameters: Parameters,
) -> Result<Response, Failure> {
    let selectors = parameters.selectors()?;
    if selectors.is_empty() {
        return Err(Failure::bad_data("no match[] parameter provided"));
    }
    let from_ms = parameters.time("start")?.unwrap_or(Millis::MIN);
    let to_ms = parameters.time("end")?.unwrap_or(Millis::MAX);
    if to_ms < from_ms {
        return Err(Failure::parameter("end", "end timestamp must not be before start time"));
    }
    let selectors = api.query.stored(&selectors)?;
    let asked: Vec<&str> = parameters.all("match[]").collect();
    let mut object: String = asked.join(" ").chars().take(SELECTORS_CHARS_MAX).collect();
    for (word, bound, open) in [("from", from_ms, Millis::MIN), ("to", to_ms, Millis::MAX)] {
        if bound != open {
            object = format!("{object} {word} {}", shown(bound));
        }
    }
    let work = move |query: &Query| delete(query, &selectors, from_ms, to_ms);
    Ok(audited(&api, &who, ("series.delete", object), work).await)
}

pub(super) async fn clean_tombstones(
    State(api): State<Arc<WebApi>>,
    Extension(who): Extension<Who>,
) -> Response {
    let clean = |query: &Query| {
        query.clean_deletions().map(|files| format!("done: {files} files written anew"))
    };
    audited(&api, &who, ("series.clean", String::new()), clean).await
}

fn delete(
    query: &Query,
    selectors: &[Vec<Matcher>],
    from_ms: Millis,
    to_ms: Millis,
) -> Result<String, MetricStoreError> {
    let deleted = query.delete(selectors, from_ms, to_ms)?;
    Ok(format!("done: {} series", deleted.series))
}

/// A deed on the metric store, beside the threads that answer.
async fn audited(
    api: &WebApi,
    who: &Who,
    (action, object): (&'static str, String),
    work: impl FnOnce(&Query) -> Result<String, MetricStoreError> + Send + 'static,
) -> Response {
    let query = api.query.clone();
    let done = tokio::task::spawn_blocking(move || work(&query)).await;
    let done = match done {
        Ok(done) => done.map_err(failure),
        Err(panic) => Err(Failure::internal(format!("it broke off: {panic}"))),
    };
    let outcome = match &done {
        Ok(outcome) => outcome.clone(),
        Err(failure) => format!("failed: {}", failure.text),
    };
    tracing::info!(
        who = who.name,
        action,
        object,
        outcome,
        "a deletion of series by hand, or the cleaning after it, has ended"
    );
    let done = done.map(|_| StatusCode::NO_CONTENT);
    (Done::with_outcome(action, object, outcome), done).into_response()
}

fn failure(error: MetricStoreError) -> Failure {
    let text = crate::describe(&error);
    match error {
        MetricStoreError::TooManyDeletions { .. } => {
            Failure { status: StatusCode::UNPROCESSABLE_ENTITY, kind: "execution", text }
        }
        error if error.retryable() => Failure::unavailable(text),
        _ => Failure::internal(text),
    }
}

fn shown(at_ms: Millis) -> String {
    let time = jiff::Timestamp::from_millisecond(at_ms);
    time.map_or_else(|_| format!("{at_ms} ms"), |time| time.to_string())
}
