//! `query`, `query_range` and `query_exemplars`.

use std::sync::Arc;

use agent_model::Series;
use axum::Extension;
use axum::extract::State;
use rules_promql::{ResultType, Value, answer_instant, answer_range};
use serde_json::json;

use super::answer::{Answer, Failure, Success, success};
use super::parameters::Parameters;
use super::values;
use crate::clock;
use crate::http::{WebApi, Who};

/// Points of a series in one answer: more than a screen has pixels is a mistake. Prometheus' own limit.
const POINTS_MAX: i64 = 11_000;

/// What Prometheus says when `limit` cut an answer short.
pub(super) const TRUNCATED: &str = "results truncated due to limit";

pub(super) async fn instant(
    State(api): State<Arc<WebApi>>,
    Extension(who): Extension<Who>,
    parameters: Parameters,
) -> Answer {
    let expression = parameters.expression()?;
    let at_ms = parameters.time("time")?.unwrap_or_else(clock::now_ms);
    let (limit, timeout) = (parameters.limit("limit")?, parameters.timeout()?);
    api.places
        .evaluate(&api.query.within(&who.scope), timeout, move |source, limits| {
            let mut answer = answer_instant(&expression, at_ms, source, limits)?;
            let cut = match &mut answer.value {
                Value::Vector(vector) => truncated(vector, limit),
                Value::Matrix(series) => truncated(series, limit),
                Value::Scalar(_) | Value::Text(_) => false,
            };
            let mut warnings = answer.warnings;
            warnings.extend(cut.then(|| TRUNCATED.to_owned()));
            let data = values::instant(&answer.value, at_ms);
            Ok(Success { data, warnings, infos: answer.infos })
        })
        .await
}

pub(super) async fn range(
    State(api): State<Arc<WebApi>>,
    Extension(who): Extension<Who>,
    parameters: Parameters,
) -> Answer {
    let (start_ms, end_ms) = (parameters.required_time("start")?, parameters.required_time("end")?);
    if end_ms < start_ms {
        let text = "end timestamp must not be before start time";
        return Err(Failure::parameter("end", text));
    }
    let step_ms = parameters.step_ms()?;
    if (end_ms - start_ms) / step_ms > POINTS_MAX {
        return Err(Failure::bad_data(
            "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)",
        ));
    }
    let expression = parameters.expression()?;
    let kind = match expression.result_type() {
        ResultType::Scalar | ResultType::Vector => None,
        ResultType::Matrix => Some("range vector"),
        ResultType::Text => Some("string"),
    };
    if let Some(kind) = kind {
        let text = format!(
            "invalid expression type {kind:?} for range query, must be Scalar or instant Vector"
        );
        return Err(Failure::parameter("query", text));
    }
    let (limit, timeout) = (parameters.limit("limit")?, parameters.timeout()?);
    api.places
        .evaluate(&api.query.within(&who.scope), timeout, move |source, limits| {
            let answer = answer_range(&expression, start_ms, end_ms, step_ms, source, limits)?;
            let (mut series, mut warnings): (Vec<Series>, _) = (answer.value, answer.warnings);
            warnings.extend(truncated(&mut series, limit).then(|| TRUNCATED.to_owned()));
            Ok(Success { data: values::matrix(&series), warnings, infos: answer.infos })
        })
        .await
}

/// There are no exemplars here; the query is checked all the same.
pub(super) async fn exemplars(parameters: Parameters) -> Answer {
    parameters.expression()?;
    parameters.span()?;
    success(&json!([]))
}

/// Whether something was cut off.
pub(super) fn truncated<T>(items: &mut Vec<T>, limit: Option<usize>) -> bool {
    match limit {
        Some(limit) if items.len() > limit => {
            items.truncate(limit);
            true
        }
        _ => false,
    }
}
