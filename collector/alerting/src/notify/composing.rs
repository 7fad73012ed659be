//! From a notification to the texts of a channel. A template that fails costs no alert: what is built in stands in its place,
//! with the failure said in the message, counted and logged.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;
use rules_templates::{Template, Value};
use tokio::sync::Semaphore;
use tracing::warn;

use super::{SendError, templates, wording};
use crate::notification::Notification;

/// Messages composed at a time: each holds a processor, and all that a template can know of a group, some kilobytes for each
/// alert. A thousand receivers of one storm would else do it at once.
const COMPOSED_AT_ONCE_MAX: usize = 2;

static ROOM: Semaphore = Semaphore::const_new(COMPOSED_AT_ONCE_MAX);

/// As much of a failure as is said in a message.
const FAILURE_CHARS_MAX: usize = 300;

/// What all channels compose with.
#[derive(Clone)]
pub(super) struct Composer {
    pub(super) external_url: Arc<str>,
    /// Templates that failed when they were rendered.
    pub(super) failures: Arc<AtomicU64>,
}

/// One notification on its way into a message.
pub(super) struct Words {
    pub(super) notification: Notification,
    pub(super) external_url: Arc<str>,
    pub(super) data: Value,
    /// Every attempt says the same.
    now: Timestamp,
    failed: Vec<String>,
}

impl Composer {
    /// Has a message composed where it keeps nobody waiting: a large group takes a while.
    pub(super) async fn compose<T: Send + 'static>(
        &self,
        notification: &Notification,
        compose: impl FnOnce(&mut Words) -> T + Send + 'static,
    ) -> Result<T, SendError> {
        // It is never closed.
        let room = ROOM.acquire().await;
        let (composer, notification) = (self.clone(), notification.clone());
        let composed = tokio::task::spawn_blocking(move || {
            let mut words = Words::new(notification, composer.external_url);
            let message = compose(&mut words);
            // Here, because who waits for it may have gone.
            drop(room);
            let failed = u64::try_from(words.failed.len()).unwrap_or(u64::MAX);
            composer.failures.fetch_add(failed, Ordering::Relaxed);
            message
        });
        composed.await.map_err(|error| SendError::Setup(format!("composing ended: {error}")))
    }
}

impl Words {
    fn new(notification: Notification, external_url: Arc<str>) -> Self {
        let data = templates::data(&notification, &external_url);
        let now = Timestamp::from_millisecond(notification.created_ms).unwrap_or_default();
        Self { notification, external_url, data, now, failed: Vec::new() }
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
        match template.render(data, self.now) {
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

    /// What is built in, for the place of a text whose template failed.
    pub(super) fn built_in(&self) -> String {
        wording::plain_text(&self.notification, &self.external_url)
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
