//! `haidang alert noisiest`, `past`, `life` and `budget`: what fired how often, what happened then, and how long people took.

use serde_json::Value;

use crate::client::{Client, segment};
use crate::say;
use crate::table::{cell, rows, table};
use crate::zone::time;

const DAY_MS: i64 = 86_400_000;

/// Which alerts are asked for.
#[derive(clap::Args)]
pub(crate) struct Span {
    /// For example host=dc1-srv01 or severity=~"critical|high"; all must match.
    matchers: Vec<String>,
    /// How many days back.
    #[arg(long, default_value_t = 30)]
    days: u32,
}

/// Which week is asked for.
#[derive(clap::Args)]
pub(crate) struct Week {
    /// How many weeks back; 0 is the running one. Weeks begin on Monday, midnight in Vietnam.
    #[arg(long, default_value_t = 0)]
    weeks_ago: u32,
    /// What the alerts are listed by below the budget.
    #[arg(long, value_enum, default_value_t)]
    by: BudgetBy,
}

#[derive(Clone, Copy, Default, clap::ValueEnum)]
enum BudgetBy {
    #[default]
    Rule,
    Service,
}

pub(crate) fn noisiest(client: &Client, span: &Span, by: &str) -> anyhow::Result<()> {
    let answer: Value = ask(client, "/api/history/summary", span, &[("by", &by.to_owned())])?;
    say(&tallies(by, &answer["rows"]));
    if let Some(left_out @ 1..) = answer["left_out"].as_u64() {
        say(&format!("{left_out} values of {by} that fired less are not shown; add matchers."));
    }
    Ok(())
}

fn tallies(by: &str, answer: &Value) -> String {
    let rows = rows(answer, |one| {
        vec![
            cell(&one["value"]),
            cell(&one["fired"]),
            cell(&one["told"]),
            cell(&one["fleeting"]),
            cell(&one["acknowledged"]),
            minutes(&one["mean_to_acknowledge_ms"]),
            minutes(&one["mean_to_resolve_ms"]),
        ]
    });
    let heading = [by, "FIRED", "CALLED", "FLEETING", "TAKEN", "MEAN TO TAKE", "MEAN TO RESOLVE"];
    table(&heading, &rows)
}

pub(crate) fn past(client: &Client, span: &Span, limit: u32) -> anyhow::Result<()> {
    let limit = limit.to_string();
    let answer: Value = ask(client, "/api/history/lives", span, &[("limit", &limit)])?;
    let rows = rows(&answer["lives"], |one| {
        let labels = &one["labels"];
        vec![
            cell(&one["fingerprint"]),
            time(&one["fired_at_ms"]),
            cell(&one["fired_at_ms"]),
            time(&one["acknowledged_at_ms"]),
            time(&one["resolved_at_ms"]),
            cell(&one["told"]),
            cell(&labels["severity"]),
            cell(&labels["alertname"]),
            cell(&labels["host"]),
        ]
    });
    let heading = [
        "FINGERPRINT",
        "FIRED",
        "FIRED MS",
        "TAKEN",
        "RESOLVED",
        "CALLED",
        "SEVERITY",
        "ALERT",
        "HOST",
    ];
    say(&table(&heading, &rows));
    if !answer["older_than"].is_null() {
        say("There are older ones; ask for more (--limit), fewer days or add matchers.");
    }
    Ok(())
}

/// One life, line by line in the order of time.
pub(crate) fn life(client: &Client, fingerprint: &str, fired_ms: i64) -> anyhow::Result<()> {
    let path = format!("/api/history/lives/{}/{fired_ms}", segment(fingerprint));
    let life: Value = client.get(&path)?;
    let mut lines = vec![(&life["pending_at_ms"], "pending".to_owned(), String::new())];
    for change in life["changes"].as_array().into_iter().flatten() {
        lines.push((&change["at_ms"], cell(&change["what"]), cell(&change["detail"])));
    }
    for one in life["notifications"].as_array().into_iter().flatten() {
        let what = if one["is_end"] == true { "told its end" } else { "told" };
        let whom = format!("{} {}: ", cell(&one["receiver"]), cell(&one["integration"]));
        let came = format!("{}, {} attempts", cell(&one["state"]), cell(&one["attempts"]));
        let error = one["last_error"].as_str().filter(|error| !error.is_empty());
        let error = error.map_or_else(String::new, |error| format!(", {error}"));
        lines.push((&one["created_at_ms"], what.to_owned(), whom + &came + &error));
    }
    for silence in life["silences"].as_array().into_iter().flatten() {
        let detail = format!(
            "{} until {}: {}",
            cell(&silence["created_by"]),
            time(&silence["ends_at_ms"]),
            cell(&silence["comment"])
        );
        lines.push((&silence["starts_at_ms"], "silenced".to_owned(), detail));
    }
    lines.sort_by_key(|(at, ..)| at.as_i64());
    let rows: Vec<Vec<String>> =
        lines.into_iter().map(|(at, what, detail)| vec![time(at), what, detail]).collect();
    say(&table(&["WHEN", "WHAT", "WHO AND WHY"], &rows));
    if life["cut"] == true {
        say("More happened: only the first lines of each kind are shown.");
    }
    Ok(())
}

pub(crate) fn budget(client: &Client, week: &Week) -> anyhow::Result<()> {
    let weeks_ago = week.weeks_ago.to_string();
    let answer: Value = client.get_with("/api/history/budget", &[("weeks_ago", &weeks_ago)])?;
    say(&format!("week from {} to {}", time(&answer["from_ms"]), time(&answer["to_ms"])));
    let rows = rows(&answer["parts"], |part| {
        let (fired, per_week) = (part["fired"].as_u64(), part["per_week"].as_u64());
        let spent = fired.zip(per_week).map(|(fired, per_week)| fired * 100 / per_week.max(1));
        vec![
            cell(&part["name"]),
            cell(&part["fired"]),
            cell(&part["per_week"]),
            spent.map_or_else(|| "-".to_owned(), |percent| format!("{percent} %")),
            cell(&part["told"]),
            cell(&part["fleeting"]),
            cell(&part["matchers"]),
        ]
    });
    say(&table(&["PART", "FIRED", "BUDGET", "SPENT", "CALLED", "FLEETING", "OF"], &rows));
    if answer["parts"][0]["per_week"].is_null() {
        say("There is no budget; give one as alert_budget in alerting.yml.");
    }
    let (by, key) = match week.by {
        BudgetBy::Rule => ("alertname", "rules"),
        BudgetBy::Service => ("service", "services"),
    };
    say(&tallies(by, &answer[key]));
    Ok(())
}

fn ask(
    client: &Client,
    path: &str,
    span: &Span,
    more: &[(&str, &String)],
) -> anyhow::Result<Value> {
    // The collector's clock counts.
    let from = (client.now_ms()? - i64::from(span.days) * DAY_MS).to_string();
    let matchers = span.matchers.join(",");
    let mut parameters = vec![("from_ms", &from), ("matchers", &matchers)];
    parameters.extend_from_slice(more);
    client.get_with(path, &parameters)
}

fn minutes(value: &Value) -> String {
    let minutes = value.as_i64().map(|ms| ms / 60_000);
    minutes
        .map_or_else(|| "-".to_owned(), |minutes| format!("{}h {:02}m", minutes / 60, minutes % 60))
}
