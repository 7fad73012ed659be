//! Prometheus' HTTP API (prometheus.io/docs/prometheus/latest/querying/api), as far as dashboards and Grafana need it.
//! Promises: the same JSON, error types and status codes; a query is bounded in samples, time and number at once, and
//! ends when its deadline passes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use agent_model::{Labels, Millis, Sample, Series};
use axum::extract::{Form, FromRequest, Path, Query as UrlQuery, Request, State};
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use rules_promql::{Limits, PromqlError, Value};
use serde_json::json;
use tokio::sync::Semaphore;

use crate::clock;
use crate::http::WebApi;

/// Prometheus' own default time-out of a query is two minutes; ours is what a person waits.
const QUERY_TIME_MAX: Duration = Duration::from_secs(30);

/// Queries at once; a further one waits. Two leave a small machine room for ingest.
const QUERIES_MAX: usize = 4;

static PLACES: Semaphore = Semaphore::const_new(QUERIES_MAX);

pub(super) fn routes() -> Router<Arc<WebApi>> {
    Router::new()
        .route("/api/v1/query", get(query).post(query))
        .route("/api/v1/query_range", get(query_range).post(query_range))
        .route("/api/v1/series", get(series).post(series))
        .route("/api/v1/labels", get(labels).post(labels))
        .route("/api/v1/label/{name}/values", get(label_values))
        .route("/api/v1/status/buildinfo", get(build_info))
}

/// `GET /metrics`: the collector's own metrics in the text format.
pub(super) async fn own_metrics(State(api): State<Arc<WebApi>>) -> Response {
    let families = api.metrics.registry.gather();
    match prometheus::TextEncoder::new().encode_to_string(&families) {
        Ok(text) => ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

/// The API's error: a type that clients know, and a sentence.
struct Failure {
    status: StatusCode,
    kind: &'static str,
    text: String,
}

impl Failure {
    fn bad_data(text: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, kind: "bad_data", text: text.into() }
    }
}

impl From<PromqlError> for Failure {
    fn from(error: PromqlError) -> Self {
        let (status, kind) = match error {
            PromqlError::Parse(_)
            | PromqlError::TooDeep { .. }
            | PromqlError::TooLong { .. }
            | PromqlError::BadRange
            | PromqlError::NotAtEveryStep(_)
            | PromqlError::TooManySteps { .. } => (StatusCode::BAD_REQUEST, "bad_data"),
            PromqlError::Cancelled => (StatusCode::SERVICE_UNAVAILABLE, "timeout"),
            PromqlError::Source(_) => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
            _ => (StatusCode::UNPROCESSABLE_ENTITY, "execution"),
        };
        Self { status, kind, text: crate::describe(&error) }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let body = json!({ "status": "error", "errorType": self.kind, "error": self.text });
        (self.status, Json(body)).into_response()
    }
}

type Answer = Result<Json<serde_json::Value>, Failure>;

fn success(data: serde_json::Value) -> Answer {
    Ok(Json(json!({ "status": "success", "data": data })))
}

/// Parameters from the address or, for POST, from a form; a name may stand more than once.
struct Parameters(Vec<(String, String)>);

impl<S: Send + Sync> FromRequest<S> for Parameters {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        let bad =
            |error: String| Failure::bad_data(format!("the parameters are unreadable: {error}"));
        let uri_pairs = UrlQuery::<Vec<(String, String)>>::try_from_uri(request.uri())
            .map_err(|error| bad(error.to_string()))?;
        let mut pairs = uri_pairs.0;
        if request.method() == Method::POST {
            let form = Form::<Vec<(String, String)>>::from_request(request, state).await;
            pairs.extend(form.map_err(|error| bad(error.to_string()))?.0);
        }
        Ok(Self(pairs))
    }
}

impl Parameters {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    fn expression(&self) -> Result<rules_promql::Expr, Failure> {
        let text = self.get("query").ok_or_else(|| Failure::bad_data("`query` is missing"))?;
        Ok(rules_promql::parse(text)?)
    }

    fn time(&self, name: &str) -> Result<Option<Millis>, Failure> {
        let Some(text) = self.get(name).filter(|text| !text.is_empty()) else { return Ok(None) };
        let parsed = time_of(text);
        parsed.map(Some).ok_or_else(|| {
            Failure::bad_data(format!(
                "`{name}` is no time: {text:?}; give Unix seconds or RFC 3339"
            ))
        })
    }

    fn required_time(&self, name: &str) -> Result<Millis, Failure> {
        self.time(name)?.ok_or_else(|| Failure::bad_data(format!("`{name}` is missing")))
    }

    fn step_ms(&self) -> Result<Millis, Failure> {
        let text = self.get("step").ok_or_else(|| Failure::bad_data("`step` is missing"))?;
        let step = match text.parse::<f64>() {
            Ok(seconds) => millis(seconds),
            Err(_) => agent_yaml::Duration::parse(text).ok().map(agent_yaml::Duration::as_millis),
        };
        let step = step.filter(|step| *step > 0);
        step.ok_or_else(|| Failure::bad_data(format!("`step` is no positive duration: {text:?}")))
    }

    /// Every `match[]`, parsed.
    fn selectors(&self) -> Result<Vec<Vec<agent_model::Matcher>>, Failure> {
        self.all("match[]").map(|text| Ok(rules_promql::parse_matchers(text)?)).collect()
    }

    fn span(&self) -> Result<(Millis, Millis), Failure> {
        let to_ms = self.time("end")?.unwrap_or_else(clock::now_ms);
        Ok((self.time("start")?.unwrap_or(to_ms - 3_600_000), to_ms))
    }
}

fn time_of(text: &str) -> Option<Millis> {
    match text.parse::<f64>() {
        Ok(seconds) => millis(seconds),
        Err(_) => text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_millisecond),
    }
}

fn millis(seconds: f64) -> Option<Millis> {
    let millis = (seconds * 1_000.0).round();
    #[allow(clippy::cast_possible_truncation, reason = "checked to lie within four millennia")]
    (millis.abs() < 1e15).then_some(millis as Millis)
}

async fn query(State(api): State<Arc<WebApi>>, parameters: Parameters) -> Answer {
    let expression = parameters.expression()?;
    let at_ms = parameters.time("time")?.unwrap_or_else(clock::now_ms);
    let value = evaluate(&api, move |source, limits| {
        rules_promql::evaluate_instant(&expression, at_ms, source, limits)
    });
    let (kind, result) = match value.await? {
        Value::Scalar(sample) => ("scalar", pair(sample)),
        Value::Text(text) => ("string", json!([seconds(at_ms), text])),
        Value::Vector(vector) => {
            let shown = vector.iter().map(
                |(labels, sample)| json!({ "metric": metric(labels), "value": pair(*sample) }),
            );
            ("vector", shown.collect())
        }
        Value::Matrix(matrix) => ("matrix", matrix_json(&matrix)),
    };
    success(json!({ "resultType": kind, "result": result }))
}

async fn query_range(State(api): State<Arc<WebApi>>, parameters: Parameters) -> Answer {
    let expression = parameters.expression()?;
    let (start_ms, end_ms) = (parameters.required_time("start")?, parameters.required_time("end")?);
    let step_ms = parameters.step_ms()?;
    let matrix = evaluate(&api, move |source, limits| {
        rules_promql::evaluate_range(&expression, start_ms, end_ms, step_ms, source, limits)
    });
    success(json!({ "resultType": "matrix", "result": matrix_json(&matrix.await?) }))
}

/// Runs an evaluation off the reactor, within its deadline and its place.
async fn evaluate<T: Send + 'static>(
    api: &WebApi,
    evaluation: impl FnOnce(&dyn rules_promql::SeriesSource, &Limits) -> Result<T, PromqlError>
    + Send
    + 'static,
) -> Result<T, Failure> {
    let _place = PLACES.acquire().await.map_err(|error| Failure::bad_data(error.to_string()))?;
    let cancel = Arc::new(AtomicBool::new(false));
    // Dropped when the client leaves or the deadline passes; either way the evaluation stops soon.
    let _guard = CancelOnDrop(Arc::clone(&cancel));
    let limits = Limits { cancel: Some(Arc::clone(&cancel)), ..Limits::default() };
    let source = api.query.clone();
    let work = tokio::task::spawn_blocking(move || evaluation(&source, &limits));
    match tokio::time::timeout(QUERY_TIME_MAX, work).await {
        Ok(Ok(result)) => Ok(result?),
        Ok(Err(panic)) => Err(Failure {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            kind: "internal",
            text: format!("the evaluation broke off: {panic}"),
        }),
        Err(_) => Err(PromqlError::Cancelled.into()),
    }
}

struct CancelOnDrop(Arc<AtomicBool>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

async fn series(State(api): State<Arc<WebApi>>, parameters: Parameters) -> Answer {
    let (from_ms, to_ms) = parameters.span()?;
    let selectors = parameters.selectors()?;
    if selectors.is_empty() {
        return Err(Failure::bad_data("`match[]` is missing"));
    }
    let mut found = Vec::new();
    for matchers in selectors {
        found.extend(api.query.series(&matchers, from_ms, to_ms).map_err(PromqlError::from)?);
    }
    found.sort();
    found.dedup();
    success(found.iter().map(metric).collect())
}

async fn labels(State(api): State<Arc<WebApi>>, parameters: Parameters) -> Answer {
    let found = matching(&api, &parameters)?;
    let mut names: Vec<&str> =
        found.iter().flat_map(Labels::iter).map(|label| label.name.as_ref()).collect();
    names.sort_unstable();
    names.dedup();
    success(json!(names))
}

async fn label_values(
    State(api): State<Arc<WebApi>>,
    Path(name): Path<String>,
    parameters: Parameters,
) -> Answer {
    let found = matching(&api, &parameters)?;
    let mut values: Vec<&str> = found.iter().filter_map(|labels| labels.get(&name)).collect();
    values.sort_unstable();
    values.dedup();
    success(json!(values))
}

/// The series that any `match[]` picks, or all.
fn matching(api: &WebApi, parameters: &Parameters) -> Result<Vec<Labels>, Failure> {
    let (from_ms, to_ms) = parameters.span()?;
    let mut selectors = parameters.selectors()?;
    if selectors.is_empty() {
        selectors.push(Vec::new());
    }
    let mut found = Vec::new();
    for matchers in selectors {
        found.extend(api.query.series(&matchers, from_ms, to_ms).map_err(PromqlError::from)?);
    }
    Ok(found)
}

async fn build_info() -> Answer {
    success(json!({
        "version": env!("CARGO_PKG_VERSION"), "application": "haidang-collector",
        "revision": "", "branch": "", "buildUser": "", "buildDate": "", "goVersion": ""
    }))
}

fn matrix_json(matrix: &[Series]) -> serde_json::Value {
    let shown = matrix.iter().map(|series| {
        let values: Vec<_> = series.samples.iter().map(|sample| pair(*sample)).collect();
        json!({ "metric": metric(&series.labels), "values": values })
    });
    shown.collect()
}

fn metric(labels: &Labels) -> serde_json::Value {
    let pairs = labels.iter().map(|label| (label.name.to_string(), label.value.as_ref().into()));
    serde_json::Value::Object(pairs.collect())
}

/// A time in seconds and a value as text, for JSON knows neither NaN nor infinity.
fn pair(sample: Sample) -> serde_json::Value {
    let value = match sample.value {
        value if value.is_nan() => "NaN".to_owned(),
        f64::INFINITY => "+Inf".to_owned(),
        f64::NEG_INFINITY => "-Inf".to_owned(),
        value => value.to_string(),
    };
    json!([seconds(sample.timestamp_ms), value])
}

#[allow(clippy::cast_precision_loss, reason = "milliseconds of this age are exact in an f64")]
fn seconds(ms: Millis) -> f64 {
    ms as f64 / 1_000.0
}
