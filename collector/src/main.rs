//! Flags, signals and exit code of `haidang-collector`; all else is in the library.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use collector::app;
use collector::config::Config;
use collector::fsck;
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
    /// Read the whole metric store of a stopped collector and say what is damaged.
    Fsck {
        #[arg(long, default_value = "/etc/haidang/collector.yml")]
        config: PathBuf,
        /// Replace damaged parts by what of them can be read; the damaged files are kept beside.
        #[arg(long)]
        repair: bool,
    },
}

/// Wrong flags or configuration (as clap itself exits for flags).
const EXIT_CONFIG: u8 = 2;

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::CheckConfig { config } => match Config::open(&config).and_then(|c| app::check(&c))
        {
            Ok(()) => ExitCode::SUCCESS,
            Err(problems) => complain(&problems.to_string(), EXIT_CONFIG),
        },
        Command::Fsck { config, repair } => match Config::open(&config) {
            Ok(config) => check_store(&config, repair),
            Err(problems) => complain(&problems.to_string(), EXIT_CONFIG),
        },
        Command::Run { config, admin_token_file } => match Config::open(&config) {
            Ok(config) => run(config, app::Options { admin_token_file, files_dir: None }),
            Err(problems) => complain(&problems.to_string(), EXIT_CONFIG),
        },
    }
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
