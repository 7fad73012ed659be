//! Regular expressions as Prometheus and Alertmanager read them (Go's regexp, syntax RE2), for an engine that reads some of
//! it otherwise: there a word, a digit or a space is Unicode's, a class may hold classes and operators, and a lone brace
//! is a mistake. What is written is translated before it is compiled.
//!
//! Absent on purpose: `\B`, `\C` and case folding, which stay the engine's; `\pN` classes are Unicode in both.

use regex::{Regex, RegexBuilder};

/// A compiled expression's memory: thousands of host names fit, a bomb does not.
const COMPILED_BYTES_MAX: usize = 1 << 20;

/// Compiles an expression that must match a text from end to end; `.` matches a line's end too.
pub fn anchored(expression: &str) -> Result<Regex, regex::Error> {
    compiled(&format!("^(?s:{})$", translated(expression)))
}

/// Compiles an expression that is looked for in a text.
pub fn anywhere(expression: &str) -> Result<Regex, regex::Error> {
    compiled(&translated(expression))
}

fn compiled(translated: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(translated).size_limit(COMPILED_BYTES_MAX).build()
}

fn translated(expression: &str) -> String {
    let mut out = String::with_capacity(expression.len() + 16);
    let mut rest = expression;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '\\' => escape(rest, false, &mut out),
            '[' => class(rest, &mut out),
            '{' if !is_repetition(rest) => literal('{', &mut out),
            _ => {
                out.push(first);
                first.len_utf8()
            }
        };
        rest = &rest[length..];
    }
    out
}

fn literal(character: char, out: &mut String) -> usize {
    out.push('\\');
    out.push(character);
    character.len_utf8()
}

/// An escape at the beginning of the text; how long it is.
fn escape(text: &str, in_class: bool, out: &mut String) -> usize {
    let Some(named) = text[1..].chars().next() else {
        out.push('\\');
        return 1;
    };
    let ascii = match named {
        'd' => "0-9",
        'w' => "0-9A-Za-z_",
        's' => "\\t\\n\\f\\r ",
        'D' => "^0-9",
        'W' => "^0-9A-Za-z_",
        'S' => "^\\t\\n\\f\\r ",
        'b' if !in_class => {
            out.push_str("(?-u:\\b)");
            return 2;
        }
        'Q' if !in_class => return quoted(text, out),
        // A quotation that nothing began.
        'E' if !in_class => return 2,
        // The name of a class, or a number, may stand in braces.
        'p' | 'P' | 'x' if text[2..].starts_with('{') => {
            let length = text.find('}').map_or(text.len(), |end| end + 1);
            out.push_str(&text[..length]);
            return length;
        }
        other => {
            out.push('\\');
            out.push(other);
            return 1 + other.len_utf8();
        }
    };
    if in_class && !ascii.starts_with('^') {
        out.push_str(ascii);
    } else {
        out.push('[');
        out.push_str(ascii);
        out.push(']');
    }
    2
}

/// `\Q…\E`, or to the end.
fn quoted(text: &str, out: &mut String) -> usize {
    let inside = &text[2..];
    let (plain, length) = match inside.find("\\E") {
        Some(end) => (&inside[..end], 2 + end + 2),
        None => (inside, text.len()),
    };
    out.push_str(&regex::escape(plain));
    length
}

/// A class in brackets: in it a bracket, `&`, `-` and `~` are what they are.
fn class(text: &str, out: &mut String) -> usize {
    out.push('[');
    let mut at = 1;
    if text[at..].starts_with('^') {
        out.push('^');
        at += 1;
    }
    let begins = at;
    // Whether a range may begin with what stands before, and whether the next character ends one.
    let (mut lone, mut ends) = (false, false);
    while let Some(first) = text[at..].chars().next() {
        let rest = &text[at..];
        if first == '-' && lone && !rest[1..].starts_with(']') {
            out.push('-');
            (lone, ends) = (false, true);
            at += 1;
            continue;
        }
        lone = !ends && !is_several(rest);
        ends = false;
        at += match first {
            ']' if at > begins => {
                out.push(']');
                return at + 1;
            }
            '\\' => escape(rest, true, out),
            '[' if is_named_class(rest) => {
                let end = rest.find(":]").map_or(rest.len(), |end| end + 2);
                out.push_str(&rest[..end]);
                end
            }
            '[' | ']' | '&' | '~' | '-' => literal(first, out),
            other => {
                out.push(other);
                other.len_utf8()
            }
        };
    }
    // It has no end, which the engine says.
    at
}

/// `[:alpha:]`.
fn is_named_class(text: &str) -> bool {
    text.starts_with("[:") && text.contains(":]")
}

/// What stands for several characters, in a class.
fn is_several(text: &str) -> bool {
    let escaped = text.strip_prefix('\\').and_then(|rest| rest.chars().next());
    is_named_class(text) || escaped.is_some_and(|one| "dswDSWpP".contains(one))
}

/// `{3}`, `{3,}` or `{3,5}`.
fn is_repetition(text: &str) -> bool {
    let Some((inside, _)) = text[1..].split_once('}') else { return false };
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    match inside.split_once(',') {
        None => digits(inside),
        Some((least, most)) => digits(least) && (most.is_empty() || digits(most)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Go's regexp says of each, as promtool showed.
    #[test]
    fn expressions_mean_what_they_mean_to_prometheus() {
        for (expression, text, matches) in [
            (r"\w+", "Hải", false),
            (r"\w+", "Hai_9", true),
            (r"[\w-]+", "dc1-srv01", true),
            (r"[^\W\d]+", "abc", true),
            (r"[^\W\d]+", "ab1", false),
            (r"\d+", "٣", false),
            (r"\D+", "Hải", true),
            (r"a\sb", "a\u{a0}b", false),
            (r"a\Sb", "aảb", true),
            (r".*\bsrv\b.*", "dc1-srv-01", true),
            ("[[]x", "[x", true),
            ("[]a]+", "]a", true),
            ("[^]a]+", "bc", true),
            ("[a&&b]+", "a&b", true),
            ("[a~~b]+", "~", true),
            ("[[:alpha:]_]+", "a_", true),
            ("[+--]+", "+,-", true),
            ("[--/]+", "-./", true),
            ("[a-]+", "a-", true),
            ("[a-c-]+", "b-", true),
            (r"[\w-z]+", "-z", true),
            (r"\Qa.b\E.", "a.bc", true),
            (r"\Qa.b\E.", "axbc", false),
            ("x{y}", "x{y}", true),
            ("{}", "{}", true),
            (r"\{3}", "{3}", true),
            ("x{2}", "xx", true),
            ("x{2,}y{1,3}", "xxxyy", true),
            (r"\p{Greek}+", "Ω", true),
            (r"\x{1EA3}", "ả", true),
            ("a|b", "b", true),
            ("a.b", "a\nb", true),
            ("Hải.*", "Hải Đăng", true),
        ] {
            let compiled =
                anchored(expression).unwrap_or_else(|error| panic!("{expression}: {error}"));
            assert_eq!(compiled.is_match(text), matches, "{expression} on {text:?}: {compiled}");
        }
        for broken in ["(", "[a", "a**b(", r"\"] {
            assert!(anchored(broken).is_err(), "{broken}");
        }
        assert!(anchored(&"(a{1000}){1000}".repeat(2)).is_err());
    }
}
