//! A test file made ready: series unfolded, expressions parsed, every problem at once.

use agent_model::{Labels, Millis, Problem, Problems, Sample};
use agent_yaml::{At, Document, Entries, Place, Text};
use rules_promql::notation::{Given, parse_labels, parse_number, parse_values};
use rules_promql::{Expr, MemorySource, parse};

use crate::templates::External;

use super::file::{RawAlert, RawExpression, RawSeries, RawTest, RawTests};

/// promtool's default for `evaluation_interval`.
const INTERVAL_DEFAULT_MS: Millis = 60_000;

/// A test that evaluates more often is a slip in a duration.
const STEPS_MAX: i64 = 100_000;

pub(super) struct Plan {
    pub(super) rule_files: Vec<At<Text>>,
    pub(super) interval_ms: Millis,
    /// Groups named here are evaluated first, in this order.
    pub(super) group_order: Vec<String>,
    /// Values may differ in their last bits.
    pub(super) fuzzy: bool,
    pub(super) tests: Vec<TestPlan>,
}

pub(super) struct TestPlan {
    pub(super) name: String,
    pub(super) source: MemorySource,
    pub(super) external: External,
    pub(super) alerts: Vec<ExpectedAlerts>,
    pub(super) expressions: Vec<ExpectedResult>,
}

/// All alerts of one name that fire at an instant.
pub(super) struct ExpectedAlerts {
    pub(super) line: Option<usize>,
    pub(super) at_ms: Millis,
    pub(super) name: String,
    /// Labels with the alert's name, and annotations.
    pub(super) alerts: Vec<(Labels, Labels)>,
}

pub(super) struct ExpectedResult {
    pub(super) line: Option<usize>,
    pub(super) at_ms: Millis,
    pub(super) expr: Expr,
    pub(super) samples: Vec<(Labels, f64)>,
}

impl TestPlan {
    pub(super) fn last_instant_ms(&self) -> Millis {
        let alerts = self.alerts.iter().map(|alert| alert.at_ms);
        alerts.chain(self.expressions.iter().map(|one| one.at_ms)).max().unwrap_or(0)
    }
}

impl Plan {
    pub(super) fn read(document: &Document) -> Result<Self, Problems> {
        let raw: RawTests = document.read()?;
        let mut reading = Reading { document, problems: Vec::new() };
        let interval_ms = positive(raw.evaluation_interval).unwrap_or(INTERVAL_DEFAULT_MS);
        let mut group_order = Vec::new();
        for At { value: Text(name), place } in raw.group_eval_order {
            if group_order.contains(&name) {
                reading.refuse(&place, format!("the group {name:?} stands here twice"));
            }
            group_order.push(name);
        }
        let numbered = raw.tests.into_iter().enumerate();
        let tests = numbered.map(|(at, test)| reading.test(at, test, interval_ms)).collect();
        if !reading.problems.is_empty() {
            return Err(Problems(reading.problems));
        }
        Ok(Self {
            rule_files: raw.rule_files,
            interval_ms,
            group_order,
            fuzzy: raw.fuzzy_compare,
            tests,
        })
    }
}

struct Reading<'a> {
    document: &'a Document,
    problems: Vec<Problem>,
}

impl Reading<'_> {
    fn refuse(&mut self, place: &Place, message: impl Into<String>) {
        self.problems.push(self.document.problem(place, message));
    }

    fn line(&self, place: &Place) -> Option<usize> {
        self.document.problem(place, "").line
    }

    fn test(&mut self, number: usize, raw: At<RawTest>, evaluation_ms: Millis) -> TestPlan {
        let At { value: raw, place } = raw;
        let gap_ms = positive(raw.interval).unwrap_or(evaluation_ms);
        let labels = raw.external_labels.into_iter();
        let external = External {
            labels: Labels::new(labels.map(|(name, value)| (name, value.value.0))),
            url: raw.external_url.map(|url| url.value.0).unwrap_or_default(),
        };
        let mut source = MemorySource::default();
        for series in &raw.input_series {
            self.series(&series.value, gap_ms, &mut source);
        }
        let alerts: Vec<ExpectedAlerts> =
            raw.alert_rule_test.into_iter().map(|alert| self.alert(alert)).collect();
        let expressions: Vec<ExpectedResult> =
            raw.promql_expr_test.into_iter().filter_map(|one| self.expression(one)).collect();
        let name = raw.name.map_or_else(|| format!("#{}", number + 1), |name| name.0);
        let test = TestPlan { name, source, external, alerts, expressions };
        if test.last_instant_ms() / evaluation_ms > STEPS_MAX {
            let message = format!("more than {STEPS_MAX} evaluations; widen evaluation_interval");
            self.refuse(&place, message);
        }
        test
    }

    fn series(&mut self, raw: &RawSeries, gap_ms: Millis, source: &mut MemorySource) {
        let labels = parse_labels(&raw.series.value.0).and_then(|(labels, rest)| {
            let complete = rest.trim().is_empty();
            complete.then_some(labels).ok_or_else(|| format!("{rest:?} follows the labels"))
        });
        let values = parse_values(&raw.values.value.0).and_then(|values| {
            let native = values.contains(&Given::Histogram);
            if native { Err("native histograms are not supported".to_owned()) } else { Ok(values) }
        });
        let (labels, values) = match (labels, values) {
            (Ok(labels), Ok(values)) => (labels, values),
            (labels, values) => {
                for (place, message) in
                    [(&raw.series.place, labels.err()), (&raw.values.place, values.err())]
                {
                    message.into_iter().for_each(|message| self.refuse(place, message));
                }
                return;
            }
        };
        for (at, value) in values.into_iter().enumerate() {
            if let Given::Value(value) = value {
                source.insert(&labels, Sample { timestamp_ms: gap_ms * at as i64, value });
            }
        }
    }

    fn alert(&mut self, raw: At<RawAlert>) -> ExpectedAlerts {
        let At { value: raw, place } = raw;
        let name = raw.alertname.0;
        let pairs = |map: Option<Entries<Text>>| {
            Labels::new(map.unwrap_or_default().into_iter().map(|(key, text)| (key, text.0)))
        };
        let expected = raw.exp_alerts.unwrap_or_default().into_iter().map(|alert| {
            let labels = pairs(alert.exp_labels).with("alertname", name.as_str());
            (labels, pairs(alert.exp_annotations))
        });
        let alerts = expected.collect();
        let at_ms = raw.eval_time.as_millis();
        ExpectedAlerts { line: self.line(&place), at_ms, name, alerts }
    }

    fn expression(&mut self, raw: At<RawExpression>) -> Option<ExpectedResult> {
        let At { value: raw, place } = raw;
        let mut samples = Vec::new();
        for sample in raw.exp_samples.unwrap_or_default() {
            let labels = parse_labels(&sample.value.labels.value.0);
            let value = number(&sample.value.value.value.0);
            match (labels, value) {
                (Ok((labels, _)), Ok(value)) => samples.push((labels, value)),
                (labels, value) => {
                    if let Err(message) = labels {
                        self.refuse(&sample.value.labels.place, message);
                    }
                    if let Err(message) = value {
                        self.refuse(&sample.value.value.place, message);
                    }
                }
            }
        }
        match parse(&raw.expr.value.0) {
            Ok(expr) => {
                let at_ms = raw.eval_time.as_millis();
                Some(ExpectedResult { line: self.line(&place), at_ms, expr, samples })
            }
            Err(error) => {
                self.refuse(&raw.expr.place, error.to_string());
                None
            }
        }
    }
}

/// An interval; nought is none.
fn positive(interval: Option<At<agent_yaml::Duration>>) -> Option<Millis> {
    interval.map(|interval| interval.value.as_millis()).filter(|millis| *millis > 0)
}

/// As YAML writes numbers: `1.5`, `-3e2`, `.inf`, `.nan`.
fn number(text: &str) -> Result<f64, String> {
    let digits = text.trim_start_matches(['+', '-']);
    match digits {
        ".inf" | ".Inf" | ".INF" | ".nan" | ".NaN" | ".NAN" => parse_number(&text.replace('.', "")),
        _ if digits.starts_with(|first: char| first.is_ascii_digit() || first == '.') => {
            parse_number(text)
        }
        _ => Err(format!("{text:?} is not a number as YAML writes it")),
    }
}
