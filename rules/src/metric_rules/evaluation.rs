//! One rule at one instant: results of its expression to findings.

use std::collections::BTreeSet;

use agent_model::{Labels, Millis, Sample, Series};
use rules_promql::{Limits, PromqlError, SeriesSource, Value, evaluate_instant, parse};

use super::{Rule, RuleKind};
use crate::templates::{External, Surroundings, Template, TemplateData};

/// What a rule found. Nothing found is an empty list.
#[derive(Clone, Debug)]
pub enum Findings {
    /// The alerts whose expression holds at this instant.
    Alerts(Vec<Finding>),
    /// The series to store, one sample each.
    Recorded(Vec<Series>),
}

/// An alert whose expression holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// What identifies the alert: the result's labels, the rule's, and `alertname`.
    pub labels: Labels,
    pub annotations: Vec<(String, String)>,
    pub value: f64,
}

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EvaluationError {
    #[error("the expression of rule {rule:?} cannot be evaluated")]
    Expression {
        rule: String,
        #[source]
        source: PromqlError,
    },
    #[error("rule {rule:?} yields {results} results; its group allows {max}")]
    TooManyResults { rule: String, results: usize, max: usize },
    #[error("rule {rule:?} yields two results with the labels {labels} once its own are applied")]
    SameLabels { rule: String, labels: Labels },
}

/// Evaluates one rule at one instant.
pub fn evaluate(
    rule: &Rule,
    at_ms: Millis,
    source: &dyn SeriesSource,
    limits: &Limits,
    external: &External,
) -> Result<Findings, EvaluationError> {
    let query_ms = at_ms.saturating_sub(rule.query_offset_ms);
    let value = evaluate_instant(&rule.expr, query_ms, source, limits);
    let value =
        value.map_err(|source| EvaluationError::Expression { rule: rule.name.clone(), source })?;
    let results = match value {
        Value::Vector(results) => results,
        Value::Scalar(sample) => vec![(Labels::empty(), sample)],
        // Refused when the rule was loaded.
        Value::Matrix(_) | Value::Text(_) => Vec::new(),
    };
    if let Some(max) = rule.results_max.filter(|max| results.len() > *max) {
        let (rule, results) = (rule.name.clone(), results.len());
        return Err(EvaluationError::TooManyResults { rule, results, max });
    }
    match &rule.kind {
        RuleKind::Alert { annotations, .. } => {
            let ask = |expr: &str| ask(expr, at_ms, source, limits);
            let around = Surroundings { at_ms, external, ask: &ask };
            alerts(rule, annotations, results, around)
        }
        RuleKind::Recording => recorded(rule, results),
    }
}

/// A `query` of a template: as of the evaluation, without the group's offset, as Prometheus does.
fn ask(
    expr: &str,
    at_ms: Millis,
    source: &dyn SeriesSource,
    limits: &Limits,
) -> Result<Vec<(Labels, f64)>, String> {
    let expr = parse(expr).map_err(|error| error.to_string())?;
    let value = evaluate_instant(&expr, at_ms, source, limits);
    match value.map_err(|error| error.to_string())? {
        Value::Vector(results) => {
            Ok(results.into_iter().map(|(labels, sample)| (labels, sample.value)).collect())
        }
        Value::Scalar(sample) => Ok(vec![(Labels::empty(), sample.value)]),
        Value::Matrix(_) | Value::Text(_) => Err("it is no instant vector or scalar".to_owned()),
    }
}

fn alerts(
    rule: &Rule,
    annotations: &[(String, Template)],
    results: Vec<(Labels, Sample)>,
    around: Surroundings,
) -> Result<Findings, EvaluationError> {
    let mut seen = BTreeSet::new();
    let mut alerts = Vec::with_capacity(results.len());
    for (result, sample) in results {
        let data = TemplateData { labels: &result, value: sample.value, around };
        let rendered = |(name, template): &(String, Template)| (name.clone(), template.show(&data));
        let own = rule.labels.iter().map(rendered);
        let named = own.chain([("alertname".to_owned(), rule.name.clone())]);
        let labels = with_pairs(&result.without_metric_name(), named);
        if !seen.insert(labels.clone()) {
            return Err(EvaluationError::SameLabels { rule: rule.name.clone(), labels });
        }
        let annotations = annotations.iter().map(rendered).collect();
        alerts.push(Finding { labels, annotations, value: sample.value });
    }
    Ok(Findings::Alerts(alerts))
}

fn recorded(rule: &Rule, results: Vec<(Labels, Sample)>) -> Result<Findings, EvaluationError> {
    let mut seen = BTreeSet::new();
    let mut series = Vec::with_capacity(results.len());
    for (result, sample) in results {
        let own = rule.labels.iter().map(|(name, text)| (name.clone(), text.text().to_owned()));
        let named = [(Labels::NAME.to_owned(), rule.name.clone())].into_iter().chain(own);
        let labels = with_pairs(&result, named);
        if !seen.insert(labels.clone()) {
            return Err(EvaluationError::SameLabels { rule: rule.name.clone(), labels });
        }
        series.push(Series { labels, samples: vec![sample] });
    }
    Ok(Findings::Recorded(series))
}

/// Later pairs win over earlier ones and over the labels.
fn with_pairs(labels: &Labels, pairs: impl Iterator<Item = (String, String)>) -> Labels {
    let kept = labels.iter().map(|label| (label.name.to_string(), label.value.to_string()));
    Labels::new(kept.chain(pairs))
}
