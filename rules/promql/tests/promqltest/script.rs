//! Reads Prometheus' test scripts (promql/promqltest/README.md) into commands.

use agent_model::Labels;
use rules_promql::notation::{Given, parse_labels, parse_number, parse_quoted, parse_values};

#[derive(Debug)]
pub(crate) enum Command {
    Clear,
    Load {
        gap_ms: i64,
        classic_too: bool,
        series: Vec<(Labels, Vec<Given>)>,
    },
    Eval(Box<Eval>),
    /// What this reader does not understand; it counts as a case that fails.
    Unreadable {
        line: usize,
        text: String,
        why: String,
    },
}

#[derive(Debug)]
pub(crate) struct Eval {
    pub(crate) line: usize,
    pub(crate) when: When,
    pub(crate) expr: String,
    pub(crate) expected: Expected,
    pub(crate) ordered: bool,
    pub(crate) annotations: Vec<Said>,
}

/// What is expected to be said beside the result.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) kind: Kind,
    pub(crate) how: How,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Warning,
    Info,
}

#[derive(Debug)]
pub(crate) enum How {
    Nothing,
    Something,
    /// Exactly this sentence is among them.
    Text(String),
    Pattern(regex::Regex),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum When {
    Instant(i64),
    Range { start_ms: i64, end_ms: i64, step_ms: i64 },
}

#[derive(Debug)]
pub(crate) enum Expected {
    /// With a part of the message, or a pattern of it.
    Fail(How),
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
        commands.push(command(start + 1, line, &body).unwrap_or_else(|why| Command::Unreadable {
            line: start + 1,
            text: line.to_owned(),
            why,
        }));
    }
    commands
}

fn command(number: usize, line: &str, body: &[&str]) -> Result<Command, String> {
    Ok(match line.split_whitespace().next() {
        Some("clear") => Command::Clear,
        Some(load @ ("load" | "load_with_nhcb")) => Command::Load {
            gap_ms: duration(line[load.len()..].trim())?,
            classic_too: load == "load_with_nhcb",
            series: body.iter().map(|line| series(line)).collect::<Result<_, _>>()?,
        },
        Some(eval) if eval.starts_with("eval") => self::eval(number, line, body)?,
        _ => return Err("no such command".to_owned()),
    })
}

fn is_command(line: &str) -> bool {
    let first = line.split_whitespace().next().unwrap_or("");
    first == "clear" || first.starts_with("load") || first.starts_with("eval")
}

fn series(line: &str) -> Result<(Labels, Vec<Given>), String> {
    let wrong = |error: String| format!("{line}: {error}");
    let (labels, values) = parse_labels(line).map_err(wrong)?;
    Ok((labels, parse_values(values).map_err(wrong)?))
}

/// `5m`, `10s53ms`, `0`, `1.5` (seconds), `-2m`.
fn duration(text: &str) -> Result<i64, String> {
    let wrong = || format!("{text:?} is no duration");
    if let Ok(seconds) = text.parse::<f64>() {
        return Ok((seconds * 1000.0).round() as i64);
    }
    if let Some(positive) = text.strip_prefix('-') {
        return duration(positive).map(|ms| -ms);
    }
    let (mut total, mut rest) = (0, text);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let unit_end =
            rest[digits..].find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len() - digits);
        let unit = match &rest[digits..digits + unit_end] {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "w" => 7 * 86_400_000,
            "y" => 365 * 86_400_000,
            _ => return Err(wrong()),
        };
        total += rest[..digits].parse::<i64>().map_err(|_| wrong())? * unit;
        rest = &rest[digits + unit_end..];
    }
    Ok(total)
}

fn eval(line_number: usize, line: &str, body: &[&str]) -> Result<Command, String> {
    let (command, rest) = line.split_once(' ').ok_or("an eval without arguments")?;
    let (when, expr) = when(rest.trim_start())?;
    let mut eval = Eval {
        line: line_number,
        when,
        expr: expr.trim().to_owned(),
        expected: Expected::Series { lines: Vec::new(), matrix: None },
        ordered: command == "eval_ordered",
        annotations: Vec::new(),
    };
    match command {
        "eval" | "eval_ordered" => {}
        "eval_fail" => eval.expected = Expected::Fail(How::Something),
        "eval_warn" => eval.annotations.push(Said { kind: Kind::Warning, how: How::Something }),
        "eval_info" => eval.annotations.push(Said { kind: Kind::Info, how: How::Something }),
        other => return Err(format!("{other:?} is no command")),
    }
    for line in body {
        expectation(&mut eval, line)?;
    }
    Ok(Command::Eval(Box::new(eval)))
}

/// `instant at TIME` or `range from TIME to TIME step TIME`, and the expression behind it.
fn when(text: &str) -> Result<(When, &str), String> {
    let mut rest = text;
    let mut word = || {
        let trimmed = rest.trim_start();
        let end = trimmed.find(char::is_whitespace).unwrap_or(trimmed.len());
        rest = &trimmed[end..];
        &trimmed[..end]
    };
    let kind = word();
    let mut time = |name: &str| match word() {
        given if given == name => duration(word()),
        other => Err(format!("`{name}` is wanted where {other:?} stands")),
    };
    let when = match kind {
        "instant" => When::Instant(time("at")?),
        "range" => {
            let (start_ms, end_ms) = (time("from")?, time("to")?);
            When::Range { start_ms, end_ms, step_ms: time("step")? }
        }
        other => return Err(format!("{other:?} is neither instant nor range")),
    };
    Ok((when, rest))
}

fn expectation(eval: &mut Eval, line: &str) -> Result<(), String> {
    if let Some(rest) = line.strip_prefix("expected_fail_message") {
        eval.expected = Expected::Fail(How::Text(rest.trim().to_owned()));
        return Ok(());
    }
    if let Some(rest) = line.strip_prefix("expected_fail_regexp") {
        eval.expected = Expected::Fail(How::Pattern(pattern(rest)?));
        return Ok(());
    }
    let Some(rest) = line.strip_prefix("expect ") else { return result(eval, line) };
    let (what, rest) = rest.trim_start().split_once([' ', '\t']).unwrap_or((rest.trim(), ""));
    let mut said = |kind, how| eval.annotations.push(Said { kind, how });
    match what {
        "ordered" => eval.ordered = true,
        "fail" => eval.expected = Expected::Fail(how(rest)?),
        "warn" => said(Kind::Warning, how(rest)?),
        "info" => said(Kind::Info, how(rest)?),
        "no_warn" => said(Kind::Warning, How::Nothing),
        "no_info" => said(Kind::Info, How::Nothing),
        "string" => {
            let (text, _) = parse_quoted(rest.trim())?;
            eval.expected = Expected::Text(text);
        }
        "range" => {
            let words: Vec<&str> = rest.split_whitespace().collect();
            let [_, _, start, _, _, _, step, ..] = words[..] else {
                return Err(format!("{line:?} is not `expect range vector from … to … step …`"));
            };
            let matrix = Some((duration(start)?, duration(step)?));
            eval.expected = Expected::Series { lines: Vec::new(), matrix };
        }
        other => return Err(format!("`expect {other}` is not known")),
    }
    Ok(())
}

fn how(text: &str) -> Result<How, String> {
    let text = text.trim();
    if let Some(message) = text.strip_prefix("msg:") {
        return Ok(How::Text(message.trim().to_owned()));
    }
    match text.strip_prefix("regex:") {
        Some(text) => pattern(text).map(How::Pattern),
        None => Ok(How::Something),
    }
}

fn pattern(text: &str) -> Result<regex::Regex, String> {
    regex::Regex::new(text.trim()).map_err(|error| error.to_string())
}

fn result(eval: &mut Eval, line: &str) -> Result<(), String> {
    if let Ok(number) = parse_number(line) {
        eval.expected = Expected::Scalar(number);
        return Ok(());
    }
    match &mut eval.expected {
        Expected::Series { lines, .. } => lines.push(series(line)?),
        other => return Err(format!("{line} after {other:?}")),
    }
    Ok(())
}
