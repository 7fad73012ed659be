//! Go templates in labels and annotations: `$labels`, `$value` and Prometheus' functions.
//! Leaves out what reads data or the server (`query`, `graphLink`, …): a template that uses it is refused when loaded.

mod functions;
mod humanize;

use std::collections::HashMap;

use agent_model::Labels;
use gtmpl_ng::{Context, Value};

/// A checked template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    text: String,
    kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Literal,
    /// With the labels it names, which must read as empty where they are absent.
    Actions {
        labels: Vec<String>,
    },
}

/// What a template can show.
#[derive(Clone, Copy, Debug)]
pub struct TemplateData<'a> {
    pub labels: &'a Labels,
    pub value: f64,
}

#[derive(Debug, thiserror::Error)]
#[error("the template cannot be used: {0}")]
pub struct TemplateError(String);

/// Longer than any message a person reads, so that a loop in a template does not fill the memory.
const OUTPUT_BYTES_MAX: usize = 64 << 10;

/// The variables of Prometheus' templates. They take no room in the lines of the text.
const PREAMBLE: &str = "{{$labels := .Labels}}{{$externalLabels := .ExternalLabels}}\
                        {{$externalURL := .ExternalURL}}{{$value := .Value}}";

impl Template {
    /// A text without actions, whatever it looks like.
    pub fn literal(text: &str) -> Self {
        Self { text: text.to_owned(), kind: Kind::Literal }
    }

    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        if !text.contains("{{") {
            return Ok(Self::literal(text));
        }
        engine(text)?;
        let kind = Kind::Actions { labels: named_labels(text) };
        Ok(Self { text: text.to_owned(), kind })
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    pub fn render(&self, data: &TemplateData) -> Result<String, TemplateError> {
        let named = match &self.kind {
            Kind::Literal => return Ok(self.text.clone()),
            Kind::Actions { labels } => labels,
        };
        let mut labels: HashMap<String, Value> =
            named.iter().map(|name| (name.clone(), Value::from(""))).collect();
        for label in data.labels.iter() {
            labels.insert(label.name.to_string(), Value::from(label.value.as_ref()));
        }
        let fields = HashMap::from([
            ("Labels".to_owned(), Value::Map(labels)),
            ("ExternalLabels".to_owned(), Value::Map(HashMap::new())),
            ("ExternalURL".to_owned(), Value::from("")),
            ("Value".to_owned(), Value::from(data.value)),
        ]);
        let engine = engine(&self.text)?;
        let rendered = engine.render(&Context::from(Value::Object(fields)));
        rendered.map_err(|error| TemplateError(error.to_string()))
    }

    /// As Prometheus shows it: a template that fails says so in its own place, and the alert goes out all the same.
    pub fn show(&self, data: &TemplateData) -> String {
        self.render(data).unwrap_or_else(|error| format!("<error expanding template: {}>", error.0))
    }
}

fn engine(text: &str) -> Result<gtmpl_ng::Template, TemplateError> {
    let limits = gtmpl_ng::Limits::default().with_output_bytes(OUTPUT_BYTES_MAX);
    let mut engine = gtmpl_ng::Template::with_limits(limits);
    engine.add_funcs(functions::FUNCTIONS);
    let parsed = engine.parse(format!("{PREAMBLE}{text}"));
    parsed.map_err(|error| match error {
        // Without the place: it counts the preamble, and most templates are one line.
        gtmpl_ng::ParseError::WithContext(_, message) => TemplateError(message),
        other => TemplateError(other.to_string()),
    })?;
    Ok(engine)
}

/// The names that follow `$labels.` or `.Labels.`.
fn named_labels(text: &str) -> Vec<String> {
    let after = text.match_indices("abels.").map(|(at, found)| &text[at + found.len()..]);
    let names = after.map(|rest| {
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        rest[..end.unwrap_or(rest.len())].to_owned()
    });
    names.filter(|name| !name.is_empty()).collect()
}

#[cfg(test)]
mod tests;
