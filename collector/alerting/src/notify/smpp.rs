//! SMS through an operator's gateway by SMPP 3.4: one session for each notification, one `submit_sm` for each number and
//! part, nothing asked for beyond that the gateway took it. What one number is refused for keeps nothing from the others.
//! Leaves to others: which messages were taken already ([`Sent`]), and when the rest is tried again.

mod parts;
mod session;

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use rusmpp::CommandStatus;
use rusmpp::pdus::{BindTransmitter, SubmitSm};
use rusmpp::types::{COctetString, OctetString};
use rusmpp::values::{EsmClass, InterfaceVersion, Npi, Ton};
use tokio::net::TcpStream;
use tokio::sync::Mutex;

use crate::notification::Notification;
use crate::routing::{NumberKind, SmppChannel};

use super::composing::{Composer, Words};
use super::http::REQUEST_TIMEOUT;
use super::sent::{Sent, time_limit};
use super::tls::Tls;
use super::{Notifier, SendError, Sending, secret, sms};
use session::{Session, Stream};

/// How long a gateway is left alone that had too many messages at once: it does not say itself.
const THROTTLED_WAIT: Duration = Duration::from_secs(30);

/// That a message begins with the header that joins parts (SMPP 3.4, 5.2.12).
const JOINED: u8 = 0x40;

pub(super) struct Smpp {
    channel: Arc<SmppChannel>,
    tls: Option<Tls>,
    /// Accounts are good for one session or a few: a second one would be refused.
    turn: Mutex<()>,
    composer: Composer,
    sent: Arc<Sent>,
}

/// The session of one attempt.
#[derive(Default)]
struct Line {
    session: Option<Session>,
    /// Why nothing more is sent in this attempt.
    over: Option<String>,
}

impl Smpp {
    pub(super) fn new(
        channel: Arc<SmppChannel>,
        composer: Composer,
        sent: Arc<Sent>,
    ) -> Result<Self, SendError> {
        let tls = channel.tls.as_ref().map(|tls| Tls::new(&channel.address, tls)).transpose()?;
        Ok(Self { channel, tls, turn: Mutex::default(), composer, sent })
    }

    async fn tell(&self, notification: &Notification) -> Result<(), SendError> {
        // Before the message is composed: from then on the attempt's time runs.
        let _turn = self.turn.lock().await;
        let (channel, key) = (Arc::clone(&self.channel), &notification.idempotency_key);
        let reference = parts::reference(key);
        let composed =
            self.composer.compose(notification, move |words| compose(&channel, reference, words));
        let (messages, line) = (composed.await?, Mutex::new(Line::default()));
        let outcome = self.sent.each(key, messages, async |_, message| {
            self.submit(&mut *line.lock().await, message?).await
        });
        let outcome = outcome.await;
        if let Some(session) = line.into_inner().session {
            session.end().await;
        }
        outcome
    }

    async fn submit(&self, line: &mut Line, message: SubmitSm) -> Result<(), SendError> {
        if let Some(why) = &line.over {
            return Err(SendError::Setup(format!("not sent, because {why}")));
        }
        let session = match &mut line.session {
            Some(session) => session,
            none => match self.open().await {
                Ok(session) => none.insert(session),
                Err(failed) => {
                    line.over = Some(failed.chain());
                    return Err(failed);
                }
            },
        };
        let to = message.destination_addr.as_str().to_owned();
        let answer = session.ask(message).await.map_err(|source| {
            // The next message has a new session: this one may be what broke it.
            line.session = None;
            self.broken(source)
        });
        let refused = self.taken(format!("a message to {to}"), answer?);
        if let Err(failed) = &refused
            && failed.retry_after().is_some()
        {
            line.over = Some(failed.chain());
        }
        refused
    }

    /// A session whose account was taken.
    async fn open(&self) -> Result<Session, SendError> {
        let password = secret::read("the password of the SMPP account", &self.channel.password);
        let bind = BindTransmitter::builder()
            .system_id(octets("system_id", &self.channel.system_id)?)
            .password(octets("the password of the SMPP account", &password.await?)?)
            .system_type(octets("system_type", &self.channel.system_type)?)
            .interface_version(InterfaceVersion::Smpp3_4)
            .build();
        let connected = tokio::time::timeout(REQUEST_TIMEOUT, self.connected()).await;
        let connected = connected.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()));
        let mut session = Session::over(connected.map_err(|source| self.broken(source))?);
        let answer = session.ask(bind).await.map_err(|source| self.broken(source))?;
        self.taken("the account".to_owned(), answer)?;
        Ok(session)
    }

    async fn connected(&self) -> std::io::Result<Stream> {
        let stream = TcpStream::connect(&self.channel.address).await?;
        stream.set_nodelay(true)?;
        Ok(match &self.tls {
            Some(tls) => Box::new(tls.over(stream).await?),
            None => Box::new(stream),
        })
    }

    fn broken(&self, source: std::io::Error) -> SendError {
        SendError::Smpp { address: self.channel.address.clone(), source }
    }

    fn taken(&self, what: String, status: CommandStatus) -> Result<(), SendError> {
        if status == CommandStatus::EsmeRok {
            return Ok(());
        }
        let is_throttled = status == CommandStatus::EsmeRthrottled;
        Err(SendError::SmppRefused {
            address: self.channel.address.clone(),
            what,
            status: format!("{status:?} (0x{:08x}): {}", u32::from(status), advice(status)),
            retry_after: is_throttled.then_some(THROTTLED_WAIT),
        })
    }
}

impl Notifier for Smpp {
    fn send<'a>(&'a self, notification: &'a Notification) -> Sending<'a> {
        Box::pin(self.tell(notification))
    }

    /// Connection, account and each message.
    fn time_limit(&self) -> Duration {
        time_limit(2 + self.channel.to.len() * self.channel.parts_max)
    }
}

/// A message that fails is replaced; without a number there is nobody to send it to.
fn compose(
    channel: &SmppChannel,
    reference: u8,
    words: &mut Words,
) -> Vec<Result<SubmitSm, SendError>> {
    let message = words.text("message", &channel.message).unwrap_or_else(|| words.subject());
    let message = if channel.fold_diacritics { sms::folded(&message) } else { message };
    let (coding, parts) = parts::of(&message, channel.parts_max, reference);
    let mut messages = Vec::new();
    for to in &channel.to {
        let addressed = words.recipient(to).and_then(|to| addressed(channel, &to));
        let addressed = match addressed {
            Ok(addressed) => addressed.with_data_coding(coding),
            Err(failed) => {
                messages.push(Err(failed));
                continue;
            }
        };
        messages.extend(parts.iter().map(|part| {
            let message = OctetString::from_slice(part);
            let message = message.map_err(|error| SendError::Setup(error.to_string()))?;
            let mut addressed = addressed.clone().with_short_message(message);
            // The library's own default says of a message that it is an acknowledgement.
            addressed.esm_class = EsmClass::from(if parts.len() > 1 { JOINED } else { 0 });
            Ok(addressed)
        }));
    }
    messages
}

/// Who it is from and who it goes to. Nothing says when a phone got it: receipts are not asked for.
fn addressed(channel: &SmppChannel, to: &str) -> Result<SubmitSm, SendError> {
    let (from_ton, from_npi, from) = number(&channel.from, channel.from_kind);
    let (to_ton, to_npi, to) = number(to, channel.to_kind);
    Ok(SubmitSm::builder()
        .source_addr_ton(from_ton)
        .source_addr_npi(from_npi)
        .source_addr(octets("from", from)?)
        .dest_addr_ton(to_ton)
        .dest_addr_npi(to_npi)
        .destination_addr(octets("to", to)?)
        .build())
}

/// `+84…` is international, digits are what the gateway makes of them, anything else is a name.
fn number(text: &str, kind: NumberKind) -> (Ton, Npi, &str) {
    let (ton, npi, bare) = match text.strip_prefix('+') {
        Some(digits) => (Ton::International, Npi::Isdn, digits),
        None if text.bytes().all(|byte| byte.is_ascii_digit()) => (Ton::Unknown, Npi::Isdn, text),
        None => (Ton::Alphanumeric, Npi::Unknown, text),
    };
    (kind.ton.map_or(ton, Ton::from), kind.npi.map_or(npi, Npi::from), bare)
}

/// The text is in no message: it may be a password.
fn octets<const MIN: usize, const MAX: usize>(
    what: &str,
    text: &str,
) -> Result<COctetString<MIN, MAX>, SendError> {
    COctetString::from_str(text).map_err(|_| {
        let most = MAX - 1;
        SendError::Setup(format!("{what}: SMPP takes {most} letters without diacritics at most"))
    })
}

/// What to do about it (SMPP 3.4, 5.1.3).
fn advice(status: CommandStatus) -> &'static str {
    use CommandStatus as Status;
    match status {
        Status::EsmeRbindfail
        | Status::EsmeRinvpaswd
        | Status::EsmeRinvsysid
        | Status::EsmeRinvsystyp => {
            "look at `system_id`, `password_file` and `system_type`; the operator must know this machine's address"
        }
        Status::EsmeRalybnd => "another session has this account: ask the operator for more",
        Status::EsmeRinvdstadr | Status::EsmeRinvdstton | Status::EsmeRinvdstnpi => {
            "look at the number in `to`, `to_ton` and `to_npi`"
        }
        Status::EsmeRinvsrcadr | Status::EsmeRinvsrcton | Status::EsmeRinvsrcnpi => {
            "`from` must be a sender that this account may use; look at `from_ton` and `from_npi`"
        }
        Status::EsmeRthrottled => "too many messages at once: the rest goes out later",
        Status::EsmeRmsgqful => "its queue is full: tried again later",
        Status::EsmeRsyserr => "it is disturbed: tried again later",
        _ => "ask the operator what it means",
    }
}
