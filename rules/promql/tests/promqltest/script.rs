//! Reads Prometheus' test scripts (promql/promqltest/README.md) into commands.

use agent_model::Labels;
use rules_promql::notation::{Given, parse_labels, parse_number, parse_quoted, parse_values};

#[derive(Debug)]
pub(crate) enum Command {
    Clear,
    Load { gap_ms: i64, classic_too: bool, series: Vec<(Labels, Vec<Given>)> },
    Eval(Box<Eval>),
}

#[derive(Debug)]
pub(crate) struct Eval {
    pub(crate) line: usize,
    pub(crate) when: When,
    pub(crate) expr: String,
    pub(crate) expected: Expected,
    pub(crate) ordered: bool,
    /// Annotations are read but not checked.
    pub(crate) annotations: bool,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum When {
    Instant(i64),
    Range { start_ms: i64, end_ms: i64, step_ms: i64 },
}

#[derive(Debug)]
pub(crate) enum Expected {
    Fail(Option<String>),
    Scalar(f64),
    Text(String),
    /// With the instants of its samples where a range vector is expected.
    Series {
        lines: Vec<(Labels, Vec<Given>)>,
        matrix: Option<(i64, i64)>,
    },
}

pub(crate) fn parse(text: &str) -> Vec<Command> {
    let lines: Vec<&str> = text.lines().collect();
    let mut commands = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        let line = lines[at].trim();
        let start = at;
        at += 1;
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let block_end = (at..lines.len()).find(|at| lines[*at].trim().is_empty());
        let block_end = block_end.unwrap_or(lines.len());
        let next_command = (at..block_end).find(|at| is_command(lines[*at]));
        let end = next_command.unwrap_or(block_end);
        let body: Vec<&str> = lines[at..end].iter().map(|line| line.trim()).collect();
        let body = body.into_iter().filter(|line| !line.starts_with('#')).collect::<Vec<_>>();
        at = end;
        commands.push(match line.split_whitespace().next() {
            Some("clear") => Command::Clear,
            Some(load @ ("load" | "load_with_nhcb")) => Command::Load {
                gap_ms: duration(line[load.len()..].trim()),
                classic_too: load == "load_with_nhcb",
                series: body.iter().map(|line| series(line)).collect(),
            },
            Some(_) => Command::Eval(Box::new(eval(start + 1, line, &body))),
            None => continue,
        });
    }
    commands
}

fn is_command(line: &str) -> bool {
    let first = line.split_whitespace().next().unwrap_or("");
    first == "clear" || first.starts_with("load") || first.starts_with("eval")
}

fn series(line: &str) -> (Labels, Vec<Given>) {
    let (labels, values) = parse_labels(line).unwrap_or_else(|error| panic!("{line}: {error}"));
    (labels, parse_values(values).unwrap_or_else(|error| panic!("{line}: {error}")))
}

/// `5m`, `10s53ms`, `0`, `1.5` (seconds).
fn duration(text: &str) -> i64 {
    if let Ok(seconds) = text.parse::<f64>() {
        return (seconds * 1000.0) as i64;
    }
    let (mut total, mut rest) = (0, text);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).expect("a unit");
        let unit_end =
            rest[digits..].find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len() - digits);
        let unit = match &rest[digits..digits + unit_end] {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            other => panic!("{other:?} is no unit"),
        };
        total += rest[..digits].parse::<i64>().expect("a number") * unit;
        rest = &rest[digits + unit_end..];
    }
    total
}

fn eval(line_number: usize, line: &str, body: &[&str]) -> Eval {
    let (command, rest) = line.split_once(' ').expect("an eval with arguments");
    let rest = rest.trim_start();
    let mut words = rest.split_whitespace();
    let (when, expr) = if rest.starts_with("instant") {
        let at = words.nth(2).expect("`instant at TIME`");
        let expr = &rest[rest.find(at).expect("the time") + at.len()..];
        (When::Instant(duration(at)), expr)
    } else {
        let parts: Vec<&str> = words.by_ref().take(7).collect();
        let step = parts[6];
        let after = rest.find(" step ").expect("`step`") + " step ".len();
        let expr = rest[after..].trim_start();
        let when = When::Range {
            start_ms: duration(parts[2]),
            end_ms: duration(parts[4]),
            step_ms: duration(step),
        };
        (when, &expr[step.len()..])
    };
    let mut eval = Eval {
        line: line_number,
        when,
        expr: expr.trim().to_owned(),
        expected: Expected::Series { lines: Vec::new(), matrix: None },
        ordered: command == "eval_ordered",
        annotations: matches!(command, "eval_warn" | "eval_info"),
    };
    if command == "eval_fail" {
        eval.expected = Expected::Fail(None);
    }
    for line in body {
        expectation(&mut eval, line);
    }
    eval
}

fn expectation(eval: &mut Eval, line: &str) {
    if let Some(rest) = line.strip_prefix("expected_fail_message") {
        eval.expected = Expected::Fail(Some(rest.trim().to_owned()));
        return;
    }
    let Some(rest) = line.strip_prefix("expect ") else { return result(eval, line) };
    let (what, rest) = rest.split_once([' ', '\t']).unwrap_or((rest, ""));
    match what {
        "ordered" => eval.ordered = true,
        "fail" => {
            let message = rest.strip_prefix("msg:").map(|message| message.trim().to_owned());
            eval.expected = Expected::Fail(message);
        }
        "string" => {
            let (text, _) = parse_quoted(rest.trim()).expect("a quoted string");
            eval.expected = Expected::Text(text);
        }
        "range" => {
            let words: Vec<&str> = rest.split_whitespace().collect();
            let matrix = Some((duration(words[2]), duration(words[6])));
            eval.expected = Expected::Series { lines: Vec::new(), matrix };
        }
        _ => eval.annotations = true,
    }
}

fn result(eval: &mut Eval, line: &str) {
    if let Ok(number) = parse_number(line) {
        eval.expected = Expected::Scalar(number);
        return;
    }
    match &mut eval.expected {
        Expected::Series { lines, .. } => lines.push(series(line)),
        other => panic!("{line} after {other:?}"),
    }
}
