//! Channels that chat: Slack, Mattermost, Discord, Telegram, Microsoft Teams, as written.

use agent_yaml::{Anything, At, Findings, Text};
use deserr::Deserr;

use super::http::Http;

#[derive(Debug, Deserr)]
#[deserr(error = Findings, deny_unknown_fields)]
pub(in crate::routing) struct Slack {
    #[deserr(default)]
    pub(in crate::routing) send_resolved: bool,
    #[deserr(default)]
    pub(in crate::routing) api_url: Option<At<String>>,
    #[deserr(default)]
    pub(in crate::routing) api_url_file: Option<String>,
    #[deserr(default)]
    pub(in crate::routing) http_config: Option<At<Http>>,
    #[deserr(default)]
    pub(in crate::routing) channel: Option<At<Text>>,
    #[deserr(default)]
    pub(in crate::routing) username: Option<At<Text>>,
    #[deserr(default)]
    pub(in crate::routing) color: Option<At<Text>>,
    #[deserr(default)]
    pub(in crate::routing) title: Option<At<Text>>,
    #[deserr(default)]
    pub(in crate::routing) title_link: Option<At<Text>>,
    #[deserr(default)]
    pub(in crate::routing) pretext: Option<At<Text>>,
    #[deserr(default)]
    pub(in crate::routing) text: Option<At<Text>>,
    #[deserr(default)]
    pub(in crate::routing) fallback: Option<At<Text>>,
    #[deserr(default)]
    pub(in crate::routing) callback_id: Option<At<Text>>,
    #[deserr(default)]
    pub(in crate::routing) icon_emoji: Option<At<Text>>,
    #[deserr(default)]
    pub(in crate::routing) icon_url: Option<At<Text>>,
    #[deserr(default)]
    pub(in crate::routing) image_url: Option<At<Text>>,
    #[deserr(default)]
    pub(in crate::routing) thumb_url: Option<At<Text>>,
    #[deserr(default)]
    pub(in crate::routing) footer: Option<At<Text>>,
    #[deserr(default)]
    pub(in crate::routing) fields: Vec<SlackField>,
    #[deserr(default)]
    pub(in crate::routing) short_fields: bool,
    #[deserr(default)]
    pub(in crate::routing) actions: Vec<At<SlackAction>>,
    #[deserr(default)]
    pub(in crate::routing) link_names: bool,
    #[deserr(default)]
    pub(in crate::routing) mrkdwn_in: Vec<String>,
    #[deserr(default)]
    pub(in crate::routing) edit_messages: Option<At<Anything>>,
    #[deserr(default)]
    pub(in crate::routing) app_token: Option<At<Anything>>,
    #[deserr(default)]
    pub(in crate::routing) app_token_file: Option<At<Anything>>,
    #[deserr(default)]
    pub(in crate::routing) app_url: Option<At<Anything>>,
    #[deserr(default)]
    pub(in crate::routing) timeout: Option<At<Anything>>,
    #[deserr(default)]
    pub(in crate::routing) message_text: Option<At<Anything>>,
}

#[derive(Debug, Deserr)]
#[deserr(error = Findings, deny_unknown_fields)]
pub(in crate::routing) struct SlackField {
    pub(in crate::routing) title: At<Text>,
    pub(in crate::routing) value: At<Text>,
    #[deserr(default)]
    pub(in crate::routing) short: Option<bool>,
}

#[derive(Debug, Deserr)]
#[deserr(error = Findings, deny_unknown_fields)]
pub(in crate::routing) struct SlackAction {
    #[deserr(rename = "type")]
    pub(in crate::routing) kind: At<Text>,
    pub(in crate::routing) text: At<Text>,
    #[deserr(default)]
    pub(in crate::routing) url: Option<At<Text>>,
    #[deserr(default)]
    pub(in crate::routing) style: Option<At<Text>>,
    #[deserr(default)]
    pub(in crate::routing) name: Option<At<Anything>>,
    #[deserr(default)]
    pub(in crate::routing) value: Option<At<Anything>>,
    #[deserr(default)]
    pub(in crate::routing) confirm: Option<At<Anything>>,
}

#[derive(Debug, Deserr)]
#[deserr(error = Findings, deny_unknown_fields)]
pub(in crate::routing) struct Mattermost {
    #[deserr(default = true)]
    pub(in crate::routing) send_resolved: bool,
    #[deserr(default)]
    pub(in crate::routing) webhook_url: Option<At<String>>,
    #[deserr(default)]
    pub(in crate::routing) webhook_url_file: Option<String>,
    #[deserr(default)]
    pub(in crate::routing) http_config: Option<At<Http>>,
    #[deserr(default)]
    pub(in crate::routing) channel: Option<At<Text>>,
    #[deserr(default)]
    pub(in crate::routing) username: Option<At<Text>>,
    #[deserr(default)]
    pub(in crate::routing) text: Option<At<Text>>,
    #[deserr(default)]
    pub(in crate::routing) icon_url: Option<At<Text>>,
    #[deserr(default)]
    pub(in crate::routing) icon_emoji: Option<At<Text>>,
    #[deserr(rename = "type", default)]
    pub(in crate::routing) kind: Option<At<Text>>,
    #[deserr(default)]
    pub(in crate::routing) props: Option<MattermostProps>,
    #[deserr(default)]
    pub(in crate::routing) priority: Option<MattermostPriority>,
    #[deserr(default)]
    pub(in crate::routing) attachments: Vec<MattermostAttachment>,
}

#[derive(Debug, Deserr)]
#[deserr(error = Findings, deny_unknown_fields)]
pub(in crate::routing) struct MattermostProps {
    #[deserr(default)]
    pub(in crate::routing) card: Option<At<Text>>,
}

#[derive(Debug, Deserr)]
#[deserr(error = Findings, deny_unknown_fields)]
pub(in crate::routing) struct MattermostPriority {
    #[deserr(default)]
    pub(in crate::routing) priority: Option<At<Text>>,
    #[deserr(default)]
    pub(in crate::routing) requested_ack: bool,
    #[deserr(default)]
    pub(in crate::routing) persistent_notifications: bool,
}

#[derive(Debug, Deserr)]
#[deserr(error = Findings, deny_unknown_fields)]
pub(in crate::routing) struct MattermostAttachment {
    #[deserr(default)]
    pub(in crate::routing) fallback: Option<At<Text>>,
    #[deserr(default)]
    pub(in crate::routing) color: Option<At<Text>>,
    #[deserr(default)]
    pub(in crate::routing) pretext: Option<At<Text>>,
    #[deserr(default)]
    pub(in crate::routing) text: Option<At<Text>>,
    #[deserr(default)]
    pub(in crate::routing) author_name: Option<At<Text>>,
    #[deserr(default)]
    pub(in crate::routing) author_link: Option<At<Text>>,
    #[deserr(default)]
    pub(in crate::routing) author_icon: Option<At<Text>>,
    #[deserr(default)]
    pub(in crate::routing) title: Option<At<Text>>,
    #[deserr(default)]
    pub(in crate::routing) title_link: Option<At<Text>>,
    #[deserr(default)]
    pub(in crate::routing) thumb_url: Option<At<Text>>,
    #[deserr(default)]
    pub(in crate::routing) footer: Option<At<Text>>,
    #[deserr(default)]
    pub(in crate::routing) footer_icon: Option<At<Text>>,
    #[deserr(default)]
    pub(in crate::routing) image_url: Option<At<Text>>,
    #[deserr(default)]
    pub(in crate::routing) fields: Vec<SlackField>,
}

#[derive(Debug, Deserr)]
#[deserr(error = Findings, deny_unknown_fields)]
pub(in crate::routing) struct Discord {
    #[deserr(default = true)]
    pub(in crate::routing) send_resolved: bool,
    #[deserr(default)]
    pub(in crate::routing) webhook_url: Option<At<String>>,
    #[deserr(default)]
    pub(in crate::routing) webhook_url_file: Option<String>,
    #[deserr(default)]
    pub(in crate::routing) http_config: Option<At<Http>>,
    #[deserr(default)]
    pub(in crate::routing) title: Option<At<Text>>,
    #[deserr(default)]
    pub(in crate::routing) message: Option<At<Text>>,
    #[deserr(default)]
    pub(in crate::routing) content: Option<At<Text>>,
    #[deserr(default)]
    pub(in crate::routing) username: Option<Text>,
    #[deserr(default)]
    pub(in crate::routing) avatar_url: Option<At<String>>,
}

#[derive(Debug, Deserr)]
#[deserr(error = Findings, deny_unknown_fields)]
pub(in crate::routing) struct Telegram {
    #[deserr(default = true)]
    pub(in crate::routing) send_resolved: bool,
    #[deserr(default)]
    pub(in crate::routing) api_url: Option<At<String>>,
    #[deserr(default)]
    pub(in crate::routing) bot_token: Option<String>,
    #[deserr(default)]
    pub(in crate::routing) bot_token_file: Option<String>,
    #[deserr(default)]
    pub(in crate::routing) chat_id: Option<i64>,
    #[deserr(default)]
    pub(in crate::routing) chat_id_file: Option<String>,
    #[deserr(default)]
    pub(in crate::routing) message_thread_id: Option<i64>,
    #[deserr(default)]
    pub(in crate::routing) message: Option<At<Text>>,
    #[deserr(default)]
    pub(in crate::routing) disable_notifications: bool,
    #[deserr(default)]
    pub(in crate::routing) parse_mode: Option<At<String>>,
    #[deserr(default)]
    pub(in crate::routing) http_config: Option<At<Http>>,
}

/// `msteams_configs` and `msteamsv2_configs`; these have no `summary`.
#[derive(Debug, Deserr)]
#[deserr(error = Findings, deny_unknown_fields)]
pub(in crate::routing) struct Teams {
    #[deserr(default = true)]
    pub(in crate::routing) send_resolved: bool,
    #[deserr(default)]
    pub(in crate::routing) webhook_url: Option<At<String>>,
    #[deserr(default)]
    pub(in crate::routing) webhook_url_file: Option<String>,
    #[deserr(default)]
    pub(in crate::routing) title: Option<At<Text>>,
    #[deserr(default)]
    pub(in crate::routing) summary: Option<At<Text>>,
    #[deserr(default)]
    pub(in crate::routing) text: Option<At<Text>>,
    #[deserr(default)]
    pub(in crate::routing) http_config: Option<At<Http>>,
}
