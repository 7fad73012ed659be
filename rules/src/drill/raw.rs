//! A drill plan as it is written, and its checks: all problems at once, each with its line.

use std::collections::BTreeSet;

use agent_model::{Problem, Problems};
use agent_yaml::{At, Document, Duration};
use deserr::Deserr;

use super::plan::{
    DrillPlan, Expectation, Measure, Objectives, Participant, Precondition, Step, StepKind, Title,
};

/// Steps of one plan: more is several drills.
const STEPS_MAX: usize = 200;

#[derive(Debug, Deserr)]
#[deserr(deny_unknown_fields)]
struct RawPlan {
    id: At<String>,
    title_vi: String,
    title_en: String,
    site: At<String>,
    #[deserr(default)]
    scope_vi: String,
    #[deserr(default)]
    scope_en: String,
    #[deserr(default)]
    objectives: RawObjectives,
    #[deserr(default)]
    participants: Vec<RawParticipant>,
    #[deserr(default)]
    preconditions: Vec<RawPrecondition>,
    steps: At<Vec<RawStep>>,
}

#[derive(Debug, Default, Deserr)]
#[deserr(deny_unknown_fields)]
struct RawObjectives {
    #[deserr(default)]
    rto: Option<At<Duration>>,
    #[deserr(default)]
    rpo: Option<At<Duration>>,
}

#[derive(Debug, Deserr)]
#[deserr(deny_unknown_fields)]
struct RawParticipant {
    name: String,
    #[deserr(default)]
    duty: String,
}

#[derive(Debug, Deserr)]
#[deserr(deny_unknown_fields)]
struct RawPrecondition {
    title_vi: String,
    title_en: String,
    expr: At<String>,
}

#[derive(Debug, Deserr)]
#[deserr(deny_unknown_fields)]
struct RawStep {
    id: At<String>,
    title_vi: String,
    title_en: String,
    #[deserr(default = Duration::from_secs(1_800))]
    timeout: Duration,
    #[deserr(default)]
    measures: Option<At<RawMeasure>>,
    #[deserr(default)]
    manual: Option<RawManual>,
    #[deserr(default)]
    probe: Option<At<RawProbe>>,
    #[deserr(default)]
    query: Option<RawQuery>,
}

#[derive(Clone, Copy, Debug, Deserr)]
enum RawMeasure {
    #[deserr(rename = "rto_start")]
    RtoStart,
    #[deserr(rename = "rto_end")]
    RtoEnd,
    #[deserr(rename = "rpo_seconds")]
    RpoSeconds,
}

#[derive(Debug, Deserr)]
#[deserr(deny_unknown_fields)]
struct RawManual {
    instruction_vi: String,
    #[deserr(default)]
    instruction_en: String,
}

#[derive(Debug, Deserr)]
#[deserr(deny_unknown_fields)]
struct RawProbe {
    #[deserr(default)]
    http: Option<At<String>>,
    #[deserr(default)]
    tcp: Option<At<String>>,
    /// Of an http target: a regular expression that the body must match.
    #[deserr(default)]
    body_matches: Option<At<String>>,
    /// Of an https target: how long its certificate must be good yet.
    #[deserr(default)]
    certificate_min: Option<At<Duration>>,
    /// `answers`, `silent`, or an HTTP status.
    #[deserr(default)]
    expect: Option<At<agent_yaml::Text>>,
}

#[derive(Debug, Deserr)]
#[deserr(deny_unknown_fields)]
struct RawQuery {
    expr: At<String>,
}

struct Checker<'a> {
    document: &'a Document,
    problems: Vec<Problem>,
}

pub(super) fn check(document: &Document) -> Result<DrillPlan, Problems> {
    let raw: RawPlan = document.read()?;
    let mut checker = Checker { document, problems: Vec::new() };
    checker.id("drill", &raw.id);
    if raw.site.value.trim().is_empty() {
        checker.say(&raw.site, "the site is what whoever starts the drill types; name it");
    }
    if raw.steps.value.is_empty() || raw.steps.value.len() > STEPS_MAX {
        checker.say(&raw.steps, format!("a drill has 1 to {STEPS_MAX} steps"));
    }
    checker.measures(&raw);
    let mut ids = BTreeSet::new();
    for step in &raw.steps.value {
        if !ids.insert(&step.id.value) {
            checker.say(&step.id, format!("step {:?} is given twice", step.id.value));
        }
    }
    let preconditions = raw.preconditions.into_iter().map(|raw| {
        checker.expr(&raw.expr);
        let title = Title { vi: raw.title_vi, en: raw.title_en };
        Precondition { title, expr: raw.expr.value }
    });
    let preconditions = preconditions.collect();
    let steps: Vec<Option<Step>> =
        raw.steps.value.into_iter().map(|step| checker.step(step)).collect();
    let mut problems = checker.problems;
    problems.sort_by_key(|problem| problem.line);
    if !problems.is_empty() {
        return Err(Problems(problems));
    }
    let participants = raw.participants.into_iter();
    Ok(DrillPlan {
        id: raw.id.value,
        title: Title { vi: raw.title_vi, en: raw.title_en },
        site: raw.site.value.trim().to_owned(),
        scope: Title { vi: raw.scope_vi, en: raw.scope_en },
        objectives: Objectives {
            rto_ms: raw.objectives.rto.map(|rto| rto.value.as_millis()),
            rpo_ms: raw.objectives.rpo.map(|rpo| rpo.value.as_millis()),
        },
        participants: participants
            .map(|raw| Participant { name: raw.name, duty: raw.duty })
            .collect(),
        preconditions,
        steps: steps.into_iter().flatten().collect(),
        text: String::new(),
    })
}

impl Checker<'_> {
    fn say<T>(&mut self, at: &At<T>, message: impl Into<String>) {
        self.problems.push(self.document.problem(&at.place, message));
    }

    /// Ids stand in URLs and file names.
    fn id(&mut self, what: &str, id: &At<String>) {
        let plain = |char: char| char.is_ascii_lowercase() || char.is_ascii_digit() || char == '-';
        if id.value.is_empty() || !id.value.chars().all(plain) {
            self.say(id, format!("a {what} id is made of a-z, 0-9 and '-', not {:?}", id.value));
        }
    }

    fn expr(&mut self, expr: &At<String>) {
        if let Err(error) = rules_promql::parse(&expr.value) {
            self.say(expr, error.to_string());
        }
    }

    /// An objective needs its measurement, and a measurement makes sense in one order only.
    fn measures(&mut self, raw: &RawPlan) {
        let mut start_seen = false;
        let (mut starts, mut ends, mut losses) = (0, 0, 0);
        for step in &raw.steps.value {
            let Some(measures) = &step.measures else { continue };
            let twice = match measures.value {
                RawMeasure::RtoStart => {
                    start_seen = true;
                    starts += 1;
                    starts > 1
                }
                RawMeasure::RtoEnd => {
                    if !start_seen {
                        self.say(measures, "`rto_end` needs a step with `rto_start` before it");
                    }
                    ends += 1;
                    ends > 1
                }
                RawMeasure::RpoSeconds => {
                    if step.query.is_none() {
                        self.say(measures, "`rpo_seconds` is measured by a `query` step only");
                    }
                    losses += 1;
                    losses > 1
                }
            };
            if twice {
                self.say(measures, "this is measured by an earlier step already");
            }
        }
        if let Some(rto) = &raw.objectives.rto
            && (starts == 0 || ends == 0)
        {
            self.say(rto, "an rto needs a step with `measures: rto_start` and one with `rto_end`");
        }
        if let Some(rpo) = &raw.objectives.rpo
            && losses == 0
        {
            self.say(rpo, "an rpo needs a `query` step with `measures: rpo_seconds`");
        }
    }

    fn step(&mut self, raw: RawStep) -> Option<Step> {
        self.id("step", &raw.id);
        let kind = match (raw.manual, raw.probe, raw.query) {
            (Some(manual), None, None) => Some(StepKind::Manual {
                instruction: Title { vi: manual.instruction_vi, en: manual.instruction_en },
            }),
            (None, Some(probe), None) => self.probe(probe),
            (None, None, Some(query)) => {
                self.expr(&query.expr);
                Some(StepKind::Query { expr: query.expr.value })
            }
            _ => {
                self.say(&raw.id, "a step is exactly one of `manual`, `probe` and `query`");
                None
            }
        };
        Some(Step {
            id: raw.id.value,
            title: Title { vi: raw.title_vi, en: raw.title_en },
            kind: kind?,
            timeout_ms: raw.timeout.as_millis(),
            measures: raw.measures.map(|measures| match measures.value {
                RawMeasure::RtoStart => Measure::RtoStart,
                RawMeasure::RtoEnd => Measure::RtoEnd,
                RawMeasure::RpoSeconds => Measure::RpoSeconds,
            }),
        })
    }

    fn probe(&mut self, raw: At<RawProbe>) -> Option<StepKind> {
        let expect = self.expectation(raw.value.expect.as_ref(), raw.value.http.is_some());
        self.answer(&raw.value, expect.as_ref());
        match (&raw.value.http, &raw.value.tcp) {
            (Some(url), None) => {
                if !url.value.starts_with("http://") && !url.value.starts_with("https://") {
                    self.say(url, "an http target begins with http:// or https://");
                }
                Some(StepKind::Http {
                    url: url.value.clone(),
                    expect: expect?,
                    body_matches: raw.value.body_matches.map(|at| at.value),
                    certificate_ms_min: raw.value.certificate_min.map(|at| at.value.as_millis()),
                })
            }
            (None, Some(address)) => {
                let port = address.value.rsplit_once(':').map(|(_, port)| port.parse::<u16>());
                if !matches!(port, Some(Ok(1..))) {
                    self.say(address, "a tcp target is host:port");
                }
                Some(StepKind::Tcp { address: address.value.clone(), expect: expect? })
            }
            _ => {
                self.say(&raw, "a probe has exactly one of `http` and `tcp`");
                None
            }
        }
    }

    /// What is asked of an answer needs one, and somebody who gives it.
    fn answer(&mut self, raw: &RawProbe, expect: Option<&Expectation>) {
        let silent = expect == Some(&Expectation::Silent);
        if let Some(at) = &raw.body_matches {
            if silent || raw.http.is_none() {
                self.say(at, "only an http target that answers has a body");
            }
            if let Err(error) = regex::Regex::new(&at.value) {
                self.say(at, format!("this is no regular expression: {error}"));
            }
        }
        if let Some(at) = &raw.certificate_min {
            let https = raw.http.as_ref().is_some_and(|url| url.value.starts_with("https://"));
            if silent || !https {
                self.say(at, "only an https target that answers shows a certificate");
            }
        }
    }

    fn expectation(
        &mut self,
        raw: Option<&At<agent_yaml::Text>>,
        http: bool,
    ) -> Option<Expectation> {
        let Some(raw) = raw else { return Some(Expectation::Answers) };
        match (raw.value.0.as_str(), raw.value.0.parse::<u16>()) {
            ("answers", _) => Some(Expectation::Answers),
            ("silent", _) => Some(Expectation::Silent),
            (_, Ok(status @ 100..=599)) if http => Some(Expectation::Status(status)),
            _ => {
                self.say(
                    raw,
                    "expect `answers`, `silent` or, of an http target, a status such as 200",
                );
                None
            }
        }
    }
}
