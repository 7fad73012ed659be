//! `/api/drills` and `/api/drill-runs`: plans, runs, and what a person does in a run.
//! Promises: whoever may only look starts and changes nothing; a start needs the typed name of the site; every try is in
//! the audit log, also one that was refused.

use std::sync::Arc;

use agent_model::Millis;
use axum::extract::{Json, Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Router, routing};
use rules::drill::{DrillPlan, DrillRun, DrillState, Step, StepKind, StepRun, StepState};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::done::Done;
use crate::drills::{DrillsError, Kept};
use crate::http::{ApiError, WebApi, Who};

/// Runs in one answer, newest first.
const RUNS_MAX: u32 = 50;

/// A note or a reason; it stands in the minutes.
const NOTE_CHARS_MAX: usize = 2_000;

pub(super) fn routes() -> Router<Arc<WebApi>> {
    Router::new()
        .route("/api/drills", routing::get(list))
        .route("/api/drills/{plan}/start", routing::post(start))
        .route("/api/drill-runs/{drill}", routing::get(one))
        .route("/api/drill-runs/{drill}/steps/{step}", routing::post(finish_step))
        .route("/api/drill-runs/{drill}/abort", routing::post(abort))
        .route("/api/drill-runs/{drill}/minutes", routing::get(minutes))
}

impl From<DrillsError> for ApiError {
    fn from(error: DrillsError) -> Self {
        match error {
            DrillsError::NoPlan(_) | DrillsError::NoDrill(_) => Self::not_found(error.to_string()),
            DrillsError::WrongSite { .. } => Self::bad_request(error.to_string()),
            DrillsError::RunsAlready(_)
            | DrillsError::TooMany
            | DrillsError::Unmet { .. }
            | DrillsError::Over(_)
            | DrillsError::Refused(_) => Self::conflict(error.to_string()),
            DrillsError::Stored { .. } | DrillsError::Store(_) => {
                Self::internal("drills cannot be read or stored", &error)
            }
        }
    }
}

async fn list(State(api): State<Arc<WebApi>>) -> Result<Json<Value>, ApiError> {
    let runs = api.drills.newest(RUNS_MAX).await?;
    let in_force = api.drills.plans();
    let plans: Vec<Value> = in_force.plans.iter().map(|plan| shown_plan(plan)).collect();
    let problems: Vec<String> = in_force.problems.0.iter().map(ToString::to_string).collect();
    let runs: Vec<Value> = runs.iter().map(shown).collect();
    Ok(Json(json!({ "plans": plans, "runs": runs, "problems": problems })))
}

async fn one(
    State(api): State<Arc<WebApi>>,
    Path(drill): Path<String>,
) -> Result<Json<Value>, ApiError> {
    Ok(Json(shown(&api.drills.drill(number(&drill)?).await?)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Start {
    confirm_site: String,
}

async fn start(
    State(api): State<Arc<WebApi>>,
    Extension(who): Extension<Who>,
    Path(plan): Path<String>,
    Json(given): Json<Start>,
) -> Response {
    let done = api.drills.start(&plan, &given.confirm_site, &who.name).await;
    answer("drill.start", plan, done)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Outcome {
    outcome: String,
    #[serde(default)]
    note: String,
}

async fn finish_step(
    State(api): State<Arc<WebApi>>,
    Extension(who): Extension<Who>,
    Path((drill, step)): Path<(String, String)>,
    Json(given): Json<Outcome>,
) -> Result<Response, ApiError> {
    let object = format!("{drill}/{step}");
    let note = bounded("note", &given.note)?;
    let passed = match given.outcome.as_str() {
        "passed" => true,
        "failed" => false,
        other => {
            let text = format!("`outcome` is passed or failed, not {other:?}");
            return Err(ApiError::bad_request(text));
        }
    };
    let drill = number(&drill)?;
    let done = api.drills.finish_step(drill, &step, &who.name, passed, note).await;
    Ok(answer("drill.step", object, done))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Abort {
    reason: String,
}

async fn abort(
    State(api): State<Arc<WebApi>>,
    Extension(who): Extension<Who>,
    Path(drill): Path<String>,
    Json(given): Json<Abort>,
) -> Result<Response, ApiError> {
    let reason = bounded("reason", &given.reason)?;
    if reason.is_empty() {
        return Err(ApiError::bad_request("say why it is aborted; `reason` stands in the minutes"));
    }
    let done = api.drills.abort(number(&drill)?, &who.name, reason).await;
    Ok(answer("drill.abort", drill, done))
}

/// The page to print and sign. While the drill runs it shows how far it is.
async fn minutes(
    State(api): State<Arc<WebApi>>,
    Path(drill): Path<String>,
) -> Result<Response, ApiError> {
    let kept = api.drills.drill(number(&drill)?).await?;
    let headers =
        [(header::CONTENT_TYPE, "text/html; charset=utf-8"), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, rules::drill::minutes_html(&kept.run)).into_response())
}

fn answer(action: &'static str, object: String, done: Result<Kept, DrillsError>) -> Response {
    let outcome = match &done {
        Ok(kept) => format!("done: drill {}", kept.drill.drill),
        Err(error) => format!("refused: {error}"),
    };
    let kept = done.map(|kept| Json(shown(&kept))).map_err(ApiError::from);
    (Done::with_outcome(action, object, outcome), kept).into_response()
}

fn number(text: &str) -> Result<u64, ApiError> {
    text.parse().map_err(|_| ApiError::not_found(format!("there is no drill {text:?}")))
}

fn bounded<'t>(name: &str, text: &'t str) -> Result<&'t str, ApiError> {
    if text.chars().count() <= NOTE_CHARS_MAX {
        return Ok(text.trim());
    }
    Err(ApiError::bad_request(format!("`{name}` has at most {NOTE_CHARS_MAX} characters")))
}

fn shown_plan(plan: &DrillPlan) -> Value {
    let steps = plan.steps.iter().map(|step| {
        json!({
            "id": step.id, "kind": kind(step),
            "title_vi": step.title.vi, "title_en": step.title.en,
        })
    });
    json!({
        "id": plan.id, "title_vi": plan.title.vi, "title_en": plan.title.en, "site": plan.site,
        "scope": plan.scope.vi, "scope_en": plan.scope.en, "steps": steps.collect::<Vec<_>>(),
        "objectives": {
            "rto_seconds": plan.objectives.rto_ms.map(seconds),
            "rpo_seconds": plan.objectives.rpo_ms.map(seconds),
        },
    })
}

fn shown(kept: &Kept) -> Value {
    let run = &kept.run;
    let steps = run.plan().steps.iter().zip(run.steps()).map(|(step, ran)| shown_step(step, ran));
    let state = match run.state() {
        DrillState::Preparing | DrillState::Running => "running",
        DrillState::Passed | DrillState::Failed => "finished",
        DrillState::Aborted => "aborted",
    };
    json!({
        "id": kept.drill.drill.to_string(), "plan": kept.drill.plan, "state": state,
        "started_by": run.started_by(), "started_ms": run.started_ms(),
        "finished_ms": run.finished_ms(), "steps": steps.collect::<Vec<_>>(),
        "rto_seconds": run.rto_ms().map(seconds), "rpo_seconds": run.rpo_seconds(),
        "verdict": verdict(run), "ending": run.ending(),
    })
}

fn shown_step(step: &Step, ran: &StepRun) -> Value {
    let (instruction_vi, instruction_en) = match &step.kind {
        StepKind::Manual { instruction } => (Some(&instruction.vi), Some(&instruction.en)),
        _ => (None, None),
    };
    let late = if ran.state == StepState::TimedOut { "quá thời hạn" } else { "" };
    let mut detail = vec![late, &ran.detail, &ran.evidence];
    detail.retain(|text| !text.is_empty());
    let state = if ran.state == StepState::TimedOut { StepState::Failed } else { ran.state };
    json!({
        "id": step.id, "kind": kind(step), "title_vi": step.title.vi, "title_en": step.title.en,
        "instruction_vi": instruction_vi,
        "instruction_en": instruction_en.filter(|text| !text.is_empty()),
        "state": state.name(), "started_ms": ran.started_ms, "finished_ms": ran.finished_ms,
        "who": ran.who, "detail": detail.join(" | "),
    })
}

fn kind(step: &Step) -> &'static str {
    match step.kind {
        StepKind::Manual { .. } => "manual",
        StepKind::Http { .. } | StepKind::Tcp { .. } => "probe",
        StepKind::Query { .. } => "query",
    }
}

/// Against the objectives where the plan has some; what was promised and not measured is missed.
fn verdict(run: &DrillRun) -> Option<&'static str> {
    let objectives = run.plan().objectives;
    match run.state() {
        DrillState::Preparing | DrillState::Running => None,
        DrillState::Failed => Some("failed"),
        DrillState::Aborted => Some("aborted"),
        DrillState::Passed if objectives.rto_ms.is_none() && objectives.rpo_ms.is_none() => {
            Some("passed")
        }
        DrillState::Passed => {
            let rto_met = objectives
                .rto_ms
                .is_none_or(|rto_ms| run.rto_ms().is_some_and(|measured_ms| measured_ms <= rto_ms));
            let rpo_met = objectives.rpo_ms.map(seconds).is_none_or(|rpo_seconds| {
                run.rpo_seconds().is_some_and(|measured| measured <= rpo_seconds)
            });
            Some(if rto_met && rpo_met { "met" } else { "missed" })
        }
    }
}

fn seconds(ms: Millis) -> f64 {
    let length = std::time::Duration::from_millis(ms.unsigned_abs()).as_secs_f64();
    if ms < 0 { -length } else { length }
}
