//! Go templates in labels and annotations: `$labels`, `$value`, `$externalLabels`, `$externalURL` and Prometheus' functions,
//! `query` among them. `tmpl` is for pages of templates, and refused here as in Prometheus.

mod desk;
mod functions;
mod vectors;

use std::sync::LazyLock;

use agent_model::{Labels, Millis};
use rules_templates::{Library, Value, record, shown};

pub use rules_templates::TemplateError;

use desk::Desk;

/// A checked template.
#[derive(Clone, Debug)]
pub struct Template {
    text: String,
    /// None: a text without actions.
    actions: Option<rules_templates::Template>,
}

/// Templates of one text do the same.
impl PartialEq for Template {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text && self.actions.is_some() == other.actions.is_some()
    }
}

impl Eq for Template {}

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

/// Longer than any message a person reads, so that a loop in a template does not fill the memory.
const OUTPUT_BYTES_MAX: usize = 64 << 10;

/// Each costs an evaluation, for every alert of the rule; sentences for people need one or two.
const QUERIES_MAX: usize = 16;

/// The variables of Prometheus' templates. They take no room in the lines of the text.
const PREAMBLE: &str = "{{$labels := .Labels}}{{$externalLabels := .ExternalLabels}}\
                        {{$externalURL := .ExternalURL}}{{$value := .Value}}";

static LIBRARY: LazyLock<Library> = LazyLock::new(|| {
    let own = functions::FUNCTIONS.iter();
    own.fold(Library::new(OUTPUT_BYTES_MAX), |library, (name, function)| {
        library.with_function(name, function)
    })
});

impl Template {
    /// A text without actions, whatever it looks like.
    pub fn literal(text: &str) -> Self {
        Self { text: text.to_owned(), actions: None }
    }

    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        if !text.contains("{{") {
            return Ok(Self::literal(text));
        }
        let actions = LIBRARY.template(&format!("{PREAMBLE}{text}"))?;
        Ok(Self { text: text.to_owned(), actions: Some(actions) })
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn render(&self, data: &TemplateData) -> Result<String, TemplateError> {
        let Some(actions) = &self.actions else { return Ok(self.text.clone()) };
        let fields = record(
            "Data",
            [
                ("Labels", vectors::label_map(data.labels)),
                ("ExternalLabels", vectors::label_map(&data.around.external.labels)),
                ("ExternalURL", shown(&data.around.external.url)),
                ("Value", Value::Float(data.value)),
            ],
        );
        let now = jiff::Timestamp::from_millisecond(data.around.at_ms).unwrap_or_default();
        let mut desk = Desk::new(data);
        // The engine's functions see their arguments only. So `query` leaves its question on the desk and the template is
        // rendered again once the answer lies there.
        for _ in 0..=QUERIES_MAX {
            let (rendered, question) = desk.lend(|| actions.render(&fields, now));
            let Some(question) = question else { return rendered };
            let failed =
                |error| TemplateError::new(format!("the query {question:?} failed: {error}"));
            let answer = (data.around.ask)(&question).map_err(failed)?;
            desk.answer(question, vectors::from_answer(answer));
        }
        Err(TemplateError::new(format!("more than {QUERIES_MAX} queries in one template")))
    }

    /// As Prometheus shows it: a template that fails says so in its own place, and the alert goes out all the same.
    pub(crate) fn show(&self, data: &TemplateData) -> String {
        self.render(data).unwrap_or_else(|error| format!("<error expanding template: {error}>"))
    }
}

#[cfg(test)]
mod tests;
