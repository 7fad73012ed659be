//! Tests of channels: a message that says it is a test, by hand or daily, so that a dead channel is known before it is needed.
//! A test goes out at once and is no notification: it is not kept, and one that failed is no dead letter. What it finds is
//! what is known of the channel from then on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use agent_model::{Labels, Millis};

use crate::channel::{ChannelKey, lies_ahead};
use crate::deliver::in_time;
use crate::limiter::Look;
use crate::notification::{Notification, NotifiedAlert};
use crate::notify::SendError;
use crate::outbox::asked_ms;
use crate::routing::{DailyTest, Turn, delivery::names};
use crate::state::State;
use crate::{Alerting, AlertingError};

/// The name of the alert that a test message carries.
pub const TEST_ALERT: &str = "ChannelTest";

/// A daily test that failed is made again after this: an alert about the channel ends soon after it works.
const AGAIN_MS: Millis = 300_000;

/// Daily tests on their way at one time: those of a thousand receivers come one after another.
const TESTS_AT_ONCE_MAX: usize = 20;

/// What came of a test by one channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelTest {
    pub receiver: Arc<str>,
    pub integration: Arc<str>,
    /// `None` when it was taken.
    pub error: Option<String>,
}

impl Alerting {
    /// Sends a test by every channel of a receiver, or by those of a kind or a name (`email`, `email/1`), and waits for what
    /// comes of it. `by` is who asked.
    pub async fn test_receiver(
        &self,
        receiver: &str,
        integration: Option<&str>,
        by: &str,
        now_ms: Millis,
    ) -> Result<Vec<ChannelTest>, AlertingError> {
        let unknown = || AlertingError::ReceiverUnknown(receiver.to_owned());
        let routing = self.routing(now_ms).await?;
        let known = routing.receiver(receiver).ok_or_else(unknown)?;
        let wanted = known.integrations.iter().map(|one| Arc::clone(&one.name));
        let wanted: Vec<Arc<str>> =
            wanted.filter(|name| integration.is_none_or(|wanted| names(wanted, name))).collect();
        if wanted.is_empty() {
            return Err(AlertingError::ChannelUnknown {
                receiver: receiver.to_owned(),
                integration: integration.unwrap_or("any integration").to_owned(),
            });
        }
        let mut sends = tokio::task::JoinSet::new();
        for integration in wanted {
            let key = (Arc::clone(&known.name), integration);
            sends.spawn(self.clone().test_channel(key, by.to_owned(), now_ms));
        }
        let mut tests = Vec::new();
        while let Some(ended) = sends.join_next().await {
            tests.push(ended.map_err(|_| AlertingError::Interrupted)??);
        }
        tests.sort_by(|one, other| one.integration.cmp(&other.integration));
        Ok(tests)
    }

    /// Sends one test and notes what came of it.
    pub(crate) async fn test_channel(
        self,
        key: ChannelKey,
        by: String,
        now_ms: Millis,
    ) -> Result<ChannelTest, AlertingError> {
        let sent = match self.senders().await.get(&key) {
            Some(notifier) => in_time(notifier.as_ref(), &message(&key, &by, now_ms)).await,
            None => Err(SendError::Setup("the receiver was just taken out".to_owned())),
        };
        let asked: Option<Duration> = sent.as_ref().err().and_then(SendError::retry_after);
        let error = sent.err().map(|failed| failed.chain());
        let (receiver, integration) = (key.0.as_ref(), key.1.as_ref());
        match &error {
            None => tracing::info!(receiver, integration, by, "a test was delivered"),
            Some(why) => tracing::warn!(receiver, integration, by, why, "a test failed"),
        }
        self.change(now_ms, |state, _| {
            let channel = state.channels.entry(key.clone()).or_default();
            match &error {
                None => channel.succeeded(now_ms),
                Some(why) => channel.failed(now_ms, why, asked_ms(asked)),
            }
            channel.tested_ms = Some(now_ms);
            state.batch.channels.insert(key.clone());
        })
        .await?;
        Ok(ChannelTest { receiver: key.0, integration: key.1, error })
    }
}

fn message((receiver, integration): &ChannelKey, by: &str, now_ms: Millis) -> Notification {
    let channel = format!("{receiver} ({integration})");
    let annotations = [
        ("summary_vi", format!("Tin thử kênh {channel}, không phải sự cố")),
        ("summary_en", format!("Test of channel {channel}: nothing is wrong")),
        ("summary", format!("Test of channel {channel}: nothing is wrong")),
        (
            "description_vi",
            format!("Tin này do {by} gửi để thử kênh. Nhận được nghĩa là kênh hoạt động tốt."),
        ),
        ("description_en", format!("Sent by {by} to test the channel. It arrived, so it works.")),
        ("first_steps_vi", "Không cần làm gì.".to_owned()),
        ("first_steps_en", "Nothing is to be done.".to_owned()),
    ];
    let annotations: BTreeMap<String, String> =
        annotations.into_iter().map(|(name, text)| (name.to_owned(), text)).collect();
    let labels = Labels::new([
        ("alertname", TEST_ALERT),
        ("severity", "info"),
        ("receiver", receiver),
        ("integration", integration),
    ]);
    let mut notification = Notification {
        idempotency_key: String::new(),
        receiver: Arc::clone(receiver),
        group_key: format!("{{}}:{{alertname=\"{TEST_ALERT}\"}}"),
        group_labels: labels.filtered(|name| name == "alertname"),
        alerts: vec![NotifiedAlert {
            fingerprint: labels.fingerprint(),
            given: labels.clone(),
            labels,
            annotations: Arc::new(annotations),
            starts_ms: now_ms,
            resolved_ms: None,
            generator_url: None,
        }],
        created_ms: now_ms,
        escalation: None,
    };
    // No key of a notification, so that it carries no link: there is nothing to take.
    let key = notification.key_of("test", integration, now_ms.unsigned_abs());
    notification.idempotency_key = format!("test-{key}");
    notification
}

/// What the names of tests begin with: no notification's does.
const TEST: &str = "test/";

/// The name under which a test is on its way.
pub(crate) fn test_id((receiver, integration): &ChannelKey) -> String {
    format!("{TEST}{receiver}/{integration}")
}

pub(crate) fn is_test(id: &str) -> bool {
    id.starts_with(TEST)
}

/// The channels whose daily test is to be made now. What waits for a channel tests it as well.
pub(crate) fn due_tests(
    state: &State,
    in_flight: &BTreeSet<String>,
    limits: &mut Look<'_>,
    since_ms: Millis,
    now_ms: Millis,
) -> Vec<ChannelKey> {
    let Some(daily) = &state.routing.delivery.daily_test else { return Vec::new() };
    let busy = in_flight.iter().filter(|id| is_test(id)).count();
    let waiting: BTreeSet<(&str, &str)> =
        state.outbox.values().map(|row| (&*row.notification.receiver, &*row.integration)).collect();
    let due = tested_channels(state, daily).filter(|key| {
        !in_flight.contains(&test_id(key)) && is_due(state, daily, key, &waiting, since_ms, now_ms)
    });
    let mut chosen = Vec::new();
    for key in due {
        if busy + chosen.len() < TESTS_AT_ONCE_MAX
            && limits.admits(&test_id(&key), (&key.0, &key.1))
        {
            chosen.push(key);
        }
    }
    chosen
}

fn tested_channels(state: &State, daily: &DailyTest) -> impl Iterator<Item = ChannelKey> {
    let receivers = state.routing.receivers().iter();
    let tested = receivers.filter(|receiver| daily.concerns(&receiver.name));
    tested.flat_map(|receiver| {
        // A person is tested by the receiver that is their own; on call the same ways are used.
        let own_is_tested = |turn: &Turn| {
            let person = state.routing.reachable(&turn.person);
            person.is_some_and(|person| daily.concerns(&person.receiver))
        };
        let integrations = receiver.integrations.iter();
        let integrations =
            integrations.filter(move |one| !one.turn.as_ref().is_some_and(own_is_tested));
        integrations.map(|one| (Arc::clone(&receiver.name), Arc::clone(&one.name)))
    })
}

fn is_due(
    state: &State,
    daily: &DailyTest,
    key: &ChannelKey,
    waiting: &BTreeSet<(&str, &str)>,
    since_ms: Millis,
    now_ms: Millis,
) -> bool {
    let known = state.channels.get(key);
    if known.is_some_and(|channel| channel.is_held(now_ms)) {
        return false;
    }
    let tested_ms = known.and_then(|channel| channel.tested_ms).unwrap_or(since_ms);
    if daily.last_before_ms(now_ms) > tested_ms {
        return true;
    }
    known.is_some_and(|channel| {
        channel.failing_since_ms.is_some()
            && !waiting.contains(&(&*key.0, &*key.1))
            && (now_ms - channel.last_attempt_ms >= AGAIN_MS
                || lies_ahead(channel.last_attempt_ms, now_ms))
    })
}

/// When a daily test is due next.
pub(crate) fn next_test(state: &State, now_ms: Millis) -> Option<Millis> {
    let daily = state.routing.delivery.daily_test.as_ref()?;
    let failing = tested_channels(state, daily).filter_map(|key| {
        let channel = state.channels.get(&key)?;
        channel.failing_since_ms.map(|_| channel.last_attempt_ms.saturating_add(AGAIN_MS))
    });
    let again = failing.filter(|at_ms| *at_ms > now_ms).min();
    again.into_iter().chain([daily.next_after_ms(now_ms)]).min()
}
