//! `haidang`: every task of a person, from starting the whole on one machine to asking what is wrong.
//! This file has flags and exit codes only; each command is a file of its own.

mod alert;
mod api_token;
mod audit;
mod backup;
mod client;
mod drill;
mod host;
mod lives;
mod notification;
mod on_call;
mod query;
mod reload;
mod rules;
mod silence;
mod status;
mod table;
mod token;
mod up;
mod user;
mod zone;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

/// Watches hosts, backups and shared systems, and tells people what to do.
///
/// Times are shown and read in Vietnam's time, or in the zone that TZ names.
#[derive(Parser)]
#[command(name = "haidang", version, about, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start a collector and an agent for this machine, with dashboards.
    Up(up::Flags),
    /// Show what is wrong and what to do; exit code 1 while something is.
    Status(status::Flags),
    /// List hosts, or revoke one.
    Host(Asked<host::Command>),
    /// List alerts, or take one.
    Alert(Asked<alert::Command>),
    /// Show who is on duty, and swap turns.
    OnCall(Asked<on_call::Command>),
    /// Silence alerts for a while.
    Silence(Asked<silence::Command>),
    /// List what was sent, send dead letters again, test channels.
    Notification(Asked<notification::Command>),
    /// List backups, and what their copies are worth.
    Backup(Asked<backup::Command>),
    /// List, start, confirm, abort drills; print their minutes.
    Drill(Asked<drill::Command>),
    /// Evaluate a PromQL expression.
    Query(query::Flags),
    /// Have the collector read changed rules, routing, inventory, backup policy and drill plans.
    Reload(reload::Flags),
    /// Check and test rule files.
    Rules(rules::Flags),
    /// Make users, list them, set passwords, shut somebody out, change roles.
    User(Asked<user::Command>),
    /// Show who did what, or check that nobody changed the log of it.
    Audit(Asked<audit::Command>),
    /// Make enrolment tokens.
    Token(Asked<token::Command>),
    /// Make lasting tokens for programs that read or write, list them, revoke them.
    ApiToken(Asked<api_token::Command>),
    /// One of the two daemons of `haidang up`; started by it, not by people.
    #[command(hide = true)]
    Daemon(up::DaemonFlags),
}

/// How a command finds the collector and proves that it may ask.
#[derive(Args, Clone, Debug)]
struct Connection {
    /// The collector's address.
    #[arg(long, env = "HAIDANG_URL", default_value = "http://127.0.0.1:8080", global = true)]
    url: String,
    /// The file that holds the admin token [default: the service's, else admin.token
    /// in the state directory of `up`].
    #[arg(long, env = "HAIDANG_TOKEN_FILE", global = true)]
    token_file: Option<PathBuf>,
}

/// A command of several tasks that are all asked of a collector.
#[derive(Args)]
struct Asked<C: Subcommand> {
    #[command(subcommand)]
    command: C,
    #[command(flatten)]
    connection: Connection,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.command {
        Command::Status(flags) => return ended(status::run(&flags)),
        Command::Rules(flags) => return rules::run(&flags),
        Command::Reload(flags) => return ended(reload::run(&flags)),
        Command::Notification(flags) => return ended(notification::run(flags)),
        Command::Audit(flags) => return ended(audit::run(flags)),
        Command::Host(flags) => host::run(flags),
        Command::Alert(flags) => alert::run(flags),
        Command::OnCall(flags) => on_call::run(flags),
        Command::Silence(flags) => silence::run(flags),
        Command::Backup(flags) => backup::run(&flags),
        Command::Drill(flags) => drill::run(flags),
        Command::Query(flags) => query::run(&flags),
        Command::User(flags) => user::run(flags),
        Command::Up(flags) => up::run(flags),
        Command::Token(flags) => token::run(flags),
        Command::ApiToken(flags) => api_token::run(flags),
        Command::Daemon(flags) => up::daemon(flags),
    };
    ended(done.map(|()| ExitCode::SUCCESS))
}

fn ended(done: anyhow::Result<ExitCode>) -> ExitCode {
    done.unwrap_or_else(|error| {
        complain(&format!("haidang: {error:#}"));
        ExitCode::from(1)
    })
}

#[allow(clippy::print_stderr, reason = "a command line tool speaks on standard error")]
fn complain(text: &str) {
    eprintln!("{text}");
}

/// Whoever reads may have seen enough (`| head`); any other failure is told.
fn say(text: &str) {
    match writeln!(std::io::stdout(), "{text}") {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            complain(&format!("the answer cannot be written: {error}"));
        }
        _ => {}
    }
}
