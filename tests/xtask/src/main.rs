//! `cargo xtask`: what developers and continuous integration run.
//! `check` is exactly CI; `tidy` checks what the compiler cannot; `install` brings what the tests need; `bench` measures.
#![allow(clippy::print_stdout, reason = "a tool for developers: what it prints is its result")]

mod bench;
mod check;
mod clock;
mod command;
mod install;
mod tidy;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use cargo_metadata::MetadataCommand;
use clap::Parser;

/// Developers' tasks of Hải Đăng.
#[derive(Parser)]
#[command(name = "cargo xtask")]
enum Task {
    /// Everything that continuous integration checks, in its order.
    Check,
    /// Rules of the house that the compiler does not know: dependency arrows, file sizes, rules with tests, names.
    Tidy,
    /// The benchmarks, release build; arguments go to them.
    Bench { arguments: Vec<String> },
    /// Installs what the tests need, or says what is missing.
    Install,
}

fn main() -> ExitCode {
    match run(&Task::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            println!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether all is well.
fn run(task: &Task) -> Result<bool> {
    let metadata = MetadataCommand::new()
        .no_deps()
        .other_options(vec!["--offline".to_owned()])
        .exec()
        .context("cargo metadata")?;
    let root = PathBuf::from(&metadata.workspace_root);
    let continuous_integration = std::env::var("CI").as_deref() == Ok("true");
    match task {
        Task::Check => check::run(&root, &metadata, continuous_integration),
        Task::Tidy => {
            let problems = tidy::problems(&root, &metadata)?;
            print!("{}", tidy::report(&problems));
            Ok(problems.is_empty())
        }
        Task::Bench { arguments } => bench::run(&root, arguments),
        Task::Install => {
            let outcome = check::judge("install", install::run(&root)?, continuous_integration);
            println!("{outcome}");
            Ok(!matches!(outcome, check::Outcome::Failed(_)))
        }
    }
}
