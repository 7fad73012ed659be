//! The library keeps its promises.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use agent_model::Labels;
use agent_yaml::{Document, Text};
use deserr::Deserr;
use regex::Regex;
use rules_sigma::SigmaRules;

use super::{
    LibraryFile, detection_rules, detection_tests, metric_rules, metric_tests, metrics_contract,
};
use crate::detection_tests::DetectionTests;
use crate::templates::{External, Surroundings, TemplateData};
use crate::unit_tests::run_test_text;
use crate::{RuleKind, RuleSet, load_rule_text};

const SEVERITIES: [&str; 5] = ["critical", "high", "medium", "low", "info"];
const SENTENCES: [&str; 9] = [
    "summary",
    "description",
    "summary_vi",
    "summary_en",
    "impact_vi",
    "impact_en",
    "first_steps_vi",
    "first_steps_en",
    "runbook",
];

#[derive(Deserr)]
struct RuleFile {
    groups: Vec<Group>,
}

#[derive(Deserr)]
struct Group {
    rules: Vec<AlertRule>,
}

#[derive(Deserr)]
struct AlertRule {
    alert: String,
    expr: String,
    labels: std::collections::BTreeMap<String, Text>,
    annotations: std::collections::BTreeMap<String, Text>,
}

#[derive(Deserr)]
struct TestFile {
    tests: Vec<TestCase>,
}

#[derive(Deserr)]
struct TestCase {
    promql_expr_test: Vec<ExpressionTest>,
}

#[derive(Deserr)]
struct ExpressionTest {
    expr: String,
    exp_samples: Vec<Expected>,
}

/// A sample that is expected; our tests ask for `ALERTS{…}`.
#[derive(Deserr)]
struct Expected {
    labels: String,
}

fn read<T: Deserr<agent_yaml::Findings>>(file: &LibraryFile) -> T {
    let document = Document::parse(Path::new(&file.name), &file.text).unwrap();
    document.read().unwrap_or_else(|problems| panic!("{problems}"))
}

/// `metrics/HostDown.yml` → `metrics/HostDown`.
fn stem(file: &LibraryFile) -> String {
    let name = file.name.strip_suffix(".yml").unwrap();
    name.strip_suffix(".test").unwrap_or(name).to_owned()
}

fn alerts() -> Vec<(String, AlertRule)> {
    let files = metric_rules();
    let each = files.iter().flat_map(|file| {
        let rules = read::<RuleFile>(file).groups.into_iter().flat_map(|group| group.rules);
        rules.map(|rule| (stem(file), rule)).collect::<Vec<_>>()
    });
    each.collect()
}

fn sigma() -> SigmaRules {
    let files: Vec<(String, String)> =
        detection_rules().into_iter().map(|file| (file.name, file.text)).collect();
    let (rules, problems) = SigmaRules::load(&files);
    assert_eq!(problems.to_string(), "");
    rules
}

/// Numbered sentences in both languages, written for a person: what `annotations` must hold.
fn check_sentences<'a>(rule: &str, sentence: impl Fn(&str) -> Option<&'a str>) {
    for name in SENTENCES {
        let text = sentence(name).unwrap_or_else(|| panic!("{rule} has no {name}"));
        assert!(!text.trim().is_empty(), "{rule}: {name} is empty");
        if name.starts_with("first_steps") {
            for (line, number) in text.lines().zip(1..) {
                assert!(line.starts_with(&format!("{number}. ")), "{rule}: {name}: {line:?}");
            }
            assert!(text.lines().count() >= 2, "{rule}: {name} has one step only");
        }
    }
    let marks = |name: &str| sentence(name).is_some_and(|text| !text.is_ascii());
    assert!(marks("summary_vi") && marks("impact_vi"), "{rule}: Vietnamese has marks");
    assert_eq!(sentence("runbook"), Some(rule), "the runbook is the rule's own page");
}

#[test]
fn every_metric_rule_is_named_weighed_and_explained() {
    let alerts = alerts();
    assert!(alerts.len() >= 60, "{}", alerts.len());
    let mut names = BTreeSet::new();
    for (stem, rule) in &alerts {
        assert!(names.insert(rule.alert.clone()), "{} stands twice", rule.alert);
        assert!(stem.ends_with(&format!("/{}", rule.alert)), "{stem} holds {}", rule.alert);
        let severity = &rule.labels["severity"].0;
        assert!(SEVERITIES.contains(&severity.as_str()), "{stem}: {severity}");
        check_sentences(stem, |name| rule.annotations.get(name).map(|text| text.0.as_str()));
    }
}

#[test]
fn every_metric_rule_has_a_case_that_fires_and_one_that_stays_silent() {
    let tests = metric_tests();
    for (stem, rule) in alerts() {
        let file = tests.iter().find(|file| self::stem(file) == stem);
        let file: TestFile = read(file.unwrap_or_else(|| panic!("{stem} has no test")));
        let about = format!("alertname=\"{}\"", rule.alert);
        let cases: Vec<bool> = file
            .tests
            .iter()
            .flat_map(|case| &case.promql_expr_test)
            .filter(|test| test.expr.contains(&about))
            .map(|test| !test.exp_samples.is_empty())
            .collect();
        assert!(cases.contains(&true), "{stem}: no case fires");
        assert!(cases.contains(&false), "{stem}: no case stays silent");
    }
}

#[test]
fn metric_rules_name_only_metrics_of_the_contract() {
    let contract = metrics_contract();
    let known: BTreeSet<&str> = Regex::new("`([a-z][A-Za-z0-9_]*)`")
        .unwrap()
        .captures_iter(&contract)
        .map(|found| found.extract::<1>().1[0])
        .collect();
    let name = Regex::new(r"\b(?:up|ups[A-Z][A-Za-z]+|(?:node|haidang|probe|pg|nginx|bind|postfix|network_ups_tools|ipmi)_[A-Za-z0-9_]+)\b").unwrap();
    for (stem, rule) in alerts() {
        let used: Vec<&str> = name.find_iter(&rule.expr).map(|found| found.as_str()).collect();
        assert!(!used.is_empty(), "{stem} names no metric");
        for name in used {
            assert!(known.contains(name), "{stem}: METRICS.md does not know {name}");
        }
    }
}

#[test]
fn every_detection_has_a_case_that_fires_and_one_that_stays_silent() {
    let rules = sigma();
    assert!(rules.alert_names().count() >= 10);
    let tests = detection_tests();
    for name in rules.alert_names() {
        let stem = format!("detections/{name}");
        let file = tests.iter().find(|file| self::stem(file) == stem);
        let file = file.unwrap_or_else(|| panic!("{stem} has no test"));
        let test = DetectionTests::parse(Path::new(&file.name), &file.text).unwrap();
        assert_eq!(test.rule_files(), [format!("{name}.yml")]);
        let (firing, silent) = test.cases(name);
        assert!(firing > 0 && silent > 0, "{stem}: {firing} cases fire, {silent} stay silent");
    }
}

/// All rules together: a case's detections are all that the whole library has to say about its events, so one
/// cause stays one alert.
#[test]
fn the_detections_do_what_their_tests_say() {
    let rules = sigma();
    for file in detection_tests() {
        let test = DetectionTests::parse(Path::new(&file.name), &file.text).unwrap();
        assert_eq!(test.run(&rules).to_string(), "");
    }
}

#[test]
fn every_detection_is_explained() {
    for file in detection_rules() {
        let main = file.text.rsplit("\n---\n").next().unwrap();
        let document = Document::parse(Path::new(&file.name), main).unwrap();
        let rule: DetectionRule = document.read().unwrap();
        let stem = stem(&file);
        assert_eq!(stem, format!("detections/{}", rule.name));
        check_sentences(&stem, |name| rule.annotations.get(name).map(|text| text.0.as_str()));
        assert!(!rule.tags.is_empty() && !rule.falsepositives.is_empty(), "{stem}");
    }
}

#[derive(Deserr)]
struct DetectionRule {
    name: String,
    tags: Vec<String>,
    falsepositives: Vec<String>,
    annotations: std::collections::BTreeMap<String, Text>,
}

/// A pending alert shows the same sentence: one that names the time its rule waits would be untrue until then.
#[test]
fn no_sentence_claims_a_time_that_a_pending_alert_has_not_lasted() {
    let claim = Regex::new(r"(?i)suốt \d+|for \d+ (second|minute|hour|day)s?").unwrap();
    assert!(claim.is_match("đã bận suốt 15 phút") && claim.is_match("busy for 20 minutes"));
    for (stem, rule) in alerts() {
        for name in SENTENCES.iter().filter(|name| !name.starts_with("first_steps")) {
            let text = &rule.annotations[*name].0;
            assert!(!claim.is_match(text), "{stem}: {name}: {text}");
        }
    }
}

/// Values that an attacker may choose never stand inside a command that a tired person will paste.
#[test]
fn no_command_to_paste_holds_a_chosen_value() {
    let command =
        Regex::new("\"[^\"]*\\{\\{ \\$(event\\.|labels\\.(file|user|target_user))[^\"]*\"")
            .unwrap();
    let step = Regex::new(r"^ +\d\. ").unwrap();
    for file in detection_rules() {
        for line in file.text.lines().filter(|line| step.is_match(line)) {
            assert!(!command.is_match(line), "{}: {line}", file.name);
        }
    }
}

/// Our own loader and evaluator over the same files that promtool is asked about below.
#[test]
fn the_metric_rules_do_what_their_tests_say() {
    for file in metric_tests() {
        let report = run_test_text(Path::new(&file.name), &file.text, &rule_set(&stem(&file)));
        let report = report.unwrap_or_else(|problems| panic!("{problems}"));
        assert!(report.expectations >= 2, "{}", file.name);
        let failures: Vec<String> = report.failures.iter().map(ToString::to_string).collect();
        assert!(failures.is_empty(), "{}", failures.join("\n"));
    }
}

/// With the labels of the alert that its test expects, every sentence of a rule is whole.
#[test]
fn the_sentences_of_metric_rules_can_be_filled() {
    let pair = Regex::new("([a-z_]+)=\"([^\"]*)\"").unwrap();
    for file in metric_tests() {
        let test: TestFile = read(&file);
        let mut expected = test
            .tests
            .iter()
            .flat_map(|case| &case.promql_expr_test)
            .flat_map(|test| &test.exp_samples);
        let shown = &expected.next().unwrap().labels;
        let labels = Labels::new(pair.captures_iter(shown).map(|found| {
            let (_, [name, value]) = found.extract();
            (name.to_owned(), value.to_owned())
        }));
        for rule in rule_set(&stem(&file)).rules() {
            let RuleKind::Alert { annotations, .. } = &rule.kind else {
                panic!("{} alerts", rule.name)
            };
            for (name, template) in annotations {
                let text = template.show(&filled(&labels));
                for broken in ["<error", "<no value>", "{{", "%!", "  "] {
                    assert!(!text.contains(broken), "{}: {name}: {text}", rule.name);
                }
            }
        }
    }
}

fn filled(labels: &Labels) -> TemplateData<'_> {
    static NOTHING: LazyLock<External> = LazyLock::new(External::default);
    let ask = &|_: &str| Ok(Vec::new());
    let around = Surroundings { at_ms: 0, external: &NOTHING, ask };
    TemplateData { labels, value: 0.5, around }
}

fn rule_set(stem: &str) -> RuleSet {
    let file = metric_rules().into_iter().find(|file| self::stem(file) == stem).unwrap();
    let (rules, problems) = load_rule_text(Path::new(&file.name), &file.text);
    assert_eq!(problems.to_string(), "");
    rules
}

/// The original's opinion of our rule files and their tests. Skipped with a word where it is not installed.
#[test]
#[allow(clippy::print_stderr, reason = "says why nothing was checked")]
fn promtool_agrees() {
    let library = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("library");
    let run = |verb: &str, files: Vec<LibraryFile>| {
        let paths = files.iter().map(|file| library.join(&file.name));
        Command::new("promtool").args([verb, "rules"]).args(paths).output()
    };
    let Ok(checked) = run("check", metric_rules()) else {
        assert!(std::env::var_os("CI").is_none(), "CI needs promtool (Debian package prometheus)");
        eprintln!("promtool is not installed: nothing was checked");
        return;
    };
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    let tested = run("test", metric_tests()).unwrap();
    let said = [tested.stdout, tested.stderr].concat();
    assert!(tested.status.success(), "{}", String::from_utf8_lossy(&said));
}
