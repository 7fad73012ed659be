//! `haidang alert list|ack` and `haidang silence add|list|expire`.

use clap::Subcommand;
use serde_json::{Value, json};

use anyhow::{Context, bail};

use crate::client::{Client, segment};
use crate::table::{cell, rows, table, time};
use crate::{Asked, say};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// List what is wrong, and what was in the last day.
    List,
    /// Say that you have taken an alert.
    Ack {
        /// As `alert list` shows it.
        fingerprint: String,
        #[arg(long, default_value = "")]
        note: String,
    },
}

#[derive(Subcommand)]
pub(crate) enum SilenceCommand {
    /// Tell nobody about matching alerts for a while.
    Add {
        /// For example alertname=HostDown or host=~"dc1-.*"; all must match.
        #[arg(required = true)]
        matchers: Vec<String>,
        /// How long, for example 2h.
        #[arg(long, default_value = "2h")]
        duration: String,
        #[arg(long, default_value = "")]
        comment: String,
    },
    List,
    /// End a silence now.
    Expire {
        id: String,
    },
}

pub(crate) fn run(asked: Asked<Command>) -> anyhow::Result<()> {
    let client = Client::open(&asked.connection)?;
    match asked.command {
        Command::List => {
            let alerts: Value = client.get("/api/alerts")?;
            let heading = ["FINGERPRINT", "STATE", "SEVERITY", "SINCE", "TAKEN BY", "WHAT"];
            let rows = rows(&alerts, |alert| {
                let (name, notes) = (&alert["name"], &alert["annotations"]);
                let what = [&notes["summary_en"], &notes["summary"], name];
                let what = what.into_iter().find(|text| text.is_string()).unwrap_or(name);
                let silenced = alert["silenced"] == true;
                let state = cell(&alert["state"]) + if silenced { " (silenced)" } else { "" };
                vec![
                    cell(&alert["fingerprint"]),
                    state,
                    cell(&alert["severity"]),
                    time(&alert["starts_at_ms"]),
                    cell(&alert["acknowledged"]["by"]),
                    cell(what),
                ]
            });
            say(&table(&heading, &rows));
        }
        Command::Ack { fingerprint, note } => {
            let path = format!("/api/alerts/{}/acknowledge", segment(&fingerprint));
            let _: Value = client.post(&path, &json!({ "note": note }))?;
            say(&format!("{fingerprint} is taken."));
        }
    }
    Ok(())
}

pub(crate) fn silences(asked: Asked<SilenceCommand>) -> anyhow::Result<()> {
    let client = Client::open(&asked.connection)?;
    match asked.command {
        SilenceCommand::Add { matchers, duration, comment } => {
            let matchers: anyhow::Result<Vec<Value>> =
                matchers.iter().map(|text| matcher(text)).collect();
            let duration = agent_yaml::Duration::parse(&duration).map_err(anyhow::Error::msg)?;
            let overview: Value = client.get("/api/overview")?;
            // The collector's clock decides when a silence ends.
            let now_ms = overview["now_ms"].as_i64().context("the collector tells no time")?;
            let ends_at_ms = now_ms + duration.as_millis();
            let wish =
                json!({ "matchers": matchers?, "ends_at_ms": ends_at_ms, "comment": comment });
            let made: Value = client.post("/api/silences", &wish)?;
            say(&cell(&made["id"]));
        }
        SilenceCommand::List => {
            let silences: Value = client.get("/api/silences")?;
            let rows = rows(&silences, |silence| {
                let matchers = silence["matchers"].as_array().into_iter().flatten().map(|one| {
                    let text = |name: &str| one[name].as_str().unwrap_or_default();
                    format!("{}{}{:?}", text("name"), text("op"), text("value"))
                });
                vec![
                    cell(&silence["id"]),
                    cell(&silence["state"]),
                    time(&silence["ends_at_ms"]),
                    cell(&silence["created_by"]),
                    matchers.collect::<Vec<_>>().join(","),
                    cell(&silence["comment"]),
                ]
            });
            say(&table(&["ID", "STATE", "ENDS", "BY", "MATCHERS", "COMMENT"], &rows));
        }
        SilenceCommand::Expire { id } => {
            client.delete(&format!("/api/silences/{}", segment(&id)))?;
            say(&format!("{id} has ended."));
        }
    }
    Ok(())
}

/// `name=value`, with `=`, `!=`, `=~` or `!~`; quotes around the value are taken off.
fn matcher(text: &str) -> anyhow::Result<Value> {
    let at = text.find(['=', '!']).filter(|at| *at > 0);
    let Some(at) = at else { bail!("{text:?} is no matcher; write for example host=dc1-srv01") };
    let (name, rest) = text.split_at(at);
    let op = ["=~", "!=", "!~", "="].into_iter().find(|op| rest.starts_with(op));
    let Some(op) = op else { bail!("{text:?} is no matcher; write for example host=dc1-srv01") };
    let value = rest[op.len()..].trim();
    let bare = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
    Ok(json!({ "name": name.trim(), "op": op, "value": bare.unwrap_or(value) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matchers_are_read_with_each_operator() {
        let read = |text: &str| matcher(text).unwrap();
        assert_eq!(read("host=a"), json!({ "name": "host", "op": "=", "value": "a" }));
        assert_eq!(read("host=~\"a|b\""), json!({ "name": "host", "op": "=~", "value": "a|b" }));
        assert_eq!(read("a!=b"), json!({ "name": "a", "op": "!=", "value": "b" }));
        assert!(matcher("host").is_err() && matcher("=x").is_err());
    }
}
