//! Checks of templates: the files that `templates` names, and every text that is one. Each text is kept once, however many
//! receivers have it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use agent_model::Problem;
use agent_yaml::{At, Text};
use rules_templates::{Template, TemplateError};

use super::Check;
use crate::notify::Templates;

/// One file of templates: the largest that people share have tens of kilobytes.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Files of templates: each is parsed at every reload.
const FILES_MAX: usize = 100;

pub(super) struct Texts {
    templates: Templates,
    texts: BTreeMap<String, Template>,
    pages: BTreeMap<String, Template>,
}

impl Texts {
    pub(super) fn new() -> Self {
        let templates = Templates::built_in();
        Self { templates, texts: BTreeMap::new(), pages: BTreeMap::new() }
    }

    fn text(&mut self, text: &str) -> Result<Template, TemplateError> {
        if let Some(known) = self.texts.get(text) {
            return Ok(known.clone());
        }
        let template = self.templates.text(text)?;
        self.texts.insert(text.to_owned(), template.clone());
        Ok(template)
    }

    fn page(&mut self, text: &str) -> Result<Template, TemplateError> {
        if let Some(known) = self.pages.get(text) {
            return Ok(known.clone());
        }
        let template = self.templates.page(text)?;
        self.pages.insert(text.to_owned(), template.clone());
        Ok(template)
    }
}

impl Check<'_> {
    /// A text of the file as a template; `instead` where it does not stand there.
    pub(super) fn text(&mut self, given: Option<&At<Text>>, instead: &str) -> Template {
        let text = given.map_or(instead, |given| given.value.0.as_str());
        let template = self.texts.text(text);
        self.checked(given, template)
    }

    /// The same for a page.
    pub(super) fn page(&mut self, given: Option<&At<Text>>, instead: &str) -> Template {
        let text = given.map_or(instead, |given| given.value.0.as_str());
        let template = self.texts.page(text);
        self.checked(given, template)
    }

    fn checked(
        &mut self,
        given: Option<&At<Text>>,
        template: Result<Template, TemplateError>,
    ) -> Template {
        template.unwrap_or_else(|error| {
            let place = given.map(|given| given.place.clone()).unwrap_or_default();
            self.problem(&place, format!("the template cannot be used: {error}"));
            Template::nothing()
        })
    }
}

/// Reads the files that the patterns name, in Alertmanager's way: beside `alerting.yml`, and a pattern may name none yet.
pub(super) fn read(check: &mut Check<'_>, patterns: &[At<String>]) {
    let directory = check.document.file().parent().unwrap_or(Path::new("")).to_owned();
    let mut count = 0;
    for pattern in patterns {
        let whole = directory.join(&pattern.value);
        let found = whole.to_str().map(glob::glob);
        let Some(Ok(found)) = found else {
            let message = format!("{:?} is no pattern for names of files", pattern.value);
            check.problem(&pattern.place, message);
            continue;
        };
        for file in found {
            count += 1;
            if count > FILES_MAX {
                let message = format!("more than {FILES_MAX} files of templates");
                check.problem(&pattern.place, message);
                return;
            }
            match file {
                Ok(file) => add(check, file),
                Err(error) => check.problem(&pattern.place, error.to_string()),
            }
        }
    }
}

fn add(check: &mut Check<'_>, file: PathBuf) {
    let added = match text_of(&file) {
        Ok(text) => check.texts.templates.add(&text).map_err(|error| {
            (Some(error.line()), format!("the template cannot be used: {}", error.message()))
        }),
        Err(message) => Err((None, message)),
    };
    if let Err((line, message)) = added {
        check.problems.push(Problem { file, line, message });
    }
}

fn text_of(file: &Path) -> Result<String, String> {
    let size = std::fs::metadata(file).map_err(|error| format!("cannot be read: {error}"))?.len();
    if size > FILE_BYTES_MAX {
        return Err(format!("has {size} bytes; at most {FILE_BYTES_MAX} are read"));
    }
    std::fs::read_to_string(file).map_err(|error| format!("cannot be read as UTF-8 text: {error}"))
}
