//! `GET /api/events`: search in the security events, a page at a time, with a histogram over the asked time.

use std::sync::Arc;

use agent_model::{EventClass, HostEvent, HostId, Millis, Severity};
use axum::extract::{Json, Query, State};
use collector_event_store::{Bucket, EventPage, EventQuery, EventStore, EventStoreError};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::clock;
use crate::http::picture::DAY_MS;
use crate::http::{ApiError, WebApi};

/// Steps of the histogram: a bar is a few pixels wide.
const STEPS: Millis = 60;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
#[derive(Default)]
pub(super) struct Asked {
    text: String,
    host: String,
    class: String,
    source: String,
    severity_min: String,
    from_ms: Option<Millis>,
    to_ms: Option<Millis>,
    limit: Option<usize>,
    before: String,
}

impl Asked {
    fn ready(self) -> Result<EventQuery, ApiError> {
        let bad = |text: String| ApiError::bad_request(text);
        let given = |text: &String| !text.is_empty();
        let host = Some(&self.host).filter(|text| given(text)).map(|host| HostId::new(host));
        let class = Some(&self.class).filter(|text| given(text)).map(|name| {
            let found = EventClass::ALL.into_iter().find(|class| class.name() == name);
            found.ok_or_else(|| bad(format!("there is no class {name:?}")))
        });
        let severity_min = Some(&self.severity_min).filter(|text| given(text)).map(|text| {
            let named = |one: &Severity| one.name() == text || one.id().to_string() == *text;
            let found = Severity::ALL.into_iter().find(named);
            found.ok_or_else(|| bad(format!("there is no severity {text:?}")))
        });
        let before = Some(&self.before).filter(|text| given(text)).map(|text| text.parse());
        Ok(EventQuery {
            host: host.transpose().map_err(|error| bad(error.to_string()))?,
            class: class.transpose()?,
            severity_min: severity_min.transpose()?,
            before: before
                .transpose()
                .map_err(|error: collector_event_store::QueryError| bad(error.to_string()))?,
            source: Some(self.source).filter(given),
            text: self.text,
            from_ms: self.from_ms,
            to_ms: self.to_ms,
            limit: self.limit.unwrap_or(100),
            fields: Vec::new(),
        })
    }
}

pub(super) async fn search(
    State(api): State<Arc<WebApi>>,
    Query(asked): Query<Asked>,
) -> Result<Json<Value>, ApiError> {
    let query = asked.ready()?;
    let (store, now_ms) = (Arc::clone(&api.events), clock::now_ms());
    let work = tokio::task::spawn_blocking(move || read(&store, query, now_ms)).await;
    let read = work.map_err(|panic| ApiError::internal("the search broke off", &panic))?;
    let (page, histogram) = read.map_err(|error| match error {
        EventStoreError::Query(error) => ApiError::bad_request(error.to_string()),
        other => ApiError::internal("events cannot be searched", &other),
    })?;
    let histogram =
        histogram.iter().map(|bucket| json!({ "at_ms": bucket.start_ms, "count": bucket.events }));
    Ok(Json(json!({
        "events": page.events.iter().map(shown).collect::<Vec<_>>(),
        "total": page.total,
        "next": page.next.map(|cursor| cursor.to_string()),
        "histogram": histogram.collect::<Vec<_>>(),
        "days_missing": page.days_missing.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })))
}

/// A page, and (with the first page only) the histogram; without a beginning it shows the last day.
fn read(
    store: &EventStore,
    query: EventQuery,
    now_ms: Millis,
) -> Result<(EventPage, Vec<Bucket>), EventStoreError> {
    let page = store.search(&query)?;
    if query.before.is_some() {
        return Ok((page, Vec::new()));
    }
    let to_ms = query.to_ms.unwrap_or(now_ms);
    let from_ms = query.from_ms.unwrap_or(to_ms - DAY_MS);
    let span = EventQuery { from_ms: Some(from_ms), to_ms: Some(to_ms), ..query };
    let histogram = store.histogram(&span, step_ms(from_ms, to_ms))?;
    Ok((page, histogram))
}

fn step_ms(from_ms: Millis, to_ms: Millis) -> Millis {
    (to_ms.saturating_sub(from_ms) / STEPS).max(1_000)
}

fn shown(event: &HostEvent) -> Value {
    let HostEvent { id, host, received_ms, event } = event;
    json!({
        "id": id.to_string(), "host": host.as_str(), "time_ms": event.time_ms,
        "received_ms": received_ms, "class": event.class.name(),
        "severity": event.severity.name(), "source": event.source, "message": event.message,
        "fields": event.fields,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_has_a_bounded_number_of_steps_and_none_shorter_than_a_second() {
        assert_eq!(step_ms(0, 60 * 60_000), 60_000);
        assert_eq!(step_ms(5, 10), 1_000);
    }

    #[test]
    fn a_question_with_an_unknown_class_is_refused_and_an_empty_one_is_not() {
        assert!(Asked::default().ready().is_ok());
        assert!(Asked { class: "x".to_owned(), ..Asked::default() }.ready().is_err());
        let asked = Asked { severity_min: "high".to_owned(), ..Asked::default() };
        assert_eq!(asked.ready().unwrap().severity_min, Some(Severity::High));
    }
}
