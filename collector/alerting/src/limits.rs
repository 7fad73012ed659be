//! How large anything in alerting may grow, and why.

use agent_model::Millis;

/// Alerts that are pending, firing or not yet told as resolved. Beyond it new ones are refused and counted: a
/// rule that matches every series must not take the memory of the others.
pub const ALERTS_MAX: usize = 50_000;

/// New alerts of one detection rule within a minute: one a second. A dictionary attack from ten thousand addresses would
/// else send as many messages; what is beyond is recorded, counted and told as one alert, [`crate::STORM_ALERT`].
pub const DETECTIONS_PER_RULE_AND_MINUTE_MAX: usize = 60;

/// How long the alert about a storm fires after the last detection that went into it.
pub(crate) const STORM_HOLD_MS: Millis = 600_000;

/// Undelivered notifications. Each group and receiver has at most two (one on its way, one merged), so this
/// is reached by thousands of groups with dead receivers; then groups wait, nothing is dropped.
pub const OUTBOX_MAX: usize = 20_000;

/// How long a group waits to try again when the outbox is full.
pub(crate) const OUTBOX_FULL_RETRY_MS: Millis = 1_000;

/// Comments on one episode of an alert: more is a conversation, which belongs elsewhere.
pub const COMMENTS_MAX: u32 = 100;

/// Labels, and annotations, of one alert that is posted: Prometheus' and Kubernetes' own have some twenty.
pub const POSTED_LABELS_MAX: usize = 128;

/// Bytes of all labels, annotations and the address of one alert that is posted: [`ALERTS_MAX`] of them are kept in memory.
pub const POSTED_BYTES_MAX: usize = 16 << 10;

/// Swaps that have not ended: each change of a group asks them all.
pub const SWAPS_MAX: usize = 1_000;

/// Silences that have not ended. Those that name a label's value are looked up by it, others are tried one by one.
pub const SILENCES_MAX: usize = 10_000;

/// Matchers of one silence.
pub const SILENCE_MATCHERS_MAX: usize = 50;

/// Bytes of the names and values of all matchers of one silence: a few hundred host names fit.
pub const SILENCE_MATCHERS_BYTES_MAX: usize = 8 << 10;

/// Bytes of a silence's comment: a paragraph, not a document.
pub const SILENCE_COMMENT_BYTES_MAX: usize = 8 << 10;

/// Bytes of the name of who made a silence.
pub const SILENCE_AUTHOR_BYTES_MAX: usize = 256;

/// Silences in one list; when there are more, those that ended first are left out.
pub const SILENCES_LISTED_MAX: usize = 2 * SILENCES_MAX;

/// Notifications on their way at one time to one integration: a slow receiver holds this many connections.
pub const SENDS_PER_INTEGRATION_MAX: usize = 4;

/// Attempts kept of one notification; older ones are only counted.
pub(crate) const ATTEMPTS_KEPT_MAX: i64 = 100;

/// Changes that a slow subscriber may lag behind before it is told that it missed some.
pub const CHANGES_BUFFERED_MAX: usize = 1_024;

/// One attempt to send may take this long, whatever the receiver does.
pub(crate) const ATTEMPT_MAX_MS: u64 = 15_000;

/// The longest time that a file may give one attempt: it holds one of [`SENDS_PER_INTEGRATION_MAX`].
pub(crate) const ATTEMPT_ASKED_MAX_S: u64 = 600;

/// Memory of small things (last seen true, values) is written at least this often while it changes.
pub(crate) const CHECKPOINT_MS: Millis = 60_000;

/// A hole in the evaluations longer than this does not count towards a rule's `for`: nobody looked.
pub(crate) const EVALUATION_GAP_MS: Millis = 300_000;

/// What notifications said, and their single attempts, are kept for 90 days: a shift report and a complaint fit.
pub(crate) const WORDS_KEPT_MS: Millis = 90 * DAY_MS;

/// Alerts' history, who was told what became of it, detections and ended silences are kept for 400 days: a yearly report fits.
pub(crate) const HISTORY_KEPT_MS: Millis = 400 * DAY_MS;

/// How often what is too old is deleted.
pub(crate) const PRUNE_EVERY_MS: Millis = DAY_MS;

/// A detection told later than this after its event is marked as late.
pub(crate) const LATE_MS: Millis = 300_000;

const DAY_MS: Millis = 86_400_000;
