//! Keys of ours that Alertmanager does not have: escalations, severities by the hour, people, rosters, holidays.

use agent_yaml::{At, Duration, Findings, Text};
use deserr::Deserr;

#[derive(Debug, Deserr)]
#[deserr(error = Findings, deny_unknown_fields)]
pub(in crate::routing) struct Escalation {
    pub(in crate::routing) name: At<String>,
    pub(in crate::routing) levels: Vec<At<Level>>,
}

#[derive(Debug, Deserr)]
#[deserr(error = Findings, deny_unknown_fields)]
pub(in crate::routing) struct Level {
    pub(in crate::routing) after: At<Duration>,
    pub(in crate::routing) receivers: Vec<At<String>>,
}

#[derive(Debug, Deserr)]
#[deserr(error = Findings, deny_unknown_fields)]
pub(in crate::routing) struct SeverityRule {
    #[deserr(default)]
    pub(in crate::routing) matchers: Vec<At<String>>,
    #[deserr(default)]
    pub(in crate::routing) during: Vec<At<String>>,
    #[deserr(default)]
    pub(in crate::routing) outside: Vec<At<String>>,
    pub(in crate::routing) severity: At<String>,
}

#[derive(Debug, Deserr)]
#[deserr(error = Findings, deny_unknown_fields)]
pub(in crate::routing) struct Person {
    pub(in crate::routing) name: At<String>,
    pub(in crate::routing) receiver: At<String>,
}

#[derive(Debug, Deserr)]
#[deserr(error = Findings, deny_unknown_fields)]
pub(in crate::routing) struct Roster {
    pub(in crate::routing) name: At<String>,
    #[deserr(default)]
    pub(in crate::routing) time_zone: Option<At<String>>,
    #[deserr(default)]
    pub(in crate::routing) rotations: Vec<At<Rotation>>,
    #[deserr(default)]
    pub(in crate::routing) shifts: Vec<At<Shift>>,
}

#[derive(Debug, Deserr)]
#[deserr(error = Findings, deny_unknown_fields)]
pub(in crate::routing) struct Rotation {
    pub(in crate::routing) people: Vec<At<String>>,
    pub(in crate::routing) starts: At<Text>,
    pub(in crate::routing) every: At<Duration>,
    #[deserr(default)]
    pub(in crate::routing) during: Vec<At<String>>,
}

#[derive(Debug, Deserr)]
#[deserr(error = Findings, deny_unknown_fields)]
pub(in crate::routing) struct Shift {
    pub(in crate::routing) person: At<String>,
    pub(in crate::routing) from: At<Text>,
    pub(in crate::routing) until: At<Text>,
}

/// A receiver that is whoever is on duty.
#[derive(Debug, Deserr)]
#[deserr(error = Findings, deny_unknown_fields)]
pub(in crate::routing) struct OnCall {
    pub(in crate::routing) roster: At<String>,
}

#[derive(Debug, Deserr)]
#[deserr(error = Findings, deny_unknown_fields)]
pub(in crate::routing) struct Holiday {
    pub(in crate::routing) date: At<Text>,
    /// For people; nothing depends on it.
    #[deserr(default)]
    pub(in crate::routing) name: String,
}
