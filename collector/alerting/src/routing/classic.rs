//! Matchers as Alertmanager read them before it knew UTF-8 in names (alertmanager, pkg/labels/parse.go): a name of ASCII
//! letters, an operator, and whatever follows as the value, in double quotes or not.

use agent_model::{MatchOp, Matcher};

use super::matcher_text::{MATCHERS_MAX, too_many};

/// Reads one or more matchers, or says which one is none.
pub(super) fn matchers(text: &str) -> Result<Vec<Matcher>, String> {
    let inner = text.trim();
    let inner = inner.strip_prefix('{').unwrap_or(inner);
    let inner = inner.strip_suffix('}').unwrap_or(inner);
    let parts = parts(inner);
    if parts.len() > MATCHERS_MAX {
        return Err(too_many());
    }
    parts.iter().map(|part| one(part)).collect()
}

/// Splits at the commas outside of quotes.
fn parts(text: &str) -> Vec<String> {
    let (mut parts, mut part) = (Vec::new(), String::new());
    let (mut quoted, mut escaped) = (false, false);
    for character in text.chars() {
        match character {
            ',' if !quoted => {
                parts.push(std::mem::take(&mut part));
                continue;
            }
            '"' if !escaped => quoted = !quoted,
            _ => {}
        }
        escaped = character == '\\' && !escaped;
        part.push(character);
    }
    if !part.trim().is_empty() {
        parts.push(part);
    }
    parts
}

fn one(text: &str) -> Result<Matcher, String> {
    let bad = || format!("bad matcher format: {text}");
    let trimmed = text.trim();
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let (name, rest) = trimmed.split_at(trimmed.find(|c| !is_name(c)).ok_or_else(bad)?);
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(bad());
    }
    let rest = rest.trim_start();
    let ops = [MatchOp::Matches, MatchOp::NotEqual, MatchOp::MatchesNot, MatchOp::Equal];
    let op = ops.into_iter().find(|op| rest.starts_with(op.symbol())).ok_or_else(bad)?;
    let value = value(rest[op.symbol().len()..].trim_start())?;
    Matcher::new(name, op, value).map_err(|error| {
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        format!("{error}: {}", cause.unwrap_or_default())
    })
}

/// Takes the quotes away and reads `\n`, `\"` and `\\`; any other `\` stands for itself.
fn value(text: &str) -> Result<String, String> {
    let stray = || format!("matcher value contains unescaped double quote: {text}");
    let (raw, is_quoted) = match text.strip_prefix('"') {
        Some(rest) => (rest.strip_suffix('"').ok_or_else(stray)?, true),
        None => (text, false),
    };
    let mut value = String::new();
    let mut characters = raw.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => return Err(stray()),
            '\\' => match characters.next() {
                Some('n') => value.push('\n'),
                Some(escaped @ ('"' | '\\')) => value.push(escaped),
                Some(other) => value.extend(['\\', other]),
                // The quote behind it was escaped, and so was no end.
                None if is_quoted => return Err(stray()),
                None => value.push('\\'),
            },
            other => value.push(other),
        }
    }
    Ok(value)
}
