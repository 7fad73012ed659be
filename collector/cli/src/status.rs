//! `haidang status`: the whole on one screen, and what to do. Exit code 1 while something is wrong.

use std::process::ExitCode;

use serde_json::Value;

use crate::client::Client;
use crate::{Connection, say};

#[derive(clap::Args)]
pub(crate) struct Flags {
    #[command(flatten)]
    connection: Connection,
}

pub(crate) fn run(flags: &Flags) -> anyhow::Result<ExitCode> {
    let answer: Value = Client::open(&flags.connection)?.get("/api/status")?;
    say(&screen(&answer));
    let bad = answer["problems"].as_array().is_none_or(|problems| !problems.is_empty());
    Ok(ExitCode::from(u8::from(bad)))
}

fn screen(answer: &Value) -> String {
    let overview = &answer["overview"];
    let mut lines = Vec::new();
    for (name, parts) in [
        ("hosts", ["total", "up", "down", "unknown"].as_slice()),
        ("alerts", ["critical", "high", "medium", "low"].as_slice()),
        ("backups", ["total", "ok", "late", "failed", "unknown"].as_slice()),
        ("notifications", ["outbox", "failing", "dead"].as_slice()),
    ] {
        let counts = parts.iter().map(|part| format!("{part} {}", overview[name][part]));
        lines.push(format!("{name:<14} {}", counts.collect::<Vec<_>>().join("  ")));
    }
    for service in overview["services"].as_array().into_iter().flatten() {
        let text = |name: &str| service[name].as_str().unwrap_or("?").to_owned();
        lines.push(format!("{:<14} {} {}", "service", text("name"), text("state")));
    }
    let problems = answer["problems"].as_array().map_or(&[][..], Vec::as_slice);
    lines.push(String::new());
    if problems.is_empty() {
        lines.push("Everything was looked at and is in order.".to_owned());
    }
    for problem in problems {
        let text = |name: &str| problem[name].as_str().unwrap_or("?");
        lines.push(format!("{:<8} {}", text("severity").to_uppercase(), text("what_en")));
        lines.push(format!("         {}", text("what_to_do_en")));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_problem_is_shown_with_what_to_do() {
        let answer = json!({
            "problems": [{"severity": "high", "what_en": "1 host(s) silent: a",
                          "what_to_do_en": "Check power."}],
            "overview": {"hosts": {"total": 1, "up": 0, "down": 1, "unknown": 0}, "services": []},
        });
        let screen = screen(&answer);
        let (_, end) = screen.split_once("\n\n").unwrap();
        expect![[r#"
            HIGH     1 host(s) silent: a
                     Check power."#]]
        .assert_eq(end);
        assert!(screen.starts_with("hosts          total 1  up 0  down 1  unknown 0"));
    }
}
