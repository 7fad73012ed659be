//! One file's text → rules as rsigma parses them, with our part of their metadata.

use std::collections::BTreeMap;
use std::path::Path;

use agent_model::Problem;
use rsigma_parser::{Level, SigmaCollection, parse_sigma_yaml};
use sha2::{Digest, Sha256};

use super::{Body, DOCUMENT_BYTES_MAX, Place, Read, one_line};
use crate::document::Document;
use crate::rule::{Meta, severity};
use crate::text::Sentence;

pub(super) fn file(file: &Path, text: &str, read: &mut Vec<Read>, problems: &mut Vec<Problem>) {
    for document in Document::split(text) {
        let place = place(file, &document);
        if let Some(message) = refusal(&document) {
            problems.push(place.problem(place.first, message));
            continue;
        }
        match parse_sigma_yaml(&document.padded()) {
            Ok(parsed) => take(parsed, &document, &place, read, problems),
            Err(error) => problems.push(problem(&place, &document, &error.to_string())),
        }
    }
}

fn refusal(document: &Document<'_>) -> Option<String> {
    let bytes = document.len();
    if bytes > DOCUMENT_BYTES_MAX {
        return Some(format!("this rule has {bytes} bytes; at most {DOCUMENT_BYTES_MAX} are read"));
    }
    document.too_deep()
}

fn place(file: &Path, document: &Document<'_>) -> Place {
    Place {
        file: file.to_owned(),
        first: document.lines().next().map(|(line, _)| line),
        detection: document.line_of("detection"),
        condition: document.line_of("condition"),
        rules: document.line_of("rules"),
    }
}

fn take(
    parsed: SigmaCollection,
    document: &Document<'_>,
    place: &Place,
    read: &mut Vec<Read>,
    problems: &mut Vec<Problem>,
) {
    problems.extend(parsed.errors.iter().map(|error| problem(place, document, error)));
    for filter in &parsed.filters {
        let message = format!(
            "{:?} is a Sigma filter, which we do not apply; write the exception into the rule's own condition",
            filter.title
        );
        problems.push(place.problem(place.first, message));
    }
    let version = version(document);
    for rule in parsed.rules {
        let named = Named { id: &rule.id, name: &rule.name, title: &rule.title, level: rule.level };
        let sentences = rule.custom_attributes.get("annotations");
        let sentences = sentences.and_then(|given| serde_json::to_value(given).ok());
        let sentences = annotations(sentences, document, place, problems);
        let meta = named.meta(&version, &rule.tags, sentences);
        let name = rule.name.clone();
        read.push(Read { meta, name, body: Body::Detection(Box::new(rule)), place: place.clone() });
    }
    for rule in parsed.correlations {
        let named = Named { id: &rule.id, name: &rule.name, title: &rule.title, level: rule.level };
        let sentences = rule.custom_attributes.get("annotations");
        let sentences = sentences.and_then(|given| serde_json::to_value(given).ok());
        let sentences = annotations(sentences, document, place, problems);
        let meta = named.meta(&version, &rule.tags, sentences);
        let name = rule.name.clone();
        read.push(Read {
            meta,
            name,
            body: Body::Correlation(Box::new(rule)),
            place: place.clone(),
        });
    }
}

/// Our addition to Sigma: a mapping of names to sentences, as in a metric rule.
fn annotations(
    given: Option<serde_json::Value>,
    document: &Document<'_>,
    place: &Place,
    problems: &mut Vec<Problem>,
) -> BTreeMap<String, Sentence> {
    let mut sentences = BTreeMap::new();
    let Some(given) = given else { return sentences };
    let Some(pairs) = given.as_object() else {
        let line = document.line_of("annotations");
        problems.push(place.problem(line, "annotations are a mapping of names to texts"));
        return sentences;
    };
    for (name, text) in pairs {
        let parsed = text.as_str().ok_or("is not a text".to_owned()).and_then(Sentence::parse);
        match parsed {
            Ok(sentence) => {
                sentences.insert(name.clone(), sentence);
            }
            Err(message) => {
                let line = document.line_of(name);
                problems.push(place.problem(line, format!("{name}: {message}")));
            }
        }
    }
    sentences
}

/// What a rule says of itself, whichever kind it is.
struct Named<'a> {
    id: &'a Option<String>,
    name: &'a Option<String>,
    title: &'a str,
    level: Option<Level>,
}

impl Named<'_> {
    fn meta(
        &self,
        version: &str,
        tags: &[String],
        annotations: BTreeMap<String, Sentence>,
    ) -> Meta {
        let id = self.id.clone().or_else(|| self.name.clone());
        Meta {
            id: id.unwrap_or_else(|| self.title.to_owned()),
            version: version.to_owned(),
            title: self.title.to_owned(),
            alert_name: self.name.clone().unwrap_or_else(|| camel_case(self.title)),
            level: severity(self.level),
            tags: tags.to_vec(),
            annotations,
        }
    }
}

/// Twelve hex digits over what the rule says; comments and empty lines say nothing.
fn version(document: &Document<'_>) -> String {
    let mut hash = Sha256::new();
    for (_, line) in document.lines() {
        hash.update(line.as_bytes());
        hash.update(b"\n");
    }
    let digest = hash.finalize();
    digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}

/// "Many failed logins over SSH" → "ManyFailedLoginsOverSSH".
fn camel_case(title: &str) -> String {
    let words = title.split(|letter: char| !letter.is_ascii_alphanumeric());
    let mut joined = String::new();
    for word in words.filter(|word| !word.is_empty()) {
        let (first, rest) = word.split_at(1);
        joined.push_str(&first.to_ascii_uppercase());
        joined.push_str(rest);
    }
    if joined.is_empty() { "SigmaRule".into() } else { joined }
}

/// The parser's message, at the line it tells, else at the part of the rule that it is about.
fn problem(place: &Place, document: &Document<'_>, message: &str) -> Problem {
    let told = message.rsplit_once("at line ").and_then(|(_, rest)| {
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().ok()
    });
    let about = |word: &str| message.to_lowercase().contains(word);
    let line = told.or_else(|| match message {
        _ if about("condition") => place.condition,
        _ if about("status") => document.line_of("status"),
        _ if about("level") => document.line_of("level"),
        _ if about("related") => document.line_of("related"),
        _ if about("timeframe") || about("timespan") => {
            document.line_of("timespan").filter(|line| Some(*line) != place.first).or(place.first)
        }
        _ if about("modifier") || about("detection") => place.detection,
        _ => place.first,
    });
    place.problem(line, one_line(message))
}
