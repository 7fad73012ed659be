//! `alerting.yml` as it is written: Alertmanager's keys, unknown ones refused, nothing checked across keys yet.

use agent_yaml::{At, Duration, Entries, Findings, Text};
use deserr::Deserr;

#[derive(Debug, Deserr)]
#[deserr(error = Findings, deny_unknown_fields)]
pub(super) struct File {
    #[deserr(default)]
    pub(super) global: Option<Global>,
    pub(super) route: Route,
    #[deserr(default)]
    pub(super) inhibit_rules: Vec<InhibitRule>,
    #[deserr(default)]
    pub(super) receivers: Vec<Receiver>,
    #[deserr(default)]
    pub(super) time_intervals: Vec<NamedIntervals>,
    /// What `time_intervals` were called before.
    #[deserr(default)]
    pub(super) mute_time_intervals: Vec<NamedIntervals>,
}

#[derive(Debug, Deserr)]
#[deserr(error = Findings, deny_unknown_fields)]
pub(super) struct NamedIntervals {
    pub(super) name: At<String>,
    #[deserr(default)]
    pub(super) time_intervals: Vec<Span>,
}

#[derive(Debug, Deserr)]
#[deserr(error = Findings, deny_unknown_fields)]
pub(super) struct Span {
    #[deserr(default)]
    pub(super) times: Vec<At<Times>>,
    #[deserr(default)]
    pub(super) weekdays: Vec<At<Text>>,
    #[deserr(default)]
    pub(super) days_of_month: Vec<At<Text>>,
    #[deserr(default)]
    pub(super) months: Vec<At<Text>>,
    #[deserr(default)]
    pub(super) years: Vec<At<Text>>,
    #[deserr(default)]
    pub(super) location: Option<At<String>>,
}

#[derive(Debug, Deserr)]
#[deserr(error = Findings, deny_unknown_fields)]
pub(super) struct Times {
    pub(super) start_time: Text,
    pub(super) end_time: Text,
}

#[derive(Debug, Deserr)]
#[deserr(error = Findings, deny_unknown_fields)]
pub(super) struct Global {
    #[deserr(default)]
    pub(super) resolve_timeout: Option<Duration>,
    #[deserr(default)]
    pub(super) smtp_smarthost: Option<At<String>>,
    #[deserr(default)]
    pub(super) smtp_from: Option<At<String>>,
    #[deserr(default)]
    pub(super) smtp_hello: Option<String>,
    #[deserr(default)]
    pub(super) smtp_auth_username: Option<String>,
    #[deserr(default)]
    pub(super) smtp_auth_password_file: Option<String>,
    #[deserr(default)]
    pub(super) smtp_require_tls: Option<bool>,
}

#[derive(Debug, Deserr)]
#[deserr(error = Findings, deny_unknown_fields)]
pub(super) struct Route {
    #[deserr(default)]
    pub(super) receiver: Option<At<String>>,
    #[deserr(default)]
    pub(super) matchers: Vec<At<String>>,
    #[deserr(rename = "match", default)]
    pub(super) equals: Entries<Text>,
    #[deserr(default)]
    pub(super) match_re: Entries<At<Text>>,
    #[deserr(default)]
    pub(super) group_by: Option<At<Vec<String>>>,
    #[deserr(rename = "continue", default)]
    pub(super) continues: bool,
    #[deserr(default)]
    pub(super) group_wait: Option<Duration>,
    #[deserr(default)]
    pub(super) group_interval: Option<At<Duration>>,
    #[deserr(default)]
    pub(super) repeat_interval: Option<At<Duration>>,
    #[deserr(default)]
    pub(super) mute_time_intervals: Vec<At<String>>,
    #[deserr(default)]
    pub(super) active_time_intervals: Vec<At<String>>,
    #[deserr(default)]
    pub(super) routes: Vec<At<Route>>,
}

#[derive(Debug, Deserr)]
#[deserr(error = Findings, deny_unknown_fields)]
pub(super) struct InhibitRule {
    #[deserr(default)]
    pub(super) source_matchers: Vec<At<String>>,
    #[deserr(default)]
    pub(super) source_match: Entries<Text>,
    #[deserr(default)]
    pub(super) source_match_re: Entries<At<Text>>,
    #[deserr(default)]
    pub(super) target_matchers: Vec<At<String>>,
    #[deserr(default)]
    pub(super) target_match: Entries<Text>,
    #[deserr(default)]
    pub(super) target_match_re: Entries<At<Text>>,
    #[deserr(default)]
    pub(super) equal: Vec<String>,
}

#[derive(Debug, Deserr)]
#[deserr(error = Findings, deny_unknown_fields)]
pub(super) struct Receiver {
    pub(super) name: At<String>,
    #[deserr(default)]
    pub(super) webhook_configs: Vec<At<Webhook>>,
    #[deserr(default)]
    pub(super) email_configs: Vec<At<Email>>,
}

#[derive(Debug, Deserr)]
#[deserr(error = Findings, deny_unknown_fields)]
pub(super) struct Webhook {
    #[deserr(default)]
    pub(super) url: Option<At<String>>,
    #[deserr(default)]
    pub(super) url_file: Option<String>,
    #[deserr(default)]
    pub(super) max_alerts: u32,
    #[deserr(default = true)]
    pub(super) send_resolved: bool,
    #[deserr(default)]
    pub(super) http_config: Option<At<Http>>,
}

#[derive(Debug, Deserr)]
#[deserr(error = Findings, deny_unknown_fields)]
pub(super) struct Http {
    #[deserr(default = true)]
    pub(super) follow_redirects: bool,
    #[deserr(default)]
    pub(super) authorization: Option<HttpAuthorization>,
    #[deserr(default)]
    pub(super) basic_auth: Option<BasicAuth>,
    #[deserr(default)]
    pub(super) tls_config: Option<Tls>,
}

#[derive(Debug, Deserr)]
#[deserr(error = Findings, deny_unknown_fields)]
pub(super) struct HttpAuthorization {
    #[deserr(rename = "type", default = "Bearer".to_owned())]
    pub(super) scheme: String,
    pub(super) credentials_file: String,
}

#[derive(Debug, Deserr)]
#[deserr(error = Findings, deny_unknown_fields)]
pub(super) struct BasicAuth {
    pub(super) username: String,
    pub(super) password_file: String,
}

#[derive(Debug, Deserr)]
#[deserr(error = Findings, deny_unknown_fields)]
pub(super) struct Tls {
    #[deserr(default)]
    pub(super) ca_file: Option<String>,
}

#[derive(Debug, Deserr)]
#[deserr(error = Findings, deny_unknown_fields)]
pub(super) struct Email {
    pub(super) to: At<String>,
    #[deserr(default)]
    pub(super) from: Option<At<String>>,
    #[deserr(default)]
    pub(super) smarthost: Option<At<String>>,
    #[deserr(default)]
    pub(super) hello: Option<String>,
    #[deserr(default)]
    pub(super) auth_username: Option<String>,
    #[deserr(default)]
    pub(super) auth_password_file: Option<String>,
    #[deserr(default)]
    pub(super) require_tls: Option<bool>,
    #[deserr(default)]
    pub(super) tls_config: Option<Tls>,
    #[deserr(default)]
    pub(super) send_resolved: bool,
    #[deserr(default)]
    pub(super) headers: Entries<At<Text>>,
}
