//! The judgement as metrics, so that alerts on it are ordinary rules. Described in `rules/library/METRICS.md`.

use agent_model::{Labels, Millis};

use super::BackupTruth;
use super::parity::CopyState;
use super::sizes::Sizes;
use crate::backup_policy::{PlannedBackup, seconds};

impl BackupTruth {
    /// One value each. What is in order has no `…_trouble`, `…_broken` or `…_overdue` series.
    pub fn metrics(&self, planned: &PlannedBackup, now_ms: Millis) -> Vec<(Labels, f64)> {
        let mut out = Vec::new();
        let of = [("host", planned.host.as_str()), ("backup", planned.backup.as_str())];
        let mut push = |name: &str, more: &[(&str, &str)], value: f64| {
            out.push((Labels::metric(name, of.iter().chain(more).copied()), value));
        };
        for place in &self.places {
            let site = place.site.as_deref().unwrap_or("");
            let at = [("place", place.place.as_str()), ("copy_site", site)];
            if place.state != CopyState::Current {
                let trouble = [at[0], at[1], ("trouble", place.state.name())];
                push("haidang_backup_copy_trouble", &trouble, 1.0);
            }
            if let Some(behind_ms) = place.state.behind_ms() {
                push("haidang_backup_copy_behind_seconds", &at, seconds(behind_ms));
            }
            for verified in &place.verified {
                let depth = [at[0], at[1], ("depth", verified.depth.name())];
                let at_seconds = seconds(verified.at_ms);
                push("haidang_backup_verified_timestamp_seconds", &depth, at_seconds);
            }
            if let Some(sizes) = Sizes::of(&place.recent) {
                push("haidang_backup_size_ratio", &at, sizes.ratio);
                if sizes.unusual {
                    push("haidang_backup_size_unusual", &at, sizes.ratio);
                }
            }
        }
        for site in &self.sites {
            let exposures = [("listed", site.listed_ms), ("verified", site.verified_ms)];
            for (depth, moment) in exposures {
                let labels = [("copy_site", site.site.as_str()), ("depth", depth)];
                if let Some(moment_ms) = moment {
                    let exposure = seconds(age(now_ms, moment_ms));
                    push("haidang_backup_exposure_seconds", &labels, exposure);
                }
            }
        }
        for digit in self.broken.iter().flatten() {
            push("haidang_backup_rule_broken", &[("digit", digit.name())], 1.0);
        }
        for (place, depth) in &self.overdue {
            let labels = [("place", place.as_str()), ("depth", depth.name())];
            push("haidang_backup_verification_overdue", &labels, 1.0);
        }
        out
    }
}

/// A copy from the future is no younger than now.
fn age(now_ms: Millis, at_ms: Millis) -> Millis {
    now_ms.saturating_sub(at_ms).max(0)
}
