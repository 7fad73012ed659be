//! Ways to reach people: the trait that delivery sends through, and its implementations.

mod body;
mod chat;
mod client;
mod clients;
mod composing;
mod discord;
mod email;
mod facts;
mod heartbeat;
mod http;
mod mattermost;
mod retry_after;
mod script;
mod secret;
mod sent;
mod slack;
mod smpp;
mod sms;
mod syslog;
mod teams;
mod telegram;
mod templates;
mod tls;
mod webhook;
mod wording;
mod zalo;

pub use heartbeat::Heartbeat;

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::AlertingError;
use crate::limits::ATTEMPT_ASKED_MAX_S;
use crate::notification::Notification;
use crate::routing::{Channel, Routing};

pub(crate) use client::usable;
pub(crate) use composing::COMPOSED;
pub(crate) use sent::Sent;
pub(crate) use templates::Templates;

use chat::Incoming;
pub(crate) use composing::Composer;
pub(crate) use wording::headline_and_lines;

/// What [`Notifier::send`] returns.
pub type Sending<'a> = Pin<Box<dyn Future<Output = Result<(), SendError>> + Send + 'a>>;

/// Brings one notification to one receiver. `Ok` means that the receiver took it.
pub trait Notifier: Send + Sync {
    fn send<'a>(&'a self, notification: &'a Notification) -> Sending<'a>;

    /// How long an attempt may take, where whoever set up the receiver says more than our own limit.
    fn time_limit(&self) -> Duration {
        Duration::ZERO
    }
}

/// Receiver and integration to what sends for it.
pub(crate) type Senders = Arc<BTreeMap<(Arc<str>, Arc<str>), Arc<dyn Notifier>>>;

/// Why an attempt failed. Every one is tried again: what is wrong may be mended at the other end, or in a file.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    #[error("{0}")]
    Setup(String),
    #[error("{what} cannot be read from {path}")]
    Secret {
        what: &'static str,
        path: String,
        #[source]
        source: std::io::Error,
    },
    #[error("the receiver could not be reached, or did not answer as HTTP")]
    Http(#[source] reqwest::Error),
    #[error("a certificate or key of `tls_config` cannot be used")]
    Tls(#[source] reqwest::Error),
    #[error("the receiver answered {status}: {body}")]
    Status { status: u16, body: String, retry_after: Option<Duration> },
    #[error("the mail could not be put together: {0}")]
    Mail(String),
    #[error("the mail server did not take it")]
    Smtp(#[source] lettre::transport::smtp::Error),
    #[error("the syslog server {address} did not take it")]
    Syslog {
        address: String,
        #[source]
        source: std::io::Error,
    },
    #[error("the SMPP gateway {address} could not be reached, or broke off")]
    Smpp {
        address: String,
        #[source]
        source: std::io::Error,
    },
    #[error("the SMPP gateway {address} answered {what} with {status}")]
    SmppRefused { address: String, what: String, status: String, retry_after: Option<Duration> },
    #[error("{path} could not be run")]
    Script {
        path: String,
        #[source]
        source: std::io::Error,
    },
    #[error("{path} ended with {status}: {complaint}")]
    ScriptRefused { path: String, status: std::process::ExitStatus, complaint: String },
    #[error("no answer within {seconds} s")]
    TimedOut { seconds: u64 },
}

impl SendError {
    /// How long the receiver asked us to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } | Self::SmppRefused { retry_after, .. } => {
                *retry_after
            }
            _ => None,
        }
    }

    /// The error and all its causes in one line.
    pub(crate) fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut source = std::error::Error::source(self);
        while let Some(cause) = source {
            text = format!("{text}: {cause}");
            source = cause.source();
        }
        text
    }
}

/// Sets up what sends for each integration of each receiver; and the first that could not be, which tries it again with each
/// of its attempts.
pub(crate) fn senders(
    routing: &Routing,
    composer: &Composer,
    sent: &Arc<Sent>,
) -> (Senders, Option<AlertingError>) {
    // The process may have chosen the same provider already, which is as good.
    rustls::crypto::aws_lc_rs::default_provider().install_default().ok();
    clients::forget();
    let mut senders: BTreeMap<(Arc<str>, Arc<str>), Arc<dyn Notifier>> = BTreeMap::new();
    let mut failed = None;
    for receiver in routing.receivers() {
        for integration in &receiver.integrations {
            let lifetime_ms = routing.delivery.acknowledge_link_lifetime_ms;
            let composer = composer.for_links(integration.acknowledge_links.then_some(lifetime_ms));
            let sender = sender(&integration.channel, &composer, sent).unwrap_or_else(|source| {
                let receiver = receiver.name.to_string();
                failed.get_or_insert(AlertingError::Receiver { receiver, source });
                let (channel, composer) = (integration.channel.clone(), composer.clone());
                Arc::new(Unready { channel, composer, sent: Arc::clone(sent) })
            });
            senders.insert((Arc::clone(&receiver.name), Arc::clone(&integration.name)), sender);
        }
    }
    (Arc::new(senders), failed)
}

/// A channel that could not be set up. What it lacks may come, a certificate for example.
struct Unready {
    channel: Channel,
    composer: Composer,
    sent: Arc<Sent>,
}

impl Notifier for Unready {
    fn send<'a>(&'a self, notification: &'a Notification) -> Sending<'a> {
        Box::pin(async {
            let ready = sender(&self.channel, &self.composer, &self.sent)?;
            ready.send(notification).await
        })
    }

    /// That of what it becomes is not known.
    fn time_limit(&self) -> Duration {
        Duration::from_secs(ATTEMPT_ASKED_MAX_S)
    }
}

fn sender(
    channel: &Channel,
    composer: &Composer,
    sent: &Arc<Sent>,
) -> Result<Arc<dyn Notifier>, SendError> {
    let (composer, sent) = (composer.clone(), Arc::clone(sent));
    Ok(match channel {
        Channel::Webhook(channel) => {
            Arc::new(webhook::Webhook::new(Arc::clone(channel), composer)?)
        }
        Channel::Email(channel) => Arc::new(email::Email::new(Arc::clone(channel), composer)?),
        Channel::Sms(channel) => Arc::new(sms::Sms::new(Arc::clone(channel), composer, sent)?),
        Channel::Smpp(channel) => Arc::new(smpp::Smpp::new(Arc::clone(channel), composer, sent)?),
        Channel::Zalo(channel) => Arc::new(zalo::Zalo::new(Arc::clone(channel), composer, sent)?),
        Channel::Syslog(channel) => Arc::new(syslog::Syslog::new(Arc::clone(channel), composer)?),
        Channel::Script(channel) => Arc::new(script::Script::new(Arc::clone(channel), composer)),
        Channel::Slack(chat) => Arc::new(Incoming::new(chat, &chat.url, &chat.http, composer)?),
        Channel::Mattermost(chat) => {
            Arc::new(Incoming::new(chat, &chat.url, &chat.http, composer)?)
        }
        Channel::Discord(chat) => Arc::new(Incoming::new(chat, &chat.url, &chat.http, composer)?),
        Channel::Telegram(channel) => {
            Arc::new(telegram::Telegram::new(Arc::clone(channel), composer)?)
        }
        Channel::Teams(chat) => Arc::new(Incoming::new(chat, &chat.url, &chat.http, composer)?),
    })
}
