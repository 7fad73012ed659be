//! E-mail over SMTP, text and page from templates, ours in Vietnamese; STARTTLS is required unless the configuration says not.
//! The `Message-ID` is made from the idempotency key, so a mail that had to be sent twice is seen as one.

use std::sync::Arc;
use std::time::Duration;

use lettre::Message;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, Mailboxes, MultiPart, SinglePart};
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{
    AsyncSmtpConnection, Certificate, Identity, TlsParameters, TlsVersion,
};
use lettre::transport::smtp::commands::Ehlo;
use lettre::transport::smtp::extension::{ClientId, ServerInfo};

use rules_templates::Template;

use crate::notification::Notification;
use crate::routing::EmailChannel;

use super::composing::{Composer, Words};
use super::wording::{self, one_line};
use super::{Notifier, SendError, Sending, secret};

/// From the connection until the server knows who we are.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(20);

/// A server that reads a mail before it answers to its end has ten minutes (RFC 5321, section 4.5.3.2.6); who leaves earlier
/// sends it again, and the server delivers both.
const MAIL_TIMEOUT: Duration = Duration::from_secs(600);

/// For a goodbye: the mail is taken, whatever comes of this.
const GOODBYE_TIMEOUT: Duration = Duration::from_secs(2);

/// Where a password may go in the clear, as Go has it.
const OURSELVES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// The port on which TLS begins at once (RFC 8314).
const SUBMISSIONS_PORT: u16 = 465;

pub(super) struct Email {
    channel: Arc<EmailChannel>,
    tls: TlsParameters,
    composer: Composer,
}

/// A mail as text.
struct Composed {
    from: String,
    to: String,
    subject: String,
    html: Option<String>,
    text: Option<String>,
    headers: Vec<(String, String)>,
}

impl Email {
    pub(super) fn new(channel: Arc<EmailChannel>, composer: Composer) -> Result<Self, SendError> {
        let name = channel.tls.server_name.as_ref().unwrap_or(&channel.host);
        let mut parameters = TlsParameters::builder(name.clone());
        if channel.tls.only_newest {
            parameters = parameters.set_min_tls_version(TlsVersion::Tlsv13);
        }
        if let Some(authorities) = &channel.tls.authorities {
            let pem = secret::pem("the CA certificates", authorities)?;
            let certificate = Certificate::from_pem(&pem).map_err(SendError::Smtp)?;
            parameters = parameters.add_root_certificate(certificate);
        }
        if let Some((certificate, key)) = &channel.tls.identity {
            let certificate = secret::pem("our certificate", certificate)?;
            let key = secret::pem("the key of our certificate", key)?;
            let identity = Identity::from_pem(&certificate, &key).map_err(SendError::Smtp)?;
            parameters = parameters.identify_with(identity);
        }
        parameters = parameters.dangerous_accept_invalid_certs(channel.tls.skip_verify);
        let tls = parameters.build().map_err(SendError::Smtp)?;
        Ok(Self { channel, tls, composer })
    }

    async fn mail(&self, notification: &Notification) -> Result<(), SendError> {
        let channel = Arc::clone(&self.channel);
        let composed = self.composer.compose(notification, move |words| compose(&channel, words));
        let message = message(notification, composed.await??)?;
        let mut server = tokio::time::timeout(CONNECTION_TIMEOUT, self.connected())
            .await
            .map_err(|_| SendError::TimedOut { seconds: CONNECTION_TIMEOUT.as_secs() })??;
        let sent = server.send(message.envelope(), &message.formatted()).await;
        sent.map_err(SendError::Smtp)?;
        tokio::time::timeout(GOODBYE_TIMEOUT, server.quit()).await.ok();
        Ok(())
    }

    async fn connected(&self) -> Result<AsyncSmtpConnection, SendError> {
        let channel = &self.channel;
        let hello = channel.hello.clone().map_or_else(ClientId::default, ClientId::Domain);
        let at_once = channel.implicit_tls.unwrap_or(channel.port == SUBMISSIONS_PORT);
        let tls = at_once.then(|| self.tls.clone());
        let address = (channel.host.as_str(), channel.port);
        let mut server = AsyncSmtpConnection::connect_tokio1(address, None, &hello, tls, None)
            .await
            .map_err(SendError::Smtp)?;
        // As Alertmanager: without `require_tls` nothing is encrypted, so a certificate that nobody can check
        // (a mail server's own) keeps no alert from going out.
        if channel.require_tls && !server.is_encrypted() {
            server.starttls(self.tls.clone(), &hello).await.map_err(SendError::Smtp)?;
        }
        if let (Some(username), Some(secret)) = (&channel.username, &channel.password) {
            let answer = server.command(Ehlo::new(hello)).await.map_err(SendError::Smtp)?;
            let info = ServerInfo::from_response(&answer).map_err(SendError::Smtp)?;
            // As Alertmanager: a relay that asks nobody for a password gets none.
            if info.get_auth_mechanism(DEFAULT_MECHANISMS).is_some() {
                self.may_have_password(&server)?;
                let password = secret::read("the mail password", secret).await?;
                let credentials = Credentials::new(username.clone(), password);
                let signed_in = server.auth(DEFAULT_MECHANISMS, &credentials).await;
                signed_in.map_err(SendError::Smtp)?;
            }
        }
        Ok(server)
    }

    fn may_have_password(&self, server: &AsyncSmtpConnection) -> Result<(), SendError> {
        let host = self.channel.host.as_str();
        if server.is_encrypted() || OURSELVES.contains(&host) {
            return Ok(());
        }
        Err(SendError::Setup(format!(
            "{host} would get the password without TLS, where anybody can read it: set `require_tls: true`, or give no \
             `auth_username`"
        )))
    }
}

/// Where it goes must be right; of the rest what is built in will do.
fn compose(channel: &EmailChannel, words: &mut Words) -> Result<Composed, SendError> {
    let mut address = |key: &str, template: &Template| {
        let text = words.text(key, template);
        text.ok_or_else(|| SendError::Mail(words.complaint().unwrap_or_default()))
    };
    let (from, to) = (address("from", &channel.from)?, address("to", &channel.to)?);
    let subject = words.text("subject", &channel.subject).unwrap_or_else(|| words.subject());
    let headers = channel.headers.iter();
    let headers = headers.map(|(name, value)| (name.clone(), words.extra(name, value))).collect();
    let html = channel.html.as_ref().map(|html| words.text("html", html));
    let text = channel.text.as_ref().map(|text| words.text("text", text));
    let complaint = words.complaint();
    let built_in = || words.built_in_page();
    let html = html.map(|html| {
        let complaint = complaint.as_deref().map(wording::html_paragraph).unwrap_or_default();
        format!("{}{complaint}", html.unwrap_or_else(built_in))
    });
    let text = text.map(|text| {
        let complaint = complaint.as_deref().unwrap_or_default();
        format!("{}{complaint}", text.unwrap_or_else(|| words.built_in()))
    });
    Ok(Composed { from, to, subject, html, text, headers })
}

fn message(notification: &Notification, composed: Composed) -> Result<Message, SendError> {
    let wrong = |error: &dyn std::fmt::Display| SendError::Mail(error.to_string());
    let from: Mailbox = one_line(&composed.from).parse().map_err(|error| wrong(&error))?;
    let domain = from.email.domain().to_owned();
    let mut builder = Message::builder()
        .from(from)
        .subject(one_line(&composed.subject))
        .message_id(Some(format!("<{}@{domain}>", notification.idempotency_key)));
    let to: Mailboxes = one_line(&composed.to).parse().map_err(|error| wrong(&error))?;
    for to in to {
        builder = builder.to(to);
    }
    let message = match (composed.text, composed.html) {
        (Some(text), Some(html)) => {
            builder.multipart(MultiPart::alternative_plain_html(text, html))
        }
        (None, Some(html)) => builder.singlepart(SinglePart::html(html)),
        (text, None) => builder.singlepart(SinglePart::plain(text.unwrap_or_default())),
    };
    let mut message = message.map_err(|error| wrong(&error))?;
    for (name, value) in composed.headers {
        let name = HeaderName::new_from_ascii(name).map_err(|error| wrong(&error))?;
        message.headers_mut().insert_raw(HeaderValue::new(name, one_line(&value)));
    }
    Ok(message)
}

impl Notifier for Email {
    fn send<'a>(&'a self, notification: &'a Notification) -> Sending<'a> {
        Box::pin(self.mail(notification))
    }

    fn time_limit(&self) -> Duration {
        CONNECTION_TIMEOUT + MAIL_TIMEOUT
    }
}
