//! `haidang host list|revoke`: what is watched.

use clap::Subcommand;
use serde_json::{Value, json};

use crate::client::{Client, segment};
use crate::table::{cell, percent, rows, table};
use crate::zone::time;
use crate::{Asked, say};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// List the hosts and whether they report.
    List,
    /// Refuse a host's certificates from now on.
    Revoke {
        host: String,
        /// Stands in the audit log.
        #[arg(long)]
        reason: String,
    },
}

pub(crate) fn run(asked: Asked<Command>) -> anyhow::Result<()> {
    let client = Client::open(&asked.connection)?;
    match asked.command {
        Command::List => {
            let hosts: Value = client.get("/api/hosts")?;
            let heading = ["HOST", "STATE", "SITE", "LAST REPORT", "ALERTS", "CPU", "MEM", "DISK"];
            let rows = rows(&hosts, |host| {
                vec![
                    cell(&host["id"]),
                    cell(&host["state"]),
                    cell(&host["site"]),
                    time(&host["last_report_ms"]),
                    cell(&host["alerts"]),
                    percent(&host["cpu_ratio"]),
                    percent(&host["memory_ratio"]),
                    percent(&host["disk_ratio"]),
                ]
            });
            say(&table(&heading, &rows));
        }
        Command::Revoke { host, reason } => {
            let path = format!("/api/hosts/{}/revoke", segment(&host));
            let done: Value = client.post(&path, &json!({ "reason": reason }))?;
            say(&format!("{host} is revoked; certificates refused: {}", done["certificates"]));
        }
    }
    Ok(())
}
