//! The functions that Alertmanager adds to those which its templates and those of rules have in common
//! (alertmanager, docs/notifications.md; the newest are of 0.28 to 0.30).

use std::fmt::Write;

use rules_templates::{
    EngineError, SafeKind, Value, date, kind, record_fields, shown, since, text_of, timestamp_of,
    tz, wrong,
};

type Function = fn(&[Value]) -> Result<Value, EngineError>;

pub(super) fn all() -> [(&'static str, Function); 9] {
    [
        ("title", |given| text_of(given, 0).map(|text| shown(title(text)))),
        ("join", join),
        ("stringSlice", string_slice),
        ("safeUrl", |given| {
            let s = text_of(given, 0)?.into();
            Ok(Value::Safe { kind: SafeKind::Url, s })
        }),
        ("urlUnescape", |given| unescaped(text_of(given, 0)?).map(shown)),
        ("date", date),
        ("tz", tz),
        ("since", since),
        ("toJson", |given| match given {
            [value] => json(value).map(shown),
            _ => Err(wrong("toJson takes one value")),
        }),
    ]
}

/// `join SEPARATOR LIST`.
fn join(given: &[Value]) -> Result<Value, EngineError> {
    let wants = || wrong("join takes a text and a list of texts");
    let [_, Value::List(values)] = given else { return Err(wants()) };
    let texts = values.iter().map(|value| value.as_str().ok_or_else(wants));
    Ok(shown(texts.collect::<Result<Vec<_>, _>>()?.join(text_of(given, 0)?)))
}

fn string_slice(given: &[Value]) -> Result<Value, EngineError> {
    let texts = (0..given.len()).map(|at| text_of(given, at).map(shown));
    Ok(Value::List(texts.collect::<Result<Vec<_>, _>>()?.into()))
}

/// As Go's `cases.Title`: the first letter of each word large, all others small. A word goes on over an apostrophe, a full
/// stop or a colon between letters, and over underscores.
fn title(text: &str) -> String {
    let letters: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut inside = false;
    for (at, letter) in letters.iter().enumerate() {
        let next_is_letter = letters.get(at + 1).is_some_and(|next| next.is_alphabetic());
        if letter.is_alphabetic() {
            if inside {
                out.extend(letter.to_lowercase());
            } else {
                out.extend(letter.to_uppercase());
            }
            inside = true;
        } else {
            let joins = matches!(letter, '\'' | '’' | '.' | ':' | '·') && next_is_letter;
            inside = inside && (joins || *letter == '_' || letter.is_numeric());
            out.push(*letter);
        }
    }
    out
}

/// `%20` and `+` of a query are spaces.
fn unescaped(text: &str) -> Result<String, EngineError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || rest.next().and_then(|byte| char::from(byte).to_digit(16));
                let byte =
                    digit().zip(digit()).and_then(|(high, low)| u8::try_from(high * 16 + low).ok());
                byte.ok_or_else(|| wrong(format!("{text:?} has a % without two digits behind it")))?
            }
            other => other,
        });
    }
    String::from_utf8(bytes).map_err(|error| wrong(error.to_string()))
}

/// As Go's `encoding/json`, which also escapes what means something in a page.
fn json(value: &Value) -> Result<String, EngineError> {
    let mut out = String::new();
    write_json(value, &mut out)?;
    let escape = |c: char| match c {
        '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => Some(format!("\\u{:04x}", u32::from(c))),
        _ => None,
    };
    Ok(out.chars().map(|c| escape(c).unwrap_or_else(|| c.to_string())).collect())
}

fn write_json(value: &Value, out: &mut String) -> Result<(), EngineError> {
    let quoted = |text: &str| serde_json::to_string(text).unwrap_or_default();
    match value {
        Value::List(values) => {
            out.push('[');
            for (at, value) in values.iter().enumerate() {
                out.push_str(if at > 0 { "," } else { "" });
                write_json(value, out)?;
            }
            out.push(']');
        }
        _ if timestamp_of(value).is_some() => {
            out.push_str(&quoted(&timestamp_of(value).unwrap_or_default().to_string()));
        }
        Value::Map(map) => {
            let of_pair = kind(value) == Some("template.Pair");
            let name = |name: &str| match name.chars().next() {
                // The names that Alertmanager gives its fields there.
                Some(first) if kind(value).is_some() && !of_pair => {
                    format!("{}{}", first.to_ascii_lowercase(), &name[first.len_utf8()..])
                }
                _ => name.to_owned(),
            };
            let fields: Vec<(&str, &Value)> = match kind(value) {
                Some(_) => record_fields(map).collect(),
                None => map.iter().map(|(name, value)| (name.as_ref(), value)).collect(),
            };
            out.push('{');
            for (at, (field, value)) in fields.into_iter().enumerate() {
                let comma = if at > 0 { "," } else { "" };
                let written = write!(out, "{comma}{}:", quoted(&name(field)));
                debug_assert!(written.is_ok());
                write_json(value, out)?;
            }
            out.push('}');
        }
        Value::String(text) | Value::Safe { s: text, .. } => out.push_str(&quoted(text)),
        Value::Nil => out.push_str("null"),
        Value::Bool(_) | Value::Int(_) | Value::Uint(_) => out.push_str(&value.to_string()),
        Value::Float(number) if number.is_finite() => out.push_str(&number.to_string()),
        Value::Float(_) | Value::Function(_) => return Err(wrong("JSON has no such value")),
    }
    Ok(())
}
