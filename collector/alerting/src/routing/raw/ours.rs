//! Channels of ours, as written: SMS by HTTP, syslog, and programs.

use agent_yaml::{At, Duration, Entries, Findings, Text};
use deserr::Deserr;

use super::http::{Http, Tls};

#[derive(Debug, Deserr)]
#[deserr(error = Findings, deny_unknown_fields)]
pub(in crate::routing) struct Sms {
    #[deserr(default)]
    pub(in crate::routing) send_resolved: bool,
    #[deserr(default)]
    pub(in crate::routing) method: Option<At<String>>,
    pub(in crate::routing) url: At<Text>,
    #[deserr(default)]
    pub(in crate::routing) headers: Entries<At<Text>>,
    #[deserr(default)]
    pub(in crate::routing) body: Option<At<Text>>,
    pub(in crate::routing) to: At<Vec<At<Text>>>,
    #[deserr(default)]
    pub(in crate::routing) message: Option<At<Text>>,
    /// Files, by the name under which templates know what is in them.
    #[deserr(default)]
    pub(in crate::routing) secret_files: Entries<String>,
    #[deserr(default)]
    pub(in crate::routing) success: Option<At<String>>,
    #[deserr(default)]
    pub(in crate::routing) fold_diacritics: bool,
    #[deserr(default)]
    pub(in crate::routing) part_chars: Option<At<u32>>,
    #[deserr(default)]
    pub(in crate::routing) parts_max: Option<At<u32>>,
    #[deserr(default)]
    pub(in crate::routing) http_config: Option<At<Http>>,
}

#[derive(Debug, Deserr)]
#[deserr(error = Findings, deny_unknown_fields)]
pub(in crate::routing) struct Script {
    #[deserr(default = true)]
    pub(in crate::routing) send_resolved: bool,
    pub(in crate::routing) path: At<String>,
    #[deserr(default)]
    pub(in crate::routing) arguments: Vec<String>,
    #[deserr(default)]
    pub(in crate::routing) timeout: Option<At<Duration>>,
}

#[derive(Debug, Deserr)]
#[deserr(error = Findings, deny_unknown_fields)]
pub(in crate::routing) struct Syslog {
    #[deserr(default = true)]
    pub(in crate::routing) send_resolved: bool,
    pub(in crate::routing) address: At<String>,
    /// `tls`, `tcp` or `udp`.
    #[deserr(default)]
    pub(in crate::routing) transport: Option<At<String>>,
    #[deserr(default)]
    pub(in crate::routing) tls_config: Option<At<Tls>>,
    /// `rfc5424` or `cef`.
    #[deserr(default)]
    pub(in crate::routing) format: Option<At<String>>,
    #[deserr(default)]
    pub(in crate::routing) facility: Option<At<String>>,
    #[deserr(default)]
    pub(in crate::routing) app_name: Option<String>,
    #[deserr(default)]
    pub(in crate::routing) message: Option<At<Text>>,
}
