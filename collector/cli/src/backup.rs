//! `haidang backup list|copies`: what was backed up, and what the copies are worth.

use clap::Subcommand;
use serde_json::Value;

use crate::client::Client;
use crate::table::{cell, rows, table};
use crate::zone::time;
use crate::{Asked, say};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// List the backups and whether they can be relied on.
    List,
    /// List the copies of every planned backup: where they lie, whether they are the newest, what was verified.
    Copies,
}

pub(crate) fn run(asked: &Asked<Command>) -> anyhow::Result<()> {
    let backups: Value = Client::open(&asked.connection)?.get("/api/backups")?;
    match asked.command {
        Command::List => list(&backups),
        Command::Copies => copies(&backups),
    }
    Ok(())
}

fn list(backups: &Value) {
    let heading = ["HOST", "BACKUP", "STATE", "LAST SUCCESS", "BYTES", "LAST RUN", "DETAIL"];
    let rows = rows(backups, |backup| {
        let detail = cell(&backup["last_run"]["detail"]);
        vec![
            cell(&backup["host"]),
            cell(&backup["backup"]),
            cell(&backup["state"]),
            time(&backup["last_success_ms"]),
            cell(&backup["last_success_bytes"]),
            time(&backup["last_run"]["finished_ms"]),
            detail.lines().last().unwrap_or("-").chars().take(60).collect(),
        ]
    });
    say(&table(&heading, &rows));
}

/// One line for each place, and below what the rule of copies lacks.
fn copies(backups: &Value) {
    let heading = [
        "HOST",
        "BACKUP",
        "PLACE",
        "SITE",
        "STATE",
        "BEHIND",
        "DATA OF",
        "VERIFIED DATA OF",
        "ERROR",
    ];
    let planned = || backups.as_array().into_iter().flatten().filter(|one| !one["truth"].is_null());
    let lines = planned().flat_map(|backup| {
        rows(&backup["truth"]["places"], |place| {
            let verified = place["verified"].as_array().into_iter().flatten();
            let newest_ms = verified.filter_map(|one| one["consistent_ms"].as_i64()).max();
            vec![
                cell(&backup["host"]),
                cell(&backup["backup"]),
                cell(&place["place"]),
                cell(&place["site"]),
                cell(&place["state"]),
                behind(&place["behind_ms"]),
                time(&place["consistent_ms"]),
                time(&newest_ms.into()),
                cell(&place["error"]).chars().take(60).collect(),
            ]
        })
    });
    say(&table(&heading, &lines.collect::<Vec<_>>()));
    for backup in planned() {
        let digits: Vec<String> =
            backup["truth"]["broken"].as_array().into_iter().flatten().map(cell).collect();
        if !digits.is_empty() {
            let (host, name) = (cell(&backup["host"]), cell(&backup["backup"]));
            say(&format!("{name} of {host} does not keep 3-2-1-1-0: {}", digits.join(", ")));
        }
    }
}

/// Milliseconds as hours and minutes.
fn behind(ms: &Value) -> String {
    ms.as_i64()
        .map_or_else(|| "-".to_owned(), |ms| format!("{}h{:02}m", ms / 3_600_000, ms / 60_000 % 60))
}
