//! `haidang alert noisiest` and `haidang alert past`: what fired how often, and how long people took.

use serde_json::Value;

use crate::client::Client;
use crate::say;
use crate::table::{cell, rows, table, time};

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

pub(crate) fn noisiest(client: &Client, span: &Span, by: &str) -> anyhow::Result<()> {
    let answer = ask(client, "/api/history/summary", span, Some(by))?;
    let rows = rows(&answer["rows"], |one| {
        vec![
            cell(&one["value"]),
            cell(&one["fired"]),
            cell(&one["acknowledged"]),
            minutes(&one["mean_to_acknowledge_ms"]),
            minutes(&one["mean_to_resolve_ms"]),
        ]
    });
    let heading = [by, "FIRED", "TAKEN", "MEAN TO TAKE", "MEAN TO RESOLVE"];
    say(&table(&heading, &rows));
    tell_cut(&answer);
    Ok(())
}

pub(crate) fn past(client: &Client, span: &Span) -> anyhow::Result<()> {
    let answer = ask(client, "/api/history/lives", span, None)?;
    let rows = rows(&answer["lives"], |one| {
        let labels = &one["labels"];
        vec![
            cell(&one["fingerprint"]),
            time(&one["fired_at_ms"]),
            time(&one["acknowledged_at_ms"]),
            time(&one["resolved_at_ms"]),
            cell(&labels["severity"]),
            cell(&labels["alertname"]),
            cell(&labels["host"]),
        ]
    });
    let heading = ["FINGERPRINT", "FIRED", "TAKEN", "RESOLVED", "SEVERITY", "ALERT", "HOST"];
    say(&table(&heading, &rows));
    if let Some(left_out @ 1..) = answer["left_out"].as_u64() {
        say(&format!("{left_out} older ones are not shown; ask for fewer days or add matchers."));
    }
    tell_cut(&answer);
    Ok(())
}

fn ask(client: &Client, path: &str, span: &Span, by: Option<&str>) -> anyhow::Result<Value> {
    let overview: Value = client.get("/api/overview")?;
    // The collector's clock counts.
    let now_ms = overview["now_ms"].as_i64().unwrap_or_default();
    let from = (now_ms - i64::from(span.days) * DAY_MS).to_string();
    let (matchers, by) = (span.matchers.join(","), by.map(str::to_owned));
    let mut parameters = vec![("from_ms", &from), ("matchers", &matchers)];
    parameters.extend(by.as_ref().map(|by| ("by", by)));
    client.get_with(path, &parameters)
}

fn tell_cut(answer: &Value) {
    if answer["cut"] == true {
        say("There were too many: the oldest are missing. Ask for fewer days or add matchers.");
    }
}

fn minutes(value: &Value) -> String {
    let minutes = value.as_i64().map(|ms| ms / 60_000);
    minutes
        .map_or_else(|| "-".to_owned(), |minutes| format!("{}h {:02}m", minutes / 60, minutes % 60))
}
