//! `/-/reload`: POST reads changed files again (an administrator's act), GET tells what came of the last time.
//! A group of files that was refused makes the answer an error, with every problem by file and line.

use std::sync::Arc;

use agent_model::Problem;
use axum::Extension;
use axum::extract::{Json, State};
use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::done::Done;
use crate::http::audited::Changed;
use crate::http::{ApiError, WebApi, Who};
use crate::reload::{GroupReport, Reload};

pub(super) async fn last(State(api): State<Arc<WebApi>>) -> Json<Value> {
    Json(shown(&api.reloader.last()))
}

pub(super) async fn reload(
    State(api): State<Arc<WebApi>>,
    Extension(who): Extension<Who>,
) -> Changed {
    // It has its entry from there, as one by SIGHUP has.
    let reload = api.reloader.reload(&who.name).await;
    api.forget_picture().await;
    let refused = reload.refused();
    if refused.is_empty() {
        return Ok((Done::Nothing, Json(shown(&reload))));
    }
    let text = format!("not reloaded: {}; what was in force stays", refused.join(", "));
    let error = ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, text);
    Err(error.with("reload", shown(&reload)))
}

fn shown(reload: &Reload) -> Value {
    let groups = reload.groups.iter().map(|GroupReport { group, problems }| {
        let told: Vec<Value> = problems.0.iter().map(shown_problem).collect();
        json!({ "files": group.name(), "in_force": told.is_empty(), "problems": told })
    });
    json!({
        "at_ms": reload.at_ms, "by": reload.by, "groups": groups.collect::<Vec<_>>(),
        "remarks": reload.remarks,
    })
}

fn shown_problem(problem: &Problem) -> Value {
    json!({
        "file": problem.file.display().to_string(), "line": problem.line,
        "message": problem.message, "text": problem.to_string(),
    })
}
