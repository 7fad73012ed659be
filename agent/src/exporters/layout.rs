//! From a body to columns: each line finds its slot, new ones are read, relabelled and given one.
//! Promises: a body whose series are those of the body before only has its numbers read; a body beyond a limit is
//! refused as a whole and changes nothing; of a series that stands twice one value counts (the first, when it is written
//! the same way), and the others are counted. Leaves to others: where the body comes from, and what is told about it.

use std::collections::HashMap;
use std::time::Instant;

use agent_model::{Labels, is_stale, stale_marker};
use agent_relabel::{self as relabel, LabelList, Rule};

use super::TARGET_LABELS;
use super::exposition::{self, Format, Line, LineError, Sample};
use super::lines::{Lines, Place};
use super::parts::{Column, Parts};
use crate::source::Texts;

/// Samples in a body for each that may be kept: rules may drop most of a large exporter, not read without end.
const READ_PER_KEPT_MAX: usize = 10;

/// New series in an hour for each series that an exporter may have: every new one is described to the collector and
/// stays in its index for days. Labels that change all the time belong to logs.
const NEW_PER_HOUR_FACTOR: f64 = 5.0;

/// What an exporter may send.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Samples after the rules.
    pub(super) samples_max: usize,
    /// Labels of a series, without those that the collector sets.
    pub(super) labels_max: usize,
    /// Bytes of a label's name or value.
    pub(super) label_bytes_max: usize,
}

/// Why a body is refused.
#[derive(Debug, thiserror::Error)]
pub(super) enum BodyError {
    #[error("the body is not UTF-8 text")]
    NotText,
    #[error("line {number} is not of the format: {text:?}")]
    Line {
        number: usize,
        text: String,
        #[source]
        source: LineError,
    },
    #[error("the body does not end with `# EOF`: it is not whole")]
    NotWhole,
    #[error("it has more than {max} samples (samples_max)")]
    Samples { max: usize },
    #[error(
        "it has more than {max} samples before the rules of metric_relabel, {READ_PER_KEPT_MAX} times samples_max"
    )]
    Lines { max: usize },
    #[error("{series} has {got} labels, more than {max} (labels_max)")]
    Labels { series: String, got: usize, max: usize },
    #[error(
        "a label's name or value in {series} has {got} bytes, more than {max} (label_bytes_max)"
    )]
    LabelBytes { series: String, got: usize, max: usize },
    #[error("the rules of metric_relabel leave {series} without a name")]
    Nameless { series: String },
    #[error(
        "its series change too fast: {fresh} new ones, and only {left} of {per_hour} an hour are left; let metric_relabel drop the label that changes"
    )]
    Churn { fresh: usize, left: usize, per_hour: usize },
}

/// What a body gave.
#[derive(Debug, Default)]
pub(super) struct Taken {
    pub(super) columns: Vec<Column>,
    /// Samples in the body.
    pub(super) scraped: usize,
    /// Samples after the rules.
    pub(super) kept: usize,
    /// Series that the body before did not have.
    pub(super) added: usize,
    /// Samples of series that stood twice.
    pub(super) duplicates: usize,
    /// Samples with a time of their own, which is not used.
    pub(super) timed: usize,
    /// Series in new schemas.
    pub(super) described: usize,
    /// A checksum of the lines that are no samples.
    pub(super) comments: u32,
}

pub(super) struct Layout {
    limits: Limits,
    rules: Vec<Rule>,
    /// `host`, `job` and `instance`, and the labels of the configuration.
    target: Vec<(String, String)>,
    lines: Lines,
    parts: Parts,
    /// Names and values in use, so that equal ones share their memory.
    texts: Texts,
    budget: Budget,
}

/// What is found out about a body before anything is changed.
#[derive(Default)]
struct Draft<'a> {
    /// By slot; the stale marker where nothing was seen.
    values: Vec<f64>,
    /// With the numbers of their lines.
    unknown: Vec<(usize, Sample<'a>)>,
    scraped: usize,
    duplicates: usize,
    timed: usize,
    comments: crc32fast::Hasher,
}

impl Layout {
    pub(super) fn new(limits: Limits, rules: Vec<Rule>, target: Vec<(String, String)>) -> Self {
        let of = |name: &str| relabel::get(&target, name).to_owned();
        let parts = Parts::new(of("job"), of("instance"));
        let (lines, texts, budget) = (Lines::default(), Texts::default(), Budget::default());
        Self { limits, rules, target, lines, parts, texts, budget }
    }

    pub(super) fn take(
        &mut self,
        format: Format,
        body: &[u8],
        now: Instant,
    ) -> Result<Taken, BodyError> {
        let body = std::str::from_utf8(body).map_err(|_| BodyError::NotText)?;
        let mut draft = self.read(format, body)?;
        let (fresh, written) = self.resolve(&mut draft)?;
        let different = draft.values.iter().filter(|value| !is_stale(**value)).count();
        // As Prometheus counts them.
        let kept = different + draft.duplicates;
        if kept > self.limits.samples_max {
            return Err(BodyError::Samples { max: self.limits.samples_max });
        }
        self.budget.spend(fresh.len(), self.limits.samples_max, now)?;
        for (series, place) in written {
            self.lines.put(series, place);
        }
        let placed = self.parts.place(&draft.values, fresh);
        if let Some(moved) = &placed.moved {
            self.lines.move_slots(moved);
            self.texts.forget_unused();
        }
        self.lines.forget_beyond(draft.scraped);
        Ok(Taken {
            columns: placed.columns,
            scraped: draft.scraped,
            kept,
            added: placed.added,
            duplicates: draft.duplicates,
            timed: draft.timed,
            described: placed.described,
            comments: draft.comments.finalize(),
        })
    }

    /// Nothing came: every series ends.
    pub(super) fn end(&mut self) -> Vec<Column> {
        self.parts.end()
    }

    /// The numbers of the body; lines that were not seen before are only collected.
    fn read<'a>(&self, format: Format, body: &'a str) -> Result<Draft<'a>, BodyError> {
        let lines_max = self.limits.samples_max.saturating_mul(READ_PER_KEPT_MAX);
        let values = vec![stale_marker(); self.parts.slots()];
        let mut draft = Draft { values, ..Draft::default() };
        let (mut next, mut whole) = (0, format == Format::Text);
        for (number, text) in (1..).zip(body.split('\n')) {
            let wrong = |source| {
                let text = text.chars().take(80).collect();
                BodyError::Line { number, text, source }
            };
            if whole && format == Format::OpenMetrics && !text.is_empty() {
                return Err(wrong(LineError::Surplus));
            }
            let expected = self.lines.text(next);
            let sample = match exposition::line(format, text, expected).map_err(wrong)? {
                Line::Sample(sample) => sample,
                Line::End => {
                    whole = true;
                    continue;
                }
                Line::Other => {
                    draft.comments.update(text.as_bytes());
                    continue;
                }
            };
            draft.scraped += 1;
            if draft.scraped > lines_max {
                return Err(BodyError::Lines { max: lines_max });
            }
            draft.timed += usize::from(sample.timed);
            let known =
                if sample.series == expected { Some(next) } else { self.lines.find(sample.series) };
            next = known.map_or(next, |at| at + 1);
            match known.map_or(Place::Unknown, |at| self.lines.place(at)) {
                Place::Dropped => {}
                Place::Slot(slot) => draft.put(slot, sample.value),
                Place::Unknown => draft.unknown.push((number, sample)),
            }
        }
        if whole { Ok(draft) } else { Err(BodyError::NotWhole) }
    }

    /// Slots for lines that were not seen before: the series that are new, and what is to be remembered.
    #[allow(clippy::type_complexity, reason = "two lists, told apart by the caller's names")]
    fn resolve<'a>(
        &mut self,
        draft: &mut Draft<'a>,
    ) -> Result<(Vec<Labels>, Vec<(&'a str, Place)>), BodyError> {
        let unknown = std::mem::take(&mut draft.unknown);
        let (mut fresh, mut written) = (Vec::new(), Vec::with_capacity(unknown.len()));
        if unknown.is_empty() {
            return Ok((fresh, written));
        }
        let mut slots: HashMap<Labels, u32> = self.parts.by_labels();
        for (number, sample) in unknown {
            let Some(labels) = self.labels(number, sample.series)? else {
                written.push((sample.series, Place::Dropped));
                continue;
            };
            let next = u32::try_from(draft.values.len()).unwrap_or(u32::MAX);
            let slot = *slots.entry(labels.clone()).or_insert(next);
            if slot == next {
                fresh.push(labels);
                draft.values.push(stale_marker());
            }
            draft.put(slot, sample.value);
            written.push((sample.series, Place::Slot(slot)));
        }
        Ok((fresh, written))
    }

    /// The labels under which a series is reported, without those that the collector sets; `None` when a rule drops it.
    fn labels(&mut self, number: usize, series: &str) -> Result<Option<Labels>, BodyError> {
        let pairs = exposition::labels(series).map_err(|source| {
            let text = series.chars().take(80).collect();
            BodyError::Line { number, text, source }
        })?;
        let pairs = pairs.into_iter().filter(|(_, value)| !value.is_empty());
        let mut labels: LabelList =
            pairs.map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
        self.check(series, &labels)?;
        self.set_target(&mut labels);
        if !relabel::apply(&self.rules, &mut labels) {
            return Ok(None);
        }
        labels.retain(|(name, _)| !TARGET_LABELS.contains(&name.as_str()));
        self.check(series, &labels)?;
        if relabel::get(&labels, Labels::NAME).is_empty() {
            return Err(BodyError::Nameless { series: series.chars().take(80).collect() });
        }
        let pairs: Vec<_> = labels
            .iter()
            .map(|(name, value)| (self.texts.share(name), self.texts.share(value)))
            .collect();
        Ok(Some(Labels::new(pairs)))
    }

    fn check(&self, series: &str, labels: &LabelList) -> Result<(), BodyError> {
        let Limits { labels_max, label_bytes_max, .. } = self.limits;
        let series = || series.chars().take(80).collect();
        // The name is no label in people's eyes.
        let got = labels.iter().filter(|(name, _)| name != Labels::NAME).count();
        if got > labels_max {
            return Err(BodyError::Labels { series: series(), got, max: labels_max });
        }
        let longest = labels.iter().map(|(name, value)| name.len().max(value.len())).max();
        match longest {
            Some(got) if got > label_bytes_max => {
                Err(BodyError::LabelBytes { series: series(), got, max: label_bytes_max })
            }
            _ => Ok(()),
        }
    }

    /// Sets the target's labels; what the exporter called the same goes by `exported_…`, as in Prometheus.
    fn set_target(&self, labels: &mut LabelList) {
        for (name, value) in &self.target {
            let exported = relabel::get(labels, name).to_owned();
            relabel::set(labels, name, value.clone());
            if exported.is_empty() {
                continue;
            }
            let mut free = format!("exported_{name}");
            while !relabel::get(labels, &free).is_empty() {
                free.insert_str(0, "exported_");
            }
            relabel::set(labels, &free, exported);
        }
    }
}

impl Draft<'_> {
    fn put(&mut self, slot: u32, value: f64) {
        let Some(place) = self.values.get_mut(slot as usize) else { return };
        if is_stale(*place) {
            *place = value;
        } else {
            self.duplicates += 1;
        }
    }
}

/// How many new series are still allowed; it fills up again within an hour.
#[derive(Debug, Default)]
struct Budget {
    spent: f64,
    at: Option<Instant>,
}

impl Budget {
    fn spend(&mut self, fresh: usize, samples_max: usize, now: Instant) -> Result<(), BodyError> {
        let count = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
        let per_hour = count(samples_max) * NEW_PER_HOUR_FACTOR;
        let idle = self.at.map_or(0.0, |at| now.saturating_duration_since(at).as_secs_f64());
        self.at = Some(now);
        self.spent = (self.spent - idle * per_hour / 3_600.0).max(0.0);
        if self.spent + count(fresh) > per_hour {
            #[allow(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "small and positive"
            )]
            let whole = |number: f64| number as usize;
            let left = whole((per_hour - self.spent).max(0.0));
            return Err(BodyError::Churn { fresh, left, per_hour: whole(per_hour) });
        }
        self.spent += count(fresh);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
