//! How long a target that did not take a request is left alone.

use std::time::Duration;

const WAIT_MIN: Duration = Duration::from_millis(500);
/// A target that is back is found within half a minute.
const WAIT_MAX: Duration = Duration::from_secs(30);
/// A target may ask for more, but not for ever.
const ASKED_MAX: Duration = Duration::from_secs(300);

/// The wait after so many failures in a row: doubled, between a half and the whole of it by `random` (0 to 1), and at
/// least what the target asked for.
pub(super) fn wait(failures: u32, asked: Option<Duration>, random: f64) -> Duration {
    let doublings = failures.saturating_sub(1).min(10);
    let whole = (WAIT_MIN * 2_u32.pow(doublings)).min(WAIT_MAX);
    let own = whole.mul_f64(0.5 + random.clamp(0.0, 1.0) / 2.0);
    own.max(asked.unwrap_or_default().min(ASKED_MAX))
}

/// A random number between 0 and 1; the middle when the system gives none.
pub(super) fn random() -> f64 {
    match crate::token::random_bytes::<4>() {
        Ok(bytes) => f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX),
        Err(_) => 0.5,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_to_half_a_minute_and_what_a_target_asks_for_is_kept_within_reason() {
        let longest: Vec<u128> =
            (1..9).map(|failures| wait(failures, None, 1.0).as_millis()).collect();
        assert_eq!(longest, [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
        assert_eq!(wait(3, None, 0.0), Duration::from_secs(1));
        assert_eq!(wait(1, Some(Duration::from_secs(7)), 1.0), Duration::from_secs(7));
        assert_eq!(wait(1, Some(Duration::from_secs(9_999)), 1.0), ASKED_MAX);
        assert_eq!(wait(9, Some(Duration::from_secs(7)), 1.0), WAIT_MAX);
    }
}
