//! `haidang notification list|resend|dismiss|channels|test`: what was told to whom, and whether the channels work.

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::{Value, json};

use crate::client::{Client, segment};
use crate::table::{cell, rows, table};
use crate::zone::time;
use crate::{Asked, say};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// List what was sent to people, newest first.
    List {
        /// Only what could not be delivered and waits for you.
        #[arg(long)]
        dead: bool,
    },
    /// Send a dead letter again; what has ended meanwhile is told as resolved.
    Resend {
        /// As `notification list --dead` shows it.
        id: String,
    },
    /// Say that you have seen that a notification never arrived.
    Dismiss { id: String },
    /// List every channel: whether it works, and what waits for it.
    Channels,
    /// Send a test message to a receiver of alerting.yml; exit code 1 when a channel fails.
    Test {
        receiver: String,
        /// A kind (email) or one of them (email/1) [default: every channel of the receiver].
        #[arg(long)]
        integration: Option<String>,
    },
}

pub(crate) fn run(asked: Asked<Command>) -> anyhow::Result<ExitCode> {
    let client = Client::open(&asked.connection)?;
    match asked.command {
        Command::List { dead } => list(&client, dead)?,
        Command::Resend { id } => {
            let made: Value =
                client.post(&format!("/api/dead-letters/{}/resend", segment(&id)), &json!({}))?;
            say(&format!("It goes out again as {}.", cell(&made["id"])));
        }
        Command::Dismiss { id } => {
            let path = format!("/api/dead-letters/{}/dismiss", segment(&id));
            let _: Value = client.post(&path, &json!({}))?;
            say(&format!("{id} is dismissed."));
        }
        Command::Channels => channels(&client)?,
        Command::Test { receiver, integration } => return test(&client, &receiver, integration),
    }
    Ok(ExitCode::SUCCESS)
}

fn list(client: &Client, dead: bool) -> anyhow::Result<()> {
    let path = if dead { "/api/dead-letters" } else { "/api/notifications" };
    let notifications: Value = client.get(path)?;
    let rows = rows(&notifications, |one| {
        vec![
            cell(&one["id"]),
            time(&one["created_at_ms"]),
            format!("{} ({})", cell(&one["receiver"]), cell(&one["integration"])),
            format!("{} {}", cell(&one["alerts"]), cell(&one["status"])),
            cell(&one["state"]),
            cell(&one["attempts"]),
            cell(&one["last_error"]),
        ]
    });
    say(&table(&["ID", "MADE", "TO", "ALERTS", "STATE", "ATTEMPTS", "LAST ERROR"], &rows));
    Ok(())
}

fn channels(client: &Client) -> anyhow::Result<()> {
    let channels: Value = client.get("/api/channels")?;
    let rows = rows(&channels, |one| {
        vec![
            cell(&one["receiver"]),
            cell(&one["integration"]),
            cell(&one["state"]),
            time(&one["failing_since_ms"]),
            time(&one["last_success_ms"]),
            time(&one["tested_at_ms"]),
            cell(&one["waiting"]),
            cell(&one["limited"]),
            cell(&one["dead"]),
            cell(&one["last_error"]),
        ]
    });
    let heading = [
        "RECEIVER",
        "INTEGRATION",
        "STATE",
        "FAILING SINCE",
        "LAST SUCCESS",
        "TESTED",
        "WAITING",
        "LIMITED",
        "DEAD",
        "LAST ERROR",
    ];
    say(&table(&heading, &rows));
    Ok(())
}

fn test(client: &Client, receiver: &str, integration: Option<String>) -> anyhow::Result<ExitCode> {
    let path = format!("/api/receivers/{}/test", segment(receiver));
    let tests: Value = client.post(&path, &json!({ "integration": integration }))?;
    let mut code = ExitCode::SUCCESS;
    for test in tests.as_array().into_iter().flatten() {
        let channel = format!("{} ({})", cell(&test["receiver"]), cell(&test["integration"]));
        match test["error"].as_str() {
            None => say(&format!("{channel}: delivered")),
            Some(error) => {
                say(&format!("{channel}: {error}"));
                code = ExitCode::from(1);
            }
        }
    }
    Ok(code)
}
