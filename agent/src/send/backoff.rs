//! How long to wait before the next attempt: exponential with full jitter, so that ten thousand agents do not
//! come back in the same second after a collector's restart.

use std::time::Duration;

const WAIT_MIN: Duration = Duration::from_secs(1);
const WAIT_MAX: Duration = Duration::from_secs(60);

/// The wait after so many failures in a row; `random` lies between 0 and 1.
pub(crate) fn wait(failures: u32, random: f64) -> Duration {
    let doublings = failures.saturating_sub(1).min(6);
    let bound = (WAIT_MIN * 2_u32.pow(doublings)).min(WAIT_MAX);
    bound.mul_f64(random.clamp(0.0, 1.0)).max(WAIT_MIN / 10)
}

/// A random number between 0 and 1; the middle when the system gives none.
pub(crate) fn random() -> f64 {
    let mut bytes = [0; 4];
    match aws_lc_rs::rand::fill(&mut bytes) {
        Ok(()) => f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX),
        Err(_) => 0.5,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_minute_and_never_vanish() {
        let longest: Vec<u64> = (1..10).map(|failures| wait(failures, 1.0).as_secs()).collect();
        assert_eq!(longest, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(wait(5, 0.0), Duration::from_millis(100));
        assert!((0..100).map(|_| random()).all(|number| (0.0..=1.0).contains(&number)));
    }
}
