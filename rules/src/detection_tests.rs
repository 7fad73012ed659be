//! Tests of Sigma rules that people write beside them: events in, detections expected.
//!
//! ```yaml
//! rule_files: [SshBruteForce.yml]        # beside the test; `*` and `?` may stand for more
//! tests:
//!   - name: forty failures in two minutes
//!     events:
//!       - {at: 0s, repeat: 40, every: 3s, host: dc1-srv01, source: auth_log, class: authentication,
//!          message: "line {n}", fields: {EventType: ssh_login_failed, SourceIp: 203.0.113.9}}
//!     detections:                        # exactly these, in this order; `labels` besides alertname and severity
//!       - {alertname: SshBruteForce, labels: {host: dc1-srv01, source_ip: 203.0.113.9}}
//! ```
//! `{n}` in a text counts the repetitions from 1. Leaves to others: loading the rules. The library's own tests load all of
//! its rules together.

use std::path::{Path, PathBuf};

use agent_model::{
    Event, EventClass, EventId, HostEvent, HostId, Labels, Millis, Problem, Problems, Severity,
};
use agent_yaml::{At, Document, Duration, Entries, Place, Text};
use deserr::Deserr;
use rules_sigma::{CorrelationState, Detection, SigmaRules};

use crate::library::TEST_SUFFIX;
use crate::rule_files::beside;

/// Events that one case may make of its `repeat`s: more is a benchmark, not an example.
pub const EVENTS_PER_CASE_MAX: u64 = 10_000;

/// Events are received so long after they happened; a test's clock starts at 2024-01-01.
const RECEIVED_AFTER_MS: Millis = 200;
const START_MS: Millis = 1_704_067_200_000;

/// A test file that was read.
pub struct DetectionTests {
    document: Document,
    raw: RawFile,
}

#[derive(Deserr)]
#[deserr(deny_unknown_fields)]
struct RawFile {
    rule_files: Vec<At<Text>>,
    tests: Vec<RawCase>,
}

#[derive(Deserr)]
#[deserr(deny_unknown_fields)]
struct RawCase {
    name: At<String>,
    events: Vec<RawEvent>,
    detections: Vec<RawDetection>,
}

#[derive(Deserr)]
#[deserr(deny_unknown_fields)]
struct RawEvent {
    #[deserr(default = Duration::from_secs(0))]
    at: Duration,
    #[deserr(default = 1)]
    repeat: u64,
    #[deserr(default = Duration::from_secs(1))]
    every: Duration,
    #[deserr(default = String::from("dc1-srv01"))]
    host: String,
    source: String,
    class: At<String>,
    #[deserr(default = String::from("informational"))]
    severity: String,
    #[deserr(default = String::from("line {n}"))]
    message: String,
    #[deserr(default)]
    fields: Entries<Text>,
}

#[derive(Deserr)]
#[deserr(deny_unknown_fields)]
struct RawDetection {
    alertname: String,
    #[deserr(default)]
    labels: Entries<Text>,
}

impl DetectionTests {
    pub fn parse(file: &Path, text: &str) -> Result<Self, Problems> {
        let document = Document::parse(file, text)?;
        let raw = document.read()?;
        Ok(Self { document, raw })
    }

    /// The same from a file.
    pub fn open(file: &Path) -> Result<Self, Problems> {
        let document = Document::open(file)?;
        let raw = document.read()?;
        Ok(Self { document, raw })
    }

    /// The rule files that the test is about, as written: relative to the test file.
    pub fn rule_files(&self) -> Vec<&str> {
        self.raw.rule_files.iter().map(|name| name.value.0.as_str()).collect()
    }

    /// The files that these names mean; a name that means none is a problem. Tests lie beside rules and are none.
    pub fn find_rule_files(&self) -> Result<Vec<PathBuf>, Problems> {
        let (mut files, problems) = beside(&self.document, &self.raw.rule_files);
        if !problems.0.is_empty() {
            return Err(problems);
        }
        files.retain(|file| !file.to_string_lossy().ends_with(TEST_SUFFIX));
        Ok(files)
    }

    /// How many cases there are.
    pub fn count(&self) -> usize {
        self.raw.tests.len()
    }

    /// How many cases expect the alert, and how many expect none at all.
    pub fn cases(&self, alert_name: &str) -> (usize, usize) {
        let fires = |case: &RawCase| case.detections.iter().any(|one| one.alertname == alert_name);
        let firing = self.raw.tests.iter().filter(|case| fires(case)).count();
        let silent = self.raw.tests.iter().filter(|case| case.detections.is_empty()).count();
        (firing, silent)
    }

    /// Runs every case against the rules; what went otherwise than expected is told at the case's line.
    pub fn run(&self, rules: &SigmaRules) -> Problems {
        let outcomes = self.raw.tests.iter().map(|case| self.run_case(case, rules));
        Problems(outcomes.filter_map(Result::err).collect())
    }

    fn run_case(&self, case: &RawCase, rules: &SigmaRules) -> Result<(), Problem> {
        let mut events = Vec::new();
        for raw in &case.events {
            self.add_events(raw, &mut events, &case.name.place)?;
        }
        events.sort_by_key(|event| event.event.time_ms);
        for (number, event) in (0_u128..).zip(&mut events) {
            event.id = EventId(number.to_be_bytes());
        }
        let mut state = CorrelationState::default();
        let found: Vec<String> = events
            .iter()
            .flat_map(|event| rules.evaluate(event, &mut state))
            .map(|detection| show(&detection))
            .collect();
        let wanted: Vec<String> = case.detections.iter().map(RawDetection::show).collect();
        if found == wanted {
            return Ok(());
        }
        let list = |all: &[String]| if all.is_empty() { "none".into() } else { all.join(", ") };
        let (name, wanted, found) = (&case.name.value, list(&wanted), list(&found));
        let message = format!("{name:?} expects detections: {wanted}; there were: {found}");
        Err(self.document.problem(&case.name.place, message))
    }

    fn add_events(
        &self,
        raw: &RawEvent,
        events: &mut Vec<HostEvent>,
        case: &Place,
    ) -> Result<(), Problem> {
        if raw.repeat > EVENTS_PER_CASE_MAX {
            let message = format!("repeats {} times; at most {EVENTS_PER_CASE_MAX}", raw.repeat);
            return Err(self.document.problem(case, message));
        }
        let at = raw.at.as_millis();
        let times = (1..=raw.repeat).zip((0..).map(|n: i64| at + n * raw.every.as_millis()));
        for (number, at) in times {
            let event = raw.event(number, at);
            events.push(event.map_err(|message| self.document.problem(&raw.class.place, message))?);
        }
        Ok(())
    }
}

impl RawEvent {
    fn event(&self, number: u64, at: Millis) -> Result<HostEvent, String> {
        let class = &self.class.value;
        let class = EventClass::ALL.into_iter().find(|known| known.name() == class);
        let class = class.ok_or_else(|| {
            let known: Vec<_> = EventClass::ALL.iter().map(|class| class.name()).collect();
            format!("{:?} is no class; known are {}", self.class.value, known.join(", "))
        })?;
        let severity = Severity::ALL.into_iter().find(|known| known.name() == self.severity);
        let severity = severity.ok_or_else(|| format!("{:?} is no severity", self.severity))?;
        let fill = |text: &str| text.replace("{n}", &number.to_string());
        let host = HostId::new(&fill(&self.host)).map_err(|error| error.to_string())?;
        let fields = self.fields.iter().map(|(name, text)| (name.clone(), fill(&text.0)));
        Ok(HostEvent {
            id: EventId([0; 16]),
            host,
            received_ms: START_MS + at + RECEIVED_AFTER_MS,
            event: Event {
                time_ms: START_MS + at,
                class,
                severity,
                source: self.source.clone(),
                message: fill(&self.message),
                fields: fields.collect(),
            },
        })
    }
}

impl RawDetection {
    fn show(&self) -> String {
        let labels = self.labels.iter().map(|(name, text)| (name.as_str(), text.0.as_str()));
        format!("{}{}", self.alertname, Labels::new(labels))
    }
}

fn show(detection: &Detection) -> String {
    let name = detection.labels.get("alertname").unwrap_or_default();
    format!("{name}{}", detection.labels.with("alertname", "").with("severity", ""))
}

#[cfg(test)]
mod tests;
