//! The instants at which an expression is evaluated.

use agent_model::Millis;

/// `count` instants, `step_ms` apart. An instant query has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Steps {
    pub(crate) start_ms: Millis,
    pub(crate) step_ms: Millis,
    pub(crate) count: usize,
}

/// The whole query's span, which `@ start()`, `@ end()` and their functions refer to wherever they stand.
#[derive(Clone, Copy, Debug)]
pub(crate) struct QuerySpan {
    pub(crate) start_ms: Millis,
    pub(crate) end_ms: Millis,
    pub(crate) step_ms: Millis,
}

impl Steps {
    pub(crate) fn instant(at_ms: Millis) -> Self {
        Self { start_ms: at_ms, step_ms: 1, count: 1 }
    }

    /// Every instant from `start_ms` to at most `end_ms`; none when the end lies before the start.
    pub(crate) fn spanning(start_ms: Millis, end_ms: Millis, step_ms: Millis) -> Self {
        let span = end_ms.saturating_sub(start_ms);
        let count = if span < 0 { 0 } else { usize::try_from(span / step_ms).unwrap_or(0) + 1 };
        Self { start_ms, step_ms, count }
    }

    pub(crate) fn at(self, index: usize) -> Millis {
        self.start_ms.saturating_add(self.step_ms.saturating_mul(index as i64))
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = Millis> {
        (0..self.count).map(move |index| self.at(index))
    }
}
