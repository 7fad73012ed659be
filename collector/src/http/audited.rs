//! What changes something is done to its end, whoever hangs up meanwhile, and stands in the audit log.
//!
//! Promises: no deed through a guarded route without its entry: the guard runs every handler that may change something here,
//! and one that leaves no [`Done`] is written down by its method and path. A request that was refused has changed nothing; it
//! stands in the log where its handler says so.
//! Leaves to others: who may (`guard`), and entries of who is not signed in (sign-in, links).

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use collector_inventory::AuditEntry;
use futures_util::FutureExt;
use serde_json::Value;

use super::permissions::Action;
use super::{ApiError, WebApi, Who};
use crate::clock;
use crate::done::Done;

/// Of a path in the audit log: people read it.
const PATH_CHARS_MAX: usize = 200;

/// What handlers answer that change something.
pub(super) type Changed = Result<(Done, Json<Value>), ApiError>;

/// Runs what changes something, writes the entry, answers.
pub(super) async fn change(
    api: Arc<WebApi>,
    who: Who,
    action: Action,
    request: Request,
    next: Next,
) -> Response {
    let path: String = request.uri().path().chars().take(PATH_CHARS_MAX).collect();
    let unnamed = (action.name(), format!("{} {path}", request.method()));
    let deeds = api.deeds.clone();
    let deed = async move {
        let answer = unless_it_breaks(next.run(request)).await;
        if let Some((action, object, outcome)) = entry(&answer, unnamed) {
            write(&api, &who.name, action, &object, &outcome).await;
            api.forget_picture().await;
        }
        answer
    };
    // Fails only with the whole program.
    deeds.spawn(deed).await.unwrap_or_else(|_| broken())
}

/// For routes that write their entries themselves: who hangs up ends nothing.
pub(super) async fn to_the_end(
    State(api): State<Arc<WebApi>>,
    request: Request,
    next: Next,
) -> Response {
    let deed = api.deeds.spawn(unless_it_breaks(next.run(request)));
    deed.await.unwrap_or_else(|_| broken())
}

async fn unless_it_breaks(work: impl Future<Output = Response>) -> Response {
    AssertUnwindSafe(work).catch_unwind().await.unwrap_or_else(|_| broken())
}

fn broken() -> Response {
    let text = "it broke off, perhaps half done; the collector's log has the reason";
    ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, text).into_response()
}

fn entry(
    answer: &Response,
    (action, object): (&'static str, String),
) -> Option<(&'static str, String, String)> {
    match answer.extensions().get::<Done>() {
        Some(Done::Deed { action, object, outcome }) => {
            Some((action, object.clone(), outcome.clone()))
        }
        Some(Done::Nothing) => None,
        None if answer.status().is_client_error() => None,
        None if answer.status().is_success() => Some((action, object, "done".to_owned())),
        None => Some((action, object, format!("failed: {}", answer.status()))),
    }
}

/// Writes to the audit log. An action that cannot be recorded is still done, and the log says so.
pub(super) async fn write(api: &WebApi, who: &str, action: &str, object: &str, outcome: &str) {
    let entry = AuditEntry {
        time_ms: clock::now_ms(),
        who: who.chars().take(64).collect(),
        action: action.to_owned(),
        object: object.to_owned(),
        outcome: outcome.to_owned(),
    };
    if let Err(error) = api.inventory.audit_append(&entry).await {
        tracing::error!(who, action, object, outcome, error = %crate::describe(&error),
            "an action is missing from the audit log");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(answer: impl IntoResponse, expected: Option<(&str, &str, &str)>) {
        let unnamed = ("administer", "POST /api/new".to_owned());
        let found = entry(&answer.into_response(), unnamed);
        let found =
            found.as_ref().map(|(action, object, outcome)| (*action, &**object, &**outcome));
        assert_eq!(found, expected);
    }

    #[test]
    fn a_change_that_its_handler_does_not_name_is_written_by_its_path() {
        check((Done::to("host.revoke", "a"), "{}"), Some(("host.revoke", "a", "done")));
        check(StatusCode::NO_CONTENT, Some(("administer", "POST /api/new", "done")));
        check((Done::Nothing, StatusCode::OK), None);
        check(StatusCode::BAD_REQUEST, None);
        let refused = Done::with_outcome("drill.start", "p", "refused");
        check((refused, StatusCode::CONFLICT), Some(("drill.start", "p", "refused")));
        let failed = "failed: 500 Internal Server Error";
        check(broken(), Some(("administer", "POST /api/new", failed)));
    }

    #[tokio::test]
    async fn what_panics_is_an_answer() {
        let answer = unless_it_breaks(async { panic!("a bug") }).await;
        assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
    }
}
