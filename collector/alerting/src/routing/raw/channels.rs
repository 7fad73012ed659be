//! Receivers and what `global` says for all of them, as written.

use agent_yaml::{Anything, At, Duration, Entries, Findings, Text};
use deserr::Deserr;

use super::chat::{Discord, Mattermost, Slack, Teams, Telegram};
use super::http::{Http, Tls};
use super::ours::{Script, Sms, Syslog};
use super::people::OnCall;
use super::smpp::Smpp;
use super::zalo::{ZaloOa, ZaloZns};

#[derive(Debug, Deserr)]
#[deserr(error = Findings, deny_unknown_fields)]
#[allow(dead_code, reason = "keys of channels that are not built are known and not read")]
pub(in crate::routing) struct Global {
    #[deserr(default)]
    pub(in crate::routing) resolve_timeout: Option<Duration>,
    #[deserr(default)]
    pub(in crate::routing) http_config: Option<At<Http>>,
    #[deserr(default)]
    pub(in crate::routing) smtp_smarthost: Option<At<String>>,
    #[deserr(default)]
    pub(in crate::routing) smtp_from: Option<At<Text>>,
    #[deserr(default)]
    pub(in crate::routing) smtp_hello: Option<String>,
    #[deserr(default)]
    pub(in crate::routing) smtp_auth_username: Option<String>,
    #[deserr(default)]
    pub(in crate::routing) smtp_auth_password: Option<String>,
    #[deserr(default)]
    pub(in crate::routing) smtp_auth_password_file: Option<String>,
    #[deserr(default)]
    pub(in crate::routing) smtp_auth_identity: Option<At<String>>,
    #[deserr(default)]
    pub(in crate::routing) smtp_auth_secret: Option<At<String>>,
    #[deserr(default)]
    pub(in crate::routing) smtp_auth_secret_file: Option<At<String>>,
    #[deserr(default)]
    pub(in crate::routing) smtp_require_tls: Option<bool>,
    #[deserr(default)]
    pub(in crate::routing) smtp_force_implicit_tls: Option<bool>,
    #[deserr(default)]
    pub(in crate::routing) smtp_tls_config: Option<At<Tls>>,
    // Of other channels. What those take that are not built is known here, and their receivers are refused.
    #[deserr(default)]
    pub(in crate::routing) slack_api_url: Option<At<String>>,
    #[deserr(default)]
    pub(in crate::routing) slack_api_url_file: Option<String>,
    #[deserr(default)]
    pub(in crate::routing) slack_app_token: Option<Anything>,
    #[deserr(default)]
    pub(in crate::routing) slack_app_token_file: Option<Anything>,
    #[deserr(default)]
    pub(in crate::routing) slack_app_url: Option<Anything>,
    #[deserr(default)]
    pub(in crate::routing) pagerduty_url: Option<Anything>,
    #[deserr(default)]
    pub(in crate::routing) opsgenie_api_url: Option<Anything>,
    #[deserr(default)]
    pub(in crate::routing) opsgenie_api_key: Option<Anything>,
    #[deserr(default)]
    pub(in crate::routing) opsgenie_api_key_file: Option<Anything>,
    #[deserr(default)]
    pub(in crate::routing) wechat_api_url: Option<Anything>,
    #[deserr(default)]
    pub(in crate::routing) wechat_api_secret: Option<Anything>,
    #[deserr(default)]
    pub(in crate::routing) wechat_api_secret_file: Option<Anything>,
    #[deserr(default)]
    pub(in crate::routing) wechat_api_corp_id: Option<Anything>,
    #[deserr(default)]
    pub(in crate::routing) victorops_api_url: Option<Anything>,
    #[deserr(default)]
    pub(in crate::routing) victorops_api_key: Option<Anything>,
    #[deserr(default)]
    pub(in crate::routing) victorops_api_key_file: Option<Anything>,
    #[deserr(default)]
    pub(in crate::routing) telegram_api_url: Option<At<String>>,
    #[deserr(default)]
    pub(in crate::routing) telegram_bot_token: Option<String>,
    #[deserr(default)]
    pub(in crate::routing) telegram_bot_token_file: Option<String>,
    #[deserr(default)]
    pub(in crate::routing) webex_api_url: Option<Anything>,
    #[deserr(default)]
    pub(in crate::routing) jira_api_url: Option<Anything>,
    #[deserr(default)]
    pub(in crate::routing) rocketchat_api_url: Option<Anything>,
    #[deserr(default)]
    pub(in crate::routing) rocketchat_token: Option<Anything>,
    #[deserr(default)]
    pub(in crate::routing) rocketchat_token_file: Option<Anything>,
    #[deserr(default)]
    pub(in crate::routing) rocketchat_token_id: Option<Anything>,
    #[deserr(default)]
    pub(in crate::routing) rocketchat_token_id_file: Option<Anything>,
    #[deserr(default)]
    pub(in crate::routing) mattermost_webhook_url: Option<At<String>>,
    #[deserr(default)]
    pub(in crate::routing) mattermost_webhook_url_file: Option<String>,
}

#[derive(Debug, Deserr)]
#[deserr(error = Findings, deny_unknown_fields)]
pub(in crate::routing) struct Receiver {
    pub(in crate::routing) name: At<String>,
    /// Ours.
    #[deserr(default = true)]
    pub(in crate::routing) acknowledge_links: bool,
    #[deserr(default)]
    pub(in crate::routing) webhook_configs: Vec<At<Webhook>>,
    #[deserr(default)]
    pub(in crate::routing) email_configs: Vec<At<Email>>,
    #[deserr(default)]
    pub(in crate::routing) on_call_configs: Vec<At<OnCall>>,
    #[deserr(default)]
    pub(in crate::routing) slack_configs: Vec<At<Slack>>,
    #[deserr(default)]
    pub(in crate::routing) mattermost_configs: Vec<At<Mattermost>>,
    #[deserr(default)]
    pub(in crate::routing) discord_configs: Vec<At<Discord>>,
    #[deserr(default)]
    pub(in crate::routing) telegram_configs: Vec<At<Telegram>>,
    #[deserr(default)]
    pub(in crate::routing) msteams_configs: Vec<At<Teams>>,
    #[deserr(default)]
    pub(in crate::routing) msteamsv2_configs: Vec<At<Teams>>,
    #[deserr(default)]
    pub(in crate::routing) sms_configs: Vec<At<Sms>>,
    #[deserr(default)]
    pub(in crate::routing) smpp_configs: Vec<At<Smpp>>,
    #[deserr(default)]
    pub(in crate::routing) script_configs: Vec<At<Script>>,
    #[deserr(default)]
    pub(in crate::routing) zalo_oa_configs: Vec<At<ZaloOa>>,
    #[deserr(default)]
    pub(in crate::routing) zalo_zns_configs: Vec<At<ZaloZns>>,
    #[deserr(default)]
    pub(in crate::routing) syslog_configs: Vec<At<Syslog>>,
    // Refused by name.
    #[deserr(default)]
    pub(in crate::routing) incidentio_configs: Vec<At<Anything>>,
    #[deserr(default)]
    pub(in crate::routing) jira_configs: Vec<At<Anything>>,
    #[deserr(default)]
    pub(in crate::routing) opsgenie_configs: Vec<At<Anything>>,
    #[deserr(default)]
    pub(in crate::routing) pagerduty_configs: Vec<At<Anything>>,
    #[deserr(default)]
    pub(in crate::routing) pushover_configs: Vec<At<Anything>>,
    #[deserr(default)]
    pub(in crate::routing) rocketchat_configs: Vec<At<Anything>>,
    #[deserr(default)]
    pub(in crate::routing) sns_configs: Vec<At<Anything>>,
    #[deserr(default)]
    pub(in crate::routing) victorops_configs: Vec<At<Anything>>,
    #[deserr(default)]
    pub(in crate::routing) webex_configs: Vec<At<Anything>>,
    #[deserr(default)]
    pub(in crate::routing) wechat_configs: Vec<At<Anything>>,
}

impl Receiver {
    /// The first of each kind that Alertmanager knows and we do not, with the key it stands under.
    pub(in crate::routing) fn not_built(
        &self,
    ) -> impl Iterator<Item = (&'static str, &At<Anything>)> {
        let kinds = [
            ("incidentio_configs", &self.incidentio_configs),
            ("jira_configs", &self.jira_configs),
            ("opsgenie_configs", &self.opsgenie_configs),
            ("pagerduty_configs", &self.pagerduty_configs),
            ("pushover_configs", &self.pushover_configs),
            ("rocketchat_configs", &self.rocketchat_configs),
            ("sns_configs", &self.sns_configs),
            ("victorops_configs", &self.victorops_configs),
            ("webex_configs", &self.webex_configs),
            ("wechat_configs", &self.wechat_configs),
        ];
        kinds.into_iter().filter_map(|(key, configs)| Some((key, configs.first()?)))
    }
}

#[derive(Debug, Deserr)]
#[deserr(error = Findings, deny_unknown_fields)]
pub(in crate::routing) struct Webhook {
    #[deserr(default)]
    pub(in crate::routing) url: Option<At<String>>,
    #[deserr(default)]
    pub(in crate::routing) url_file: Option<String>,
    #[deserr(default)]
    pub(in crate::routing) max_alerts: u32,
    #[deserr(default = true)]
    pub(in crate::routing) send_resolved: bool,
    #[deserr(default)]
    pub(in crate::routing) timeout: Option<Duration>,
    #[deserr(default)]
    pub(in crate::routing) http_config: Option<At<Http>>,
}

#[derive(Debug, Deserr)]
#[deserr(error = Findings, deny_unknown_fields)]
pub(in crate::routing) struct Email {
    pub(in crate::routing) to: At<Text>,
    #[deserr(default)]
    pub(in crate::routing) from: Option<At<Text>>,
    #[deserr(default)]
    pub(in crate::routing) smarthost: Option<At<String>>,
    #[deserr(default)]
    pub(in crate::routing) hello: Option<String>,
    #[deserr(default)]
    pub(in crate::routing) auth_username: Option<String>,
    #[deserr(default)]
    pub(in crate::routing) auth_password: Option<String>,
    #[deserr(default)]
    pub(in crate::routing) auth_password_file: Option<String>,
    #[deserr(default)]
    pub(in crate::routing) auth_identity: Option<At<String>>,
    #[deserr(default)]
    pub(in crate::routing) auth_secret: Option<At<String>>,
    #[deserr(default)]
    pub(in crate::routing) auth_secret_file: Option<At<String>>,
    #[deserr(default)]
    pub(in crate::routing) require_tls: Option<bool>,
    #[deserr(default)]
    pub(in crate::routing) force_implicit_tls: Option<bool>,
    #[deserr(default)]
    pub(in crate::routing) tls_config: Option<At<Tls>>,
    #[deserr(default)]
    pub(in crate::routing) send_resolved: bool,
    #[deserr(default)]
    pub(in crate::routing) headers: Entries<At<Text>>,
    #[deserr(default)]
    pub(in crate::routing) html: Option<At<Text>>,
    #[deserr(default)]
    pub(in crate::routing) text: Option<At<Text>>,
    // Refused.
    #[deserr(default)]
    pub(in crate::routing) threading: Option<At<Anything>>,
}
