//! Answers as people read them in a terminal: text in columns, parts of a hundred.

use serde_json::Value;

/// Rows under a heading, each column as wide as its widest cell.
pub(crate) fn table(heading: &[&str], rows: &[Vec<String>]) -> String {
    let heading: Vec<String> = heading.iter().map(ToString::to_string).collect();
    let width = |column: usize| {
        let cells = std::iter::once(&heading).chain(rows).filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..heading.len()).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    std::iter::once(&heading).chain(rows).map(line).collect::<Vec<_>>().join("\n")
}

/// A text, number or truth as it stands; `-` for what is not known.
pub(crate) fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) if text.is_empty() => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

pub(crate) fn percent(value: &Value) -> String {
    value.as_f64().map_or_else(|| "-".to_owned(), |ratio| format!("{:.0} %", ratio * 100.0))
}

/// The list that an answer is.
pub(crate) fn rows(answer: &Value, row: impl Fn(&Value) -> Vec<String>) -> Vec<Vec<String>> {
    answer.as_array().map_or(&[][..], Vec::as_slice).iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use serde_json::json;

    use super::*;

    #[test]
    fn columns_line_up_and_the_unknown_is_a_dash() {
        let answer = json!([{"id": "máy-chủ", "alerts": 0}, {"id": "b", "alerts": null}]);
        let rows = rows(&answer, |one| vec![cell(&one["id"]), cell(&one["alerts"])]);
        expect![[r#"
            HOST     ALERTS
            máy-chủ  0
            b        -"#]]
        .assert_eq(&table(&["HOST", "ALERTS"], &rows));
    }
}
