//! `haidang rules check|test`: what is wrong with rule files, without a collector. Exit code 1 when something is.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;

use crate::{complain, say};

#[derive(clap::Args)]
pub(crate) struct Flags {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Check files of metric rules (Prometheus' format) and of Sigma rules.
    Check {
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Run files of tests: of metric rules (promtool's format) and of Sigma rules (as in the shipped library).
    Test {
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
}

pub(crate) fn run(flags: &Flags) -> ExitCode {
    let sound = match &flags.command {
        Command::Check { files } => check(files),
        Command::Test { files } => test(files),
    };
    ExitCode::from(u8::from(!sound))
}

fn check(files: &[PathBuf]) -> bool {
    let report = ::rules::check::check_rule_files(files);
    for problem in &report.problems.0 {
        complain(&problem.to_string());
    }
    for remark in &report.rules.remarks.0 {
        say(&format!("remark: {remark}"));
    }
    let (alerts, recordings, sigma) = (report.alerts(), report.recordings(), report.sigma_rules());
    say(&format!("{alerts} alerts, {recordings} recordings and {sigma} Sigma rules can be used"));
    let unreachable = report.detections.unreachable_rules;
    if unreachable > 0 {
        say(&format!("of these, {unreachable} are about systems that no agent reports on"));
    }
    report.is_sound()
}

fn test(files: &[PathBuf]) -> bool {
    let mut sound = true;
    for (file, report) in ::rules::check::test_rule_files(files) {
        let name = file.display();
        for remark in report.iter().flat_map(|report| &report.remarks.0) {
            say(&format!("remark: {remark}"));
        }
        match report {
            Ok(report) if report.failures.is_empty() => {
                say(&format!("{name}: {} expectations are met", report.expectations));
            }
            Ok(report) => {
                sound = false;
                report.failures.iter().for_each(|failure| complain(failure));
            }
            Err(problems) => {
                sound = false;
                complain(&problems.to_string());
            }
        }
    }
    sound
}
