//! Flags, signals and exit code of `haidang-collector`; all else is in the library.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use collector::alertmanager::standalone;
use collector::app;
use collector::config::Config;
use collector::{clock, fsck, snapshot};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Takes reports of agents, keeps them, checks them against rules, raises alerts and shows pages.
#[derive(Parser)]
#[command(name = "haidang-collector", version, about, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run until SIGTERM or Ctrl-C.
    Run {
        /// The configuration file.
        #[arg(long, default_value = "/etc/haidang/collector.yml")]
        config: PathBuf,
        /// Leave a new admin token for the CLI in this file, mode 0600.
        #[arg(long)]
        admin_token_file: Option<PathBuf>,
    },
    /// Say everything that is wrong with the configuration, the routing of alerts and the rules.
    CheckConfig {
        #[arg(long, default_value = "/etc/haidang/collector.yml")]
        config: PathBuf,
    },
    /// Alerting alone, in the place of an Alertmanager: its flags, configuration and API v2.
    Alertmanager(Box<standalone::Flags>),
    /// Read the whole metric store of a stopped collector and say what is damaged.
    Fsck {
        #[arg(long, default_value = "/etc/haidang/collector.yml")]
        config: PathBuf,
        /// Replace damaged parts by what of them can be read; the damaged files are kept beside.
        #[arg(long)]
        repair: bool,
    },
    /// Copy the whole state into a directory, also while the collector runs; or check such a copy.
    #[command(group(clap::ArgGroup::new("task").required(true).args(["to", "verify"])))]
    Snapshot {
        /// The directory to make; it may be there if it is empty. It holds the key of the hosts' authority: keep it safe.
        #[arg(long, value_name = "DIR")]
        to: Option<PathBuf>,
        /// Check that a snapshot is whole, file by file.
        #[arg(long, value_name = "DIR", conflicts_with_all = ["config", "state_dir"])]
        verify: Option<PathBuf>,
        #[arg(long, default_value = "/etc/haidang/collector.yml")]
        config: PathBuf,
        /// The collector's state, instead of asking the configuration for it (`haidang up` has it in `collector`).
        #[arg(long, value_name = "DIR", conflicts_with = "config")]
        state_dir: Option<PathBuf>,
    },
}

/// Wrong flags or configuration (as clap itself exits for flags).
const EXIT_CONFIG: u8 = 2;

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::CheckConfig { config } => match Config::open(&config).and_then(|c| app::check(&c))
        {
            Ok(()) => remark(&config),
            Err(problems) => complain(&problems.to_string(), EXIT_CONFIG),
        },
        Command::Fsck { config, repair } => match Config::open(&config) {
            Ok(config) => check_store(&config, repair),
            Err(problems) => complain(&problems.to_string(), EXIT_CONFIG),
        },
        Command::Alertmanager(flags) => alertmanager(*flags),
        Command::Snapshot { to: _, verify: Some(directory), .. } => verify(&directory),
        Command::Snapshot { to, state_dir: Some(state_dir), .. } => take(&state_dir, to),
        Command::Snapshot { to, config, .. } => match Config::open(&config) {
            Ok(config) => take(&config.state_dir, to),
            Err(problems) => complain(&problems.to_string(), EXIT_CONFIG),
        },
        Command::Run { config, admin_token_file } => match Config::open(&config) {
            Ok(config) => run(config, app::Options { admin_token_file, files_dir: None }),
            Err(problems) => complain(&problems.to_string(), EXIT_CONFIG),
        },
    }
}

/// The files are in order; what should be known of them all the same.
fn remark(config: &Path) -> ExitCode {
    for remark in Config::open(config).map(|config| app::remarks(&config)).unwrap_or_default() {
        complain(&format!("remark: {remark}"), 0);
    }
    ExitCode::SUCCESS
}

#[allow(clippy::print_stdout, reason = "what was found is the output")]
fn check_store(config: &Config, repair: bool) -> ExitCode {
    match fsck::run(config, repair) {
        Ok((text, sound)) => {
            print!("{text}");
            if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => complain(&format!("haidang-collector: {}", collector::describe(&error)), 1),
    }
}

#[allow(clippy::print_stdout, reason = "what was made is the output")]
fn take(state_dir: &std::path::Path, to: Option<PathBuf>) -> ExitCode {
    app::start_log();
    let to = to.unwrap_or_default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let taken = runtime.map_err(anyhow::Error::from).and_then(|runtime| {
        Ok(runtime.block_on(snapshot::take(state_dir, &to, clock::now_ms()))?)
    });
    match taken {
        Ok(manifest) => {
            let (files, bytes) = (manifest.files.len(), manifest.bytes());
            println!("{}: {files} files, {bytes} bytes", to.display());
            ExitCode::SUCCESS
        }
        Err(error) => complain(&format!("haidang-collector: {error:#}"), 1),
    }
}

#[allow(clippy::print_stdout, reason = "what was found is the output")]
fn verify(directory: &std::path::Path) -> ExitCode {
    match snapshot::verify(directory) {
        Ok(problems) if problems.is_empty() => {
            println!("{}: whole", directory.display());
            ExitCode::SUCCESS
        }
        Ok(problems) => complain(&problems.join("\n"), 1),
        Err(error) => complain(&format!("haidang-collector: {}", collector::describe(&error)), 1),
    }
}

fn run(config: Config, options: app::Options) -> ExitCode {
    app::start_log();
    let ended = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| {
            runtime.block_on(async { Ok(app::run(config, options, stop_signal()?).await?) })
        });
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => complain(&format!("haidang-collector: {error:#}"), 1),
    }
}

fn alertmanager(flags: standalone::Flags) -> ExitCode {
    app::start_log_at(flags.log_filter());
    let ended = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| {
            runtime.block_on(async { Ok(standalone::run(flags, stop_signal()?).await?) })
        });
    let Err(error) = ended else { return ExitCode::SUCCESS };
    let written = error.downcast_ref::<standalone::StandaloneError>();
    match written.is_some_and(standalone::StandaloneError::is_of_the_writer) {
        true => complain(&format!("{error:#}"), EXIT_CONFIG),
        false => complain(&format!("haidang-collector: {error:#}"), 1),
    }
}

/// Turns true at SIGTERM or Ctrl-C.
fn stop_signal() -> anyhow::Result<watch::Receiver<bool>> {
    let (sender, receiver) = watch::channel(false);
    let (mut terminate, mut interrupt) =
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        sender.send_replace(true);
    });
    Ok(receiver)
}

#[allow(clippy::print_stderr, reason = "the reason of a failed start goes to standard error")]
fn complain(text: &str, code: u8) -> ExitCode {
    eprintln!("{text}");
    ExitCode::from(code)
}
