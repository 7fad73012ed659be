//! Chats that take messages by an incoming webhook: what is the same of Slack, Mattermost, Discord and Teams.
//! Leaves to each: what a message looks like, and which answer means that it was taken.

use std::sync::Arc;

use serde::Serialize;

use crate::notification::Notification;
use crate::routing::{HttpOptions, SecretText};

use super::composing::{Composer, Words};
use super::http::{Answer, Http};
use super::{Notifier, SendError, Sending, secret};

/// One kind of chat.
pub(super) trait Chat: Send + Sync + 'static {
    type Message: Serialize + Send + Sync + 'static;

    fn compose(&self, words: &mut Words) -> Self::Message;

    /// What an answer with a good status says.
    fn judged(answer: &Answer) -> Result<(), SendError>;
}

pub(super) struct Incoming<C> {
    chat: Arc<C>,
    url: SecretText,
    http: Http,
    composer: Composer,
}

impl<C: Chat> Incoming<C> {
    pub(super) fn new(
        chat: &Arc<C>,
        url: &SecretText,
        http: &HttpOptions,
        composer: Composer,
    ) -> Result<Self, SendError> {
        let http = Http::new(http.clone(), None)?;
        Ok(Self { chat: Arc::clone(chat), url: url.clone(), http, composer })
    }

    async fn post(&self, notification: &Notification) -> Result<(), SendError> {
        let chat = Arc::clone(&self.chat);
        let message = self.composer.compose(notification, move |words| chat.compose(words)).await?;
        let url = secret::read("the webhook's address", &self.url).await?;
        let answer = self.http.post(url, &notification.idempotency_key, &message).await?;
        C::judged(&answer.fine()?)
    }
}

impl<C: Chat> Notifier for Incoming<C> {
    fn send<'a>(&'a self, notification: &'a Notification) -> Sending<'a> {
        Box::pin(self.post(notification))
    }
}

/// At most so many characters; what is left out is shown by a mark.
pub(super) fn cut(text: &str, chars_max: usize) -> String {
    if text.chars().count() <= chars_max {
        return text.to_owned();
    }
    text.chars().take(chars_max.saturating_sub(1)).chain(['…']).collect()
}
