//! `haidang alert list|show|ack|give-back|assign|comment|put-off|noisiest|past|life|budget`.

use clap::Subcommand;
use serde_json::{Value, json};

use crate::client::{Client, segment};
use crate::table::{cell, rows, table};
use crate::zone::time;
use crate::{Asked, lives, say};

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
        /// For how long, for example 4h; without it, as long as the alert goes on.
        #[arg(long = "for")]
        duration: Option<String>,
    },
    /// Take an acknowledgement back: everybody is told again.
    GiveBack {
        fingerprint: String,
        #[arg(long, default_value = "")]
        note: String,
    },
    /// Name who is to deal with an alert; without a name, nobody.
    Assign {
        fingerprint: String,
        /// A user of the collector.
        #[arg(default_value = "")]
        to: String,
        #[arg(long, default_value = "")]
        note: String,
    },
    /// Write a comment into an alert's history.
    Comment { fingerprint: String, text: String },
    /// Tell nobody about this alert for a while.
    PutOff {
        fingerprint: String,
        /// For how long, for example 8h; at most seven days.
        #[arg(long = "for")]
        duration: String,
        #[arg(long, default_value = "")]
        note: String,
    },
    /// List which rules fired most, and how long people took; kept for 400 days.
    Noisiest {
        /// The label to sum up by, for example service or host.
        #[arg(long, default_value = "alertname")]
        by: String,
        #[command(flatten)]
        span: lives::Span,
    },
    /// List when alerts fired, were taken and ended, newest first.
    Past {
        #[command(flatten)]
        span: lives::Span,
        /// How many, at most 1000.
        #[arg(long, default_value_t = 200)]
        limit: u32,
    },
    /// Tell one time that an alert fired, line by line: who was told, what came of it, who did what.
    Life {
        /// As `alert past` shows it.
        fingerprint: String,
        /// Likewise, in milliseconds.
        fired_ms: i64,
    },
    /// Show the week's alerts against the budget in alerting.yml, and what they were.
    Budget(lives::Week),
    /// Show an alert with its history.
    Show { fingerprint: String },
}

pub(crate) fn run(asked: Asked<Command>) -> anyhow::Result<()> {
    let client = Client::open(&asked.connection)?;
    match asked.command {
        Command::List => {
            let (alerts, left_out) = client.get_list("/api/alerts")?;
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
            if left_out > 0 {
                say(&format!(
                    "{left_out} more resolved within the day; `haidang alert past --days 1` has them all."
                ));
            }
        }
        Command::Ack { fingerprint, note, duration } => {
            let until_ms = duration.map(|text| end_of(&client, &text)).transpose()?;
            let wish = json!({ "note": note, "until_ms": until_ms });
            act(&client, &fingerprint, "acknowledge", &wish, "is taken")?;
        }
        Command::GiveBack { fingerprint, note } => {
            act(&client, &fingerprint, "give-back", &json!({ "note": note }), "is given back")?;
        }
        Command::Assign { fingerprint, to, note } => {
            let done = if to.is_empty() { "is nobody's".to_owned() } else { format!("is {to}'s") };
            act(&client, &fingerprint, "assign", &json!({ "to": to, "note": note }), &done)?;
        }
        Command::Comment { fingerprint, text } => {
            act(&client, &fingerprint, "comment", &json!({ "text": text }), "has the comment")?;
        }
        Command::PutOff { fingerprint, duration, note } => {
            let wish = json!({ "until_ms": end_of(&client, &duration)?, "note": note });
            act(&client, &fingerprint, "put-off", &wish, "is put off")?;
        }
        Command::Noisiest { by, span } => lives::noisiest(&client, &span, &by)?,
        Command::Past { span, limit } => lives::past(&client, &span, limit)?,
        Command::Life { fingerprint, fired_ms } => lives::life(&client, &fingerprint, fired_ms)?,
        Command::Budget(week) => lives::budget(&client, &week)?,
        Command::Show { fingerprint } => {
            let alert: Value = client.get(&format!("/api/alerts/{}", segment(&fingerprint)))?;
            show(&alert);
        }
    }
    Ok(())
}

fn act(
    client: &Client,
    fingerprint: &str,
    deed: &str,
    wish: &Value,
    done: &str,
) -> anyhow::Result<()> {
    let path = format!("/api/alerts/{}/{deed}", segment(fingerprint));
    let _: Value = client.post(&path, wish)?;
    say(&format!("{fingerprint} {done}."));
    Ok(())
}

fn show(alert: &Value) {
    let texts = [&alert["annotations"]["summary_en"], &alert["annotations"]["summary"]];
    let what = texts.into_iter().find(|text| text.is_string()).unwrap_or(&alert["name"]);
    say(&format!("{} {}: {}", cell(&alert["severity"]), cell(&alert["state"]), cell(what)));
    let facts = [
        ("since", time(&alert["starts_at_ms"])),
        ("taken by", cell(&alert["acknowledged"]["by"])),
        ("taken until", time(&alert["acknowledged"]["until_ms"])),
        ("assigned to", cell(&alert["assignee"])),
    ];
    for (name, fact) in facts.iter().filter(|(_, fact)| !fact.is_empty() && fact != "-") {
        say(&format!("{name}: {fact}"));
    }
    let rows = rows(&alert["history"], |line| {
        vec![time(&line["at_ms"]), cell(&line["what"]), cell(&line["detail"])]
    });
    say(&table(&["WHEN", "WHAT", "WHO AND WHY"], &rows));
}

/// That long from now, by the collector's clock: it is the one that decides.
fn end_of(client: &Client, duration: &str) -> anyhow::Result<i64> {
    let duration = agent_yaml::Duration::parse(duration).map_err(anyhow::Error::msg)?;
    Ok(client.now_ms()? + duration.as_millis())
}
