//! Alerting: pending, firing, resolved; route, group, inhibit, silence, send until delivered, acknowledge.
//!
//! Rules and detections say what is true ([`Alerting::observe_rule`], [`Alerting::commit_detections`]); `alerting.yml`
//! says who is told ([`Routing`]). Promises: every change is on disk in one transaction before it has an effect; a
//! notification is repeated until its receiver took it, always with the same idempotency key, and never after that is
//! recorded; nothing is dropped without being counted. Time is an argument everywhere.
//! Leaves to others: what rules mean (PromQL, Sigma), serving HTTP, and the clock.

mod alert;
mod alerting;
mod budget;
mod channel;
mod channel_test;
mod dead_letters;
mod deliver;
mod detection;
mod duty;
mod error;
mod group;
mod handling;
mod id;
mod limiter;
mod limits;
mod link;
mod lives;
mod mute;
mod notification;
mod notify;
mod observe;
mod outbox;
mod outcomes;
mod posted;
mod routing;
mod silence;
mod state;
mod stats;
mod store;
mod storm;
mod view;

pub use alert::{
    Acknowledgement, Alert, AlertSource, AlertState, Annotations, Change, ChangeKind,
    fingerprint_text, label_map, label_order, parse_fingerprint,
};
pub use alerting::{Alerting, AlertingConfig, LinkOffer, OfferedAlert};
pub use budget::{BudgetStatus, BudgetWeek};
pub use channel::ChannelStatus;
pub use channel_test::{ChannelTest, TEST_ALERT};
pub use detection::{DetectionAlert, DetectionRecord, DetectionsCommitted, LATE_ANNOTATION};
pub use duty::{Duty, DutyBy, DutyStretch, NewSwap, RosterStatus, Swap};
pub use error::AlertingError;
pub use group::GroupStatus;
pub use handling::Deed;
pub use limits::{
    ALERTS_MAX, CHANGES_BUFFERED_MAX, COMMENTS_MAX, DETECTIONS_PER_RULE_AND_MINUTE_MAX, OUTBOX_MAX,
    POSTED_BYTES_MAX, POSTED_LABELS_MAX, SENDS_PER_INTEGRATION_MAX, SILENCE_AUTHOR_BYTES_MAX,
    SILENCE_COMMENT_BYTES_MAX, SILENCE_MATCHERS_BYTES_MAX, SILENCE_MATCHERS_MAX,
    SILENCES_LISTED_MAX, SILENCES_MAX, SWAPS_MAX,
};
pub use link::LinkRefused;
pub use lives::{
    LIFE_LINES_MAX, LIVES_MAX, Life, LifeKey, LifeStory, Lives, LivesAsked, TALLIES_MAX, Tallies,
    Tally, Telling,
};
pub use notification::{Notification, NotificationRecord, NotifiedAlert, OutboxState};
pub use notify::{Heartbeat, Notifier, SendError, Sending};
pub use observe::{Finding, OpenAlert, RuleObservation};
pub use posted::{PostOutcome, PostedAlert};
pub use routing::{
    Authorization, Channel, DiscordChannel, EmailChannel, HttpOptions, Integration,
    MattermostAttachment, MattermostChannel, MattermostPriority, NumberKind, Receiver, Routing,
    SEVERITY_LABELS, ScriptChannel, SecretText, SlackAction, SlackChannel, SlackField, SmppChannel,
    SmsChannel, SyslogChannel, SyslogFormat, SyslogTransport, TeamsChannel, TelegramChannel,
    TlsOptions, Turn, WebhookChannel, ZaloChannel, ZaloMessage, matchers_from_text, matchers_text,
};
pub use silence::{Confirmation, NewSilence, Silence, SilenceState};
pub use stats::{Sendings, Stats};
pub use store::{AttemptRecord, HistoryEntry};
pub use storm::STORM_ALERT;
pub use view::{AlertFilter, AlertStatus};
