//! Runs the programs that a step consists of, from the root of the workspace, their output shown as it comes.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

/// A command line, written as one would type it; no argument may hold a space.
pub(crate) fn command(line: &str, directory: &Path) -> Command {
    let mut words = line.split_ascii_whitespace();
    let mut command = Command::new(words.next().unwrap_or_default());
    command.args(words).current_dir(directory);
    command
}

/// Runs it; whether it ended well.
pub(crate) fn succeeds(line: &str, directory: &Path) -> Result<bool> {
    println!("$ {line}");
    let status = command(line, directory).status();
    Ok(status.with_context(|| format!("cannot start `{line}`"))?.success())
}

/// Runs it silently; whether it could be started and ended well.
pub(crate) fn answers(line: &str, directory: &Path) -> bool {
    let mut quiet = command(line, directory);
    quiet.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}

/// Where a program is found: on PATH or in the directories of administrators.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let administrators = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    let directories = std::env::split_paths(&path).chain(administrators);
    directories.map(|directory| directory.join(name)).find(|program| program.is_file())
}
