//! The notation in which tests write series: labels as `up{job="node"}`, values as `0+10x5 _ stale NaN`
//! (prometheus.io, "Unit testing for rules", section "series").

use agent_model::{Labels, stale_marker};

/// A line of values never unfolds to more: a month at a minute's interval fits many times.
pub const VALUES_MAX: usize = 1_000_000;

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Given {
    /// `_`: no sample at this instant.
    Missing,
    /// A number, or the stale marker.
    Value(f64),
    /// `{{…}}`: a native histogram, which nothing here can hold.
    Histogram,
}

/// Reads a label set, with or without a metric name; returns what follows it too.
pub fn parse_labels(text: &str) -> Result<(Labels, &str), String> {
    let mut rest = text.trim_start();
    let mut pairs: Vec<(String, String)> = Vec::new();
    let name_end = rest.find(|c: char| !is_name(c)).unwrap_or(rest.len());
    if name_end > 0 {
        pairs.push((Labels::NAME.to_owned(), rest[..name_end].to_owned()));
        rest = &rest[name_end..];
    }
    if let Some(inside) = rest.strip_prefix('{') {
        rest = parse_pairs(inside, &mut pairs)?;
    } else if name_end == 0 {
        return Err(format!("{text:?} does not begin with a metric name or `{{`"));
    }
    pairs.sort();
    if let Some(twice) = pairs.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        return Err(format!("the label {:?} is given twice", twice[0].0));
    }
    Ok((Labels::new(pairs), rest))
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == ':'
}

/// What stands between braces, and what follows them.
fn parse_pairs<'a>(
    mut rest: &'a str,
    pairs: &mut Vec<(String, String)>,
) -> Result<&'a str, String> {
    loop {
        rest = rest.trim_start();
        if let Some(after) = rest.strip_prefix('}') {
            return Ok(after);
        }
        let (name, after) = if rest.starts_with(['"', '\'']) {
            parse_quoted(rest)?
        } else {
            let end = rest.find(|c: char| !is_name(c)).unwrap_or(rest.len());
            if end == 0 {
                return Err(format!("a label or `}}` is missing before {rest:?}"));
            }
            (rest[..end].to_owned(), &rest[end..])
        };
        let after = after.trim_start();
        rest = match after.strip_prefix('=') {
            Some(value) => {
                let (value, after) = parse_quoted(value.trim_start())?;
                pairs.push((name, value));
                after
            }
            // A quoted text alone is the metric's name.
            None if rest.starts_with(['"', '\'']) => {
                pairs.push((Labels::NAME.to_owned(), name));
                after
            }
            None => return Err(format!("`=` is missing after the label {name:?}")),
        };
        rest = rest.trim_start();
        match rest.strip_prefix(',') {
            Some(after) => rest = after,
            None if rest.starts_with('}') => {}
            None => return Err(format!("`,` or `}}` is missing before {rest:?}")),
        }
    }
}

/// A text in double or single quotes with Go's usual escapes, and what follows it.
pub fn parse_quoted(text: &str) -> Result<(String, &str), String> {
    let mut characters = text.char_indices();
    let quote = match characters.next() {
        Some((_, quote @ ('"' | '\'' | '`'))) => quote,
        _ => return Err(format!("a quoted text is wanted where {text:?} stands")),
    };
    let mut value = String::new();
    while let Some((at, character)) = characters.next() {
        match character {
            _ if character == quote => return Ok((value, &text[at + quote.len_utf8()..])),
            '\\' if quote != '`' => match characters.next() {
                Some((_, 'n')) => value.push('\n'),
                Some((_, 't')) => value.push('\t'),
                Some((_, 'r')) => value.push('\r'),
                Some((_, escaped @ ('\\' | '"' | '\''))) => value.push(escaped),
                other => return Err(format!("unknown escape in {text:?}: {other:?}")),
            },
            _ => value.push(character),
        }
    }
    Err(format!("the quote of {text:?} is not closed"))
}

/// Unfolds a line of values: `1 2 _ stale`, `a+bxn`, `a-bxn`, `axn` (each n+1 values), `_xn` (n gaps).
pub fn parse_values(text: &str) -> Result<Vec<Given>, String> {
    let mut values = Vec::new();
    for token in tokens(text)? {
        let unfolded = unfold(token)?;
        if values.len() + unfolded.count > VALUES_MAX {
            return Err(format!("{token:?} goes beyond {VALUES_MAX} values"));
        }
        let mut value = unfolded.first;
        for _ in 0..unfolded.count {
            values.push(value);
            if let Given::Value(number) = &mut value {
                *number += unfolded.step;
            }
        }
    }
    Ok(values)
}

/// Splits at white space outside of `{{…}}`.
fn tokens(text: &str) -> Result<Vec<&str>, String> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let mut end = 0;
        while end < rest.len() && !rest[end..].starts_with(char::is_whitespace) {
            if rest[end..].starts_with("{{") {
                let close = rest[end..].find("}}");
                end += close.ok_or_else(|| format!("{rest:?} lacks its `}}}}`"))? + 2;
            } else {
                end += rest[end..].chars().next().map_or(1, char::len_utf8);
            }
        }
        tokens.push(&rest[..end]);
        rest = rest[end..].trim_start();
    }
    Ok(tokens)
}

struct Unfolded {
    first: Given,
    step: f64,
    count: usize,
}

fn unfold(token: &str) -> Result<Unfolded, String> {
    let (body, times) = split_times(token);
    let times = match times {
        None => None,
        Some(times) => {
            let times: usize = times.parse().map_err(|_| format!("{token:?} repeats too often"))?;
            Some(times.min(VALUES_MAX))
        }
    };
    // `5x3` is the value and three more; `_x3` is three gaps.
    let count = times.map_or(1, |times| times + 1);
    if body == "_" {
        return Ok(Unfolded { first: Given::Missing, step: 0.0, count: times.unwrap_or(1) });
    }
    if body.starts_with("{{") {
        return Ok(Unfolded { first: Given::Histogram, step: 0.0, count });
    }
    if body == "stale" {
        return Ok(Unfolded { first: Given::Value(stale_marker()), step: 0.0, count });
    }
    let (first, step) = match sign_of_step(body) {
        Some(_) if times.is_none() => return Err(format!("{token:?} lacks its `x` and a count")),
        Some(at) => (parse_number(&body[..at])?, parse_number(&body[at..])?),
        None => (parse_number(body)?, 0.0),
    };
    Ok(Unfolded { first: Given::Value(first), step, count })
}

/// `0+10x5` into `0+10` and `5`.
fn split_times(token: &str) -> (&str, Option<&str>) {
    match token.rsplit_once('x') {
        Some((body, times)) if !times.is_empty() && times.bytes().all(|b| b.is_ascii_digit()) => {
            (body, Some(times))
        }
        _ => (token, None),
    }
}

/// Where the step's sign stands; a sign at the start or after an exponent's `e` belongs to a number.
fn sign_of_step(body: &str) -> Option<usize> {
    let bytes = body.as_bytes();
    (1..bytes.len()).find(|at| {
        let sign = matches!(bytes[*at], b'+' | b'-');
        let exponent = matches!(bytes[at - 1], b'e' | b'E');
        sign && !exponent
    })
}

/// A number as PromQL writes it.
pub fn parse_number(text: &str) -> Result<f64, String> {
    text.parse().map_err(|_| format!("{text:?} is not a number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        let values = match parse_values(text) {
            Ok(values) => values,
            Err(message) => return message,
        };
        let one = |value: &Given| match value {
            Given::Missing => "_".to_owned(),
            Given::Histogram => "H".to_owned(),
            Given::Value(value) if agent_model::is_stale(*value) => "stale".to_owned(),
            Given::Value(value) => value.to_string(),
        };
        values.iter().map(one).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn values_unfold_as_in_prometheus() {
        assert_eq!(shown("0+10x3 _x2 5x1 stale"), "0 10 20 30 _ _ 5 5 stale");
        assert_eq!(shown("8-2x2 -1-1x1 1e-3 -Inf NaN"), "8 6 4 -1 -2 0.001 -inf NaN");
        assert_eq!(shown("{{sum:1 count:2}}+{{sum:1}}x1 1"), "H H 1");
    }

    #[test]
    fn wrong_values_say_what_is_wrong() {
        assert_eq!(shown("1+2"), "\"1+2\" lacks its `x` and a count");
        assert_eq!(shown("soon"), "\"soon\" is not a number");
        assert_eq!(shown("{{sum:1"), "\"{{sum:1\" lacks its `}}`");
        assert_eq!(shown("1x99999999"), "\"1x99999999\" goes beyond 1000000 values");
    }

    #[test]
    fn labels_are_read_with_what_follows() {
        let (labels, rest) = parse_labels(r#"up{job="a \"b\"", x='y',} 1 2"#).unwrap();
        assert_eq!((labels.to_string().as_str(), rest), (r#"up{job="a \"b\"",x="y"}"#, " 1 2"));
        let (labels, _) = parse_labels(r#"{"cpu load", host="a"}"#).unwrap();
        assert_eq!(labels.metric_name(), "cpu load");
        assert!(parse_labels(r#"up{job="a",job="b"}"#).is_err());
        assert!(parse_labels("up{job=1}").is_err());
        assert!(parse_labels("").is_err());
    }
}
