//! What was expected against what came.

use agent_model::{Labels, Millis};
use rules_promql::{Limits, Value, evaluate_instant};

use super::plan::{ExpectedAlerts, ExpectedResult};
use super::simulation::Simulation;

pub(super) fn alerts(simulation: &Simulation, expected: &ExpectedAlerts) -> Result<(), String> {
    let mut got = simulation.firing(&expected.name);
    let mut wanted = expected.alerts.clone();
    got.sort();
    wanted.sort();
    if got == wanted {
        return Ok(());
    }
    let show = |alerts: &[(Labels, Labels)]| {
        let shown = alerts.iter().map(|(labels, annotations)| {
            format!("\n    labels {labels} annotations {annotations}")
        });
        if alerts.is_empty() { " none".to_owned() } else { shown.collect() }
    };
    let name = &expected.name;
    Err(format!("alert {name:?}\n  expected:{}\n  got:{}", show(&wanted), show(&got)))
}

pub(super) fn expression(
    simulation: &Simulation,
    expected: &ExpectedResult,
    fuzzy: bool,
) -> Result<(), String> {
    let limits = Limits::default();
    let value = evaluate_instant(&expected.expr, expected.at_ms, &simulation.source, &limits);
    let mut got: Vec<(Labels, f64)> = match value {
        Ok(Value::Vector(vector)) => {
            vector.into_iter().map(|(labels, sample)| (labels, sample.value)).collect()
        }
        Ok(Value::Scalar(sample)) => vec![(Labels::empty(), sample.value)],
        Ok(Value::Matrix(_) | Value::Text(_)) => {
            return Err("an instant vector or a scalar is wanted".to_owned());
        }
        Err(error) => return Err(format!("{} fails: {error}", expected.expr)),
    };
    let mut wanted = expected.samples.clone();
    let by_labels = |one: &(Labels, f64), other: &(Labels, f64)| one.0.cmp(&other.0);
    got.sort_by(by_labels);
    wanted.sort_by(by_labels);
    let alike = got.len() == wanted.len()
        && got
            .iter()
            .zip(&wanted)
            .all(|(got, wanted)| got.0 == wanted.0 && same_value(got.1, wanted.1, fuzzy));
    if alike {
        return Ok(());
    }
    let show = |samples: &[(Labels, f64)]| {
        let shown = samples.iter().map(|(labels, value)| format!("\n    {labels} {value}"));
        if samples.is_empty() { " nothing".to_owned() } else { shown.collect() }
    };
    Err(format!("{}\n  expected:{}\n  got:{}", expected.expr, show(&wanted), show(&got)))
}

/// As promtool: NaN equals nothing, itself included; a fuzzy comparison forgives the last bit.
fn same_value(got: f64, wanted: f64, fuzzy: bool) -> bool {
    got == wanted || (fuzzy && (got.next_up() == wanted || got.next_down() == wanted))
}

/// `90000` as `1m30s`.
pub(super) fn show_time(millis: Millis) -> String {
    let units = [("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];
    let mut rest = millis;
    let mut shown = String::new();
    for (unit, length) in units {
        if rest >= length {
            shown += &format!("{}{unit}", rest / length);
            rest %= length;
        }
    }
    if shown.is_empty() { "0s".to_owned() } else { shown }
}
