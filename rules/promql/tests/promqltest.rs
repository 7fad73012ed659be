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

/// The scripts of the golden table. Whatever else lies beside them must hold no wrong answer.
const GOLDEN: [&str; 9] = [
    "aggregators.test",
    "collision.test",
    "functions.test",
    "histograms.test",
    "literals.test",
    "operators.test",
    "range_queries.test",
    "selectors.test",
    "staleness.test",
];

const HEAD: &str = "file                   cases  passed  (with annotations)  native  cannot parse  unsupported  wrong\n";

#[test]
fn prometheus_own_scripts_pass_as_in_the_golden_table() {
    let Some(folder) = corpus() else {
        println!("LEFT OUT: no corpus of PromQL test scripts; set HAIDANG_CORPORA");
        return;
    };
    let named = |file: &Path| file.file_name().unwrap().to_string_lossy().into_owned();
    let (golden, others): (Vec<PathBuf>, Vec<PathBuf>) =
        scripts(&folder).into_iter().partition(|file| GOLDEN.contains(&named(file).as_str()));
    let table = |files: &[PathBuf]| {
        let (mut table, mut details) = (HEAD.to_owned(), String::new());
        for file in files {
            report(&named(file), &outcomes(file), &mut table, &mut details);
        }
        format!("{table}\n{details}")
    };
    if golden.len() == GOLDEN.len() {
        expect_file!["promqltest/corpus.txt"].assert_eq(&table(&golden));
    } else {
        println!("LEFT OUT: {} scripts of the golden table", GOLDEN.len() - golden.len());
    }
    let others = table(&others);
    println!("{others}");
    assert!(!others.contains(" wrong: "), "{others}");
}

#[test]
fn our_own_scripts_pass() {
    let files = scripts(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts"));
    assert!(!files.is_empty());
    let mut failed = String::new();
    for file in files {
        let outcomes = outcomes(&file);
        assert!(!outcomes.is_empty(), "{}", file.display());
        let wrong = outcomes.iter().filter(|one| !matches!(one.verdict, Verdict::Passed));
        for one in wrong {
            writeln!(failed, "{}:{} {} {:?}", file.display(), one.line, one.expr, one.verdict)
                .unwrap();
        }
    }
    assert!(failed.is_empty(), "{failed}");
}

fn report(name: &str, outcomes: &[Outcome], table: &mut String, details: &mut String) {
    let count = |pick: fn(&Outcome) -> bool| outcomes.iter().filter(|one| pick(one)).count();
    writeln!(
        table,
        "{name:<22} {:>5} {:>7} {:>19} {:>7} {:>13} {:>12} {:>6}",
        outcomes.len(),
        count(|one| matches!(one.verdict, Verdict::Passed)),
        count(|one| matches!(one.verdict, Verdict::Passed) && one.annotations > 0),
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
