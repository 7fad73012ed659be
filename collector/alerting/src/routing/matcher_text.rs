//! Matchers as text: `severity="critical"`, `team=~"a|b"`, several in one with commas, `{}` around or not.
//! The syntax is Alertmanager's (alertmanager, matcher/parse): names and values may stand bare or in double quotes. What
//! the older syntax can read is read by it, as Alertmanager does, so that no file changes its meaning.

use std::iter::Peekable;
use std::str::Chars;

use agent_model::{MatchOp, Matcher};

use super::classic;

/// Matchers of one text: more than anybody writes. Each may be an expression, whose compiled form takes up to a megabyte.
pub(super) const MATCHERS_MAX: usize = 64;

/// Reads one or more matchers. The error says what would be right.
pub fn matchers_from_text(text: &str) -> Result<Vec<Matcher>, String> {
    classic::matchers(text).or_else(|_| with_any_name(text))
}

pub(super) fn too_many() -> String {
    format!("more than {MATCHERS_MAX} matchers; they would match no alert that there is")
}

fn with_any_name(text: &str) -> Result<Vec<Matcher>, String> {
    let trimmed = text.trim();
    let inner = match (trimmed.strip_prefix('{'), trimmed.ends_with('}')) {
        (Some(rest), true) => &rest[..rest.len() - 1],
        (None, false) => trimmed,
        _ => return Err(format!("{text:?} has an unmatched brace")),
    };
    let mut characters = inner.chars().peekable();
    let mut matchers = Vec::new();
    skip_spaces(&mut characters);
    while characters.peek().is_some() {
        if matchers.len() >= MATCHERS_MAX {
            return Err(too_many());
        }
        matchers.push(one(&mut characters, text)?);
        skip_spaces(&mut characters);
        match characters.next() {
            None => break,
            Some(',') => skip_spaces(&mut characters),
            Some(other) => return Err(format!("{text:?} has {other:?} where a comma should be")),
        }
    }
    Ok(matchers)
}

/// Writes matchers as [`matchers_from_text`] reads them.
pub fn matchers_text(matchers: &[Matcher]) -> String {
    let texts: Vec<String> = matchers
        .iter()
        .map(|matcher| {
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
            let bare = !matcher.name.is_empty() && matcher.name.chars().all(plain);
            let name = if bare { matcher.name.clone() } else { quote(&matcher.name) };
            format!("{name}{}{}", matcher.op.symbol(), quote(&matcher.value))
        })
        .collect();
    format!("{{{}}}", texts.join(","))
}

pub(crate) fn quote(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}

fn one(characters: &mut Peekable<Chars<'_>>, text: &str) -> Result<Matcher, String> {
    let wrong = || format!("{text:?} is not a matcher; write for example severity=\"critical\"");
    let name = word(characters, text)?;
    if name.is_empty() {
        return Err(wrong());
    }
    skip_spaces(characters);
    let op = match (characters.next(), characters.peek()) {
        (Some('='), Some('~')) => MatchOp::Matches,
        (Some('='), _) => MatchOp::Equal,
        (Some('!'), Some('=')) => MatchOp::NotEqual,
        (Some('!'), Some('~')) => MatchOp::MatchesNot,
        _ => return Err(wrong()),
    };
    if op != MatchOp::Equal {
        characters.next();
    }
    skip_spaces(characters);
    let value = word(characters, text)?;
    Matcher::new(name, op, value).map_err(|error| {
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        format!("{error}: {}", cause.unwrap_or_default())
    })
}

/// A bare word, or a text in double quotes with `\\`, `\"` and `\n`.
fn word(characters: &mut Peekable<Chars<'_>>, text: &str) -> Result<String, String> {
    let mut word = String::new();
    if characters.next_if_eq(&'"').is_none() {
        let ends = |c: &char| c.is_whitespace() || "{}!=~,\\\"'`".contains(*c);
        while let Some(character) = characters.next_if(|character| !ends(character)) {
            word.push(character);
        }
        return Ok(word);
    }
    loop {
        match characters.next() {
            Some('"') => return Ok(word),
            Some('\\') => match characters.next() {
                Some('n') => word.push('\n'),
                Some(escaped @ ('"' | '\\')) => word.push(escaped),
                // Regular expressions are full of them: `\d` stays as it is.
                Some(other) => word.extend(['\\', other]),
                None => return Err(format!("{text:?} ends inside a quoted text")),
            },
            Some(character) => word.push(character),
            None => return Err(format!("{text:?} lacks a closing quote")),
        }
    }
}

fn skip_spaces(characters: &mut Peekable<Chars<'_>>) {
    while characters.next_if(|character| character.is_whitespace()).is_some() {}
}
