//! The brake for storms: so many new detections of one rule within a minute that an alert each would bury people.
//!
//! Promises: up to [`DETECTIONS_PER_RULE_AND_MINUTE_MAX`] alerts of a rule and minute are told each by itself; the rest
//! is recorded and counted like any detection, and one alert tells of it, which says how many there are so far.
//! An alert that fires already is never held back: only new ones count.

use std::collections::BTreeMap;

use agent_model::{Labels, Millis};

use crate::alert::Annotations;
use crate::detection::DetectionAlert;
use crate::limits::{DETECTIONS_PER_RULE_AND_MINUTE_MAX, STORM_HOLD_MS};
use crate::state::State;

/// The name of the alert that tells of a storm; its label `rule` names the detection.
pub const STORM_ALERT: &str = "DetectionStorm";

/// How many detections went into a storm's alert so far.
const GROUPED: &str = "grouped";

const MINUTE_MS: Millis = 60_000;

/// New alerts of the running minute, by rule; there are as many rules as files name.
#[derive(Debug, Default)]
pub(crate) struct DetectionRate {
    minute: Millis,
    new: BTreeMap<String, usize>,
}

/// Whether a detection without an open alert may have one of its own.
pub(crate) fn admits(state: &mut State, detection: &DetectionAlert, now_ms: Millis) -> bool {
    let (rate, minute) = (&mut state.rate, now_ms.div_euclid(MINUTE_MS));
    if rate.minute != minute {
        *rate = DetectionRate { minute, new: BTreeMap::new() };
    }
    let new = rate.new.entry(rule(detection).to_owned()).or_default();
    *new += 1;
    *new <= DETECTIONS_PER_RULE_AND_MINUTE_MAX
}

fn rule(detection: &DetectionAlert) -> &str {
    detection.labels.get("alertname").unwrap_or_default()
}

/// What is told instead of the detection.
pub(crate) fn alert(state: &State, detection: &DetectionAlert) -> DetectionAlert {
    let rule = rule(detection);
    let severity = detection.labels.get("severity").unwrap_or("high");
    let labels = [("alertname", STORM_ALERT), ("rule", rule), ("severity", severity)];
    let labels = Labels::new(labels);
    let before = state.alerts.get(&labels.fingerprint()).filter(|alert| alert.is_firing());
    let before = before.and_then(|alert| alert.annotations.get(GROUPED)?.parse::<u64>().ok());
    let grouped = before.unwrap_or(0) + 1;
    DetectionAlert {
        annotations: annotations(rule, grouped),
        labels,
        hold_ms: detection.hold_ms.max(STORM_HOLD_MS),
        ..detection.clone()
    }
}

fn annotations(rule: &str, grouped: u64) -> Annotations {
    let max = DETECTIONS_PER_RULE_AND_MINUTE_MAX;
    let texts = [
        ("summary", format!("Phát hiện \"{rule}\" dồn dập: hơn {max} lần trong một phút, phần còn lại được gộp")),
        ("summary_vi", format!("Phát hiện \"{rule}\" dồn dập: hơn {max} lần trong một phút, phần còn lại được gộp")),
        ("summary_en", format!("A storm of \"{rule}\": more than {max} within a minute, the rest is told here as one")),
        ("description", format!("A storm of \"{rule}\": more than {max} within a minute, the rest is told here as one")),
        ("impact_vi", "Có thể đang bị tấn công từ rất nhiều nơi cùng lúc; từng phát hiện không báo riêng nhưng đều được ghi lại.".to_owned()),
        ("impact_en", "Perhaps an attack from very many places at once; single detections are not told, all are recorded.".to_owned()),
        ("first_steps_vi", "1. Mở trang Sự kiện, lọc theo thời gian này để xem nguồn và máy chủ bị nhắm tới.\n2. Nếu là tấn công từ ngoài: chặn ở tường lửa vùng biên theo dải địa chỉ, không chặn từng địa chỉ.\n3. Nếu do thay đổi hợp lệ (quét bảo mật, chuyển hệ thống): tạm tắt cảnh báo này trong thời gian đó.".to_owned()),
        ("first_steps_en", "1. Open the events, filter by this time, and see the sources and the hosts they aim at.\n2. An attack from outside: block ranges at the border firewall, not single addresses.\n3. A planned change (a scan, a migration): silence this alert for its time.".to_owned()),
        ("runbook", "detections/DetectionStorm".to_owned()),
        (GROUPED, grouped.to_string()),
    ];
    texts.map(|(name, text)| (name.to_owned(), text)).into()
}
