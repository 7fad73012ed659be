//! `haidang on-call list|swap|unswap`.

use clap::Subcommand;
use serde_json::{Value, json};

use crate::client::{Client, segment};
use crate::table::{cell, rows, table};
use crate::zone::{minute, moment};
use crate::{Asked, say};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Show who is on duty, now and in the days to come.
    List {
        #[arg(long, default_value_t = 7)]
        days: u16,
    },
    /// Have somebody stand in for whoever's turn it is.
    Swap {
        roster: String,
        /// One of the `people` of alerting.yml.
        person: String,
        /// For example "2026-11-30 08:00", in Vietnam's time or the zone that TZ names;
        /// without it, from now on.
        #[arg(long)]
        from: Option<String>,
        #[arg(long)]
        until: String,
        #[arg(long, default_value = "")]
        note: String,
    },
    /// Take a swap back, or end one that holds.
    Unswap { id: String },
}

pub(crate) fn run(asked: Asked<Command>) -> anyhow::Result<()> {
    let client = Client::open(&asked.connection)?;
    match asked.command {
        Command::List { days } => {
            let rosters: Value = client.get(&format!("/api/on-call?days={days}"))?;
            list(&rosters);
        }
        Command::Swap { roster, person, from, until, note } => {
            let from_ms = from.as_deref().map(moment).transpose()?;
            let wish = json!({
                "roster": roster, "person": person, "from_ms": from_ms,
                "until_ms": moment(&until)?, "note": note,
            });
            let made: Value = client.post("/api/on-call/swaps", &wish)?;
            say(&cell(&made["id"]));
        }
        Command::Unswap { id } => {
            client.delete(&format!("/api/on-call/swaps/{}", segment(&id)))?;
            say(&format!("{id} is taken back."));
        }
    }
    Ok(())
}

fn list(rosters: &Value) {
    let all = rosters.as_array().map_or(&[][..], Vec::as_slice);
    if all.is_empty() {
        say("There are no rosters in alerting.yml.");
    }
    for roster in all {
        say(&cell(&roster["roster"]));
        let stretches = rows(&roster["stretches"], |one| {
            let people = one["people"].as_array().into_iter().flatten().map(cell);
            let people = people.collect::<Vec<_>>().join(", ");
            vec![minute(&one["from_ms"]), minute(&one["until_ms"]), people, cell(&one["by"])]
        });
        say(&table(&["FROM", "UNTIL", "ON DUTY", "BY"], &stretches));
        let swaps = rows(&roster["swaps"], |one| {
            vec![
                cell(&one["id"]),
                minute(&one["from_ms"]),
                minute(&one["until_ms"]),
                cell(&one["person"]),
                cell(&one["made_by"]),
                cell(&one["note"]),
            ]
        });
        if !swaps.is_empty() {
            say(&table(&["SWAP", "FROM", "UNTIL", "STANDS IN", "MADE BY", "NOTE"], &swaps));
        }
    }
}
