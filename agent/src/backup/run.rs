//! `haidang-agent backup run`: runs any backup command and reports what it really did.
//! Promises: the command's output, exit code and signals pass through; the outcome is `Succeeded` only when bytes were
//! seen; the report is handed over through the drop box, so the agent need not be up.
//! Leaves to others: who may report which job (the drop box), and whether a run was due (the rules).

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use agent_model::{BackupOutcome, BackupRun, Millis};
use nix::sys::signal::{self, Signal};
use nix::unistd::{Pid, User, geteuid};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};

use super::output::{Files, Written};
use super::restic_output::{Omissions, Reader, Summary};
use crate::clock::Clock;
use crate::drop_box::{self, DropBoxError};

/// The end of standard error that is kept: enough to see why, little enough for a report.
const DETAIL_BYTES_MAX: usize = 4 << 10;
const DETAIL_LINES_MAX: usize = 20;
/// How long output is read after the command has ended, while a process it left behind holds the pipe.
const OUTPUT_GRACE: Duration = Duration::from_secs(5);
/// What a shell answers when a command cannot be run or found.
const EXIT_NOT_EXECUTABLE: i32 = 126;
const EXIT_NOT_FOUND: i32 = 127;

/// The flags of `haidang-agent backup run`.
#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    /// The job as the backup policy names it
    #[arg(long, value_parser = job_name)]
    pub job: String,
    /// The tool behind the command, whose own summary then proves the backup
    #[arg(long, value_enum, default_value = "command")]
    pub tool: Tool,
    /// Files that the command writes; those that are new or changed afterwards prove the backup
    #[arg(long, value_name = "GLOB", value_parser = glob::Pattern::new)]
    pub output: Option<glob::Pattern>,
    /// The command and its arguments; no shell is involved
    #[arg(last = true, required = true, value_name = "CMD")]
    pub command: Vec<OsString>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Tool {
    Command,
    /// Reads the summary of `restic backup --json`
    Restic,
}

/// What came of it.
#[derive(Debug)]
pub struct Ran {
    pub run: BackupRun,
    /// The command's own exit code, 128 and the signal's number, or the shell's 126 and 127.
    pub exit_code: i32,
    /// An error is for people to read; the exit code stays the command's.
    pub handed_over: Result<(), DropBoxError>,
}

/// Runs the command and hands its outcome over. Nothing here can fail the backup itself.
pub async fn run_command(arguments: &Arguments, drop_box: &Path, clock: Clock) -> Ran {
    let started_ms = clock.now_ms();
    let before = arguments.output.as_ref().map(Files::look);
    let ended = run(arguments).await;
    let written = arguments.output.as_ref().map(|pattern| {
        let after = Files::look(pattern);
        after.since(&before.unwrap_or_default())
    });
    let (run, exit_code) = report(arguments, started_ms, clock.now_ms(), ended, written);
    let handed_over = drop_box::hand_over(drop_box, &run);
    Ran { run, exit_code, handed_over }
}

/// How the command ended.
struct Ended {
    status: std::io::Result<ExitStatus>,
    summary: Option<Summary>,
    /// What the tool says that it left out.
    omitted: Option<String>,
    /// The end of standard error.
    errors: String,
}

fn report(
    arguments: &Arguments,
    started_ms: Millis,
    finished_ms: Millis,
    ended: Ended,
    written: Option<Written>,
) -> (BackupRun, i32) {
    use std::os::unix::process::ExitStatusExt;
    let (exit_code, code, failure) = match &ended.status {
        Err(error) => {
            let missing = error.kind() == std::io::ErrorKind::NotFound;
            let code = if missing { EXIT_NOT_FOUND } else { EXIT_NOT_EXECUTABLE };
            (None, code, Some(format!("the command could not be run: {error}")))
        }
        Ok(status) => match (status.code(), status.signal()) {
            (Some(0), _) => {
                let omitted = ended.omitted.as_ref();
                (
                    Some(0),
                    0,
                    omitted.map(|what| format!("exit code 0, and not all is saved: {what}")),
                )
            }
            (Some(code), _) => (Some(code), code, Some(format!("exit code {code}"))),
            (None, number) => {
                let number = number.unwrap_or(0);
                (None, 128 + number, Some(format!("ended by signal {number}")))
            }
        },
    };
    let from_summary =
        ended.summary.map(|summary| (summary.bytes, summary.files, Some(summary.snapshot_id)));
    let from_files = written.map(|written| {
        let newest = written.newest.map(|path| path.display().to_string());
        (written.bytes, written.files, newest)
    });
    let measured = from_summary.or(from_files);
    let (outcome, reason) = match (failure, &measured) {
        (Some(failure), _) => (BackupOutcome::Failed, failure),
        (None, Some((0, ..))) => {
            (BackupOutcome::Empty, "exit code 0, and nothing was written".to_owned())
        }
        (None, Some(_)) => (BackupOutcome::Succeeded, String::new()),
        (None, None) => (BackupOutcome::Unproven, unproven(arguments.tool).to_owned()),
    };
    let parts: Vec<_> =
        [reason, ended.errors].into_iter().filter(|part| !part.is_empty()).collect();
    let (bytes, files, content_id) = match measured {
        Some((bytes, files, content)) => (Some(bytes), Some(files), content),
        None => (None, None, None),
    };
    let run = BackupRun {
        job: arguments.job.clone(),
        tool: arguments.tool.name().to_owned(),
        started_ms,
        finished_ms,
        outcome,
        exit_code,
        bytes,
        files,
        content_id,
        detail: parts.join("\n"),
        reported_by: user_name(),
    };
    (run, code)
}

fn unproven(tool: Tool) -> &'static str {
    match tool {
        Tool::Command => "exit code 0, and nothing measured what was written; give --output GLOB",
        Tool::Restic => "exit code 0 without a summary of a snapshot; add --json to restic backup",
    }
}

async fn run(arguments: &Arguments) -> Ended {
    let Some((program, rest)) = arguments.command.split_first() else {
        let status = Err(std::io::Error::other("no command is given"));
        return Ended { status, summary: None, omitted: None, errors: String::new() };
    };
    let restic = arguments.tool == Tool::Restic;
    // What need not be read goes straight through, so that a tool still knows its terminal.
    let stdout = if restic { Stdio::piped() } else { Stdio::inherit() };
    let mut command = Command::new(program);
    command.args(rest).stdout(stdout).stderr(Stdio::piped());
    // Before the command starts, so that no signal can end us and leave it behind.
    let spawned = Signals::new().and_then(|signals| Ok((command.spawn()?, signals)));
    let (mut child, mut signals) = match spawned {
        Ok(spawned) => spawned,
        Err(error) => {
            return Ended {
                status: Err(error),
                summary: None,
                omitted: None,
                errors: String::new(),
            };
        }
    };
    let (mut reader, mut omissions) = (Reader::default(), Omissions::default());
    let mut errors = LastBytes::default();
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let status = {
        let pumps = async {
            tokio::join!(
                pump(stdout, std::io::stdout(), |bytes| reader.read(bytes)),
                pump(stderr, std::io::stderr(), |bytes| {
                    omissions.read(bytes);
                    errors.add(bytes);
                }),
            )
        };
        tokio::pin!(pumps);
        let mut drained = false;
        let status = {
            let ended = wait(&mut child, &mut signals);
            tokio::pin!(ended);
            loop {
                tokio::select! {
                    status = &mut ended => break status,
                    _ = &mut pumps, if !drained => drained = true,
                }
            }
        };
        if !drained {
            // A process left behind may hold the pipe for ever; what it says is no longer the command's.
            tokio::time::timeout(OUTPUT_GRACE, pumps).await.unwrap_or_default();
        }
        status
    };
    let (summary, omitted) =
        if restic { (reader.finish(), omissions.finish()) } else { (None, None) };
    Ended { status, summary, omitted, errors: errors.text() }
}

/// The signals that ask us to end.
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    hang_up: tokio::signal::unix::Signal,
    quit: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
            quit: signal(SignalKind::quit())?,
        })
    }

    async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.terminate.recv() => Signal::SIGTERM,
            _ = self.hang_up.recv() => Signal::SIGHUP,
            _ = self.interrupt.recv() => Signal::SIGINT,
            _ = self.quit.recv() => Signal::SIGQUIT,
        }
    }
}

/// Waits for the command and passes signals on to it.
async fn wait(child: &mut Child, signals: &mut Signals) -> std::io::Result<ExitStatus> {
    // A terminal sends these two to the command as well; a second one would mean "at once" to many tools.
    let from_terminal = std::io::stdin().is_terminal();
    loop {
        let received = tokio::select! {
            status = child.wait() => return status,
            received = signals.next() => received,
        };
        let doubled = from_terminal && matches!(received, Signal::SIGINT | Signal::SIGQUIT);
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        if let Some(id) = id.filter(|_| !doubled) {
            // It may have ended in this moment; then there is nobody to tell.
            signal::kill(Pid::from_raw(id), received).unwrap_or_default();
        }
    }
}

/// Copies output through and lets `see` look at it. A reader that went away does not stop the command.
async fn pump(
    from: Option<impl AsyncRead + Unpin>,
    mut to: impl Write,
    mut see: impl FnMut(&[u8]),
) {
    let Some(mut from) = from else { return };
    let mut bytes = vec![0; 8 << 10];
    while let Ok(length @ 1..) = from.read(&mut bytes).await {
        see(&bytes[..length]);
        // This process does nothing else: when the reader is slow, the command waits as it would without us.
        to.write_all(&bytes[..length]).and_then(|()| to.flush()).unwrap_or_default();
    }
}

/// The end of a stream.
#[derive(Debug, Default)]
struct LastBytes(VecDeque<u8>);

impl LastBytes {
    fn add(&mut self, bytes: &[u8]) {
        self.0.extend(bytes);
        let excess = self.0.len().saturating_sub(DETAIL_BYTES_MAX);
        self.0.drain(..excess);
    }

    /// The last lines, as text.
    fn text(self) -> String {
        let bytes: Vec<u8> = self.0.into();
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<_> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        lines[lines.len().saturating_sub(DETAIL_LINES_MAX)..].join("\n")
    }
}

impl Tool {
    fn name(self) -> &'static str {
        match self {
            Self::Command => "command",
            Self::Restic => "restic",
        }
    }
}

fn user_name() -> String {
    let id = geteuid();
    let name = User::from_uid(id).ok().flatten().map(|user| user.name);
    name.unwrap_or_else(|| id.to_string())
}

/// The longest job name: it becomes a label and a file name.
const JOB_CHARS_MAX: usize = 100;

pub(super) fn job_name(text: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if text.is_empty() || text.len() > JOB_CHARS_MAX || !text.chars().all(plain) {
        return Err(format!("a job has 1 to {JOB_CHARS_MAX} of A-Z a-z 0-9 . _ -"));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests;
