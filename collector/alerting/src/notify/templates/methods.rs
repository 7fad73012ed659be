//! Methods of Alertmanager's data: of sets of labels (`KV`), of their sorted pairs, and of lists of alerts
//! (alertmanager, template/template.go).

use std::collections::BTreeMap;
use std::sync::Arc;

use rules_templates::{EngineError, Value, field, kind, record, shown, wrong};

type Answer = Result<Value, EngineError>;

pub(super) fn method(of: &Value, name: &str, given: &[Value]) -> Option<Answer> {
    match of {
        Value::Map(map) if kind(of).is_none() => of_labels(map, name, given),
        Value::List(values) => of_list(values, name, given),
        _ => None,
    }
}

fn of_labels(map: &BTreeMap<Arc<str>, Value>, name: &str, given: &[Value]) -> Option<Answer> {
    let pair = |(name, value): (&Arc<str>, &Value)| {
        record("template.Pair", [("Name", shown(name)), ("Value", value.clone())])
    };
    // The name of the alert stands first, whatever it is called.
    let (first, rest): (Vec<_>, Vec<_>) =
        map.iter().partition(|(name, _)| name.as_ref() == "alertname");
    let sorted = || first.iter().chain(&rest).copied();
    Some(match (name, given) {
        ("SortedPairs", []) => Ok(Value::List(sorted().map(pair).collect())),
        ("Names", []) => Ok(Value::List(sorted().map(|(name, _)| shown(name)).collect())),
        ("Values", []) => Ok(Value::List(sorted().map(|(_, value)| value.clone()).collect())),
        ("String", []) => {
            let pairs: Vec<String> =
                sorted().map(|(name, value)| format!("{name}={value}")).collect();
            Ok(shown(pairs.join(", ")))
        }
        ("Remove", [Value::List(names)]) => {
            let gone = |name: &str| names.iter().any(|gone| gone.as_str() == Some(name));
            let kept = map.iter().filter(|(name, _)| !gone(name));
            let kept = kept.map(|(name, value)| (Arc::clone(name), value.clone()));
            Ok(Value::Map(Arc::new(kept.collect())))
        }
        ("Remove", _) => Err(wrong("Remove takes a list of names")),
        _ => return None,
    })
}

fn of_list(values: &[Value], name: &str, given: &[Value]) -> Option<Answer> {
    if !given.is_empty() {
        return None;
    }
    let are = |wanted: &str| values.iter().all(|value| kind(value) == Some(wanted));
    match name {
        "Firing" | "Resolved" if are("template.Alert") => {
            let wanted = if name == "Firing" { "firing" } else { "resolved" };
            let status = |alert: &&Value| {
                field(alert, "Status").is_ok_and(|status| status.as_str() == Some(wanted))
            };
            Some(Ok(Value::List(values.iter().filter(status).cloned().collect())))
        }
        "Names" | "Values" if are("template.Pair") => {
            let part = if name == "Names" { "Name" } else { "Value" };
            let parts = values.iter().map(|pair| field(pair, part));
            Some(parts.collect::<Result<Vec<_>, _>>().map(|parts| Value::List(parts.into())))
        }
        "String" if are("template.Pair") && !values.is_empty() => {
            let shown_pair =
                |pair: &Value| Ok(format!("{}={}", field(pair, "Name")?, field(pair, "Value")?));
            let pairs = values.iter().map(shown_pair).collect::<Result<Vec<_>, EngineError>>();
            Some(pairs.map(|pairs| shown(pairs.join(", "))))
        }
        _ => None,
    }
}
