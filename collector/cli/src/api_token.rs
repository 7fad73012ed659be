//! `haidang api-token create|list|revoke`: lasting tokens of programs. Hosts are invited with `haidang token create`.

use anyhow::{Context, bail};
use clap::Subcommand;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::client::{Client, segment};
use crate::table::{cell, rows, table};
use crate::zone::time;
use crate::{Asked, say};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Make a token and print it; it is shown once.
    Create {
        /// What it is for, in a word: it stands in the list and in the audit log.
        #[arg(long)]
        name: String,
        /// It reads as this role (viewer for Grafana): operator, security, it-staff, viewer, auditor or vendor.
        #[arg(long, required_unless_present = "write", conflicts_with = "write")]
        role: Option<String>,
        /// Of one that reads as vendor: matchers of its own systems, for example vendor="vnpt".
        #[arg(long, default_value = "", value_name = "MATCHERS", conflicts_with = "write")]
        scope: String,
        /// It writes series by remote write or OTLP, posts alerts, and does nothing else; all carry its labels.
        #[arg(long, requires = "label")]
        write: bool,
        /// A label that every series and alert of it carries, whatever it brings; may be given again.
        #[arg(long, value_name = "NAME=VALUE", requires = "write", value_parser = label)]
        label: Vec<(String, String)>,
        /// How long it is good for: days (365d) or hours (12h).
        #[arg(long, default_value = "365d", value_parser = seconds)]
        expires: u64,
    },
    /// Show who may read or write, until when, and when each was last used.
    List,
    /// End a token; it is refused from now on.
    Revoke { name: String },
}

#[derive(Deserialize)]
struct Created {
    token: String,
}

pub(crate) fn run(asked: Asked<Command>) -> anyhow::Result<()> {
    let client = Client::open(&asked.connection)?;
    match asked.command {
        Command::Create { name, role, scope, write: _, label, expires } => {
            let body = json!({
                "name": name, "role": role, "scope": scope, "write_labels": label,
                "lifetime_seconds": expires,
            });
            let created: Created = client.post("/api/api-tokens", &body)?;
            say(&created.token);
        }
        Command::List => {
            let tokens: Value = client.get("/api/api-tokens")?;
            let rows = rows(&tokens, |token| {
                vec![
                    cell(&token["name"]),
                    cell(&token["access"]),
                    cell(&token["state"]).replace('_', " "),
                    time(&token["expires_ms"]),
                    time(&token["last_used_ms"]),
                    cell(&token["created_by"]),
                ]
            });
            let heading = ["NAME", "ACCESS", "STATE", "EXPIRES", "LAST USED", "MADE BY"];
            say(&table(&heading, &rows));
        }
        Command::Revoke { name } => {
            client.delete(&format!("/api/api-tokens/{}", segment(&name)))?;
            say(&format!("{name} is revoked."));
        }
    }
    Ok(())
}

fn label(text: &str) -> anyhow::Result<(String, String)> {
    let (name, value) = text.split_once('=').context("a label is NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

fn seconds(text: &str) -> anyhow::Result<u64> {
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).unwrap_or_default();
    let seconds = match unit {
        "d" => 86_400,
        "h" => 3_600,
        _ => bail!("a time is a number of days or hours: 365d, 12h"),
    };
    let number: u64 = number.parse().context("a time is a number of days or hours: 365d, 12h")?;
    number.checked_mul(seconds).context("so long does nobody live")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_days_or_hours_and_labels_are_pairs() {
        assert_eq!(seconds("365d").unwrap(), 31_536_000);
        assert_eq!(seconds("12h").unwrap(), 43_200);
        for wrong in ["", "d", "5", "5m", "-1d", "99999999999999999999d", "5đ"] {
            assert!(seconds(wrong).is_err(), "{wrong:?}");
        }
        assert_eq!(label("a=b=c").unwrap(), ("a".to_owned(), "b=c".to_owned()));
        assert!(label("a").is_err());
    }
}
