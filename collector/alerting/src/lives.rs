//! The lives of alerts, from firing to resolved, as the history tells them: searched, and summed up by rule, service or any label.
//! Answers which rules are noisiest and how long people take. Pure; the store reads the rows.

use std::collections::BTreeMap;

use agent_model::{Labels, Matcher, Millis};

use crate::{Alerting, AlertingError};

/// Lives in one answer: a year of a province with a few hundred a day. What is beyond is told, not silently left out.
pub const LIVES_MAX: usize = 100_000;

/// One time that an alert fired.
#[derive(Clone, Debug, PartialEq)]
pub struct Life {
    pub fingerprint: u64,
    /// As its alert has them now.
    pub labels: Labels,
    pub fired_ms: Millis,
    pub acknowledged_ms: Option<Millis>,
    pub resolved_ms: Option<Millis>,
}

/// Lives that began in a span of time, newest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lives {
    pub lives: Vec<Life>,
    /// There were more than [`LIVES_MAX`]: the span is too long for one answer, and its end is missing.
    pub cut: bool,
}

/// All lives that have one value of a label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LivesSummary {
    /// Empty for those without the label.
    pub value: String,
    pub fired: usize,
    pub acknowledged: usize,
    pub resolved: usize,
    /// Mean time to acknowledge, of those that somebody took.
    pub mean_to_acknowledge_ms: Option<Millis>,
    /// Mean time to resolve, of those that have ended.
    pub mean_to_resolve_ms: Option<Millis>,
}

/// One line of the history, in the order of fingerprints and times.
pub(crate) struct Step {
    pub(crate) fingerprint: u64,
    pub(crate) labels: Labels,
    pub(crate) at_ms: Millis,
    pub(crate) state: String,
}

impl Alerting {
    /// Lives that began between two times and whose labels match.
    pub async fn lives(
        &self,
        from_ms: Millis,
        to_ms: Millis,
        matchers: &[Matcher],
    ) -> Result<Lives, AlertingError> {
        let steps = self.inner.store.steps(from_ms).await?;
        let mut lives = of_steps(steps);
        lives.retain(|life| {
            life.fired_ms < to_ms && matchers.iter().all(|one| one.matches_labels(&life.labels))
        });
        lives.sort_by_key(|life| (std::cmp::Reverse(life.fired_ms), life.fingerprint));
        let cut = lives.len() > LIVES_MAX;
        lives.truncate(LIVES_MAX);
        Ok(Lives { lives, cut })
    }
}

/// What was firing before the first step began is left out: how long it took is not known.
fn of_steps(steps: impl IntoIterator<Item = Step>) -> Vec<Life> {
    let mut lives: Vec<Life> = Vec::new();
    for step in steps {
        let open = lives
            .last_mut()
            .filter(|life| life.fingerprint == step.fingerprint && life.resolved_ms.is_none());
        match (step.state.as_str(), open) {
            ("firing", None) => lives.push(Life {
                fingerprint: step.fingerprint,
                labels: step.labels,
                fired_ms: step.at_ms,
                acknowledged_ms: None,
                resolved_ms: None,
            }),
            ("acknowledged", Some(life)) => {
                life.acknowledged_ms.get_or_insert(step.at_ms);
            }
            ("resolved", Some(life)) => life.resolved_ms = Some(step.at_ms),
            _ => {}
        }
    }
    lives
}

impl Lives {
    /// Summed up by the values of a label, the noisiest first.
    pub fn by(&self, label: &str) -> Vec<LivesSummary> {
        let mut by: BTreeMap<&str, Vec<&Life>> = BTreeMap::new();
        for life in &self.lives {
            by.entry(life.labels.get(label).unwrap_or_default()).or_default().push(life);
        }
        let mut summaries: Vec<LivesSummary> = by
            .into_iter()
            .map(|(value, lives)| {
                let spans = |end: fn(&Life) -> Option<Millis>| -> Vec<Millis> {
                    let ended = lives.iter().filter_map(|life| Some(end(life)? - life.fired_ms));
                    ended.map(|span_ms| span_ms.max(0)).collect()
                };
                let acknowledged = spans(|life| life.acknowledged_ms);
                let resolved = spans(|life| life.resolved_ms);
                LivesSummary {
                    value: value.to_owned(),
                    fired: lives.len(),
                    acknowledged: acknowledged.len(),
                    resolved: resolved.len(),
                    mean_to_acknowledge_ms: mean(&acknowledged),
                    mean_to_resolve_ms: mean(&resolved),
                }
            })
            .collect();
        summaries.sort_by_key(|one| std::cmp::Reverse(one.fired));
        summaries
    }
}

fn mean(spans: &[Millis]) -> Option<Millis> {
    let count = i64::try_from(spans.len()).ok().filter(|count| *count > 0)?;
    Some(spans.iter().sum::<Millis>() / count)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(of: &[(u64, &str, Millis, &str)]) -> Vec<Step> {
        let step = |(fingerprint, name, at_ms, state): &(u64, &str, Millis, &str)| Step {
            fingerprint: *fingerprint,
            labels: Labels::new([("alertname", *name)]),
            at_ms: *at_ms,
            state: (*state).to_owned(),
        };
        of.iter().map(step).collect()
    }

    #[test]
    fn lives_are_cut_at_their_ends_and_summed_up() {
        let lives = of_steps(steps(&[
            (1, "A", 5, "resolved"),
            (1, "A", 10, "firing"),
            (1, "A", 20, "acknowledged"),
            (1, "A", 25, "acknowledged"),
            (1, "A", 40, "resolved"),
            (1, "A", 50, "firing"),
            (2, "A", 0, "firing"),
            (2, "A", 30, "resolved"),
            (3, "B", 7, "firing"),
            (3, "B", 8, "firing"),
        ]));
        assert_eq!(lives.len(), 4);
        assert_eq!((lives[0].acknowledged_ms, lives[0].resolved_ms), (Some(20), Some(40)));
        assert_eq!((lives[1].fired_ms, lives[1].resolved_ms), (50, None));
        let summed = Lives { lives, cut: false }.by("alertname");
        let a = &summed[0];
        assert_eq!((a.value.as_str(), a.fired, a.acknowledged, a.resolved), ("A", 3, 1, 2));
        assert_eq!((a.mean_to_acknowledge_ms, a.mean_to_resolve_ms), (Some(10), Some(30)));
        assert_eq!((summed[1].fired, summed[1].mean_to_resolve_ms), (1, None));
    }
}
