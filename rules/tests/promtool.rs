//! The same verdicts as promtool on the same files: `promtool_cases/` holds good and bad rule files and test files, named
//! for what they are. promtool comes with Debian's package `prometheus`, which is 2.42: where Prometheus 3 decided
//! otherwise, [`DIFFERENT`] says so by name. Where promtool is absent this is said, and under CI it is a failure.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "an error fails the test; what is left out is told"
)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use rules::check::{check_rule_files, test_rule_files};

/// Cases on which the promtool of 2.42 says the opposite of what the file's name says, and why.
const DIFFERENT: &[(&str, &str)] = &[
    ("rules/good_query_offset.yml", "`query_offset` of a group came with Prometheus 2.53"),
    ("rules/good_group_labels.yml", "`labels` of a group came with Prometheus 3.0"),
    ("rules/bad_holt_winters.yml", "Prometheus 3 calls it double_exponential_smoothing"),
    ("rules/good_annotation_name.yml", "names may be any text since Prometheus 3.0"),
    ("rules/good_label_name.yml", "likewise"),
    ("rules/good_record_name.yml", "likewise"),
    (
        "tests/good_left_open.yml",
        "ranges are left-open in Prometheus 3: a sample at their start is not in them",
    ),
    ("tests/good_lookback_edge.yml", "likewise a sample exactly five minutes old is too old"),
    ("tests/good_fuzzy.yml", "`fuzzy_compare` came with Prometheus 2.54"),
    (
        "tests/good_no_interval.yml",
        "without `interval`, samples lie evaluation_interval apart since Prometheus 2.54",
    ),
];

/// Cases on which promtool's verdict is by chance, and why: only ours is judged.
const BY_CHANCE: &[(&str, &str)] = &[(
    "tests/good_file_order.yml",
    "without `group_eval_order` promtool takes the groups in the order of a map, which Go shuffles",
)];

fn cases(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/promtool_cases").join(folder);
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = entries.filter(|path| path.is_file()).collect();
    files.sort();
    files
}

/// `rules/good_minimal.yml`.
fn name(file: &Path) -> String {
    let parts: Vec<_> = file.iter().rev().take(2).map(|part| part.to_string_lossy()).collect();
    format!("{}/{}", parts[1], parts[0])
}

/// What promtool says, and whether it is content; `None` where it is not installed.
fn promtool(verb: &str, file: &Path) -> Option<(bool, String)> {
    match Command::new("promtool").args([verb, "rules"]).arg(file).output() {
        Ok(output) => {
            let said = [output.stdout, output.stderr].concat();
            Some((output.status.success(), String::from_utf8_lossy(&said).into_owned()))
        }
        Err(_) if std::env::var_os("CI").is_some() => panic!("promtool is missing"),
        Err(error) => {
            println!("LEFT OUT: promtool cannot be run: {error}");
            None
        }
    }
}

/// Compares our verdict and promtool's with the one that the file's name promises.
fn check(verb: &str, file: &Path, ours: Result<(), String>, wrong: &mut Vec<String>) {
    let name = name(file);
    let good = name.contains("/good_");
    if good != ours.is_ok() {
        wrong.push(format!("{name}: ours: {ours:?}"));
    }
    if BY_CHANCE.iter().any(|(case, _)| *case == name) {
        return;
    }
    let Some((content, said)) = promtool(verb, file) else { return };
    let different = DIFFERENT.iter().any(|(case, _)| *case == name);
    if (content == good) == different {
        wrong.push(format!("{name}: promtool: {said}"));
    }
    let (theirs, ours) = (problems(&said), ours.err().unwrap_or_default().lines().count());
    if verb == "check" && !good && !different && theirs != ours {
        wrong.push(format!("{name}: {ours} problems, but {theirs} of promtool:\n{said}"));
    }
}

/// How many problems promtool lists: one a line, below a heading. What is no rule file at all it tells twice.
fn problems(said: &str) -> usize {
    let lines = said.lines().skip_while(|line| line.trim() != "FAILED:").skip(1);
    let lines =
        lines.filter(|line| !line.trim().is_empty() && !line.ends_with("unmarshal errors:"));
    let lines: BTreeSet<&str> =
        lines.map(|line| line.split(" into ").next().unwrap_or(line)).collect();
    lines.len()
}

#[test]
fn rule_files_are_good_and_bad_for_both() {
    let mut wrong = Vec::new();
    let files = cases("rules");
    assert!(files.len() >= 40);
    for file in files {
        let report = check_rule_files(std::slice::from_ref(&file));
        let ours = if report.is_sound() { Ok(()) } else { Err(report.problems.to_string()) };
        check("check", &file, ours, &mut wrong);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn test_files_pass_and_fail_for_both() {
    let mut wrong = Vec::new();
    let files = cases("tests");
    assert!(files.len() >= 20);
    for file in files {
        let tested = test_rule_files(std::slice::from_ref(&file)).next().unwrap().1;
        let ours = match tested {
            Ok(tested) if tested.failures.is_empty() => Ok(()),
            Ok(tested) => Err(tested.failures.join("\n")),
            Err(problems) => Err(problems.to_string()),
        };
        check("test", &file, ours, &mut wrong);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
