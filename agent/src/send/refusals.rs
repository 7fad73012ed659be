//! Why a collector and this host do not work together: each reason has a name, a count, and words that say what to do.

use std::sync::atomic::{AtomicU64, Ordering};

use super::link::Distrust;

/// Every reason that is counted; the last stands for those a newer collector may know.
pub(crate) const REASONS: [&str; 8] = [
    "other_authority",
    "clock",
    "certificate_expired",
    "certificate_foreign",
    "certificate_revoked",
    "certificate_unknown",
    "not_enrolled",
    "other",
];

/// How often each reason was met.
#[derive(Debug, Default)]
pub(crate) struct Refusals([AtomicU64; REASONS.len()]);

impl Refusals {
    pub(crate) fn count(&self, reason: &str) {
        let at = REASONS.iter().position(|one| *one == reason).unwrap_or(REASONS.len() - 1);
        self.0[at].fetch_add(1, Ordering::Relaxed);
    }

    /// Those that were met.
    pub(crate) fn met(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let counts = self.0.iter().map(|count| count.load(Ordering::Relaxed));
        REASONS.into_iter().zip(counts).filter(|(_, count)| *count > 0)
    }
}

/// The name of a reason that a collector gave with its answer.
pub(crate) fn of_answer(reason: &str) -> &'static str {
    match reason {
        "revoked" => "certificate_revoked",
        "expired" => "certificate_expired",
        "unknown_certificate" => "certificate_unknown",
        "no_certificate" => "not_enrolled",
        _ => "other",
    }
}

impl Distrust {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::OtherAuthority => "other_authority",
            Self::Clock => "clock",
            Self::CertificateExpired => "certificate_expired",
            Self::CertificateForeign => "certificate_foreign",
        }
    }

    /// What happened and what to do, after the collector's address.
    pub(crate) fn advice(self) -> &'static str {
        match self {
            Self::OtherAuthority => {
                "is not a collector that this host is enrolled at: its authority is another one. \
                 Check the address in agent.yml; if the collector was set up anew, make a token \
                 with `haidang token create` and run `haidang-agent enrol`. Nothing was sent to it"
            }
            Self::Clock => {
                "shows a certificate that is not valid now; set this host's clock, then the \
                 collector's"
            }
            Self::CertificateExpired => {
                "refuses this host's certificate: it has expired. Check both clocks; then make a \
                 token with `haidang token create` and run `haidang-agent enrol --replace`"
            }
            Self::CertificateForeign => {
                "refuses this host's certificate: another authority has signed it. Make a token \
                 with `haidang token create` and run `haidang-agent enrol --replace`"
            }
        }
    }
}
