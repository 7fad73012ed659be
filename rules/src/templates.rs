//! Go templates in labels and annotations: `$labels`, `$value`, `$externalLabels`, `$externalURL` and Prometheus' functions,
//! `query` among them. Leaves out `tmpl` (pages of templates, which Prometheus itself has dropped): refused when loaded.

mod desk;
mod functions;
mod humanize;
mod vectors;

use std::collections::HashMap;

use agent_model::{Labels, Millis};
use gtmpl_ng::{Context, Value};

use desk::Desk;

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

/// What rules are told of the server that evaluates them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct External {
    /// `$externalLabels`.
    pub labels: Labels,
    /// `$externalURL`: where people reach the pages.
    pub url: String,
}

/// Answers the `query` of a template, as of the evaluation.
pub(crate) type Ask<'a> = &'a dyn Fn(&str) -> Result<Vec<(Labels, f64)>, String>;

/// What a template can show of anything but its alert.
#[derive(Clone, Copy)]
pub(crate) struct Surroundings<'a> {
    pub at_ms: Millis,
    pub external: &'a External,
    pub ask: Ask<'a>,
}

/// What a template can show.
#[derive(Clone, Copy)]
pub(crate) struct TemplateData<'a> {
    pub labels: &'a Labels,
    pub value: f64,
    pub around: Surroundings<'a>,
}

#[derive(Debug, thiserror::Error)]
#[error("the template cannot be used: {0}")]
pub struct TemplateError(String);

/// Longer than any message a person reads, so that a loop in a template does not fill the memory.
const OUTPUT_BYTES_MAX: usize = 64 << 10;

/// Each costs an evaluation, for every alert of the rule; sentences for people need one or two.
const QUERIES_MAX: usize = 16;

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

    pub(crate) fn render(&self, data: &TemplateData) -> Result<String, TemplateError> {
        let named = match &self.kind {
            Kind::Literal => return Ok(self.text.clone()),
            Kind::Actions { labels } => labels,
        };
        let fields = HashMap::from([
            ("Labels".to_owned(), vectors::label_map(data.labels, named)),
            ("ExternalLabels".to_owned(), vectors::label_map(&data.around.external.labels, named)),
            ("ExternalURL".to_owned(), Value::from(data.around.external.url.as_str())),
            ("Value".to_owned(), Value::from(data.value)),
        ]);
        let engine = engine(&self.text)?;
        let context = Context::from(Value::Object(fields));
        let mut desk = Desk::new(data);
        // The engine's functions see their arguments only. So `query` leaves its question on the desk and the template is
        // rendered again once the answer lies there.
        for _ in 0..=QUERIES_MAX {
            let (rendered, question) = desk.lend(|| engine.render(&context));
            let Some(question) = question else {
                return rendered.map_err(|error| TemplateError(error.to_string()));
            };
            let failed = |error| TemplateError(format!("the query {question:?} failed: {error}"));
            let answer = (data.around.ask)(&question).map_err(failed)?;
            desk.answer(question, vectors::from_answer(answer, named));
        }
        Err(TemplateError(format!("more than {QUERIES_MAX} queries in one template")))
    }

    /// As Prometheus shows it: a template that fails says so in its own place, and the alert goes out all the same.
    pub(crate) fn show(&self, data: &TemplateData) -> String {
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

/// The names that follow `$labels.`, `.Labels.` or `$externalLabels.`.
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
