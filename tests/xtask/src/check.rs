//! `cargo xtask check`: exactly what continuous integration runs, step after step, each with its name and time.
//! A failed step does not hide the others. Under `CI=true` a part that is missing is a failure, never a skip.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use cargo_metadata::Metadata;

use crate::clock::Stopwatch;
use crate::install;

mod steps;

/// How a step ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Passed,
    Failed(String),
    /// Not checked, and why.
    LeftOut(String),
}

/// What a step works with.
pub(crate) struct Context<'a> {
    pub(crate) root: &'a Path,
    pub(crate) metadata: &'a Metadata,
}

type Step = (&'static str, fn(&Context<'_>) -> Result<Outcome>);

const STEPS: &[Step] = &[
    ("install: what the tests need", |context| install::run(context.root)),
    ("fmt: the format of the code", steps::format),
    ("clippy: the compiler's advice", steps::clippy),
    ("tidy: the rules of the house", steps::tidy),
    ("docs: every link leads somewhere", steps::docs),
    ("tests: the daemons, then every test", steps::tests),
    ("deny: licences, bans, sources", steps::deny),
    ("advisories: known holes in dependencies", steps::advisories),
    ("web: types, tests and build of the pages", steps::web),
];

/// What may be left out even under CI: it needs a database from the internet.
const MAY_BE_LEFT_OUT: &str = "advisories";

/// Whether nothing failed.
pub(crate) fn run(root: &Path, metadata: &Metadata, continuous_integration: bool) -> Result<bool> {
    let context = Context { root, metadata };
    let whole = Stopwatch::start();
    let mut results = Vec::new();
    for (name, step) in STEPS {
        println!("\n=== {name}");
        let stopwatch = Stopwatch::start();
        let outcome = step(&context).unwrap_or_else(|error| Outcome::Failed(format!("{error:#}")));
        let outcome = judge(name, outcome, continuous_integration);
        let elapsed = stopwatch.elapsed();
        println!("=== {outcome} after {} s", elapsed.as_secs());
        results.push((*name, outcome, elapsed));
    }
    print!("\n{}", summary(&results, whole.elapsed()));
    Ok(!results.iter().any(|(_, outcome, _)| matches!(outcome, Outcome::Failed(_))))
}

/// What an outcome counts as: under CI a part that is missing is a failure.
pub(crate) fn judge(name: &str, outcome: Outcome, continuous_integration: bool) -> Outcome {
    match outcome {
        Outcome::LeftOut(why) if continuous_integration && !name.starts_with(MAY_BE_LEFT_OUT) => {
            Outcome::Failed(format!("under CI nothing is left out: {why}"))
        }
        other => other,
    }
}

fn summary(results: &[(&str, Outcome, Duration)], whole: Duration) -> String {
    let mut text = String::new();
    let mut counts = [0; 3];
    for (name, outcome, elapsed) in results {
        let at = match outcome {
            Outcome::Passed => 0,
            Outcome::Failed(_) => 1,
            Outcome::LeftOut(_) => 2,
        };
        counts[at] += 1;
        text += &format!("{:>5} s  {name}: {outcome}\n", elapsed.as_secs());
    }
    let [passed, failed, left_out] = counts;
    let seconds = whole.as_secs();
    text + &format!("{passed} passed, {failed} failed, {left_out} left out in {seconds} s\n")
}

impl fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passed => formatter.write_str("passed"),
            Self::Failed(why) => write!(formatter, "FAILED: {why}"),
            Self::LeftOut(why) => write!(formatter, "LEFT OUT, NOT CHECKED: {why}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn under_ci_only_the_advisories_may_be_left_out() {
        let left_out = || Outcome::LeftOut("no restic".to_owned());
        assert_eq!(judge("install: x", left_out(), false), left_out());
        assert!(matches!(judge("install: x", left_out(), true), Outcome::Failed(_)));
        assert_eq!(judge("advisories: x", left_out(), true), left_out());
        assert_eq!(judge("install: x", Outcome::Passed, true), Outcome::Passed);
    }

    #[test]
    fn the_last_line_counts_what_passed_failed_and_was_left_out() {
        let second = Duration::from_secs(1);
        let results = [
            ("fmt: x", Outcome::Passed, second),
            ("tests: y", Outcome::Failed("2 tests".to_owned()), second * 90),
            ("advisories: z", Outcome::LeftOut("no network".to_owned()), second),
        ];
        expect![[r#"
                1 s  fmt: x: passed
               90 s  tests: y: FAILED: 2 tests
                1 s  advisories: z: LEFT OUT, NOT CHECKED: no network
            1 passed, 1 failed, 1 left out in 92 s
        "#]]
        .assert_eq(&summary(&results, second * 92));
    }
}
