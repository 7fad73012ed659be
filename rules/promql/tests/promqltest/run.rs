//! Runs a script's commands and says of each case whether it passed, or why not.

use std::cell::Cell;
use std::ops::ControlFlow;

use agent_model::{Labels, Matcher, RolledSeries, Sample, Series, is_stale};
use rules_promql::notation::Given;
use rules_promql::{
    Limits, MemorySource, PromqlError, SeriesSource, SourceError, Value, answer_instant,
    answer_range, parse,
};

use crate::script::{Command, Eval, Expected, How, Kind, Said, When};

#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) line: usize,
    pub(crate) expr: String,
    pub(crate) verdict: Verdict,
    /// How many sentences beside the result the case speaks of.
    pub(crate) annotations: usize,
}

#[derive(Debug)]
pub(crate) enum Verdict {
    Passed,
    /// The case reads or expects native histograms; its result is not counted either way.
    NativeHistogram,
    CannotParse(String),
    Unsupported(String),
    Wrong(String),
}

#[derive(Default)]
struct Loaded {
    floats: MemorySource,
    histograms: MemorySource,
    touched: Cell<bool>,
}

impl SeriesSource for Loaded {
    fn for_each(
        &self,
        matchers: &[Matcher],
        from: i64,
        to: i64,
        take: &mut dyn FnMut(RolledSeries) -> ControlFlow<()>,
    ) -> Result<(), SourceError> {
        // Looked for at any time: also a case that finds none in its span is about histograms.
        self.histograms.for_each(matchers, i64::MIN, i64::MAX, &mut |_| {
            self.touched.set(true);
            ControlFlow::Break(())
        })?;
        self.floats.for_each(matchers, from, to, take)
    }
}

pub(crate) fn run(commands: &[Command]) -> Vec<Outcome> {
    let mut loaded = Loaded::default();
    let mut outcomes = Vec::new();
    for command in commands {
        match command {
            Command::Clear => loaded = Loaded::default(),
            Command::Load { gap_ms, classic_too, series } => {
                for (labels, values) in series {
                    load(&mut loaded, labels, values, *gap_ms, *classic_too);
                }
            }
            Command::Eval(eval) => outcomes.push(Outcome {
                line: eval.line,
                expr: eval.expr.clone(),
                verdict: judge(eval, &loaded),
                annotations: eval.annotations.len(),
            }),
            Command::Unreadable { line, text, why } => outcomes.push(Outcome {
                line: *line,
                expr: text.clone(),
                verdict: Verdict::Wrong(format!("the script is not understood: {why}")),
                annotations: 0,
            }),
        }
    }
    outcomes
}

fn load(loaded: &mut Loaded, labels: &Labels, values: &[Given], gap_ms: i64, classic_too: bool) {
    if classic_too && labels.get("le").is_some() {
        let name = labels.metric_name().strip_suffix("_bucket").unwrap_or_default().to_owned();
        let labels = labels.without(&["le"]).with(Labels::NAME, name);
        loaded.histograms.insert(&labels, Sample { timestamp_ms: 0, value: 0.0 });
    }
    for (at, value) in values.iter().enumerate() {
        let timestamp_ms = gap_ms * at as i64;
        match value {
            Given::Missing => {}
            Given::Value(value) => {
                loaded.floats.insert(labels, Sample { timestamp_ms, value: *value });
            }
            Given::Histogram => {
                loaded.histograms.insert(labels, Sample { timestamp_ms, value: 0.0 });
            }
        }
    }
}

fn judge(eval: &Eval, loaded: &Loaded) -> Verdict {
    if let Expected::Series { lines, .. } = &eval.expected
        && lines.iter().any(|(_, values)| values.contains(&Given::Histogram))
    {
        return Verdict::NativeHistogram;
    }
    let expr = match (parse(&eval.expr), &eval.expected) {
        // As Prometheus' own engine is set up for its scripts.
        (Ok(expr), _) => expr.with_delayed_name_removal(),
        (Err(PromqlError::Unsupported(what)), _) if what.contains("native histogram") => {
            return Verdict::NativeHistogram;
        }
        (Err(PromqlError::Unsupported(what)), _) => return Verdict::Unsupported(what),
        // The words of a parser's error are its own.
        (Err(_), Expected::Fail(_)) => return Verdict::Passed,
        (Err(error), _) => return Verdict::CannotParse(error.to_string()),
    };
    loaded.touched.set(false);
    let limits = Limits::default();
    let result = match eval.when {
        When::Instant(at) => answer_instant(&expr, at, loaded, &limits)
            .map(|answer| (Got::Instant(answer.value), answer.warnings, answer.infos)),
        When::Range { start_ms, end_ms, step_ms } => {
            answer_range(&expr, start_ms, end_ms, step_ms, loaded, &limits)
                .map(|answer| (Got::Range(answer.value), answer.warnings, answer.infos))
        }
    };
    if loaded.touched.get() {
        return Verdict::NativeHistogram;
    }
    match (result, &eval.expected) {
        (Err(error), Expected::Fail(how)) => match is_so(how, &[error.to_string()], true) {
            true => Verdict::Passed,
            false => Verdict::Wrong(format!("fails, but says: {error}")),
        },
        (Err(error), _) => Verdict::Wrong(error.to_string()),
        (Ok(_), Expected::Fail(_)) => Verdict::Wrong("does not fail".to_owned()),
        (Ok((got, warnings, infos)), expected) => {
            let compared = compare(got, expected, eval);
            match compared.and_then(|()| check_said(&eval.annotations, &warnings, &infos)) {
                Ok(()) => Verdict::Passed,
                Err(difference) => Verdict::Wrong(difference),
            }
        }
    }
}

fn check_said(expected: &[Said], warnings: &[String], infos: &[String]) -> Result<(), String> {
    for said in expected {
        let texts = if said.kind == Kind::Warning { warnings } else { infos };
        if !is_so(&said.how, texts, false) {
            return Err(format!("{:?} {:?} is wanted, and said {texts:?}", said.kind, said.how));
        }
    }
    Ok(())
}

fn is_so(how: &How, texts: &[String], in_part: bool) -> bool {
    match how {
        How::Nothing => texts.is_empty(),
        How::Something => !texts.is_empty(),
        How::Text(wanted) if in_part => texts.iter().any(|text| text.contains(wanted)),
        How::Text(wanted) => texts.contains(wanted),
        How::Pattern(pattern) => texts.iter().any(|text| pattern.is_match(text)),
    }
}

enum Got {
    Instant(Value),
    Range(Vec<Series>),
}

fn compare(got: Got, expected: &Expected, eval: &Eval) -> Result<(), String> {
    match (got, expected) {
        (Got::Instant(Value::Scalar(sample)), Expected::Scalar(wanted)) => {
            same(sample.value, *wanted).then_some(()).ok_or_else(|| format!("{}", sample.value))
        }
        (Got::Instant(Value::Text(text)), Expected::Text(wanted)) if text == *wanted => Ok(()),
        (Got::Instant(Value::Vector(vector)), Expected::Series { lines, matrix: None }) => {
            let series =
                vector.into_iter().map(|(labels, sample)| (labels, vec![(0, sample.value)]));
            compare_series(series.collect(), &placed(lines, 0, 1), eval.ordered)
        }
        (
            Got::Instant(Value::Matrix(series)),
            Expected::Series { lines, matrix: Some((start, step)) },
        ) => compare_series(timed(series), &placed(lines, *start, *step), false),
        (Got::Range(series), Expected::Series { lines, matrix: None }) => {
            let When::Range { start_ms, step_ms, .. } = eval.when else { unreachable!() };
            compare_series(timed(series), &placed(lines, start_ms, step_ms), false)
        }
        _ => Err("is of another type".to_owned()),
    }
}

type Points = Vec<(Labels, Vec<(i64, f64)>)>;

fn timed(series: Vec<Series>) -> Points {
    let points = |sample: &Sample| (sample.timestamp_ms, sample.value);
    series.into_iter().map(|s| (s.labels, s.samples.iter().map(points).collect())).collect()
}

/// The expected values at their instants; gaps are left out.
fn placed(lines: &[(Labels, Vec<Given>)], start_ms: i64, step_ms: i64) -> Points {
    let points = |values: &Vec<Given>| {
        let numbered = values.iter().enumerate();
        let present = numbered.filter_map(|(at, value)| match value {
            Given::Value(value) if !is_stale(*value) => {
                Some((start_ms + step_ms * at as i64, *value))
            }
            _ => None,
        });
        present.collect::<Vec<_>>()
    };
    lines.iter().map(|(labels, values)| (labels.clone(), points(values))).collect()
}

fn compare_series(mut got: Points, wanted: &Points, ordered: bool) -> Result<(), String> {
    let mut wanted = wanted.clone();
    wanted.retain(|(_, points)| !points.is_empty());
    if !ordered {
        got.sort_by(|one, other| one.0.cmp(&other.0));
        wanted.sort_by(|one, other| one.0.cmp(&other.0));
    }
    let equal = got.len() == wanted.len()
        && got.iter().zip(&wanted).all(|((labels, points), (wanted_labels, wanted_points))| {
            labels == wanted_labels
                && points.len() == wanted_points.len()
                && points.iter().zip(wanted_points).all(|((time, value), (wanted_time, wanted))| {
                    time == wanted_time && same(*value, *wanted)
                })
        });
    equal.then_some(()).ok_or_else(|| {
        let got: Vec<String> =
            got.iter().map(|(labels, points)| format!("{labels} {points:?}")).collect();
        format!("yields [{}]", got.join("; "))
    })
}

/// As close as Prometheus' own runner wants it.
fn same(one: f64, other: f64) -> bool {
    const TOLERANCE: f64 = 1e-6;
    if one.is_nan() || other.is_nan() {
        return one.is_nan() && other.is_nan();
    }
    let difference = (one - other).abs();
    one == other
        || difference <= TOLERANCE * one.abs().min(other.abs())
        || (one * other == 0.0 && difference < TOLERANCE * f64::MIN_POSITIVE)
        || (one == 0.0 || other == 0.0 || difference < f64::MIN_POSITIVE)
            && difference < TOLERANCE * f64::MIN_POSITIVE
}
