//! `cargo xtask tidy`: rules of the house that the compiler does not know.
//! Each check is a pure function over the files and reports every problem with its file and what would be right.

use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use cargo_metadata::Metadata;

use crate::command::command;

mod arrows;
mod files;
mod metric_names;
mod rule_tests;

/// A file of ours and its text.
#[derive(Clone, Debug)]
pub(crate) struct SourceFile {
    /// From the root of the workspace, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
}

/// Everything that is not as it should be.
pub(crate) fn problems(root: &Path, metadata: &Metadata) -> Result<Vec<String>> {
    let files = read(root)?;
    let mut problems = arrows::problems(&arrows::packages(metadata));
    problems.extend(arrows::wiring_problems(&files));
    problems.extend(files::problems(&files));
    problems.extend(files::machine_problems(&files, &machine_paths(root)));
    problems.extend(rule_tests::problems(&files));
    problems.extend(metric_names::problems(&files));
    Ok(problems)
}

pub(crate) fn report(problems: &[String]) -> String {
    let mut text = String::new();
    for problem in problems {
        text += problem;
        text.push('\n');
    }
    match problems.len() {
        0 => text.push_str("tidy\n"),
        count => writeln!(text, "{count} problems").unwrap_or_default(),
    }
    text
}

/// The files that git knows or would take. What is not text (pictures, fonts) is passed over.
fn read(root: &Path) -> Result<Vec<SourceFile>> {
    let line = "git ls-files -z --cached --others --exclude-standard";
    let output = command(line, root).output().context("git ls-files")?;
    ensure!(output.status.success(), "git ls-files failed: {}", output.status);
    let list = String::from_utf8(output.stdout).context("names of files that are not UTF-8")?;
    let mut files = Vec::new();
    for path in list.split('\0').filter(|path| !path.is_empty()) {
        // A link's target is listed under its own name; a deleted file is still listed.
        let is_file = root.join(path).symlink_metadata().is_ok_and(|metadata| metadata.is_file());
        if !is_file {
            continue;
        }
        let bytes = std::fs::read(root.join(path)).with_context(|| path.to_owned())?;
        if let Ok(text) = String::from_utf8(bytes) {
            files.push(SourceFile { path: path.to_owned(), text });
        }
    }
    Ok(files)
}

/// Paths that exist on this machine only.
fn machine_paths(root: &Path) -> Vec<String> {
    let mut paths = vec![root.display().to_string()];
    if let Some(home) = std::env::home_dir() {
        // Not the home itself: a rule may well speak of /root or /home.
        paths.extend(
            [".cargo", ".rustup", ".npm"].map(|part| home.join(part).display().to_string()),
        );
    }
    paths
}
