//! Links by which who reads a message takes its alerts: signed (HMAC-SHA256), for one message, until a time.
//!
//! Promises: a link with any byte changed is none. Leaves to others: that it is used once (`store`), and the page behind it.

use std::fmt;
use std::sync::Arc;

use agent_model::Millis;
use aws_lc_rs::hmac::{self, HMAC_SHA256};
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use base64::prelude::Engine;

use crate::notification::Notification;

/// What an unlucky guess of the key would have to match.
pub(crate) const KEY_BYTES: usize = 32;

const VERSION: u8 = 1;

/// Version, the message's id, and when it runs out. With the signature a multiple of three bytes, so its text has no idle bits.
const SIGNED_BYTES: usize = 1 + 16 + 8;

/// Why a link does nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkRefused {
    #[error("the link was not made here, or was changed on its way")]
    Forged,
    #[error("the link has run out")]
    Expired,
    #[error("the message that the link came with is no longer known")]
    Unknown,
    #[error("the link was used already ({by})")]
    Used { by: String, at_ms: Millis },
    #[error("nothing that the message told of still fires")]
    Over,
}

impl LinkRefused {
    /// One word for metrics.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Forged => "forged",
            Self::Expired => "expired",
            Self::Unknown => "unknown",
            Self::Used { .. } => "used",
            Self::Over => "over",
        }
    }
}

/// Makes and reads links; there is none where no address for people is configured.
#[derive(Clone)]
pub(crate) struct Links {
    /// Without a slash at the end.
    address: Arc<str>,
    key: Arc<hmac::Key>,
}

impl fmt::Debug for Links {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Links({})", self.address)
    }
}

impl Links {
    pub(crate) fn new(address: Arc<str>, key: &[u8]) -> Self {
        Self { address, key: Arc::new(hmac::Key::new(HMAC_SHA256, key)) }
    }

    /// The same in each attempt to send it.
    pub(crate) fn url(&self, notification: &Notification, lifetime_ms: Millis) -> Option<String> {
        if !notification.is_firing() {
            return None;
        }
        // That of a test of a channel is no number.
        let id = u128::from_str_radix(&notification.idempotency_key, 16).ok()?;
        let expires_ms = notification.created_ms.saturating_add(lifetime_ms);
        let mut bytes = vec![VERSION];
        bytes.extend(id.to_be_bytes());
        bytes.extend(expires_ms.to_be_bytes());
        let signature = hmac::sign(&self.key, &bytes);
        bytes.extend(signature.as_ref());
        Some(format!("{}/acknowledge/{}", self.address, URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// The id of the message that a link came with, and when the link runs out.
    pub(crate) fn read(&self, link: &str, now_ms: Millis) -> Result<(String, Millis), LinkRefused> {
        let bytes = URL_SAFE_NO_PAD.decode(link).map_err(|_| LinkRefused::Forged)?;
        let (signed, signature) =
            bytes.split_at_checked(SIGNED_BYTES).ok_or(LinkRefused::Forged)?;
        // In constant time.
        hmac::verify(&self.key, signed, signature).map_err(|_| LinkRefused::Forged)?;
        let (Some(VERSION), Some(id), Some(expires)) =
            (signed.first().copied(), signed.get(1..17), signed.last_chunk())
        else {
            return Err(LinkRefused::Forged);
        };
        let expires_ms = Millis::from_be_bytes(*expires);
        if now_ms >= expires_ms {
            return Err(LinkRefused::Expired);
        }
        let id = id.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok((id, expires_ms))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::notification::NotifiedAlert;

    const HOUR_MS: Millis = 3_600_000;

    fn firing(id: &str) -> Notification {
        let labels = agent_model::Labels::new([("alertname", "A")]);
        Notification {
            idempotency_key: id.to_owned(),
            receiver: "mail".into(),
            group_key: String::new(),
            group_labels: labels.clone(),
            alerts: vec![NotifiedAlert {
                fingerprint: labels.fingerprint(),
                given: labels.clone(),
                labels,
                annotations: Arc::default(),
                starts_ms: 0,
                resolved_ms: None,
                generator_url: None,
            }],
            created_ms: 0,
            escalation: None,
        }
    }

    fn links() -> Links {
        Links::new("https://h.example".into(), &[7; KEY_BYTES])
    }

    fn link() -> String {
        let url = links().url(&firing("00112233445566778899aabbccddeeff"), HOUR_MS).unwrap();
        url.strip_prefix("https://h.example/acknowledge/").unwrap().to_owned()
    }

    #[test]
    fn a_link_names_its_message_until_it_runs_out() {
        let (id, expires_ms) = links().read(&link(), 0).unwrap();
        assert_eq!(id, "00112233445566778899aabbccddeeff");
        assert_eq!(expires_ms, HOUR_MS);
        assert!(links().read(&link(), HOUR_MS - 1).is_ok());
        assert_eq!(links().read(&link(), HOUR_MS), Err(LinkRefused::Expired));
        let other = Links::new("https://h.example".into(), &[8; KEY_BYTES]);
        assert_eq!(other.read(&link(), 0), Err(LinkRefused::Forged));
        assert_eq!(links().read("", 0), Err(LinkRefused::Forged));
    }

    #[test]
    fn what_is_over_and_what_is_a_test_has_none() {
        let mut over = firing("00112233445566778899aabbccddeeff");
        over.alerts[0].resolved_ms = Some(1);
        assert_eq!(links().url(&over, HOUR_MS), None);
        assert_eq!(links().url(&firing("test-00112233445566778899aabbccddee"), HOUR_MS), None);
    }

    proptest! {
        #[test]
        fn any_changed_byte_is_refused(at in 0_usize..76, byte: u8) {
            let mut changed = link().into_bytes();
            prop_assert_eq!(changed.len(), 76);
            prop_assume!(changed[at] != byte);
            changed[at] = byte;
            let changed = String::from_utf8_lossy(&changed).into_owned();
            prop_assert_eq!(links().read(&changed, 0), Err(LinkRefused::Forged));
        }

        #[test]
        fn any_changed_bit_of_what_it_says_is_refused(bit in 0_usize..57 * 8) {
            let mut bytes = URL_SAFE_NO_PAD.decode(link()).unwrap();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let changed = URL_SAFE_NO_PAD.encode(bytes);
            prop_assert_eq!(links().read(&changed, 0), Err(LinkRefused::Forged));
        }

        #[test]
        fn rubbish_is_refused(text in ".{0,200}") {
            prop_assert_eq!(links().read(&text, 0), Err(LinkRefused::Forged));
        }
    }
}
