//! From a notification to the texts of a channel. A template that fails costs no alert: what is built in stands in its place,
//! with the failure said in the message, counted and logged.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use agent_model::Millis;
use jiff::Timestamp;
use rules_templates::{Template, Value, stoppable};
use tokio::sync::{Notify, Semaphore};
use tokio::time::Instant;
use tracing::warn;

use super::{SendError, templates, wording};
use crate::link::Links;
use crate::notification::Notification;
use crate::stats::Composed;

/// Messages composed at a time: each holds a processor, and all that a template can know of a group, some kilobytes for each
/// alert. A thousand receivers of one storm would else do it at once.
const COMPOSED_AT_ONCE_MAX: usize = 2;

static ROOM: Semaphore = Semaphore::const_new(COMPOSED_AT_ONCE_MAX);

/// What the templates of one message may take together: one that is slow holds a place that all receivers share.
const TEXTS_TIME_MAX: Duration = Duration::from_secs(5);

/// What each of them may take however long the others took: an address is made in less.
const TEXT_TIME_MIN: Duration = Duration::from_millis(20);

tokio::task_local! {
    /// Told when the message of this attempt is composed: only then begins the time that its receiver has.
    pub(crate) static COMPOSED: Arc<Notify>;
}

/// As much of a failure as is said in a message.
const FAILURE_CHARS_MAX: usize = 300;

/// What all channels compose with.
#[derive(Clone)]
pub(crate) struct Composer {
    pub(super) external_url: Arc<str>,
    /// What makes links that acknowledge, and how long they last; `None` where there are none.
    links: Option<(Links, Millis)>,
    pub(super) counted: Arc<Composed>,
}

/// One notification on its way into a message.
pub(super) struct Words {
    pub(super) notification: Notification,
    pub(super) external_url: Arc<str>,
    /// Empty where there is none.
    acknowledge_url: String,
    pub(super) data: Value,
    /// Every attempt says the same.
    now: Timestamp,
    ends: Instant,
    failed: Vec<String>,
}

impl Composer {
    pub(crate) fn new(
        external_url: &Arc<str>,
        links: Option<&Links>,
        counted: &Arc<Composed>,
    ) -> Self {
        Self {
            external_url: Arc::clone(external_url),
            links: links.map(|links| (links.clone(), 0)),
            counted: Arc::clone(counted),
        }
    }

    /// The same for a channel whose links last so long; `None` where it wants none.
    pub(super) fn for_links(&self, lifetime_ms: Option<Millis>) -> Self {
        let links = self.links.as_ref().map(|(links, _)| links.clone());
        Self { links: links.zip(lifetime_ms), ..self.clone() }
    }

    /// Has a message composed where it keeps nobody waiting: a large group takes a while.
    pub(super) async fn compose<T: Send + 'static>(
        &self,
        notification: &Notification,
        compose: impl FnOnce(&mut Words) -> T + Send + 'static,
    ) -> Result<T, SendError> {
        let (composer, notification) = (self.clone(), notification.clone());
        let composed = self.in_turn(move || {
            let mut words = Words::new(notification, &composer);
            let message = compose(&mut words);
            let failed = u64::try_from(words.failed.len()).unwrap_or(u64::MAX);
            composer.counted.template_failures.fetch_add(failed, Ordering::Relaxed);
            message
        });
        composed.await
    }

    /// Work that makes a message, when it is its turn.
    pub(super) async fn in_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, SendError> {
        // It is never closed.
        let room = ROOM.acquire().await;
        let composed = tokio::task::spawn_blocking(move || {
            let message = work();
            // Here, because who waits for it may have gone.
            drop(room);
            message
        });
        let composed = composed.await;
        // Only an attempt to deliver has a time.
        COMPOSED.try_with(|composed| composed.notify_one()).ok();
        composed.map_err(|error| SendError::Setup(format!("composing ended: {error}")))
    }
}

impl Words {
    fn new(notification: Notification, composer: &Composer) -> Self {
        let links = composer.links.as_ref();
        let acknowledge_url =
            links.and_then(|(links, lifetime_ms)| links.url(&notification, *lifetime_ms));
        let acknowledge_url = acknowledge_url.unwrap_or_default();
        let external_url = Arc::clone(&composer.external_url);
        let data = templates::data(&notification, &external_url, &acknowledge_url);
        let now = Timestamp::from_millisecond(notification.created_ms).unwrap_or_default();
        let ends = Instant::now() + TEXTS_TIME_MAX;
        Self { notification, external_url, acknowledge_url, data, now, ends, failed: Vec::new() }
    }

    /// The text of a key, or nothing when its template fails, which is remembered.
    pub(super) fn text(&mut self, key: &str, template: &Template) -> Option<String> {
        let data = self.data.clone();
        self.text_of(key, template, &data)
    }

    /// The same of other data.
    pub(super) fn text_of(
        &mut self,
        key: &str,
        template: &Template,
        data: &Value,
    ) -> Option<String> {
        let ends = self.ends.max(Instant::now() + TEXT_TIME_MIN);
        let stop = move || Instant::now() >= ends;
        match stoppable(stop, || template.render(data, self.now)) {
            Ok(text) => Some(text),
            Err(error) => {
                let receiver = self.notification.receiver.as_ref();
                warn!(receiver, key, %error, "a template failed; the built-in text goes out");
                self.failed.push(format!("{key}: {error}"));
                None
            }
        }
    }

    /// The same with an empty text where the template fails: for what only decorates a message.
    pub(super) fn extra(&mut self, key: &str, template: &Template) -> String {
        self.text(key, template).unwrap_or_default()
    }

    /// Who it goes to: nothing can stand in its place.
    pub(super) fn recipient(&mut self, template: &Template) -> Result<String, SendError> {
        let text = self.text("to", template).unwrap_or_default();
        let to = text.trim();
        let nobody = || {
            let why = self.complaint().unwrap_or_default();
            SendError::Setup(format!("a template of `to` names nobody {why}"))
        };
        if to.is_empty() { Err(nobody()) } else { Ok(to.to_owned()) }
    }

    /// What is built in, for the place of a text whose template failed.
    pub(super) fn built_in(&self) -> String {
        wording::plain_text(&self.notification, &self.external_url, &self.acknowledge_url)
    }

    /// The same as a page.
    pub(super) fn built_in_page(&self) -> String {
        wording::html(&self.notification, &self.external_url, &self.acknowledge_url)
    }

    pub(super) fn subject(&self) -> String {
        wording::subject(&self.notification)
    }

    /// What went wrong so far, for the end of the message.
    pub(super) fn complaint(&self) -> Option<String> {
        let failed = self.failed.join("; ");
        let told: String = failed.chars().take(FAILURE_CHARS_MAX).collect();
        (!failed.is_empty()).then(|| {
            format!(
                "⚠ Mẫu thông báo bị lỗi nên nội dung có sẵn được gửi thay; báo người quản trị sửa mẫu. \
                 / A template failed, so the built-in text was sent. ({told})"
            )
        })
    }

    /// The main text of a message: the template's, else the built-in one; and what went wrong.
    pub(super) fn main(&mut self, key: &str, template: &Template) -> String {
        let text = self.text(key, template).unwrap_or_else(|| self.built_in());
        match self.complaint() {
            Some(complaint) => format!("{}\n\n{complaint}", text.trim_end()),
            None => text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_time_of_an_attempt_begins_when_its_message_is_composed() {
        let composer = Composer::new(&"".into(), None, &Arc::default());
        let composed = Arc::new(Notify::new());
        let others = ROOM.acquire_many(2).await.unwrap();
        let attempt = COMPOSED.scope(Arc::clone(&composed), composer.in_turn(|| 7));
        tokio::pin!(attempt);
        let waits = tokio::time::timeout(Duration::ZERO, &mut attempt).await;
        assert!(waits.is_err(), "it is not its turn");
        let told = tokio::time::timeout(Duration::ZERO, composed.notified()).await;
        assert!(told.is_err(), "its time has not begun");
        drop(others);
        assert_eq!(attempt.await.unwrap(), 7);
        composed.notified().await;
    }
}
