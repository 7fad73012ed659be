//! Ways to reach a receiver, ready to be used: what each needs, with its texts as checked templates.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rules_templates::Template;

#[derive(Clone, Debug)]
pub enum Channel {
    Webhook(Arc<WebhookChannel>),
    Email(Arc<EmailChannel>),
    Slack(Arc<SlackChannel>),
    Mattermost(Arc<MattermostChannel>),
    Discord(Arc<DiscordChannel>),
    Telegram(Arc<TelegramChannel>),
    Teams(Arc<TeamsChannel>),
    Sms(Arc<SmsChannel>),
    Smpp(Arc<SmppChannel>),
    Script(Arc<ScriptChannel>),
    Syslog(Arc<SyslogChannel>),
    Zalo(Arc<ZaloChannel>),
}

#[derive(Clone, Debug)]
pub struct WebhookChannel {
    pub url: SecretText,
    /// Alerts in one message; 0 is no limit. What is left out is counted in `truncatedAlerts`.
    pub alerts_max: usize,
    /// One request takes at most this long; `None` for our own limit.
    pub timeout: Option<std::time::Duration>,
    pub http: HttpOptions,
}

/// How requests are made.
#[derive(Clone, Debug)]
pub struct HttpOptions {
    pub follow_redirects: bool,
    pub http2: bool,
    pub authorization: Option<Authorization>,
    pub proxy: Option<String>,
    /// Hosts that are reached without it, with commas between.
    pub no_proxy: String,
    pub proxy_from_environment: bool,
    pub headers: Vec<(String, SecretText)>,
    pub tls: TlsOptions,
}

#[derive(Clone, Debug, Default)]
pub struct TlsOptions {
    /// PEM certificates of the authorities that a server's may come from; `None` for the system's.
    pub authorities: Option<SecretText>,
    /// Our own certificate and its key, in PEM.
    pub identity: Option<(SecretText, SecretText)>,
    /// Take any certificate: nobody then knows who the server is.
    pub skip_verify: bool,
    /// Whose certificate the server shows; `None` for the name in its address. Not for HTTP.
    pub server_name: Option<String>,
    /// TLS 1.3 and nothing older; else 1.2 too.
    pub only_newest: bool,
}

#[derive(Clone, Debug)]
pub enum Authorization {
    Header { scheme: String, credentials: SecretText },
    Basic { username: SecretText, password: SecretText },
}

/// A text given in place, or in a file that is read at each use.
#[derive(Clone, Debug)]
pub enum SecretText {
    Value(String),
    File(PathBuf),
}

#[derive(Clone, Debug)]
pub struct EmailChannel {
    /// Becomes addresses with commas between.
    pub to: Template,
    pub from: Template,
    pub subject: Template,
    pub html: Option<Template>,
    pub text: Option<Template>,
    pub host: String,
    pub port: u16,
    pub hello: Option<String>,
    pub username: Option<String>,
    pub password: Option<SecretText>,
    pub require_tls: bool,
    /// TLS from the first byte on; `None` where the port says it.
    pub implicit_tls: Option<bool>,
    pub tls: TlsOptions,
    pub headers: Vec<(String, Template)>,
}

/// Every text is a template.
#[derive(Clone, Debug)]
pub struct SlackChannel {
    pub url: SecretText,
    pub http: HttpOptions,
    pub channel: Template,
    pub username: Template,
    pub color: Template,
    pub title: Template,
    pub title_link: Template,
    pub pretext: Template,
    pub text: Template,
    pub fallback: Template,
    pub callback_id: Template,
    pub icon_emoji: Template,
    pub icon_url: Template,
    pub image_url: Template,
    pub thumb_url: Template,
    pub footer: Template,
    pub fields: Vec<SlackField>,
    pub actions: Vec<SlackAction>,
    pub link_names: bool,
    pub mrkdwn_in: Vec<String>,
}

#[derive(Clone, Debug)]
pub struct SlackField {
    pub title: Template,
    pub value: Template,
    pub short: bool,
}

/// A button that leads somewhere.
#[derive(Clone, Debug)]
pub struct SlackAction {
    pub kind: Template,
    pub text: Template,
    pub url: Template,
    pub style: Template,
}

/// Every text is a template.
#[derive(Clone, Debug)]
pub struct MattermostChannel {
    pub url: SecretText,
    pub http: HttpOptions,
    pub text: Template,
    /// What else a message says, by Mattermost's keys.
    pub texts: Vec<(&'static str, Template)>,
    /// What opens beside the message.
    pub card: Option<Template>,
    pub priority: Option<MattermostPriority>,
    pub attachments: Vec<MattermostAttachment>,
}

#[derive(Clone, Debug)]
pub struct MattermostPriority {
    pub priority: Template,
    pub requested_ack: bool,
    pub persistent_notifications: bool,
}

#[derive(Clone, Debug)]
pub struct MattermostAttachment {
    /// By Mattermost's keys.
    pub texts: Vec<(&'static str, Template)>,
    pub fields: Vec<SlackField>,
}

#[derive(Clone, Debug)]
pub struct DiscordChannel {
    pub url: SecretText,
    pub http: HttpOptions,
    pub title: Template,
    pub message: Template,
    /// Above the embed: where somebody is mentioned.
    pub content: Template,
    /// Empty for the webhook's own, as the picture.
    pub username: String,
    pub avatar_url: String,
}

#[derive(Clone, Debug)]
pub struct TelegramChannel {
    /// Without a slash at the end.
    pub api_url: String,
    pub token: SecretText,
    pub chat_id: SecretText,
    pub thread: Option<i64>,
    pub message: Template,
    pub is_silent: bool,
    /// Empty for plain text.
    pub parse_mode: String,
    pub http: HttpOptions,
}

#[derive(Clone, Debug)]
pub struct TeamsChannel {
    pub url: SecretText,
    pub title: Template,
    /// Of a message card; an adaptive card has none.
    pub summary: Option<Template>,
    pub text: Template,
    pub http: HttpOptions,
}

/// One request for each number and part. `url`, `headers` and `body` know `.To`, `.Message` and `.Secrets` beside the data.
#[derive(Clone, Debug)]
pub struct SmsChannel {
    pub method: reqwest::Method,
    pub url: Template,
    pub headers: Vec<(String, Template)>,
    pub body: Option<Template>,
    pub to: Vec<Template>,
    pub message: Template,
    pub secrets: Vec<(String, SecretText)>,
    /// What the answer must say; none: its status decides.
    pub success: Option<regex::Regex>,
    pub fold_diacritics: bool,
    pub part_chars: usize,
    pub parts_max: usize,
    pub http: HttpOptions,
}

/// An operator's gateway, spoken to as SMPP 3.4 has it.
#[derive(Clone, Debug)]
pub struct SmppChannel {
    /// Host and port.
    pub address: String,
    /// `None` for a connection without it.
    pub tls: Option<TlsOptions>,
    pub system_id: String,
    pub password: SecretText,
    pub system_type: String,
    pub from: String,
    /// Of the sender and of numbers, where the gateway wants others than their writing says.
    pub from_kind: NumberKind,
    pub to_kind: NumberKind,
    pub to: Vec<Template>,
    pub message: Template,
    pub fold_diacritics: bool,
    pub parts_max: usize,
}

/// SMPP's type of number and numbering plan.
#[derive(Clone, Copy, Debug)]
pub struct NumberKind {
    pub ton: Option<u8>,
    pub npi: Option<u8>,
}

#[derive(Clone, Debug)]
pub struct ScriptChannel {
    pub path: PathBuf,
    pub arguments: Vec<String>,
    pub timeout: Duration,
}

/// Zalo's Official Account API, or ZNS.
#[derive(Clone, Debug)]
pub struct ZaloChannel {
    /// Where messages go.
    pub url: String,
    /// Without a slash at the end.
    pub oauth_url: String,
    pub app_id: String,
    pub secret_key: SecretText,
    /// Both tokens; written anew at each renewal.
    pub token_file: PathBuf,
    /// Users of Zalo, or telephone numbers.
    pub to: Vec<Template>,
    pub message: ZaloMessage,
    pub http: HttpOptions,
}

#[derive(Clone, Debug)]
pub enum ZaloMessage {
    Text {
        message: Template,
    },
    /// One that Zalo has approved, and what it is filled with.
    Template {
        id: String,
        data: Vec<(String, Template)>,
    },
}

/// One line for each alert, which `message` knows as `.Alert`.
#[derive(Clone, Debug)]
pub struct SyslogChannel {
    /// Host and port.
    pub address: String,
    pub transport: SyslogTransport,
    pub tls: TlsOptions,
    pub format: SyslogFormat,
    /// RFC 5424's number, 0 to 23.
    pub facility: u8,
    pub application: String,
    pub message: Template,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyslogTransport {
    Udp,
    Tcp,
    Tls,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyslogFormat {
    Rfc5424,
    Cef,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            follow_redirects: true,
            http2: true,
            authorization: None,
            proxy: None,
            no_proxy: String::new(),
            proxy_from_environment: false,
            headers: Vec::new(),
            tls: TlsOptions::default(),
        }
    }
}
