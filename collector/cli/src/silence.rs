//! `haidang silence add|list|extend|confirm|expire`.

use anyhow::{Context, bail};
use clap::Subcommand;
use serde_json::{Value, json};

use crate::client::{Client, segment};
use crate::table::{cell, rows, table};
use crate::zone::{minute, moment, time};
use crate::{Asked, say};

/// Who types the minute it is now means now.
const START_LATE_MAX_MS: i64 = 120_000;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Tell nobody about matching alerts for a while.
    Add {
        /// For example alertname=HostDown or host=~"dc1-.*"; all must match.
        #[arg(required = true)]
        matchers: Vec<String>,
        /// How long, for example 2h.
        #[arg(long, default_value = "2h", conflicts_with = "end")]
        duration: String,
        /// When it begins, for example "2026-11-30 22:00", in Vietnam's time or the zone that TZ names
        /// [default: now].
        #[arg(long)]
        start: Option<String>,
        /// When it ends, likewise; instead of --duration.
        #[arg(long)]
        end: Option<String>,
        #[arg(long, default_value = "")]
        comment: String,
    },
    List,
    /// Have a silence end later than it would.
    Extend {
        id: String,
        /// By how much, for example 1h.
        duration: String,
    },
    /// Agree to a wide silence that somebody else asked for; it is in force from then on.
    Confirm {
        id: String,
    },
    /// End a silence now.
    Expire {
        id: String,
    },
}

pub(crate) fn run(asked: Asked<Command>) -> anyhow::Result<()> {
    let client = Client::open(&asked.connection)?;
    match asked.command {
        Command::Add { matchers, duration, start, end, comment } => {
            let start_ms = start.as_deref().map(moment).transpose()?;
            let end = match end {
                Some(end) => End::At(moment(&end)?),
                None => End::After(length(&duration)?),
            };
            let (starts_at_ms, ends_at_ms) = span(client.now_ms()?, start_ms, &end)?;
            let wish = json!({
                "matchers": matchers, "starts_at_ms": starts_at_ms, "ends_at_ms": ends_at_ms,
                "comment": comment,
            });
            let made: Value = client.post("/api/silences", &wish)?;
            say(&cell(&made["id"]));
            tell_what_it_waits_for(&made);
        }
        Command::List => list(&client.get("/api/silences")?),
        Command::Extend { id, duration } => {
            let silences: Value = client.get("/api/silences")?;
            let silence = silences.as_array().into_iter().flatten().find(|one| one["id"] == *id);
            let ends_ms = silence.and_then(|silence| silence["ends_at_ms"].as_i64());
            let ends_ms = ends_ms.with_context(|| {
                format!("there is no silence {id}; `haidang silence list` shows them")
            })?;
            let wish = json!({ "ends_at_ms": ends_ms.saturating_add(length(&duration)?) });
            let path = format!("/api/silences/{}/extend", segment(&id));
            let made: Value = client.post(&path, &wish)?;
            say(&format!("{} ends at {}.", cell(&made["id"]), time(&wish["ends_at_ms"])));
            tell_what_it_waits_for(&made);
        }
        Command::Confirm { id } => {
            let _: Value =
                client.post(&format!("/api/silences/{}/confirm", segment(&id)), &json!({}))?;
            say(&format!("{id} is confirmed."));
        }
        Command::Expire { id } => {
            client.delete(&format!("/api/silences/{}", segment(&id)))?;
            say(&format!("{id} has ended."));
        }
    }
    Ok(())
}

fn tell_what_it_waits_for(made: &Value) {
    if let Some(reason) = made["waits_because"].as_str() {
        say(&format!(
            "It waits until somebody else confirms it, because {reason}: haidang silence confirm {}",
            cell(&made["id"])
        ));
    }
}

fn list(silences: &Value) {
    let rows = rows(silences, |silence| {
        let matchers = silence["matchers"].as_array().into_iter().flatten().map(|one| {
            let text = |name: &str| one[name].as_str().unwrap_or_default();
            format!("{}{}{:?}", text("name"), text("op"), text("value"))
        });
        let waits = silence["awaits_confirmation"] == true && silence["state"] == "pending";
        vec![
            cell(&silence["id"]),
            if waits { "unconfirmed".to_owned() } else { cell(&silence["state"]) },
            minute(&silence["starts_at_ms"]),
            minute(&silence["ends_at_ms"]),
            cell(&silence["created_by"]),
            matchers.collect::<Vec<_>>().join(","),
            cell(&silence["comment"]),
        ]
    });
    say(&table(&["ID", "STATE", "BEGINS", "ENDS", "BY", "MATCHERS", "COMMENT"], &rows));
}

fn length(text: &str) -> anyhow::Result<i64> {
    Ok(agent_yaml::Duration::parse(text).map_err(anyhow::Error::msg)?.as_millis())
}

/// As the end was typed, in milliseconds.
enum End {
    At(i64),
    After(i64),
}

/// From when to when by the collector's clock, which is the one that decides; without a start, from now.
fn span(now_ms: i64, start_ms: Option<i64>, end: &End) -> anyhow::Result<(Option<i64>, i64)> {
    if start_ms.is_some_and(|start_ms| start_ms < now_ms.saturating_sub(START_LATE_MAX_MS)) {
        bail!("--start lies in the past; leave it out to begin now");
    }
    let end_ms = match end {
        End::At(end_ms) => *end_ms,
        End::After(length_ms) => start_ms.unwrap_or(now_ms).saturating_add(*length_ms),
    };
    if end_ms <= now_ms {
        bail!("--end lies in the past");
    }
    if start_ms.is_some_and(|start_ms| end_ms <= start_ms) {
        bail!("--end lies before --start");
    }
    Ok((start_ms, end_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: i64 = 1_800_000_000_000;
    const HOUR_MS: i64 = 3_600_000;

    #[test]
    fn a_silence_lies_ahead_and_ends_after_it_begins() {
        let later = NOW_MS + HOUR_MS;
        let span = |start, end: End| span(NOW_MS, start, &end).map_err(|error| error.to_string());
        assert_eq!(span(None, End::After(HOUR_MS)), Ok((None, later)));
        assert_eq!(span(Some(later), End::After(HOUR_MS)), Ok((Some(later), later + HOUR_MS)));
        assert_eq!(span(Some(NOW_MS - 1_000), End::At(later)), Ok((Some(NOW_MS - 1_000), later)));
        let refused = |start, end| span(start, end).unwrap_err();
        assert!(refused(Some(NOW_MS - HOUR_MS), End::At(later)).contains("--start"));
        assert!(refused(None, End::At(NOW_MS)).contains("in the past"));
        assert!(refused(Some(later), End::At(later)).contains("before --start"));
    }
}
