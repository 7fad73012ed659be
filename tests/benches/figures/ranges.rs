//! Range queries over the last three hours of what was written, at 60 s: the same questions to each server in turn, one
//! at a time, each once before it is measured.

use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::Value;
use tests::deadline::now;

use crate::table::{present, row, spread};

/// Of the series of [`crate::ingest::hours`]: what it asks over, and the question.
const QUESTIONS: [(&str, &str); 3] = [
    ("10 series", r#"sum by (job) (rate(bench_00{host="bench-00007"}[5m]))"#),
    ("200 series", "sum by (job) (rate(bench_00[5m]))"),
    // A rate of several metrics would have one label set twice.
    ("10,000 series", r#"sum by (job) (last_over_time({job="bench"}[5m]))"#),
];

/// Times each question is asked.
const TIMES: u32 = 20;
const HOURS: i64 = 3;
const STEP_SECONDS: i64 = 60;

/// Asks the server at `url`; a row for each question.
pub(crate) async fn ask(name: &str, url: &str, token: Option<&str>) -> anyhow::Result<()> {
    let http = reqwest::Client::new();
    // Before the newest samples, which not every server shows at once.
    let end = present().as_second() - 60;
    let start = end - HOURS * 3_600;
    for (what, question) in QUESTIONS {
        let parameters = [
            ("query", question.to_owned()),
            ("start", start.to_string()),
            ("end", end.to_string()),
            ("step", STEP_SECONDS.to_string()),
            // VictoriaMetrics' word for: compute it anew.
            ("nocache", "1".to_owned()),
        ];
        let full =
            reqwest::Url::parse_with_params(&format!("{url}/api/v1/query_range"), &parameters)?;
        let mut times: Vec<Duration> = Vec::new();
        for _ in 0..=TIMES {
            let asked = now();
            let answer =
                http.get(full.clone()).bearer_auth(token.unwrap_or_default()).send().await?;
            let body = answer.error_for_status()?.bytes().await?;
            times.push(now().duration_since(asked));
            check(&body)?;
        }
        row(
            &format!("`{question}`, {what}, {HOURS} h at {STEP_SECONDS} s: {name}"),
            spread(times.split_off(1)),
            "–",
        );
    }
    Ok(())
}

/// One series with a value for every step: a quick answer to another question is worth nothing.
fn check(body: &[u8]) -> anyhow::Result<()> {
    let answer: Value = serde_json::from_slice(body)?;
    let result = answer["data"]["result"].as_array().context("no result")?;
    let values = result.first().and_then(|series| series["values"].as_array());
    let steps = values.map_or(0, Vec::len);
    let expected = usize::try_from(HOURS * 3_600 / STEP_SECONDS + 1)?;
    ensure!(result.len() == 1 && steps == expected, "{} series of {steps} steps", result.len());
    Ok(())
}
