//! What of a target's troubles is in the log.
//! Promises: one that flaps, refuses or stands still is told of at most once a minute, one that lasts is told, and its end is
//! told when it was. The counters have them all.

use agent_model::Millis;

/// Between two lines that say what is wrong with one target.
const TOLD_INTERVAL_MS: Millis = 60_000;

/// What can be wrong with a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    Failing,
    Refusing,
    Standing,
    /// How far it has come cannot be stored.
    Unwritten,
}

/// The last that was told.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// `None` when all is well, as far as the log knows.
    trouble: Option<Trouble>,
    at_ms: Option<Millis>,
}

impl Told {
    /// Whether to tell of a trouble that is the same until it ends: once.
    pub(super) fn begins(&mut self, trouble: Trouble, now_ms: Millis) -> bool {
        self.trouble != Some(trouble) && self.goes_on(trouble, now_ms)
    }

    /// Whether to tell of a trouble that costs something each time: again and again.
    pub(super) fn goes_on(&mut self, trouble: Trouble, now_ms: Millis) -> bool {
        let quiet = self.at_ms.is_some_and(|at_ms| now_ms.saturating_sub(at_ms) < TOLD_INTERVAL_MS);
        if !quiet {
            (self.trouble, self.at_ms) = (Some(trouble), Some(now_ms));
        }
        !quiet
    }

    /// Whether to tell that all is well again.
    pub(super) fn ends(&mut self) -> bool {
        self.trouble.take().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flapping_target_is_told_of_once_a_minute_and_one_that_stays_away_for_certain() {
        let mut told = Told::default();
        let mut lines = 0;
        // Away and back every second, for two minutes.
        for second in 0..120 {
            lines += u32::from(told.begins(Trouble::Failing, second * 1_000));
            lines += u32::from(told.begins(Trouble::Failing, second * 1_000 + 500));
            lines += u32::from(told.ends());
        }
        assert_eq!(lines, 4, "two times away, two times back");
        assert!(!told.begins(Trouble::Failing, 119_999), "a minute has not passed");
        assert!(told.begins(Trouble::Failing, 120_000));
        assert!(!told.begins(Trouble::Failing, 999_000), "it is the same trouble");
        assert!(told.begins(Trouble::Standing, 999_001), "it is another");
        assert!(told.goes_on(Trouble::Standing, 1_059_001));
        assert!(told.ends() && !told.ends());
    }
}
