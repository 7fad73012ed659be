//! `heartbeat`, as written: a key of ours.

use agent_yaml::{At, Duration, Findings};
use deserr::Deserr;

use super::http::Http;

#[derive(Debug, Deserr)]
#[deserr(error = Findings, deny_unknown_fields)]
pub(in crate::routing) struct Heartbeat {
    #[deserr(default)]
    pub(in crate::routing) url: Option<At<String>>,
    #[deserr(default)]
    pub(in crate::routing) url_file: Option<String>,
    #[deserr(default)]
    pub(in crate::routing) interval: Option<At<Duration>>,
    #[deserr(default)]
    pub(in crate::routing) http_config: Option<At<Http>>,
}
