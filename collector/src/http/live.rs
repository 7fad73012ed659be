//! `GET /api/live`: what changes, as server-sent events (WHATWG HTML, 9.2), so that pages need not ask.
//!
//! Promises: a tick at least every two seconds, so silence means a broken connection; whoever missed a change is told to
//! fetch everything again. A stream ends after a while, and when a user is changed, and the browser comes back: a session
//! that ended ends here too.

use std::collections::{BTreeSet, VecDeque};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::sse::{Event, Sse};
use collector_alerting::{Change, fingerprint_text};
use futures_util::Stream;
use serde_json::{Value, json};
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::{OwnedSemaphorePermit, broadcast, watch};
use tokio::time::{Instant, Interval, MissedTickBehavior};

use crate::clock;
use crate::http::permissions::Action;
use crate::http::picture::{Host, Picture};
use crate::http::{ApiError, WebApi, Who, overview};

/// Streams at once: each costs a picture's JSON every two seconds.
pub(super) const STREAMS_MAX: usize = 200;

const TICK_INTERVAL: Duration = Duration::from_secs(2);

/// After it the browser connects anew, and its session is looked at again.
const STREAM_TIME_MAX: Duration = Duration::from_secs(600);

/// Fingerprints named in one message; beyond it a page fetches all anyway.
const CHANGES_TOLD_MAX: usize = 1_000;

/// What a stream has to tell next.
enum Turn {
    Tick,
    Alert(Change),
    Events(usize),
    Drill(u64),
    Lagged,
    End,
}

impl Turn {
    fn missed(error: RecvError) -> Self {
        match error {
            RecvError::Lagged(_) => Self::Lagged,
            RecvError::Closed => Self::End,
        }
    }
}

/// One page's stream.
struct Live {
    api: Arc<WebApi>,
    waiting: VecDeque<Event>,
    ticks: Interval,
    ends: Instant,
    alerts: broadcast::Receiver<Change>,
    events: broadcast::Receiver<usize>,
    drills: broadcast::Receiver<u64>,
    arrived: watch::Receiver<i64>,
    users_changed: watch::Receiver<()>,
    /// The digest of the alerts that the hosts' counts were last told of.
    told: String,
    /// Who sees their own systems only is told that alerts changed, and no more: the page asks for what it may see.
    sees_all: bool,
    stop: watch::Receiver<bool>,
    _place: OwnedSemaphorePermit,
}

pub(super) async fn stream(
    State(api): State<Arc<WebApi>>,
    Extension(who): Extension<Who>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, ApiError> {
    let Ok(place) = Arc::clone(&api.streams).try_acquire_owned() else {
        api.metrics.connections_refused.with_label_values(&["live_streams"]).inc();
        let text = format!("{STREAMS_MAX} live pages are open already; try again later");
        return Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, text).retry_after(10));
    };
    let mut ticks = tokio::time::interval(TICK_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let hello = json!({ "now_ms": clock::now_ms(), "version": env!("CARGO_PKG_VERSION") });
    let mut arrived = api.arrived.clone();
    arrived.mark_changed();
    let live = Live {
        waiting: VecDeque::from([message("hello", &hello)]),
        ticks,
        ends: Instant::now() + STREAM_TIME_MAX,
        alerts: api.alerting.subscribe(),
        events: api.seen.subscribe(),
        drills: api.drills.subscribe(),
        arrived,
        users_changed: api.users_changed.subscribe(),
        told: String::new(),
        sees_all: who.may(Action::SeeAll),
        stop: api.stop.clone(),
        _place: place,
        api,
    };
    let next = |mut live: Live| async move {
        let event = live.next().await?;
        Some((Ok(event), live))
    };
    Ok(Sse::new(futures_util::stream::unfold(live, next)))
}

impl Live {
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return Some(event);
            }
            let turn = tokio::select! {
                _ = self.stop.wait_for(|stop| *stop) => return None,
                () = tokio::time::sleep_until(self.ends) => return None,
                _ = self.users_changed.changed() => return None,
                _ = self.ticks.tick() => Turn::Tick,
                change = self.alerts.recv() => change.map_or_else(Turn::missed, Turn::Alert),
                seen = self.events.recv() => seen.map_or_else(Turn::missed, Turn::Events),
                drill = self.drills.recv() => drill.map_or_else(Turn::missed, Turn::Drill),
            };
            match turn {
                Turn::Tick => self.tick().await,
                Turn::Alert(_) | Turn::Events(_) | Turn::Drill(_) if !self.sees_all => {}
                Turn::Alert(change) => self.tell_alerts(change),
                Turn::Events(count) => {
                    self.waiting.push_back(message("events", &json!({ "count": count })));
                }
                Turn::Drill(drill) => {
                    let drill = json!({ "id": drill.to_string() });
                    self.waiting.push_back(message("drill", &drill));
                }
                Turn::Lagged => self.waiting.push_back(lagged()),
                Turn::End => return None,
            }
        }
    }

    /// Without a picture there is no overview in the tick: the page shows that what it has grows old.
    async fn tick(&mut self) {
        let now_ms = clock::now_ms();
        let Ok(picture) = self.api.picture().await else {
            self.waiting.push_back(message("tick", &json!({ "now_ms": now_ms })));
            return;
        };
        let mut told = tick(&picture, now_ms);
        if !self.sees_all {
            self.waiting.push_back(message("tick", &told));
            return;
        }
        told["overview"] = overview::shown(&picture);
        self.waiting.push_back(message("tick", &told));
        if self.arrived.has_changed().unwrap_or(false) || self.told != picture.alerts_digest {
            self.arrived.mark_unchanged();
            self.told.clone_from(&picture.alerts_digest);
            let hosts: Vec<Value> = picture.hosts.iter().map(brief).collect();
            self.waiting.push_back(message("hosts", &hosts.into()));
        }
    }

    /// One message for all changes that are there by now.
    fn tell_alerts(&mut self, first: Change) {
        let mut changed = BTreeSet::from([fingerprint_text(first.fingerprint)]);
        while changed.len() < CHANGES_TOLD_MAX {
            match self.alerts.try_recv() {
                Ok(change) => changed.insert(fingerprint_text(change.fingerprint)),
                Err(TryRecvError::Lagged(_)) => {
                    self.waiting.push_back(lagged());
                    continue;
                }
                Err(TryRecvError::Empty | TryRecvError::Closed) => break,
            };
        }
        self.waiting.push_back(message("alerts", &json!({ "changed": changed })));
    }
}

fn tick(picture: &Picture, now_ms: i64) -> Value {
    json!({
        "now_ms": now_ms, "newest_sample_ms": picture.newest_report_ms,
        "alerts_digest": picture.alerts_digest,
    })
}

fn brief(host: &Host) -> Value {
    let last_report_ms = host.summary.as_ref().and_then(|summary| summary.last_report_ms);
    json!({
        "id": host.id.as_str(), "state": host.state.name(), "last_report_ms": last_report_ms,
        "alerts": host.alerts,
        "cpu_ratio": host.gauges.cpu_ratio, "memory_ratio": host.gauges.memory_ratio,
        "disk_ratio": host.gauges.disk_ratio, "load1": host.gauges.load1,
    })
}

fn message(name: &str, data: &Value) -> Event {
    Event::default().event(name).data(data.to_string())
}

fn lagged() -> Event {
    message("lagged", &json!({}))
}

#[cfg(test)]
mod tests;
