//! Ways to reach a receiver, ready to be used: what each needs, with its texts as checked templates.

use std::path::PathBuf;
use std::sync::Arc;

use rules_templates::Template;

#[derive(Clone, Debug)]
pub enum Channel {
    Webhook(Arc<WebhookChannel>),
    Email(Arc<EmailChannel>),
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
