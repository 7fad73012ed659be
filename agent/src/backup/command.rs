//! Runs a backup tool: no shell, nothing on its input, an end in time, and so much of its output as we are ready to hold.
//! Promises: when its time is over the whole process group ends, and the error says what the tool said.
//! Leaves to others: what the output means (`tools`).

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;

/// A snapshot of restic takes about 500 bytes: years of them fit.
const OUTPUT_BYTES_MAX: u64 = 8 << 20;
/// What is kept of an error.
const ERROR_BYTES_MAX: u64 = 4 << 10;
/// A file of credentials has a few lines.
const ENVIRONMENT_BYTES_MAX: u64 = 64 << 10;

/// A tool, and what stays the same from one run to the next.
#[derive(Clone, Debug)]
pub(super) struct Program {
    pub(super) path: PathBuf,
    pub(super) timeout: Duration,
    /// Beside the agent's own environment.
    pub(super) environment: Vec<(&'static str, String)>,
    /// `NAME=value` lines, read at each run: credentials that only this file and the tool know.
    pub(super) environment_file: Option<PathBuf>,
}

/// A run that came to its end.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: ExitStatus,
    pub(super) output: Vec<u8>,
    errors: Vec<u8>,
}

impl Program {
    pub(super) fn new(path: &str, timeout: Duration) -> Self {
        Self { path: path.into(), timeout, environment: Vec::new(), environment_file: None }
    }

    /// The output of a run that must end with exit code 0.
    pub(super) async fn ask<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Result<Vec<u8>, String> {
        let answer = self.run(arguments).await?;
        if answer.status.success() { Ok(answer.output) } else { Err(self.failure(&answer)) }
    }

    /// Runs to the end, whatever the exit code.
    pub(super) async fn run<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Result<Answer, String> {
        let limited = tokio::time::timeout(self.timeout, self.run_to_the_end(arguments)).await;
        limited.unwrap_or_else(|_| {
            Err(format!("{} did not end within {} s", self.name(), self.timeout.as_secs_f64()))
        })
    }

    /// What a run that failed says: how it ended, and the tool's own words.
    pub(super) fn failure(&self, answer: &Answer) -> String {
        format!("{} ended with {}: {}", self.name(), answer.status, answer.said())
    }

    fn name(&self) -> String {
        self.path.file_name().unwrap_or(self.path.as_os_str()).display().to_string()
    }

    async fn run_to_the_end<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Result<Answer, String> {
        let mut command = Command::new(&self.path);
        if let Some(file) = &self.environment_file {
            command.envs(variables(file).await?);
        }
        let mut child = command
            .args(arguments)
            // Messages and numbers are then the same everywhere.
            .env("LC_ALL", "C.UTF-8")
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("{} cannot be run: {error}", self.path.display()))?;
        let group = Group(child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw));
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let (output, errors) =
            tokio::join!(read(stdout, OUTPUT_BYTES_MAX), read(stderr, ERROR_BYTES_MAX));
        let status = child.wait().await.map_err(|error| error.to_string())?;
        group.ended();
        let (output, whole) = output.map_err(|error| error.to_string())?;
        let (errors, _) = errors.map_err(|error| error.to_string())?;
        if !whole {
            return Err(format!("{} answers more than {OUTPUT_BYTES_MAX} bytes", self.name()));
        }
        Ok(Answer { status, output, errors })
    }
}

impl Answer {
    /// Standard error in one line; the end of the output for a tool that complains there.
    pub(super) fn said(&self) -> String {
        let errors = one_line(&self.errors);
        if !errors.is_empty() {
            return errors;
        }
        let kept = usize::try_from(ERROR_BYTES_MAX).unwrap_or(usize::MAX);
        one_line(&self.output[self.output.len().saturating_sub(kept)..])
    }
}

fn one_line(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let lines: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines.join(" / ")
}

/// The variables of a file of `NAME=value` lines; empty lines and those with `#` are passed over.
async fn variables(file: &Path) -> Result<Vec<(String, String)>, String> {
    let failed = |error| format!("{} cannot be read: {error}", file.display());
    let opened = tokio::fs::File::open(file).await.map_err(failed)?;
    let mut text = String::new();
    opened.take(ENVIRONMENT_BYTES_MAX).read_to_string(&mut text).await.map_err(failed)?;
    let lines = text.lines().map(str::trim).zip(1..);
    let told = lines.filter(|(line, _)| !line.is_empty() && !line.starts_with('#'));
    told.map(|(line, number)| match line.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        // The line itself may be a secret.
        _ => Err(format!("{}: line {number} is not NAME=value", file.display())),
    })
    .collect()
}

/// Reads to the end and keeps the first bytes; tells whether that was all.
async fn read(from: Option<impl AsyncRead + Unpin>, bytes_max: u64) -> io::Result<(Vec<u8>, bool)> {
    let mut kept = Vec::new();
    let Some(from) = from else { return Ok((kept, true)) };
    let mut limited = from.take(bytes_max);
    limited.read_to_end(&mut kept).await?;
    // The rest is read as well, or the tool would wait for us.
    let mut rest = limited.into_inner();
    let dropped = tokio::io::copy(&mut rest, &mut tokio::io::sink()).await?;
    Ok((kept, dropped == 0))
}

/// The tool and what it started: ended together when its time is over.
struct Group(Option<Pid>);

impl Group {
    fn ended(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(leader) = self.0 {
            // It is not waited for yet, so its number is nobody else's; nobody may be left.
            killpg(leader, Signal::SIGKILL).ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;

    fn shell(timeout: Duration) -> Program {
        Program::new("/bin/sh", timeout)
    }

    const MINUTE: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn an_exit_code_an_answer_at_the_bound_and_what_was_said_come_back() {
        let ask = async |script: &str| shell(MINUTE).ask(&["-c", script]).await;
        assert_eq!(ask("echo yes; echo no >&2").await.unwrap(), b"yes\n");
        let failed = ask("echo one >&2; echo two >&2; exit 3").await.unwrap_err();
        assert_eq!(failed, "sh ended with exit status: 3: one / two");
        assert!(ask("echo in output; exit 1").await.unwrap_err().ends_with("in output"));
        let bytes = async |count: u64| ask(&format!("head -c {count} /dev/zero")).await;
        assert!(bytes(OUTPUT_BYTES_MAX).await.is_ok());
        let refused = bytes(OUTPUT_BYTES_MAX + 1).await.unwrap_err();
        assert_eq!(refused, "sh answers more than 8388608 bytes");
        let missing = Program::new("/nonexistent/tool", MINUTE).ask(&["x"]).await.unwrap_err();
        assert!(missing.contains("/nonexistent/tool cannot be run"), "{missing}");
    }

    #[tokio::test]
    async fn when_its_time_is_over_everything_it_started_ends() {
        let dir = TempDir::new().unwrap();
        let child = dir.path().join("child");
        let script = format!("sleep 600 & echo $! > {}; wait", child.display());
        let mut program = shell(Duration::from_millis(500));
        // A slow machine may not have come to the line that tells the child.
        let id = loop {
            let error = program.ask(&["-c", &script]).await.unwrap_err();
            assert!(error.starts_with("sh did not end within"), "{error}");
            let told = fs::read_to_string(&child).unwrap_or_default();
            if let Ok(id) = told.trim().parse::<i32>() {
                break id;
            }
            program.timeout *= 2;
        };
        let ended = async {
            // A killed process stays a zombie until whoever adopted it looks.
            let is_alive = |text: String| !text.contains(") Z ");
            while fs::read_to_string(format!("/proc/{id}/stat")).is_ok_and(is_alive) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(MINUTE, ended).await.unwrap();
    }

    #[tokio::test]
    async fn variables_come_from_a_file_and_a_wrong_line_is_not_shown() {
        let dir = TempDir::new().unwrap();
        let file = dir.path().join("environment");
        let mut program = shell(MINUTE);
        program.environment_file = Some(file.clone());
        assert!(program.ask(&["-c", "true"]).await.unwrap_err().contains("cannot be read"));
        fs::write(&file, "# S3\n\nKEY=a=b c\n").unwrap();
        assert_eq!(program.ask(&["-c", "printf %s \"$KEY\""]).await.unwrap(), b"a=b c");
        fs::write(&file, "KEY=1\nsecret\n").unwrap();
        let wrong = program.ask(&["-c", "true"]).await.unwrap_err();
        assert!(wrong.ends_with("line 2 is not NAME=value"), "{wrong}");
    }
}
