//! Delivery: takes rows from the outbox, sends them, and records what came of it before anything else happens.
//! Each integration has its own few sends at a time and its own time limit, so none waits for another.

use std::sync::Arc;
use std::time::Duration;

use agent_model::Millis;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tracing::{error, info, warn};

use crate::channel::ChannelKey;
use crate::channel_test::{due_tests, is_test, next_test, test_id};
use crate::group::Group;
use crate::limits::{ATTEMPT_MAX_MS, CHECKPOINT_MS, OUTBOX_FULL_RETRY_MS, OUTBOX_MAX};
use crate::notification::Notification;
use crate::notify::{COMPOSED, Notifier, SendError};
use crate::outbox::{Waiting, asked_ms, back_off_ms, next_attempt, sendable};
use crate::silence::Silence;
use crate::state::{Outcome, State};
use crate::{Alerting, AlertingError, detection, handling};

/// The longest sleep: the wall clock may jump meanwhile.
const SLEEP_MAX_MS: Millis = 5_000;

const MINUTE_MS: Millis = 60_000;

/// How long a stop waits for attempts under way: less than a service manager gives a service to stop.
const STOP_MAX: Duration = Duration::from_secs(30);

/// How long a message may wait until it is composed: a thousand large ones to receivers that hang come one after another.
const COMPOSING_MAX: Duration = Duration::from_secs(3_600);

/// The wait after the database failed.
const DATABASE_RETRY: Duration = Duration::from_secs(1);

/// What is on its way: leaves the list of such when dropped, however the attempt ends.
struct InFlight {
    alerting: Alerting,
    id: String,
    job: Job,
}

enum Job {
    Notification(Waiting),
    Test(ChannelKey),
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.alerting.set_in_flight(&self.id, false);
        self.alerting.inner.wake.notify_one();
    }
}

impl Alerting {
    /// Works until `shutdown`: ticks when something is due or has changed, and delivers. Attempts under way at
    /// the end are waited for as long as [`STOP_MAX`]; what is broken off then is made again by the next start. `clock` tells the time in milliseconds UTC.
    pub async fn run(
        &self,
        clock: impl Fn() -> Millis + Send + Sync + Clone + 'static,
        shutdown: impl Future<Output = ()>,
    ) {
        tokio::pin!(shutdown);
        let mut sends = JoinSet::new();
        loop {
            let next = self.begin_due(&clock, &mut sends).await;
            let now_ms = clock();
            let wait_ms = next.map_or(SLEEP_MAX_MS, |at| (at - now_ms).clamp(1, SLEEP_MAX_MS));
            let wait = Duration::from_millis(wait_ms.unsigned_abs());
            tokio::select! {
                () = &mut shutdown => break,
                () = self.inner.wake.notified() => {}
                () = tokio::time::sleep(wait) => {}
            }
            while let Some(ended) = sends.try_join_next() {
                report_panic(ended);
            }
        }
        let ended = async {
            while let Some(ended) = sends.join_next().await {
                report_panic(ended);
            }
        };
        if tokio::time::timeout(STOP_MAX, ended).await.is_err() {
            warn!("attempts to notify are broken off by the stop; the next start makes them again");
        }
    }

    /// Sees to it that alerts can be told although the disk is full. To be called now and then: room that was used is
    /// taken anew.
    pub async fn keep_reserve(&self) -> Result<(), AlertingError> {
        self.inner.store.keep_reserve().await
    }

    /// Sends everything that is due at `now_ms`, once, and waits for the outcome. For tests and simulations.
    pub async fn deliver_due(&self, now_ms: Millis) -> Result<usize, AlertingError> {
        let mut attempts = 0;
        loop {
            let rows = self.claim(now_ms).await?;
            if rows.is_empty() {
                return Ok(attempts);
            }
            attempts += rows.len();
            let mut sends = JoinSet::new();
            for row in rows {
                sends.spawn(self.clone().attempt(row, move || now_ms));
            }
            while let Some(ended) = sends.join_next().await {
                report_panic(ended);
            }
        }
    }

    /// One turn of the loop; returns when the next is due.
    async fn begin_due(
        &self,
        clock: &(impl Fn() -> Millis + Send + Sync + Clone + 'static),
        sends: &mut JoinSet<()>,
    ) -> Option<Millis> {
        let now_ms = clock();
        match self.turn(now_ms).await {
            Ok((next, rows)) => {
                for row in rows {
                    sends.spawn(self.clone().attempt(row, clock.clone()));
                }
                next
            }
            Err(failed) => {
                log_failure(&failed, "alerting stands still and tries again");
                Some(now_ms + 1_000)
            }
        }
    }

    /// When the next turn is due, and what is to be sent. Nothing is claimed while the database cannot be written: what came
    /// of it could not be recorded.
    async fn turn(&self, now_ms: Millis) -> Result<(Option<Millis>, Vec<InFlight>), AlertingError> {
        let next = self.tick(now_ms).await?;
        Ok((next, self.claim(now_ms).await?))
    }

    async fn claim(&self, now_ms: Millis) -> Result<Vec<InFlight>, AlertingError> {
        self.look(now_ms, |state| {
            self.inner.sent.keep(|id| state.outbox.contains_key(id));
            let mut limiter = self.limiter();
            let waits = |id: &str| state.outbox.contains_key(id) || is_test(id);
            let limits = &state.routing.delivery.rate_limits;
            let mut limits = limiter.begin(limits, waits, now_ms);
            let in_flight = self.in_flight();
            let rows = sendable(&state.outbox, &in_flight, &state.channels, &mut limits, now_ms);
            let since_ms = self.inner.opened_ms;
            let tests = due_tests(state, &in_flight, &mut limits, since_ms, now_ms);
            let rows = rows.into_iter().map(|row| (row.id.clone(), Job::Notification(row)));
            let tests = tests.into_iter().map(|key| (test_id(&key), Job::Test(key)));
            let begun = rows.chain(tests).map(|(id, job)| {
                self.set_in_flight(&id, true);
                InFlight { alerting: self.clone(), id, job }
            });
            begun.collect()
        })
        .await
    }

    async fn attempt(self, sending: InFlight, clock: impl Fn() -> Millis) {
        match &sending.job {
            Job::Notification(row) => self.notify(row, clock).await,
            Job::Test(key) => {
                let by = "kiểm tra hằng ngày / the daily test".to_owned();
                if let Err(failed) = self.test_channel(key.clone(), by, clock()).await {
                    log_failure(&failed, "what came of a daily test is not recorded");
                }
            }
        }
    }

    async fn notify(&self, row: &Waiting, clock: impl Fn() -> Millis) {
        let senders = self.senders().await;
        let key = (Arc::clone(&row.notification.receiver), Arc::clone(&row.integration));
        let sent = match senders.get(&key) {
            Some(notifier) => in_time(notifier.as_ref(), &row.notification).await,
            None => Err(SendError::Setup("the receiver was just taken out".to_owned())),
        };
        let mut outcome = outcome_of(row, sent, clock());
        // Until the outcome is on disk the row stays in flight: a success must not be sent again because the disk
        // was full for a while.
        loop {
            match self.record(&outcome, &key).await {
                Ok(dead) => break outcome.dead = dead,
                Err(failed) => {
                    log_failure(&failed, "the outcome of a notification is not recorded yet");
                    tokio::time::sleep(DATABASE_RETRY).await;
                }
            }
        }
        if let Some(why) = outcome.failure.as_deref().filter(|_| outcome.dead) {
            let (receiver, integration) = (row.notification.receiver.as_ref(), &*row.integration);
            error!(
                receiver,
                integration,
                id = row.id,
                why,
                "a notification is given up; mend the channel, then send it again: haidang notification list --dead"
            );
        }
        let (number, delivered) = (outcome.number, outcome.failure.is_none());
        let counters = &self.inner.counters;
        counters.attempted(&row.notification.receiver, &row.integration, number, delivered);
        if outcome.dead {
            counters.failed_for_good(&row.integration);
        }
    }
}

pub(crate) async fn in_time(
    notifier: &dyn Notifier,
    notification: &Notification,
) -> Result<(), SendError> {
    let composed = Arc::new(Notify::new());
    let sending = COMPOSED.scope(Arc::clone(&composed), notifier.send(notification));
    tokio::pin!(sending);
    let timed_out = |limit: Duration| SendError::TimedOut { seconds: limit.as_secs() };
    // What waits for its turn among others takes nothing of the time that its receiver has.
    tokio::select! {
        sent = &mut sending => return sent,
        () = composed.notified() => {}
        () = tokio::time::sleep(COMPOSING_MAX) => return Err(timed_out(COMPOSING_MAX)),
    }
    let limit = attempt_limit(notifier);
    tokio::time::timeout(limit, sending).await.unwrap_or_else(|_| Err(timed_out(limit)))
}

/// Our own limit, or a longer one that `alerting.yml` asks for.
fn attempt_limit(notifier: &dyn Notifier) -> Duration {
    notifier.time_limit().max(Duration::from_millis(ATTEMPT_MAX_MS))
}

fn outcome_of(row: &Waiting, sent: Result<(), SendError>, at_ms: Millis) -> Outcome {
    let number = row.attempts.saturating_add(1);
    let receiver = row.notification.receiver.as_ref();
    let integration = row.integration.as_ref();
    let (mut next_attempt_ms, mut asked) = (at_ms, None);
    let failure = match sent {
        Ok(()) => {
            info!(receiver, integration, id = row.id, number, "notification delivered");
            None
        }
        Err(failed) => {
            let wait_ms = back_off_ms(&row.id, number, failed.retry_after());
            next_attempt_ms = at_ms.saturating_add(wait_ms);
            asked = asked_ms(failed.retry_after());
            let why = failed.chain();
            warn!(receiver, integration, id = row.id, number, wait_ms, why, "notification failed");
            Some(why)
        }
    };
    Outcome {
        id: row.id.clone(),
        number,
        at_ms,
        failure,
        next_attempt_ms,
        asked_ms: asked,
        tried_ms: row.tried_until_ms(at_ms),
        dead: false,
    }
}

/// When something has to be done that no call announces.
pub(crate) fn next_due(state: &State, now_ms: Millis) -> Option<Millis> {
    let groups = state.groups.values().filter_map(Group::due_ms);
    // What is due already and still there could not be done: the outbox is full.
    let earliest = if state.outbox.len() >= OUTBOX_MAX { OUTBOX_FULL_RETRY_MS } else { 1 };
    let groups = groups.min().map(|due| due.max(now_ms + earliest));
    let bounds = |silence: &Silence| [silence.starts_ms, silence.ends_ms];
    let silences = state.silences.values().flat_map(bounds).filter(|at| *at > now_ms).min();
    let checkpoint = state.checkpoint_ms + CHECKPOINT_MS;
    let checkpoint = (!state.batch.touched.is_empty()).then_some(checkpoint.max(now_ms + 1));
    // Time intervals and turns begin and end with a minute.
    let minute = (now_ms.div_euclid(MINUTE_MS) + 1) * MINUTE_MS;
    let by_the_minute = !(state.routing.intervals.is_empty() && state.routing.rosters.is_empty());
    let interval = by_the_minute.then_some(minute);
    let others = [
        detection::next_end(state),
        handling::next_end(state),
        silences,
        interval,
        next_attempt(&state.outbox, now_ms),
        next_test(state, now_ms),
    ];
    groups.into_iter().chain(checkpoint).chain(others.into_iter().flatten()).min()
}

fn report_panic(ended: Result<(), tokio::task::JoinError>) {
    if let Err(failed) = ended {
        error!(%failed, "an attempt to notify ended abnormally; it is made again");
    }
}

fn log_failure(failed: &AlertingError, what: &'static str) {
    let cause = std::error::Error::source(failed).map(ToString::to_string).unwrap_or_default();
    error!(%failed, cause, "{what}");
}

/// Sets notifications aside whose receiver the routing no longer has.
pub(crate) fn drop_undeliverable(state: &mut State, now_ms: Millis) {
    let routing = state.routing.clone();
    let gone = state.outbox.values();
    let gone = gone
        .filter(|row| routing.integration(&row.notification.receiver, &row.integration).is_none());
    let gone: Vec<String> = gone.map(|row| row.id.clone()).collect();
    for id in gone {
        state.outbox.remove(&id);
        state.batch.undeliverable.insert(id, now_ms);
        state.batch.counted.undeliverable += 1;
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::notify::{Composer, senders};
    use crate::routing::Routing;

    #[test]
    fn a_webhook_has_the_time_that_its_file_gives_it() {
        let limits = |timeout: &str| {
            let text = format!(
                "route: {{receiver: x}}\nreceivers: [{{name: x, webhook_configs: [{{url: 'http://a/'{timeout}}}]}}]"
            );
            let routing = Routing::parse(Path::new("a.yml"), &text)?;
            let composer = Composer::new(&"".into(), None, &Arc::default());
            let (senders, _) = senders(&routing, &composer, &Arc::default());
            Ok::<_, agent_model::Problems>(
                senders
                    .values()
                    .map(|one| attempt_limit(one.as_ref()).as_secs())
                    .collect::<Vec<_>>(),
            )
        };
        assert_eq!(limits("").unwrap(), [15]);
        assert_eq!(limits(", timeout: 3s").unwrap(), [15]);
        assert_eq!(limits(", timeout: 10m").unwrap(), [601]);
        let refused = limits(", timeout: 601s").unwrap_err().to_string();
        assert!(refused.contains("a webhook's `timeout` is at most 600 s"), "{refused}");
    }
}
