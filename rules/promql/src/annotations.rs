//! Warnings and infos: what a person should know of a result that is not an error.
//!
//! Promises: Prometheus' own sentences with the place in the text (prometheus, util/annotations), each told once.
//! They never change a result.

use std::cell::RefCell;
use std::collections::BTreeSet;

use crate::parse::places::Place;

/// Annotations of one kind that are told; the rest are counted. Prometheus' API shows as many.
const SHOWN_MAX: usize = 10;

/// Distinct annotations of one kind that are kept at all: a query over thousands of metric names would make as many.
const KEPT_MAX: usize = 1_000;

/// A result with what is to be said about it.
#[derive(Clone, Debug)]
pub struct Answer<T> {
    pub value: T,
    /// The question is probably wrong.
    pub warnings: Vec<String>,
    /// The data is perhaps not what the question takes it for.
    pub infos: Vec<String>,
}

/// Collected while a query is evaluated.
#[derive(Debug, Default)]
pub(crate) struct Annotations {
    warnings: RefCell<BTreeSet<String>>,
    infos: RefCell<BTreeSet<String>>,
}

impl Annotations {
    pub(crate) fn invalid_quantile(&self, quantile: f64, place: Option<Place>) {
        let text = format!("quantile value should be between 0 and 1, got {}", shown(quantile));
        self.warn(&text, place);
    }

    pub(crate) fn invalid_ratio(&self, ratio: f64, used: f64, place: Option<Place>) {
        let (ratio, used) = (shown(ratio), shown(used));
        let text =
            format!("ratio value should be between -1 and 1, got {ratio}, capping to {used}");
        self.warn(&text, place);
    }

    pub(crate) fn bad_bucket_label(&self, metric_name: &str, label: &str, place: Option<Place>) {
        let text = format!(
            "bucket label \"le\" is missing or has a malformed value of {label:?}{}",
            of_metric(metric_name)
        );
        self.warn(&text, place);
    }

    pub(crate) fn sort_in_range_query(&self, place: Option<Place>) {
        let text =
            "sort is ineffective for range queries since results are always ordered by labels";
        self.warn(text, place);
    }

    /// A counter's name says so; without a name nothing is known.
    pub(crate) fn possible_non_counter(&self, metric_name: &str, place: Option<Place>) {
        const ENDINGS: [&str; 4] = ["_total", "_sum", "_count", "_bucket"];
        if metric_name.is_empty() || ENDINGS.iter().any(|ending| metric_name.ends_with(ending)) {
            return;
        }
        let text = format!(
            "metric might not be a counter, name does not end in _total/_sum/_count/_bucket: {metric_name:?}"
        );
        self.inform(&text, place);
    }

    /// A window holds a roll-up in part: it was taken whole, or left out, and the window moved to its bounds.
    pub(crate) fn rolled_up_edges(&self, place: Option<Place>) {
        let text = "some samples are kept as 5-minute roll-ups only: windows that would cut one begin \
             and end at full 5 minutes";
        self.inform(text, place);
    }

    /// An instant within a roll-up.
    pub(crate) fn rolled_up_instant(&self) {
        let text = "some samples are kept as 5-minute roll-ups only: between full 5 minutes a value \
             may be up to 5 minutes old";
        self.inform(text, None);
    }

    /// The samples themselves were asked for.
    pub(crate) fn rolled_up_samples(&self) {
        let text = "some samples are kept as 5-minute roll-ups only: of each 5 minutes there the first and \
             the last are shown";
        self.warn(text, None);
    }

    /// What roll-ups do not tell.
    pub(crate) fn rolled_up_values(&self, what: &str, place: Option<Place>) {
        let text = format!(
            "some samples are kept as 5-minute roll-ups only: {what} is computed from the last sample \
             of each 5 minutes there"
        );
        self.warn(&text, place);
    }

    pub(crate) fn forced_monotonicity(&self, metric_name: &str, place: Option<Place>) {
        let text = format!(
            "input to histogram_quantile needed to be fixed for monotonicity (see \
             https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile){}",
            of_metric(metric_name)
        );
        self.inform(&text, place);
    }

    pub(crate) fn answer<T>(self, value: T) -> Answer<T> {
        let told = |kept: RefCell<BTreeSet<String>>, kind: &str| {
            let kept = kept.into_inner();
            let more = kept.len().saturating_sub(SHOWN_MAX);
            let mut told: Vec<String> = kept.into_iter().take(SHOWN_MAX).collect();
            if more > 0 {
                told.push(format!("{more} more {kind} annotations omitted"));
            }
            told
        };
        let (warnings, infos) = (told(self.warnings, "warning"), told(self.infos, "info"));
        Answer { value, warnings, infos }
    }

    fn warn(&self, text: &str, place: Option<Place>) {
        keep(&self.warnings, "PromQL warning", text, place);
    }

    fn inform(&self, text: &str, place: Option<Place>) {
        keep(&self.infos, "PromQL info", text, place);
    }
}

fn keep(kept: &RefCell<BTreeSet<String>>, kind: &str, text: &str, place: Option<Place>) {
    let mut kept = kept.borrow_mut();
    if kept.len() < KEPT_MAX {
        let place = place.map(|place| format!(" ({place})")).unwrap_or_default();
        kept.insert(format!("{kind}: {text}{place}"));
    }
}

fn of_metric(name: &str) -> String {
    if name.is_empty() { String::new() } else { format!(" for metric name {name:?}") }
}

/// A number as Go prints it with `%g`.
fn shown(value: f64) -> String {
    if value.is_infinite() {
        return if value > 0.0 { "+Inf".to_owned() } else { "-Inf".to_owned() };
    }
    let magnitude = value.abs();
    if value.is_nan() || value == 0.0 || (1e-4..1e21).contains(&magnitude) {
        return value.to_string();
    }
    // Go writes at least two digits of the exponent and its sign.
    let text = format!("{value:e}");
    match text.split_once('e') {
        Some((digits, exponent)) => match exponent.strip_prefix('-') {
            Some(exponent) => format!("{digits}e-{exponent:0>2}"),
            None => format!("{digits}e+{exponent:0>2}"),
        },
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_in_go() {
        let all = [1.5, -0.1, 1e300, 1e-7, f64::NAN, f64::INFINITY, 100.0];
        let texts: Vec<String> = all.into_iter().map(shown).collect();
        assert_eq!(texts, ["1.5", "-0.1", "1e+300", "1e-07", "NaN", "+Inf", "100"]);
    }

    #[test]
    fn beyond_ten_annotations_are_counted_and_the_kept_ones_are_bounded() {
        let annotations = Annotations::default();
        for number in 0..KEPT_MAX + 5 {
            annotations.possible_non_counter(&format!("metric{number}"), None);
            annotations.possible_non_counter("requests_total", None);
        }
        let answer = annotations.answer(());
        assert_eq!(answer.infos.len(), SHOWN_MAX + 1);
        assert_eq!(answer.infos[SHOWN_MAX], "990 more info annotations omitted");
        assert!(answer.warnings.is_empty());
    }
}
