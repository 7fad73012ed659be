//! `/api/silences`: what people asked not to be told for a while, and whether a second person has agreed.
//! Promises: each sees the silences within their scope; what a person changes carries their name and stands in the audit log.
//! Leaves to others: who may silence what (`silencing`).

use std::collections::HashSet;
use std::sync::Arc;

use agent_model::{MatchOp, Matcher, Millis};
use axum::extract::{Json, Path, State};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Router, routing};
use collector_alerting::{
    AlertingError, Confirmation, NewSilence, SILENCE_MATCHERS_MAX, Silence, SilenceState,
    matchers_from_text, matchers_text,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::alerts::{bounded, wrong};
use crate::clock;
use crate::done::Done;
use crate::http::audited::Changed;
use crate::http::picture::DAY_MS;
use crate::http::{ApiError, WebApi, Who};
use crate::silencing::{self, Asker, Silenced, SilencingError};

/// Silences are shown this long after their end: a shift report and the month's review fit.
const SILENCES_SHOWN_MS: Millis = 31 * DAY_MS;

pub(super) fn routes() -> Router<Arc<WebApi>> {
    Router::new()
        .route("/api/silences", routing::get(silences).post(silence))
        .route("/api/silences/{id}", routing::delete(expire))
        .route("/api/silences/{id}/extend", routing::post(extend))
        .route("/api/silences/{id}/confirm", routing::post(confirm))
}

/// Who asks for a change, with what there is to be silenced.
pub(super) async fn asker(api: &WebApi, who: &Who) -> Result<Asker, ApiError> {
    let enrolled = api.inventory.host_names().await;
    let enrolled: HashSet<String> =
        enrolled.map_err(|error| ApiError::internal("the hosts cannot be looked up", &error))?;
    Ok(Asker {
        name: who.name.clone(),
        scope: who.scope.clone(),
        owner: who.owner.clone(),
        hosts: enrolled.iter().map(|host| api.query.labels_of(host)).collect(),
        enrolled: Arc::new(enrolled),
    })
}

pub(super) fn refused(error: SilencingError) -> ApiError {
    match error {
        SilencingError::Alerting(error) => wrong(error),
        error @ SilencingError::OutOfScope { .. } => ApiError::forbidden(error.to_string()),
    }
}

async fn silences(
    State(api): State<Arc<WebApi>>,
    Extension(who): Extension<Who>,
) -> Result<Json<Value>, ApiError> {
    let now_ms = clock::now_ms();
    let mut silences = api.alerting.silences(now_ms - SILENCES_SHOWN_MS).await.map_err(wrong)?;
    silences.retain(|silence| who.scope.covers(&silence.matchers));
    Ok(Json(silences.iter().map(|silence| shown_silence(silence, now_ms)).collect()))
}

fn shown_silence(silence: &Silence, now_ms: Millis) -> Value {
    let matchers = silence.matchers.iter().map(|matcher| {
        json!({ "name": matcher.name, "op": matcher.op.symbol(), "value": matcher.value })
    });
    json!({
        "id": silence.id, "matchers": matchers.collect::<Vec<_>>(),
        "starts_at_ms": silence.starts_ms, "ends_at_ms": silence.ends_ms,
        "created_by": silence.created_by, "comment": silence.comment,
        "state": silence.state(now_ms).name(),
        "awaits_confirmation": silence.awaits_confirmation(),
        "confirmed_by": match &silence.confirmation {
            Confirmation::By(name) => Some(name),
            Confirmation::NotNeeded | Confirmation::Awaited => None,
        },
    })
}

/// `created_by` may be sent and is not believed: it is whoever is signed in.
#[derive(Deserialize)]
struct Wish {
    matchers: Vec<Wished>,
    #[serde(default)]
    starts_at_ms: Option<Millis>,
    ends_at_ms: Millis,
    #[serde(default)]
    comment: String,
}

/// As people write matchers, one or several in a text, or one in its parts.
#[derive(Deserialize)]
#[serde(untagged)]
enum Wished {
    Text(String),
    Parts(WishedMatcher),
}

impl Wished {
    fn ready(&self) -> Result<Vec<Matcher>, ApiError> {
        match self {
            Self::Text(text) => matchers_from_text(text).map_err(ApiError::bad_request),
            Self::Parts(matcher) => Ok(vec![matcher.ready()?]),
        }
    }
}

fn matchers(wished: &[Wished]) -> Result<Vec<Matcher>, ApiError> {
    // Before any is compiled.
    if wished.len() > SILENCE_MATCHERS_MAX {
        let text = format!("a silence has at most {SILENCE_MATCHERS_MAX} matchers");
        return Err(ApiError::bad_request(text));
    }
    let ready: Result<Vec<Vec<Matcher>>, ApiError> = wished.iter().map(Wished::ready).collect();
    Ok(ready?.concat())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WishedMatcher {
    name: String,
    op: String,
    value: String,
}

impl WishedMatcher {
    fn ready(&self) -> Result<Matcher, ApiError> {
        let op = match self.op.as_str() {
            "=" => MatchOp::Equal,
            "!=" => MatchOp::NotEqual,
            "=~" => MatchOp::Matches,
            "!~" => MatchOp::MatchesNot,
            other => {
                let text = format!("`op` is =, !=, =~ or !~, not {other:?}");
                return Err(ApiError::bad_request(text));
            }
        };
        Matcher::new(self.name.clone(), op, self.value.clone())
            .map_err(|error| ApiError::bad_request(crate::describe(&error)))
    }
}

async fn silence(
    State(api): State<Arc<WebApi>>,
    Extension(who): Extension<Who>,
    Json(wish): Json<Wish>,
) -> Changed {
    bounded("comment", &wish.comment)?;
    let now_ms = clock::now_ms();
    let wish = NewSilence {
        matchers: matchers(&wish.matchers)?,
        starts_ms: wish.starts_at_ms.unwrap_or(now_ms),
        ends_ms: wish.ends_at_ms,
        created_by: who.name.clone(),
        comment: wish.comment.trim().to_owned(),
        is_wide: false,
    };
    let asker = asker(&api, &who).await?;
    let made = silencing::silence(&api.alerting, Some(&asker), None, wish, now_ms).await;
    Ok(shown_made("silence.create", made.map_err(refused)?))
}

fn shown_made(action: &'static str, made: Silenced) -> (Done, Json<Value>) {
    let done = Done::with_outcome(action, audited(&made.silence), made.outcome());
    (done, Json(json!({ "id": made.silence.id, "waits_because": made.waits_because })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Extend {
    ends_at_ms: Millis,
}

/// It ends later than it would. A wide one waits for a second person again, as one that is made does.
async fn extend(
    State(api): State<Arc<WebApi>>,
    Extension(who): Extension<Who>,
    Path(id): Path<String>,
    Json(given): Json<Extend>,
) -> Changed {
    let now_ms = clock::now_ms();
    let silence = api.alerting.silence(&id).await.map_err(wrong)?;
    let silence = silence.filter(|silence| who.scope.covers(&silence.matchers));
    let silence = silence.ok_or_else(|| wrong(AlertingError::SilenceUnknown(id.clone())))?;
    if silence.state(now_ms) == SilenceState::Expired {
        return Err(ApiError::conflict("the silence has ended; make another one"));
    }
    if given.ends_at_ms <= silence.ends_ms {
        let text =
            "the silence ends no earlier than that already; end it now, or give a later time";
        return Err(ApiError::bad_request(text));
    }
    let wish = NewSilence {
        starts_ms: match silence.state(now_ms) {
            SilenceState::Pending => silence.starts_ms.max(now_ms),
            _ => silence.starts_ms,
        },
        matchers: silence.matchers,
        ends_ms: given.ends_at_ms,
        created_by: who.name.clone(),
        comment: silence.comment,
        is_wide: false,
    };
    let asker = asker(&api, &who).await?;
    let made = silencing::silence(&api.alerting, Some(&asker), Some(&id), wish, now_ms).await;
    Ok(shown_made("silence.extend", made.map_err(refused)?))
}

async fn expire(
    State(api): State<Arc<WebApi>>,
    Extension(who): Extension<Who>,
    Path(id): Path<String>,
) -> Changed {
    let asker = asker(&api, &who).await?;
    let ended = silencing::expire(&api.alerting, Some(&asker), &id, clock::now_ms()).await;
    ended.map_err(refused)?;
    let ended = api.alerting.silence(&id).await.map_err(wrong)?;
    let object = ended.map_or_else(|| id.clone(), |silence| audited(&silence));
    Ok((Done::to("silence.expire", object), Json(json!({}))))
}

/// What the audit log says of a silence: enough to join its beginning and its end.
pub(super) fn audited(silence: &Silence) -> String {
    let ends = jiff::Timestamp::from_millisecond(silence.ends_ms);
    let ends = ends.map_or_else(|_| silence.ends_ms.to_string(), |ends| ends.to_string());
    format!("{} {} until {ends}", silence.id, matchers_text(&silence.matchers))
}

/// A second person agrees to a wide silence.
async fn confirm(
    State(api): State<Arc<WebApi>>,
    Extension(who): Extension<Who>,
    Path(id): Path<String>,
) -> Response {
    let confirmed = api.alerting.confirm_silence(&id, &who.name, clock::now_ms()).await;
    let outcome =
        confirmed.as_ref().map_or_else(|error| format!("refused: {error}"), |_| "done".into());
    let object = confirmed.as_ref().map_or_else(
        |_| id.clone(),
        |silence| format!("{id} of {}: {}", silence.created_by, matchers_text(&silence.matchers)),
    );
    let done = Done::with_outcome("silence.confirm", object, outcome);
    (done, confirmed.map(|_| Json(json!({}))).map_err(wrong)).into_response()
}
