//! References: which rules a correlation counts, in an order in which each stands after what it refers to.

use std::collections::HashMap;

use agent_model::{Millis, Problem};
use rsigma_parser::{CorrelationCondition, CorrelationRule, CorrelationType, WindowMode};
use sha2::{Digest, Sha256};

use super::{Body, Place, Read, THRESHOLD_MAX, TIMESPAN_SECONDS_MAX, detections};
use crate::correlation::{Correlation, GroupField, Kind, Threshold, Wanted};
use crate::rule::{Feed, Rule};
use crate::rules::{SigmaRules, compile};
use crate::state::EVENTS_PER_GROUP_MAX;

/// The most rules that one correlation may refer to.
const REFERENCES_MAX: usize = 64;

pub(super) fn link(read: Vec<Read>, problems: &mut Vec<Problem>) -> SigmaRules {
    let read = in_order(read, problems);
    let engines = compile(detections(&read)).0;
    let names = names(&read);
    let names: HashMap<String, usize> =
        names.into_iter().map(|(name, at)| (name.to_owned(), at)).collect();
    let mut rules: Vec<Rule> = Vec::with_capacity(read.len());
    // For each rule that correlations count: whether one of them lets it speak for itself as well.
    let mut generates: Vec<Option<bool>> = vec![None; read.len()];
    let mut broken = vec![false; read.len()];
    for (index, one) in read.into_iter().enumerate() {
        let mut rule = Rule::from(one.meta);
        if let Body::Correlation(source) = one.body {
            let below: Vec<usize> = source.rules.iter().map(|name| names[name]).collect();
            // What a rule below says is part of what this one says.
            rule.meta.version = joint_version(&rule.meta.version, &rules, &below);
            let lost =
                below.iter().find(|&&below| broken[below]).map(|&below| &rules[below].meta.id);
            match compile_correlation(&source, &rule, lost) {
                Ok(correlation) => {
                    rule.correlation = Some(correlation);
                    for (slot, below) in (0_u16..).zip(below) {
                        rules[below].feeds.push(Feed { rule: index, slot });
                        let generate = &mut generates[below];
                        *generate = Some(generate.unwrap_or(false) || source.generate);
                    }
                }
                Err((at, message)) => {
                    problems.push(one.place.problem(at.line(&one.place), message));
                    // It stays, mute, so that the places of the others do not shift.
                    broken[index] = true;
                }
            }
        }
        rules.push(rule);
    }
    for (at, rule) in rules.iter_mut().enumerate() {
        rule.emits = !broken[at] && generates[at].unwrap_or(true);
    }
    SigmaRules { rules, engines }
}

fn names(read: &[Read]) -> HashMap<&str, usize> {
    let each = read.iter().enumerate();
    each.flat_map(|(index, rule)| {
        let names = [Some(rule.meta.id.as_str()), rule.name.as_deref()];
        names.into_iter().flatten().map(move |name| (name, index))
    })
    .collect()
}

/// Detections first, then correlations so that each follows what it refers to. What refers to nothing that exists,
/// or round in a circle, is left out and told.
fn in_order(read: Vec<Read>, problems: &mut Vec<Problem>) -> Vec<Read> {
    let (mut ordered, mut waiting): (Vec<Read>, Vec<Read>) =
        read.into_iter().partition(|rule| matches!(rule.body, Body::Detection(_)));
    loop {
        let known = names(&ordered);
        let (ready, later): (Vec<Read>, Vec<Read>) = waiting.into_iter().partition(|rule| {
            references(rule).iter().all(|name| known.contains_key(name.as_str()))
        });
        let stuck = ready.is_empty();
        ordered.extend(ready);
        waiting = later;
        if stuck {
            break;
        }
    }
    let known = names(&ordered);
    let circling = names(&waiting);
    for rule in &waiting {
        let missing = references(rule).iter().find(|name| !known.contains_key(name.as_str()));
        let message = match missing {
            Some(name) if circling.contains_key(name.as_str()) => {
                format!("refers to {name:?}, which is left out itself or refers back to this rule")
            }
            Some(name) => format!("refers to {name:?}, but no sound rule has that id or name"),
            None => "refers to nothing that can be found".to_owned(),
        };
        problems.push(rule.place.problem(rule.place.rules, message));
    }
    ordered
}

fn references(rule: &Read) -> &[String] {
    match &rule.body {
        Body::Correlation(correlation) => &correlation.rules,
        Body::Detection(_) => &[],
    }
}

fn joint_version(own: &str, rules: &[Rule], below: &[usize]) -> String {
    let mut hash = Sha256::new();
    hash.update(own.as_bytes());
    below.iter().for_each(|&index| hash.update(rules[index].meta.version.as_bytes()));
    let digest = hash.finalize();
    digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}

/// Which part of a correlation is wrong.
#[derive(Clone, Copy)]
enum At {
    Whole,
    References,
    Condition,
}

impl At {
    fn line(self, place: &Place) -> Option<usize> {
        match self {
            Self::Whole => place.first,
            Self::References => place.rules,
            Self::Condition => place.condition,
        }
    }
}

/// `lost` is a rule it refers to that was left out.
fn compile_correlation(
    source: &CorrelationRule,
    rule: &Rule,
    lost: Option<&String>,
) -> Result<Correlation, (At, String)> {
    let whole = |message: &str| (At::Whole, message.to_owned());
    if let Some(lost) = lost {
        return Err((At::References, format!("refers to {lost:?}, which is left out itself")));
    }
    if source.window != WindowMode::Sliding {
        return Err(whole("only sliding windows are known; leave \"window\" out"));
    }
    if source.rules.is_empty() || source.rules.len() > REFERENCES_MAX {
        return Err((
            At::References,
            format!("a correlation refers to 1 to {REFERENCES_MAX} rules"),
        ));
    }
    let timespan_ms = millis(source.timespan.seconds).map_err(|message| (At::Whole, message))?;
    let hold_ms = hold(source).map_err(|message| (At::Whole, message))?.unwrap_or(timespan_ms);
    let kind = kind(source)?;
    let mut hash = Sha256::new();
    hash.update(rule.meta.id.as_bytes());
    hash.update(rule.meta.version.as_bytes());
    let digest: [u8; 32] = hash.finalize().into();
    Ok(Correlation {
        fingerprint: std::array::from_fn(|at| digest[at]),
        events_kept: events_kept(&kind),
        kind,
        timespan_ms,
        hold_ms,
        group_by: source.group_by.iter().map(|name| group_field(name, source)).collect(),
    })
}

/// `rsigma.suppress: 1h` lengthens or shortens the hold after a detection.
fn hold(source: &CorrelationRule) -> Result<Option<Millis>, String> {
    let Some(given) = source.custom_attributes.get("rsigma.suppress") else { return Ok(None) };
    let text = given.as_str().ok_or("\"rsigma.suppress\" is a time such as 10m")?;
    let time = rsigma_parser::Timespan::parse(text).map_err(|error| error.to_string())?;
    millis(time.seconds).map(Some)
}

fn millis(seconds: u64) -> Result<Millis, String> {
    match i64::try_from(seconds) {
        Ok(seconds @ 1..) if seconds.unsigned_abs() <= TIMESPAN_SECONDS_MAX => Ok(seconds * 1000),
        _ => Err(format!("a correlation spans 1 to {TIMESPAN_SECONDS_MAX} s, not {seconds} s")),
    }
}

fn kind(source: &CorrelationRule) -> Result<Kind, (At, String)> {
    let at_condition = |message: String| (At::Condition, message);
    let slots = u16::try_from(source.rules.len()).unwrap_or(u16::MAX);
    match (source.correlation_type, &source.condition) {
        (CorrelationType::EventCount, CorrelationCondition::Threshold { predicates, .. }) => {
            Ok(Kind::EventCount(threshold(predicates).map_err(at_condition)?))
        }
        (
            CorrelationType::ValueCount,
            CorrelationCondition::Threshold { predicates, field, .. },
        ) => {
            let fields = field.clone().unwrap_or_default();
            if fields.is_empty() {
                return Err(at_condition("value_count needs \"field\" in its condition".into()));
            }
            Ok(Kind::ValueCount(threshold(predicates).map_err(at_condition)?, fields))
        }
        (CorrelationType::Temporal, CorrelationCondition::Extended(expression)) => {
            let slots = (0..slots).zip(&source.rules).map(|(slot, name)| (name.as_str(), slot));
            let wanted = Wanted::compile(expression, &slots.collect());
            wanted.map(Kind::Temporal).map_err(at_condition)
        }
        (CorrelationType::Temporal, CorrelationCondition::Threshold { .. }) => {
            Ok(Kind::Temporal(Wanted::All((0..slots).map(Wanted::Slot).collect())))
        }
        (CorrelationType::TemporalOrdered, CorrelationCondition::Threshold { .. }) => {
            Ok(Kind::TemporalOrdered(slots))
        }
        (CorrelationType::TemporalOrdered, CorrelationCondition::Extended(_)) => Err(at_condition(
            "temporal_ordered takes the order of \"rules\"; leave the condition out".into(),
        )),
        (other, _) => Err((
            At::Whole,
            format!(
                "{} with this condition is not known; known are event_count, value_count, temporal \
                 and temporal_ordered",
                other.as_str()
            ),
        )),
    }
}

fn threshold(predicates: &[(rsigma_parser::ConditionOperator, u64)]) -> Result<Threshold, String> {
    let threshold = Threshold(predicates.to_vec());
    match threshold.least() {
        Some(1..=THRESHOLD_MAX) => Ok(threshold),
        Some(least) => Err(format!("asks for {least} events; at most {THRESHOLD_MAX} are kept")),
        None => {
            Err("needs gt, gte or eq above zero: that something stayed away is never an event, \
                     so an upper bound alone can not be noticed"
                .into())
        }
    }
}

/// A count with only a lower bound needs no more than that, and as much again for what comes late.
fn events_kept(kind: &Kind) -> usize {
    use rsigma_parser::ConditionOperator::{Gt, Gte};
    match kind {
        Kind::EventCount(threshold)
            if threshold.0.iter().all(|(operator, _)| matches!(operator, Gt | Gte)) =>
        {
            let least = threshold.least().unwrap_or(THRESHOLD_MAX);
            usize::try_from(least * 2).unwrap_or(EVENTS_PER_GROUP_MAX)
        }
        _ => EVENTS_PER_GROUP_MAX,
    }
}

fn group_field(name: &str, source: &CorrelationRule) -> GroupField {
    let alias = source.aliases.iter().find(|alias| alias.alias == name);
    let field = |rule: &String| {
        let mapped = alias.and_then(|alias| alias.mapping.get(rule));
        mapped.map_or(name, String::as_str).to_owned()
    };
    GroupField { name: name.to_owned(), fields: source.rules.iter().map(field).collect() }
}
