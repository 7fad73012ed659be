//! E-mail over SMTP, text and simple HTML in Vietnamese; STARTTLS is required unless the configuration says not.
//! The `Message-ID` is made from the idempotency key, so a mail that had to be sent twice is seen as one.

use std::sync::Arc;
use std::time::Duration;

use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Identity, Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};

use crate::notification::Notification;
use crate::routing::EmailChannel;

use super::{Notifier, SendError, Sending, secret, wording};

/// One command of SMTP and its answer.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(10);

/// The port on which TLS begins at once (RFC 8314).
const SUBMISSIONS_PORT: u16 = 465;

pub(super) struct Email {
    channel: EmailChannel,
    tls: TlsParameters,
    external_url: Arc<str>,
}

impl Email {
    pub(super) fn new(channel: EmailChannel, external_url: Arc<str>) -> Result<Self, SendError> {
        let mut parameters = TlsParameters::builder(channel.host.clone());
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
        Ok(Self { channel, tls, external_url })
    }

    async fn mail(&self, notification: &Notification) -> Result<(), SendError> {
        let message = self.message(notification)?;
        let at_once = self.channel.implicit_tls.unwrap_or(self.channel.port == SUBMISSIONS_PORT);
        let tls = match (at_once, self.channel.require_tls) {
            (true, _) => Tls::Wrapper(self.tls.clone()),
            (_, true) => Tls::Required(self.tls.clone()),
            // As Alertmanager: without `require_tls` nothing is encrypted, so a certificate that nobody can check
            // (a mail server's own) keeps no alert from going out.
            (_, false) => Tls::None,
        };
        let host = self.channel.host.as_str();
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host)
            .port(self.channel.port)
            .tls(tls)
            .timeout(Some(COMMAND_TIMEOUT));
        if let Some(hello) = &self.channel.hello {
            builder = builder.hello_name(ClientId::Domain(hello.clone()));
        }
        if let (Some(username), Some(secret)) = (&self.channel.username, &self.channel.password) {
            let password = secret::read("the mail password", secret).await?;
            builder = builder.credentials(Credentials::new(username.clone(), password));
        }
        builder.build().send(message).await.map_err(SendError::Smtp)?;
        Ok(())
    }

    fn message(&self, notification: &Notification) -> Result<Message, SendError> {
        let wrong = |error: &dyn std::fmt::Display| SendError::Mail(error.to_string());
        let from: Mailbox = self.channel.from.parse().map_err(|error| wrong(&error))?;
        let domain = from.email.domain().to_owned();
        let mut builder = Message::builder()
            .from(from)
            .subject(wording::subject(notification))
            .message_id(Some(format!("<{}@{domain}>", notification.idempotency_key)));
        for to in &self.channel.to {
            builder = builder.to(to.parse().map_err(|error| wrong(&error))?);
        }
        let mut message = builder
            .multipart(MultiPart::alternative_plain_html(
                wording::plain_text(notification, &self.external_url),
                wording::html(notification, &self.external_url),
            ))
            .map_err(|error| wrong(&error))?;
        for (name, value) in &self.channel.headers {
            let name = HeaderName::new_from_ascii(name.clone()).map_err(|error| wrong(&error))?;
            message.headers_mut().insert_raw(HeaderValue::new(name, value.clone()));
        }
        Ok(message)
    }
}

impl Notifier for Email {
    fn send<'a>(&'a self, notification: &'a Notification) -> Sending<'a> {
        Box::pin(self.mail(notification))
    }
}
