//! Runs Prometheus' own PromQL test scripts, and ours, and keeps a golden table of what passes.
//! The corpus lies beside the repository (or at `$HAIDANG_CORPORA`); where it is absent this is said and counted.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::cast_possible_truncation,
    reason = "a script that cannot be read fails the test, and its times are small"
)]

#[path = "promqltest/run.rs"]
mod run;
#[path = "promqltest/script.rs"]
mod script;

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use expect_test::expect_file;
use run::{Outcome, Verdict};

fn corpus() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora");
    let root = std::env::var_os("HAIDANG_CORPORA").map_or(beside, PathBuf::from);
    Some(root.join("promqltest")).filter(|folder| folder.is_dir())
}

fn scripts(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|ext| ext == "test")).collect();
    files.sort();
    files
}

fn outcomes(file: &Path) -> Vec<Outcome> {
    run::run(&script::parse(&fs::read_to_string(file).unwrap()))
}

#[test]
fn prometheus_own_scripts_pass_as_in_the_golden_table() {
    let Some(folder) = corpus() else {
        println!("LEFT OUT: no corpus of PromQL test scripts; set HAIDANG_CORPORA");
        return;
    };
    let mut table = String::from(
        "file                   cases  passed  (annotations unchecked)  native  cannot parse  unsupported  wrong\n",
    );
    let mut details = String::new();
    for file in scripts(&folder) {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        report(&name, &outcomes(&file), &mut table, &mut details);
    }
    expect_file!["promqltest/corpus.txt"].assert_eq(&format!("{table}\n{details}"));
}

#[test]
fn our_own_scripts_pass() {
    let files = scripts(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts"));
    assert!(!files.is_empty());
    for file in files {
        let outcomes = outcomes(&file);
        assert!(!outcomes.is_empty(), "{}", file.display());
        for outcome in outcomes {
            let passed = matches!(outcome.verdict, Verdict::Passed);
            assert!(passed, "{}:{} {:?}", file.display(), outcome.line, outcome);
        }
    }
}

fn report(name: &str, outcomes: &[Outcome], table: &mut String, details: &mut String) {
    let count = |pick: fn(&Outcome) -> bool| outcomes.iter().filter(|one| pick(one)).count();
    writeln!(
        table,
        "{name:<22} {:>5} {:>7} {:>24} {:>7} {:>13} {:>12} {:>6}",
        outcomes.len(),
        count(|one| matches!(one.verdict, Verdict::Passed)),
        count(|one| matches!(one.verdict, Verdict::Passed) && one.annotations),
        count(|one| matches!(one.verdict, Verdict::NativeHistogram)),
        count(|one| matches!(one.verdict, Verdict::CannotParse(_))),
        count(|one| matches!(one.verdict, Verdict::Unsupported(_))),
        count(|one| matches!(one.verdict, Verdict::Wrong(_))),
    )
    .unwrap();
    let mut native = Vec::new();
    for outcome in outcomes {
        let (kind, why) = match &outcome.verdict {
            Verdict::Passed => continue,
            Verdict::NativeHistogram => {
                native.push(outcome.line.to_string());
                continue;
            }
            Verdict::CannotParse(why) => ("cannot parse", why),
            Verdict::Unsupported(why) => ("unsupported", why),
            Verdict::Wrong(why) => ("wrong", why),
        };
        writeln!(details, "{name}:{} {kind}: {}\n    {why}", outcome.line, outcome.expr).unwrap();
    }
    if !native.is_empty() {
        writeln!(details, "{name} native histograms, lines: {}", native.join(" ")).unwrap();
    }
}
