//! `haidang query 'expr'`: one PromQL expression, now.

use serde_json::Value;

use crate::client::Client;
use crate::table::{cell, rows, table};
use crate::{Connection, complain, say};

#[derive(clap::Args)]
pub(crate) struct Flags {
    /// For example: up == 0
    expression: String,
    #[command(flatten)]
    connection: Connection,
}

pub(crate) fn run(flags: &Flags) -> anyhow::Result<()> {
    let client = Client::open(&flags.connection)?;
    let answer: Value = client.get_with("/api/v1/query", &[("query", &flags.expression)])?;
    say(&shown(&answer["data"]));
    annotations(&answer).iter().for_each(|line| complain(line));
    Ok(())
}

/// What the evaluation has to say besides its result.
fn annotations(answer: &Value) -> Vec<String> {
    let named = [("warnings", "warning"), ("infos", "info")].into_iter();
    let told = named.flat_map(|(list, kind)| {
        let texts = answer[list].as_array().into_iter().flatten().filter_map(Value::as_str);
        texts.map(move |text| format!("{kind}: {text}"))
    });
    told.collect()
}

fn shown(data: &Value) -> String {
    if data["result"].as_array().is_none_or(|_| data["resultType"] == "scalar") {
        return cell(&data["result"][1]);
    }
    let rows = rows(&data["result"], |series| {
        let samples = series["values"].as_array().map_or(&[][..], Vec::as_slice);
        let last = samples.last().unwrap_or(&series["value"]);
        vec![name(&series["metric"]), cell(&last[1])]
    });
    if rows.is_empty() { "nothing matches".to_owned() } else { table(&["SERIES", "VALUE"], &rows) }
}

fn name(metric: &Value) -> String {
    let labels = metric.as_object().into_iter().flatten();
    let pairs: Vec<String> = labels
        .filter(|(name, _)| *name != "__name__")
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    format!("{}{{{}}}", metric["__name__"].as_str().unwrap_or_default(), pairs.join(","))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn warnings_and_infos_are_told_after_the_result() {
        let answer = json!({"data": {}, "warnings": ["bucket label \"le\" is missing"], "infos": ["not a counter"]});
        let told = ["warning: bucket label \"le\" is missing", "info: not a counter"];
        assert_eq!(annotations(&answer), told);
        assert_eq!(annotations(&json!({"data": {}})), [""; 0]);
    }

    #[test]
    fn a_vector_is_a_table_and_a_scalar_its_value() {
        let vector = json!({"resultType": "vector",
            "result": [{"metric": {"__name__": "up", "host": "a"}, "value": [1, "1"]}]});
        assert_eq!(shown(&vector), "SERIES        VALUE\nup{host=\"a\"}  1");
        assert_eq!(shown(&json!({"resultType": "scalar", "result": [1, "3"]})), "3");
    }
}
