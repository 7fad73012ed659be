//! `/api/v2/silences` and `/api/v2/silence/{id}`: silences as amtool and Alertmanager's page set and read them.

use std::cmp::Reverse;
use std::sync::Arc;

use agent_model::{MatchOp, Matcher, Millis};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use collector_alerting::{
    AlertingError, NewSilence, SILENCE_MATCHERS_MAX, Silence, SilenceState, matchers_text,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Manager;
use super::answer::{Refusal, time, time_from};
use super::parameters::{Body, Parameters};
use crate::clock;
use crate::done::Done;
use crate::scope::Scope;
use crate::silencing::{self, Asker, SilencingError};

pub(super) async fn list(
    State(manager): State<Arc<Manager>>,
    scope: Option<Extension<Scope>>,
    parameters: Parameters,
) -> Result<Json<Value>, Refusal> {
    let filter = parameters.filter()?;
    let now_ms = clock::now_ms();
    let mut silences = manager.alerting.silences(now_ms - manager.silences_kept_ms).await?;
    silences.retain(|silence| {
        in_scope(scope.as_deref(), silence)
            && filter.iter().all(|wanted| silence.matchers.iter().any(|one| one == wanted))
    });
    silences.sort_by_key(|silence| order(silence, now_ms));
    Ok(Json(silences.iter().map(|silence| shown(silence, now_ms)).collect()))
}

/// Active ones first, the next to end first; then pending ones, the next to begin first; then those that ended last.
fn order(silence: &Silence, now_ms: Millis) -> (u8, Millis, Reverse<Millis>) {
    match silence.state(now_ms) {
        SilenceState::Active => (0, silence.ends_ms, Reverse(0)),
        SilenceState::Pending => (1, silence.starts_ms, Reverse(0)),
        SilenceState::Expired => (2, 0, Reverse(silence.ends_ms)),
    }
}

/// A vendor sees the silences of its own systems only.
fn in_scope(scope: Option<&Scope>, silence: &Silence) -> bool {
    scope.is_none_or(|scope| scope.covers(&silence.matchers))
}

pub(super) async fn one(
    State(manager): State<Arc<Manager>>,
    scope: Option<Extension<Scope>>,
    Path(id): Path<String>,
) -> Result<Json<Value>, Refusal> {
    let silence = manager.silence(&id).await?;
    let silence = silence.filter(|silence| in_scope(scope.as_deref(), silence));
    let silence = silence.ok_or_else(|| Refusal::bare(StatusCode::NOT_FOUND))?;
    Ok(Json(shown(&silence, clock::now_ms())))
}

pub(super) async fn expire(
    State(manager): State<Arc<Manager>>,
    asker: Option<Extension<Asker>>,
    Path(id): Path<String>,
) -> Result<(Done, StatusCode), Refusal> {
    let silence = manager.silence(&id).await?;
    let silence = silence.ok_or_else(|| Refusal::bare(StatusCode::NOT_FOUND))?;
    let now_ms = clock::now_ms();
    match silencing::expire(&manager.alerting, asker.as_deref(), &silence.id, now_ms).await {
        // It has ended already, which is what was wanted.
        Ok(()) | Err(SilencingError::Alerting(AlertingError::SilenceUnknown(_))) => {}
        Err(error) => return Err(error.into()),
    }
    Ok((Done::to("silence.expire", silence.id), StatusCode::OK))
}

impl Manager {
    async fn silence(&self, id: &str) -> Result<Option<Silence>, Refusal> {
        if !is_uuid(id) {
            return Err(Refusal::wrong_type("silenceID in path", "uuid", id));
        }
        let found = self.alerting.silence(&id.to_ascii_lowercase()).await?;
        Ok(found.filter(|silence| self.shows(silence, clock::now_ms())))
    }

    fn shows(&self, silence: &Silence, now_ms: Millis) -> bool {
        silence.ends_ms.saturating_add(self.silences_kept_ms) > now_ms
    }
}

fn is_uuid(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    parts.iter().map(|part| part.len()).eq([8, 4, 4, 4, 12])
        && parts.iter().all(|part| part.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

fn shown(silence: &Silence, now_ms: Millis) -> Value {
    let matchers = silence.matchers.iter().map(|matcher| {
        json!({
            "isEqual": matches!(matcher.op, MatchOp::Equal | MatchOp::Matches),
            "isRegex": matches!(matcher.op, MatchOp::Matches | MatchOp::MatchesNot),
            "name": matcher.name,
            "value": matcher.value,
        })
    });
    json!({
        "id": silence.id,
        "status": { "state": silence.state(now_ms).name() },
        "updatedAt": time(silence.updated_ms),
        "comment": silence.comment,
        "createdBy": silence.created_by,
        "endsAt": time(silence.ends_ms),
        "matchers": matchers.collect::<Vec<_>>(),
        "startsAt": time(silence.starts_ms),
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Wish {
    id: Option<String>,
    matchers: Option<Vec<WishedMatcher>>,
    starts_at: Option<String>,
    ends_at: Option<String>,
    created_by: Option<String>,
    comment: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WishedMatcher {
    name: Option<String>,
    value: Option<String>,
    is_regex: Option<bool>,
    is_equal: Option<bool>,
}

pub(super) async fn set(
    State(manager): State<Arc<Manager>>,
    asker: Option<Extension<Asker>>,
    Body(wish): Body<Wish>,
) -> Result<(Done, Json<Value>), Refusal> {
    let mut wish = wish.ok_or_else(|| Refusal::required("silence"))?;
    let id = wish.id.take().filter(|id| !id.is_empty());
    let ready = wish.ready()?;
    let now_ms = clock::now_ms();
    let refused = |reason: &str| Err(Refusal::bad(format!("Failed to create silence: {reason}")));
    if ready.starts_ms >= ready.ends_ms {
        return refused("start time must be before end time");
    }
    if ready.ends_ms < now_ms {
        return refused("end time can't be in the past");
    }
    let (asker, id) = (asker.as_deref(), id.as_deref());
    let made = silencing::silence(&manager.alerting, asker, id, ready, now_ms).await?;
    let object = matchers_text(&made.silence.matchers);
    let done = Done::with_outcome("silence.create", object, made.outcome());
    Ok((done, Json(json!({ "silenceID": made.silence.id }))))
}

impl Wish {
    fn ready(self) -> Result<NewSilence, Refusal> {
        let matchers = self.matchers.ok_or_else(|| Refusal::required("matchers"))?;
        // Before any is compiled.
        if matchers.len() > SILENCE_MATCHERS_MAX {
            let text = format!("invalid silence: at most {SILENCE_MATCHERS_MAX} matchers");
            return Err(Refusal::bad(text));
        }
        let moment = |name: &str, text: Option<String>| {
            let text = text.ok_or_else(|| Refusal::required(name))?;
            let at = time_from(&text).map_err(|reason| {
                let text = format!("parsing silence body from \"\" failed, because {reason}");
                Refusal::unreadable(StatusCode::BAD_REQUEST, text)
            })?;
            Ok::<Millis, Refusal>(at.unwrap_or_default())
        };
        let matchers: Result<Vec<Matcher>, Refusal> =
            matchers.into_iter().enumerate().map(|(at, matcher)| matcher.ready(at)).collect();
        Ok(NewSilence {
            matchers: matchers?,
            starts_ms: moment("startsAt", self.starts_at)?,
            ends_ms: moment("endsAt", self.ends_at)?,
            created_by: self.created_by.ok_or_else(|| Refusal::required("createdBy"))?,
            comment: self.comment.ok_or_else(|| Refusal::required("comment"))?,
            is_wide: false,
        })
    }
}

impl WishedMatcher {
    fn ready(self, at: usize) -> Result<Matcher, Refusal> {
        let needed = |name: &str, text: Option<String>| {
            text.ok_or_else(|| Refusal::required(&format!("matchers.{at}.{name}")))
        };
        needed("isRegex", self.is_regex.map(|_| String::new()))?;
        let op = match (self.is_equal.unwrap_or(true), self.is_regex.unwrap_or(false)) {
            (true, false) => MatchOp::Equal,
            (false, false) => MatchOp::NotEqual,
            (true, true) => MatchOp::Matches,
            (false, true) => MatchOp::MatchesNot,
        };
        let (name, value) = (needed("name", self.name)?, needed("value", self.value)?);
        Matcher::new(name, op, value.clone()).map_err(|error| {
            let cause = crate::describe(&error);
            Refusal::bad(format!(
                "invalid silence: invalid label matcher {at}: invalid regular expression {value:?}: {cause}"
            ))
        })
    }
}
