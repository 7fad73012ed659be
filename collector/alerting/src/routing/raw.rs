//! `alerting.yml` as it is written: Alertmanager's keys, unknown ones refused, nothing checked across keys yet.

use agent_yaml::{At, Duration, Entries, Findings, Text};
use deserr::Deserr;

mod budget;
mod channels;
mod chat;
mod delivery;
mod heartbeat;
mod http;
mod ours;
mod people;
mod smpp;
mod zalo;

pub(super) use budget::AlertBudget;
pub(super) use channels::{Email, Global, Receiver, Webhook};
pub(super) use chat::{
    Discord, Mattermost, MattermostAttachment, Slack, SlackAction, SlackField, Teams, Telegram,
};
pub(super) use delivery::{DailyTest, Delivery, RateLimit};
pub(super) use heartbeat::Heartbeat;
pub(super) use http::{Http, Tls};
pub(super) use ours::{Script, Sms, Syslog};
pub(super) use people::{Escalation, Holiday, Person, Roster, Rotation, SeverityRule, Shift};
pub(super) use smpp::Smpp;
pub(super) use zalo::{ZaloOa, ZaloZns};

#[derive(Debug, Deserr)]
#[deserr(error = Findings, deny_unknown_fields)]
pub(super) struct File {
    #[deserr(default)]
    pub(super) global: Option<Global>,
    pub(super) route: Route,
    /// Files of templates.
    #[deserr(default)]
    pub(super) templates: Vec<At<String>>,
    #[deserr(default)]
    pub(super) inhibit_rules: Vec<InhibitRule>,
    #[deserr(default)]
    pub(super) receivers: Vec<Receiver>,
    #[deserr(default)]
    pub(super) time_intervals: Vec<NamedIntervals>,
    /// What `time_intervals` were called before.
    #[deserr(default)]
    pub(super) mute_time_intervals: Vec<NamedIntervals>,
    // Ours.
    #[deserr(default)]
    pub(super) delivery: Option<Delivery>,
    #[deserr(default)]
    pub(super) escalations: Vec<Escalation>,
    #[deserr(default)]
    pub(super) severity_rules: Vec<At<SeverityRule>>,
    #[deserr(default)]
    pub(super) people: Vec<Person>,
    #[deserr(default)]
    pub(super) rosters: Vec<Roster>,
    #[deserr(default)]
    pub(super) holidays: Vec<Holiday>,
    #[deserr(default)]
    pub(super) heartbeat: Option<At<Heartbeat>>,
    #[deserr(default)]
    pub(super) alert_budget: Option<At<AlertBudget>>,
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
    /// Ours: on the `holidays` of the file only, or on none of them.
    #[deserr(default)]
    pub(super) holidays: Option<bool>,
}

#[derive(Debug, Deserr)]
#[deserr(error = Findings, deny_unknown_fields)]
pub(super) struct Times {
    pub(super) start_time: Text,
    pub(super) end_time: Text,
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
    pub(super) escalation: Option<At<String>>,
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
