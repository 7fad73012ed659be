//! A drill plan that was checked: whom it concerns, what it should prove, step by step.

use std::path::Path;

use agent_model::{Millis, Problem, Problems};
use agent_yaml::Document;

use super::raw;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DrillPlan {
    pub id: String,
    pub title: Title,
    /// Whoever starts the drill types its name.
    pub site: String,
    /// What is touched and what is not.
    pub scope: Title,
    pub objectives: Objectives,
    pub participants: Vec<Participant>,
    pub preconditions: Vec<Precondition>,
    /// At least one; ids differ.
    pub steps: Vec<Step>,
    /// The file as it was read: kept with a run, so that minutes written years later show what was run.
    pub text: String,
}

/// A plan's file: its text is stored with every run.
const FILE_BYTES_MAX: u64 = 256 * 1024;

/// Text in the two languages people read.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Title {
    pub vi: String,
    pub en: String,
}

/// What the drill should prove.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Objectives {
    pub rto_ms: Option<Millis>,
    pub rpo_ms: Option<Millis>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Participant {
    pub name: String,
    pub duty: String,
}

/// A query that must hold before the drill begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Precondition {
    pub title: Title,
    pub expr: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    pub id: String,
    pub title: Title,
    pub kind: StepKind,
    /// From its beginning; a step that is not done by then fails the drill.
    pub timeout_ms: Millis,
    pub measures: Option<Measure>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepKind {
    /// A person does it and confirms.
    Manual {
        instruction: Title,
    },
    /// Done when the target answers as expected (or, with `Silent`, no longer answers).
    Http {
        url: String,
        expect: Expectation,
        /// What the body must hold besides: a regular expression.
        body_matches: Option<String>,
        /// The served certificate must be good for at least this long yet.
        certificate_ms_min: Option<Millis>,
    },
    Tcp {
        address: String,
        expect: Expectation,
    },
    /// Done when the expression has a result and none of its values is 0.
    Query {
        expr: String,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expectation {
    Answers,
    /// HTTP only.
    Status(u16),
    Silent,
}

/// What is taken from a step when it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// The moment the outage begins.
    RtoStart,
    /// The moment the service is back.
    RtoEnd,
    /// The value of a query: seconds of data that were lost.
    RpoSeconds,
}

impl DrillPlan {
    pub fn load(file: &Path) -> Result<Self, Problems> {
        let refuse =
            |message| Problems(vec![Problem { file: file.to_owned(), line: None, message }]);
        let unreadable = |error: std::io::Error| refuse(format!("cannot be read: {error}"));
        let bytes = std::fs::metadata(file).map_err(unreadable)?.len();
        if bytes > FILE_BYTES_MAX {
            let text = format!("has {bytes} bytes; a drill plan has at most {FILE_BYTES_MAX}");
            return Err(refuse(text));
        }
        Self::parse(file, &std::fs::read_to_string(file).map_err(unreadable)?)
    }

    /// Checks text, such as the one stored with a run; `file` only names it in problems.
    pub fn parse(file: &Path, text: &str) -> Result<Self, Problems> {
        let plan = raw::check(&Document::parse(file, text)?)?;
        Ok(Self { text: text.to_owned(), ..plan })
    }

    /// Every `*.yml` of a directory, in order of their names; a bad file never hides the others.
    pub fn load_directory(directory: &Path) -> (Vec<Self>, Problems) {
        let mut problems = Vec::new();
        let mut say = |message: String| {
            problems.push(Problem { file: directory.to_owned(), line: None, message });
        };
        let mut files = Vec::new();
        match std::fs::read_dir(directory) {
            Ok(entries) => {
                for entry in entries {
                    match entry {
                        Ok(entry) => files.push(entry.path()),
                        Err(error) => say(format!("cannot be listed: {error}")),
                    }
                }
            }
            Err(error) => say(format!("cannot be listed: {error}")),
        }
        files.retain(|file| file.extension().is_some_and(|extension| extension == "yml"));
        files.sort();
        let mut plans: Vec<Self> = Vec::new();
        for file in files {
            match Self::load(&file) {
                Ok(plan) if plans.iter().any(|other| other.id == plan.id) => {
                    let message = format!("drill {:?} is planned in another file too", plan.id);
                    problems.push(Problem { file, line: None, message });
                }
                Ok(plan) => plans.push(plan),
                Err(more) => problems.extend(more.0),
            }
        }
        (plans, Problems(problems))
    }

    pub fn step(&self, id: &str) -> Option<&Step> {
        self.steps.iter().find(|step| step.id == id)
    }
}
