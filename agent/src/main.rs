//! Flags, configuration, signals and exit code of `haidang-agent`; all else is in the library.
//! Exit codes: 0 fine, 1 failed while running, 2 wrong flags or configuration.

use std::path::PathBuf;
use std::process::ExitCode;

use agent::clock::Clock;
use agent::config::CollectorAddress;
use agent::enrol::{EnrolRequest, Token};
use agent::{Config, backup, enrol, once};
use agent_model::HostId;
use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

const STATE_DIR: &str = "/var/lib/haidang-agent";
const DROP_BOX: &str = "/var/lib/haidang-agent/drop-box";
const CONFIG: &str = "/etc/haidang/agent.yml";

/// Measures this host, keeps what it measured, and sends it to the collectors.
#[derive(Parser)]
#[command(name = "haidang-agent", version)]
struct Flags {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Run until SIGTERM or Ctrl-C
    Run(ConfigFlag),
    /// Turn a one-time token into this host's identity
    Enrol(Enrol),
    /// Check the configuration and print every problem
    CheckConfig(ConfigFlag),
    /// Print one reading of the host's metrics in Prometheus' text format
    Once(Once),
    /// Backups
    Backup(Backup),
}

#[derive(Args)]
struct ConfigFlag {
    /// The configuration file
    #[arg(long, value_name = "FILE", default_value = CONFIG)]
    config: PathBuf,
}

#[derive(Args)]
struct Enrol {
    /// The collector's address, host:port
    #[arg(long, value_name = "ADDR", value_parser = CollectorAddress::new)]
    collector: CollectorAddress,
    /// The token; better give it in a file, because others can see flags
    #[arg(long, required_unless_present = "token_file", conflicts_with = "token_file")]
    token: Option<String>,
    /// A file that holds the token
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// The name of this host; its hostname if left out
    #[arg(long, value_name = "ID")]
    host: Option<HostId>,
    /// Where the identity is kept
    #[arg(long, value_name = "DIR", default_value = STATE_DIR)]
    state_dir: PathBuf,
    /// Replace an identity that is already there
    #[arg(long)]
    replace: bool,
}

#[derive(Args)]
struct Once {
    /// Use the metrics and exporters of this configuration
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[arg(long, value_name = "DIR", default_value = "/proc")]
    proc_root: PathBuf,
    #[arg(long, value_name = "DIR", default_value = "/sys")]
    sys_root: PathBuf,
    /// Where the other files of the host are
    #[arg(long, value_name = "DIR", default_value = "/")]
    root: PathBuf,
}

#[derive(Args)]
struct Backup {
    #[command(subcommand)]
    task: BackupTask,
}

#[derive(Subcommand)]
enum BackupTask {
    /// Run a backup command and report what it really did; ends with the command's exit code
    Run {
        /// The agent's drop box
        #[arg(long, value_name = "DIR", default_value = DROP_BOX)]
        drop_box: PathBuf,
        #[command(flatten)]
        arguments: backup::Arguments,
    },
}

/// What a person must mend before trying again: exit code 2.
struct Wrong(anyhow::Error);

enum Failure {
    Wrong(Wrong),
    Running(anyhow::Error),
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Running(error.into())
    }
}

fn main() -> ExitCode {
    let flags = Flags::parse();
    log_to_stderr();
    match perform(flags.task) {
        Ok(code) => code,
        Err(failure) => {
            let (error, code) = match failure {
                Failure::Wrong(Wrong(error)) => (error, 2),
                Failure::Running(error) => (error, 1),
            };
            complain(&format!("haidang-agent: {error:#}"));
            ExitCode::from(code)
        }
    }
}

fn perform(task: Task) -> Result<ExitCode, Failure> {
    match task {
        Task::Run(flag) => run(read(&flag.config)?),
        Task::Enrol(flags) => enrol_host(flags),
        Task::CheckConfig(flag) => {
            read(&flag.config)?;
            say(&format!("{}: fine", flag.config.display()));
            Ok(ExitCode::SUCCESS)
        }
        Task::Once(flags) => {
            let mut config = match &flags.config {
                Some(file) => read(file)?,
                None => Config::new(STATE_DIR.into()),
            };
            config.root.proc = flags.proc_root;
            config.root.sys = flags.sys_root;
            config.root.root = flags.root;
            say(runtime()?.block_on(once(&config)).trim_end());
            Ok(ExitCode::SUCCESS)
        }
        Task::Backup(Backup { task: BackupTask::Run { drop_box, arguments } }) => {
            let ran = runtime()?.block_on(backup::run_command(&arguments, &drop_box, Clock));
            if let Err(error) = ran.handed_over {
                let error = anyhow::Error::from(error);
                complain(&format!("haidang-agent: the outcome was not reported: {error:#}"));
            }
            Ok(ExitCode::from(u8::try_from(ran.exit_code).unwrap_or(1)))
        }
    }
}

fn run(config: Config) -> Result<ExitCode, Failure> {
    let runtime = runtime()?;
    let served = runtime.block_on(async {
        let shutdown = CancellationToken::new();
        let mut terminate = signal(SignalKind::terminate()).context("SIGTERM cannot be caught")?;
        let stop = shutdown.clone();
        tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
            stop.cancel();
        });
        anyhow::Ok(agent::run(config, shutdown).await?)
    });
    // A source that hangs in the kernel does not keep the agent from ending.
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    served?;
    Ok(ExitCode::SUCCESS)
}

fn enrol_host(flags: Enrol) -> Result<ExitCode, Failure> {
    let text = match (&flags.token, &flags.token_file) {
        (Some(token), _) => token.clone(),
        (None, Some(file)) => std::fs::read_to_string(file)
            .with_context(|| format!("the token file {} cannot be read", file.display()))
            .map_err(wrong)?,
        (None, None) => return Err(wrong(anyhow::anyhow!("give --token-file or --token"))),
    };
    let host = match flags.host {
        Some(host) => host,
        None => agent::host_name().context("give --host").map_err(wrong)?,
    };
    let request = EnrolRequest {
        state_dir: flags.state_dir,
        collector: flags.collector,
        token: Token::parse(&text).map_err(wrong)?,
        host,
        replace: flags.replace,
    };
    runtime()?.block_on(enrol::enrol(&request))?;
    say(&format!("{} is enrolled at {}", request.host, request.collector));
    Ok(ExitCode::SUCCESS)
}

fn read(file: &std::path::Path) -> Result<Config, Failure> {
    Config::open(file).map_err(wrong)
}

fn wrong(error: impl Into<anyhow::Error>) -> Failure {
    Failure::Wrong(Wrong(error.into()))
}

/// One thread does it all: the agent waits far more than it works.
fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the runtime cannot be started")
}

fn log_to_stderr() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    let stderr = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    stderr.with_ansi(false).init();
}

#[allow(clippy::print_stdout, reason = "what a person asked for goes to standard output")]
fn say(text: &str) {
    println!("{text}");
}

#[allow(clippy::print_stderr, reason = "what a person must read goes to standard error")]
fn complain(text: &str) {
    eprintln!("{text}");
}
