//! `zalo_oa_configs` and `zalo_zns_configs`, as written.

use agent_yaml::{At, Entries, Findings, Text};
use deserr::Deserr;

use super::http::Http;

#[derive(Debug, Deserr)]
#[deserr(error = Findings, deny_unknown_fields)]
pub(in crate::routing) struct ZaloOa {
    #[deserr(default = true)]
    pub(in crate::routing) send_resolved: bool,
    #[deserr(default)]
    pub(in crate::routing) api_url: Option<At<String>>,
    #[deserr(default)]
    pub(in crate::routing) oauth_url: Option<At<String>>,
    pub(in crate::routing) app_id: Text,
    #[deserr(default)]
    pub(in crate::routing) secret_key: Option<String>,
    #[deserr(default)]
    pub(in crate::routing) secret_key_file: Option<String>,
    pub(in crate::routing) token_file: String,
    pub(in crate::routing) to: At<Vec<At<Text>>>,
    /// `cs` to who wrote within the last days, `transaction` to any follower.
    #[deserr(default)]
    pub(in crate::routing) message_type: Option<At<String>>,
    #[deserr(default)]
    pub(in crate::routing) message: Option<At<Text>>,
    #[deserr(default)]
    pub(in crate::routing) http_config: Option<At<Http>>,
}

#[derive(Debug, Deserr)]
#[deserr(error = Findings, deny_unknown_fields)]
pub(in crate::routing) struct ZaloZns {
    #[deserr(default = true)]
    pub(in crate::routing) send_resolved: bool,
    #[deserr(default)]
    pub(in crate::routing) api_url: Option<At<String>>,
    #[deserr(default)]
    pub(in crate::routing) oauth_url: Option<At<String>>,
    pub(in crate::routing) app_id: Text,
    #[deserr(default)]
    pub(in crate::routing) secret_key: Option<String>,
    #[deserr(default)]
    pub(in crate::routing) secret_key_file: Option<String>,
    pub(in crate::routing) token_file: String,
    pub(in crate::routing) to: At<Vec<At<Text>>>,
    pub(in crate::routing) template_id: Text,
    #[deserr(default)]
    pub(in crate::routing) template_data: Entries<At<Text>>,
    #[deserr(default)]
    pub(in crate::routing) http_config: Option<At<Http>>,
}
