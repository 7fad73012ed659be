//! How a rule sees an event: flat, in Sigma's field names.
//! Five fields are always ours and cannot be forged by an event's own fields: Host, Source, Class, Severity, Message.

use std::borrow::Cow;

use agent_model::HostEvent;
use rsigma_eval::{Event, EventValue};

pub(crate) struct EventView<'a>(pub(crate) &'a HostEvent);

const OURS: [&str; 5] = ["Host", "Source", "Class", "Severity", "Message"];

impl<'a> EventView<'a> {
    /// The value of a field; an absent field has none.
    pub(crate) fn field(&self, name: &str) -> Option<&'a str> {
        let event = &self.0.event;
        match name {
            "Host" => Some(self.0.host.as_str()),
            "Source" => Some(&event.source),
            "Class" => Some(event.class.name()),
            "Severity" => Some(event.severity.name()),
            "Message" => Some(&event.message),
            other => event.fields.get(other).map(String::as_str),
        }
    }

    fn values(&self) -> impl Iterator<Item = &'a str> {
        let own = self.0.event.fields.values().map(String::as_str);
        std::iter::once(self.0.event.message.as_str()).chain(own)
    }

    fn names(&self) -> impl Iterator<Item = &'a str> {
        let own = self.0.event.fields.keys().map(String::as_str);
        OURS.into_iter().chain(own.filter(|name| !OURS.contains(name)))
    }
}

impl Event for EventView<'_> {
    fn get_field(&self, path: &str) -> Option<EventValue<'_>> {
        self.field(path).map(|value| EventValue::Str(Cow::Borrowed(value)))
    }

    /// Keyword searches look at the message and at the event's own fields.
    fn any_string_value(&self, matches: &dyn Fn(&str) -> bool) -> bool {
        self.values().any(matches)
    }

    fn all_string_values(&self) -> Vec<Cow<'_, str>> {
        self.values().map(Cow::Borrowed).collect()
    }

    fn visit_string_values(&self, visit: &mut dyn FnMut(&str)) {
        self.values().for_each(visit);
    }

    fn to_json(&self) -> serde_json::Value {
        let pair = |name: &str| (name.to_owned(), self.field(name).unwrap_or_default().into());
        serde_json::Value::Object(self.names().map(pair).collect())
    }

    fn field_keys(&self) -> Vec<Cow<'_, str>> {
        self.names().map(Cow::Borrowed).collect()
    }

    fn top_level_keys(&self) -> Option<Vec<Cow<'_, str>>> {
        let mut keys = Vec::new();
        self.visit_top_level_keys(&mut |key| keys.push(Cow::Owned(key.to_owned())));
        Some(keys)
    }

    /// rsigma asks for the part before the first dot; our fields are flat, so a dotted name is announced both ways.
    fn visit_top_level_keys(&self, visit: &mut dyn FnMut(&str)) -> bool {
        for name in self.names() {
            visit(name);
            if let Some((root, _)) = name.split_once('.') {
                visit(root);
            }
        }
        true
    }
}
