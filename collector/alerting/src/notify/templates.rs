//! Templates of notifications: Alertmanager's functions and data, our own texts under its names, and what people add.
//!
//! Promises: what cannot work is refused when the files are read; one text becomes at most [`TEXT_BYTES_MAX`] long. Leaves to
//! others: which texts a channel has ([`crate::routing`]), and what is sent when a template fails (`composing`).

mod data;
mod functions;
mod methods;

use rules_templates::{Library, Template, TemplateError};

pub(super) use data::data;

/// One rendered text: a mail of fifty alerts with all that is known of them is a tenth of this.
pub(crate) const TEXT_BYTES_MAX: usize = 256 << 10;

/// Our texts, each under the name that Alertmanager gives it.
const BUILT_IN: &str = include_str!("templates/built_in.tmpl");

/// Everything that a text of `alerting.yml` can use.
pub(crate) struct Templates(Library);

impl Templates {
    pub(crate) fn built_in() -> Self {
        let library = Library::new(TEXT_BYTES_MAX).with_methods(methods::method);
        let own = functions::all().into_iter();
        let mut library =
            own.fold(library, |library, (name, function)| library.with_function(name, function));
        let added = library.add_named(BUILT_IN);
        debug_assert!(added.is_ok(), "{added:?}");
        Self(library)
    }

    /// Adds what a file defines; of one name the last counts.
    pub(crate) fn add(&mut self, text: &str) -> Result<(), TemplateError> {
        self.0.add_named(text)
    }

    pub(crate) fn text(&self, text: &str) -> Result<Template, TemplateError> {
        self.0.template(text)
    }

    /// For a text that is shown as a page: every action is escaped for its place.
    pub(crate) fn page(&self, text: &str) -> Result<Template, TemplateError> {
        self.0.page(text)
    }
}

#[cfg(test)]
mod tests;
