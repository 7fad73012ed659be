//! Label sets of a resource's points: attributes by name, `job` and `instance` from the service that the resource names.

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::Engine;
use collector_remote_write::{Refusal, limits as of_push};

use crate::model::{Attribute, Value};
use crate::names;

/// The attributes by which a service is known; they become `job` and `instance`.
const NAMESPACE: &str = "service.namespace";
const NAME: &str = "service.name";
const INSTANCE: &str = "service.instance.id";
const IDENTIFYING: [&str; 3] = [NAMESPACE, NAME, INSTANCE];

/// Labels without the name of the metric, in order.
pub(crate) type Set<'a> = BTreeMap<Cow<'a, str>, Cow<'a, str>>;

/// What a resource says of all its series.
#[derive(Debug)]
pub(crate) struct Target {
    job: Option<String>,
    instance: Option<String>,
    /// One of both is longer than a label may be.
    too_long: bool,
}

impl Target {
    pub(crate) fn of(attributes: &[Attribute<'_>]) -> Self {
        let mut too_long = false;
        let mut get = |key: &str| {
            let found = attributes.iter().find(|attribute| attribute.key == key)?;
            let text = text(&found.value);
            too_long |= text.is_none();
            Some(text.unwrap_or_default().into_owned())
        };
        let job = get(NAME).map(|name| match get(NAMESPACE) {
            Some(namespace) => format!("{namespace}/{name}"),
            None => name,
        });
        let instance = get(INSTANCE);
        Self { job, instance, too_long }
    }

    /// The labels of a point, or why there are none. What is beyond every limit is not made first.
    pub(crate) fn labels<'a>(
        &'a self,
        attributes: impl IntoIterator<Item = &'a Attribute<'a>>,
    ) -> Result<Set<'a>, Refusal> {
        let mut sorted: Vec<&'a Attribute<'a>> = attributes.into_iter().collect();
        // Attributes that get one name are joined in the order of their own.
        sorted.sort_by(|a, b| a.key.cmp(&b.key));
        let (mut labels, mut filled) = (Set::new(), 0);
        for Attribute { key, value } in sorted {
            let name = names::label(key).ok_or(Refusal::LabelName)?;
            let value = text(value).ok_or(Refusal::LabelLimits)?;
            filled += usize::from(!value.is_empty() && !labels.contains_key(&name));
            // In place: a copy for each would take minutes for a request that has one name a hundred thousand times.
            let joined = labels.entry(name).and_modify(|first| {
                let first = first.to_mut();
                first.push(';');
                first.push_str(&value);
            });
            let length = joined.or_insert(value).len();
            // The metric's own name may be among them, and goes.
            if length > of_push::LABEL_VALUE_BYTES_MAX || filled > of_push::LABELS_MAX {
                return Err(Refusal::LabelLimits);
            }
        }
        // What the metric is called is no matter of its attributes.
        labels.remove("__name__");
        for (name, value) in [("job", &self.job), ("instance", &self.instance)] {
            if let Some(value) = value {
                labels.insert(name.into(), value.into());
            }
        }
        // An empty label is none; with and without it is one series.
        labels.retain(|_, value| !value.is_empty());
        if self.too_long { Err(Refusal::LabelLimits) } else { Ok(labels) }
    }

    /// The labels of `target_info`; none when there is nothing to say, or of nobody.
    pub(crate) fn info<'a>(
        &'a self,
        attributes: &'a [Attribute<'a>],
    ) -> Option<Vec<&'a Attribute<'a>>> {
        let more = attributes.iter().filter(|one| !IDENTIFYING.contains(&one.key.as_ref()));
        let more: Vec<&Attribute<'_>> = more.collect();
        let named = self.job.is_some() || self.instance.is_some();
        (named && !more.is_empty()).then_some(more)
    }
}

/// A value as the text of a label: lists and maps as JSON, bytes as base64. None when it would be longer than a label may be.
fn text<'a>(value: &'a Value<'_>) -> Option<Cow<'a, str>> {
    let mut room = of_push::LABEL_VALUE_BYTES_MAX;
    if !fits(value, &mut room) {
        return None;
    }
    Some(match value {
        Value::None => Cow::Borrowed(""),
        Value::Text(text) => Cow::Borrowed(text),
        Value::Bool(bool) => Cow::Borrowed(if *bool { "true" } else { "false" }),
        Value::Int(int) => Cow::Owned(int.to_string()),
        Value::Double(double) => Cow::Owned(double_text(*double)),
        Value::Bytes(bytes) => Cow::Owned(base64_text(bytes)),
        Value::List(_) | Value::Map(_) => Cow::Owned(json(value).to_string()),
    })
}

/// Whether the texts of a value, and one letter for whatever else is in it, fit into so many bytes.
fn fits(value: &Value<'_>, room: &mut usize) -> bool {
    let own = match value {
        Value::Text(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
        _ => 0,
    };
    let Some(left) = room.checked_sub(own) else { return false };
    *room = left;
    let mut part = |bytes: usize, value: &Value<'_>| {
        let left = room.checked_sub(bytes + 1);
        left.is_some_and(|left| {
            *room = left;
            fits(value, room)
        })
    };
    match value {
        Value::List(list) => list.iter().all(|one| part(0, one)),
        Value::Map(map) => map.iter().all(|one| part(one.key.len(), &one.value)),
        _ => true,
    }
}

fn json(value: &Value<'_>) -> serde_json::Value {
    match value {
        Value::None => serde_json::Value::Null,
        Value::Text(text) => text.as_ref().into(),
        Value::Bool(bool) => (*bool).into(),
        Value::Int(int) => (*int).into(),
        Value::Double(double) => serde_json::Number::from_f64(*double)
            .map_or_else(|| double_text(*double).into(), serde_json::Value::Number),
        Value::Bytes(bytes) => base64_text(bytes).into(),
        Value::List(list) => list.iter().map(json).collect(),
        Value::Map(map) => map.iter().map(|one| (one.key.to_string(), json(&one.value))).collect(),
    }
}

fn base64_text(bytes: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// As JavaScript writes a number: with an exponent only when it is very small or large.
fn double_text(double: f64) -> String {
    let size = double.abs();
    if size != 0.0 && size.is_finite() && !(1e-6..1e21).contains(&size) {
        let text = format!("{double:e}");
        if text.contains("e-") { text } else { text.replace('e', "e+") }
    } else if double.is_infinite() {
        if double > 0.0 { "+Inf".to_owned() } else { "-Inf".to_owned() }
    } else {
        double.to_string()
    }
}
