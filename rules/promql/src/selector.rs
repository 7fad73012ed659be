//! Instant selectors: the newest sample within the lookback, unless the series has ended.

use std::ops::ControlFlow;

use agent_model::{Millis, RolledSeries, Sample, is_stale};

use crate::PromqlError;
use crate::evaluate::Evaluation;
use crate::number::seconds;
use crate::plan::{At, Moment, Selector};
use crate::rolled;
use crate::steps::{QuerySpan, Steps};
use crate::track::{Track, absent, sort};

/// How far an instant selector looks back; Prometheus' default.
pub(crate) const LOOKBACK_MS: Millis = 5 * 60_000;

impl Moment {
    /// The instant a selector refers to at a step; it never moves backwards from step to step.
    pub(crate) fn reference_ms(self, step_ms: Millis, query: &QuerySpan) -> Millis {
        let at = match self.at {
            None => step_ms,
            Some(At::Time(time)) => time,
            Some(At::QueryStart) => query.start_ms,
            Some(At::QueryEnd) => query.end_ms,
        };
        at.saturating_sub(self.offset_ms)
    }
}

/// What of a picked sample becomes the result.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Picked {
    Value,
    TimeSeconds,
}

impl Evaluation<'_> {
    pub(crate) fn select(
        &self,
        selector: &Selector,
        steps: Steps,
        picked: Picked,
    ) -> Result<Vec<Track>, PromqlError> {
        let references = self.references(selector.moment, steps);
        let mut tracks = Vec::new();
        self.fetch(selector, &references, LOOKBACK_MS, |series| {
            self.spend(steps.count)?;
            let values = if series.rollups.is_empty() {
                column(&series.samples, &references, picked)
            } else {
                if rolled::are_cut(&series.rollups, &references) {
                    self.annotations.rolled_up_instant();
                }
                column(&rolled::known_samples(&series), &references, picked)
            };
            let track = Track::new(series.labels, values);
            if !track.is_empty() {
                tracks.push(track);
            }
            Ok(())
        })?;
        sort(&mut tracks);
        Ok(tracks)
    }

    /// The instants a selector refers to, one per step.
    pub(crate) fn references(&self, moment: Moment, steps: Steps) -> Vec<Millis> {
        steps.iter().map(|step| moment.reference_ms(step, &self.query)).collect()
    }

    /// Everything a selector needs for all its steps, in one read, series by series and in no order.
    pub(crate) fn fetch(
        &self,
        selector: &Selector,
        references: &[Millis],
        back_ms: Millis,
        mut take: impl FnMut(RolledSeries) -> Result<(), PromqlError>,
    ) -> Result<(), PromqlError> {
        let (Some(first), Some(last)) = (references.first(), references.last()) else {
            return Ok(());
        };
        self.limits.check_cancelled()?;
        // Windows are open on the left, so a sample exactly `back_ms` before is never wanted.
        let from_ms = first.saturating_sub(back_ms).saturating_add(1);
        let (mut fetched, mut failed) = (0, None);
        self.source.for_each(&selector.matchers, from_ms, *last, &mut |series| {
            fetched += 1;
            match self.admit(fetched, &series).and_then(|()| take(series)) {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => {
                    failed = Some(error);
                    ControlFlow::Break(())
                }
            }
        })?;
        failed.map_or(Ok(()), Err)
    }

    fn admit(&self, fetched: usize, series: &RolledSeries) -> Result<(), PromqlError> {
        let max = self.limits.series_max;
        if fetched > max {
            return Err(PromqlError::TooManySeries { max });
        }
        self.spend(rolled::cost(series))
    }
}

/// One value per reference: the newest sample in `(reference - lookback, reference]`.
fn column(samples: &[Sample], references: &[Millis], picked: Picked) -> Vec<f64> {
    let mut next = 0;
    let pick = |reference: &Millis| {
        while next < samples.len() && samples[next].timestamp_ms <= *reference {
            next += 1;
        }
        let newest = samples[..next].last();
        let fresh = newest.filter(|sample| {
            sample.timestamp_ms > reference.saturating_sub(LOOKBACK_MS) && !is_stale(sample.value)
        });
        match (fresh, picked) {
            (None, _) => absent(),
            (Some(sample), Picked::Value) => sample.value,
            (Some(sample), Picked::TimeSeconds) => seconds(sample.timestamp_ms),
        }
    };
    references.iter().map(pick).collect()
}
