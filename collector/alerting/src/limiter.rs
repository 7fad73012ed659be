//! Rate limits: how many messages may go out by a channel in a span of time. What does not fit waits in the outbox, where
//! newer ones of the same group take the place of older ones; nothing is lost by a limit.
//! Kept in memory: a restart begins with empty windows, so at most one window's worth goes out again.

use std::collections::{BTreeSet, VecDeque};

use agent_model::Millis;

use crate::routing::RateLimit;

#[derive(Debug, Default)]
pub(crate) struct Limiter {
    windows: Vec<Window>,
    /// Rows that were due and did not fit, until they go out.
    held: BTreeSet<String>,
    /// How many rows ever had to wait.
    held_total: u64,
}

#[derive(Debug)]
struct Window {
    limit: RateLimit,
    /// When the last messages went out, oldest first; never more than the limit allows.
    sent: VecDeque<Millis>,
}

impl Window {
    /// Forgets what has left the window, and what lies ahead because the clock was set back.
    fn settle(&mut self, now_ms: Millis) {
        let begins_ms = now_ms.saturating_sub(self.limit.per_ms);
        self.sent.retain(|at_ms| *at_ms > begins_ms && *at_ms <= now_ms);
    }

    fn is_full(&self) -> bool {
        self.sent.len() >= self.limit.messages
    }

    fn room_ms(&self) -> Option<Millis> {
        let oldest = self.sent.front().filter(|_| self.is_full());
        oldest.map(|at_ms| at_ms.saturating_add(self.limit.per_ms))
    }
}

impl Limiter {
    /// Begins a look at everything that is due, under these limits; `waits` tells of a row whether it still does.
    pub(crate) fn begin(
        &mut self,
        limits: &[RateLimit],
        waits: impl Fn(&str) -> bool,
        now_ms: Millis,
    ) -> Look<'_> {
        let unchanged = self.windows.iter().map(|window| &window.limit).eq(limits);
        if !unchanged {
            let mut before = std::mem::take(&mut self.windows);
            for limit in limits {
                let known = before.iter().position(|window| window.limit == *limit);
                let sent = known.map(|at| before.swap_remove(at).sent).unwrap_or_default();
                self.windows.push(Window { limit: limit.clone(), sent });
            }
        }
        for window in &mut self.windows {
            window.settle(now_ms);
        }
        self.held.retain(|id| !limits.is_empty() && waits(id));
        Look { limiter: self, now_ms }
    }

    pub(crate) fn holds(&self, id: &str) -> bool {
        self.held.contains(id)
    }

    pub(crate) fn held_total(&self) -> u64 {
        self.held_total
    }

    /// When there is room again for what is held back.
    pub(crate) fn next_room_ms(&self) -> Option<Millis> {
        let waits = !self.held.is_empty();
        self.windows.iter().filter(|_| waits).filter_map(Window::room_ms).min()
    }
}

/// One look at everything that is due.
pub(crate) struct Look<'a> {
    limiter: &'a mut Limiter,
    now_ms: Millis,
}

impl Look<'_> {
    /// Whether a message may go out now by this channel; if so, it counts.
    pub(crate) fn admits(&mut self, id: &str, (receiver, integration): (&str, &str)) -> bool {
        let concerns = |window: &&mut Window| window.limit.concerns(receiver, integration);
        let windows = &mut self.limiter.windows;
        if windows.iter_mut().filter(concerns).any(|window| window.is_full()) {
            let fresh = self.limiter.held.insert(id.to_owned());
            self.limiter.held_total += u64::from(fresh);
            return false;
        }
        for window in windows.iter_mut().filter(concerns) {
            window.sent.push_back(self.now_ms);
        }
        self.limiter.held.remove(id);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(integration: &str, messages: usize, per_ms: Millis) -> RateLimit {
        RateLimit { receiver: None, integration: Some(integration.into()), messages, per_ms }
    }

    fn admitted(limiter: &mut Limiter, limits: &[RateLimit], ids: &[&str], now: Millis) -> usize {
        let mut look = limiter.begin(limits, |_| true, now);
        ids.iter().filter(|id| look.admits(id, ("r", "sms/0"))).count()
    }

    #[test]
    fn at_the_bound_the_next_waits_until_the_oldest_has_left_the_window() {
        let (mut limiter, limits) = (Limiter::default(), [limit("sms", 2, 1_000)]);
        assert_eq!(admitted(&mut limiter, &limits, &["a", "b", "c", "d"], 5_000), 2);
        assert!(limiter.holds("c") && limiter.holds("d") && !limiter.holds("b"));
        assert_eq!((limiter.held_total(), limiter.next_room_ms()), (2, Some(6_000)));
        assert_eq!(admitted(&mut limiter, &limits, &["c", "d"], 5_999), 0);
        assert_eq!(limiter.held_total(), 2, "who waits on is counted once");
        assert_eq!(admitted(&mut limiter, &limits, &["c", "d"], 6_000), 2);
        assert_eq!(limiter.next_room_ms(), None, "nobody waits");
    }

    #[test]
    fn a_limit_binds_whom_it_names_and_survives_a_reload_that_keeps_it() {
        let mut limiter = Limiter::default();
        let limits = [limit("sms", 1, 1_000)];
        assert_eq!(admitted(&mut limiter, &limits, &["a", "b"], 0), 1);
        let limits = [limit("webhook", 1, 1_000), limit("sms", 1, 1_000)];
        assert_eq!(admitted(&mut limiter, &limits, &["b"], 1), 0);
        assert!(
            limiter.begin(&limits, |_| true, 1).admits("x", ("r", "email/0")),
            "no limit names mail"
        );
        assert_eq!(admitted(&mut limiter, &[], &["b"], 1), 1, "the limit is gone");
    }

    #[test]
    fn a_clock_that_was_set_back_stops_nothing() {
        let (mut limiter, limits) = (Limiter::default(), [limit("sms", 1, 60_000)]);
        assert_eq!(admitted(&mut limiter, &limits, &["a"], 3_600_000), 1);
        assert_eq!(admitted(&mut limiter, &limits, &["b", "c"], 0), 1);
    }
}
