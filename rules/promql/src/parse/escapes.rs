//! Bytes that a string literal gives by number: `"\xc3\xa9"`, `"\303\251"`. The parser takes each for a character of its
//! own, which would be another text; so they are put together before it reads, and what is no UTF-8 is refused. Between
//! back quotes a backslash is a backslash; the parser takes it for an escape, so such a text is quoted anew.

use std::borrow::Cow;

use crate::PromqlError;

/// The text with such bytes above 127 replaced by the characters that they are.
pub(super) fn resolved(text: &str) -> Result<Cow<'_, str>, PromqlError> {
    if !text.contains('\\') {
        return Ok(Cow::Borrowed(text));
    }
    let mut out = String::with_capacity(text.len());
    let mut quote = None;
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        if let (Some('"' | '\''), '\\') = (quote, character) {
            let (bytes, length) = given_bytes(rest);
            if bytes.is_empty() {
                // Any other escape: its two characters are the parser's.
                let pair = rest.char_indices().nth(2).map_or(rest.len(), |(end, _)| end);
                out.push_str(&rest[..pair]);
                rest = &rest[pair..];
                continue;
            }
            let resolved = String::from_utf8(bytes);
            out.push_str(
                &resolved.map_err(|_| {
                    PromqlError::Parse(format!("{:?} is not UTF-8", &rest[..length]))
                })?,
            );
            rest = &rest[length..];
            continue;
        }
        if let (None, Some((raw, length))) = (quote, raw_text(rest)) {
            out.push_str(&quoted(raw));
            rest = &rest[length..];
            continue;
        }
        match quote {
            None if matches!(character, '"' | '\'' | '`') => quote = Some(character),
            Some(open) if open == character => quote = None,
            _ => {}
        }
        out.push(character);
        rest = &rest[character.len_utf8()..];
    }
    Ok(Cow::Owned(out))
}

/// What stands between back quotes at the beginning of the text, and its length with them.
fn raw_text(text: &str) -> Option<(&str, usize)> {
    let inside = text.strip_prefix('`')?;
    let end = inside.find('`')?;
    Some((&inside[..end], end + 2))
}

fn quoted(raw: &str) -> String {
    let escaped = raw.replace('\\', r"\\").replace('"', r#"\""#).replace('\n', r"\n");
    format!("\"{escaped}\"")
}

/// A run of bytes above 127 given by number, and its length in the text.
fn given_bytes(text: &str) -> (Vec<u8>, usize) {
    let (mut bytes, mut at) = (Vec::new(), 0);
    while let Some(escape) = text.get(at..at + 4) {
        let byte = match (escape.strip_prefix("\\x"), escape.strip_prefix('\\')) {
            (Some(digits), _) => u8::from_str_radix(digits, 16).ok(),
            (None, Some(digits)) => u8::from_str_radix(digits, 8).ok(),
            (None, None) => None,
        };
        match byte {
            Some(byte) if byte >= 0x80 => bytes.push(byte),
            _ => break,
        }
        at += 4;
    }
    (bytes, at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_become_characters_and_broken_ones_are_refused() {
        let ok = |text: &str| resolved(text).unwrap().into_owned();
        assert_eq!(ok(r#"a{b="x\xc3\xa9\303\251y"}"#), "a{b=\"xééy\"}");
        assert_eq!(ok(r#"a{b="\x41\n\\xff\u00e9"}"#), r#"a{b="\x41\n\\xff\u00e9"}"#);
        assert_eq!(ok(r#"a{b=~`\xff"\d` , c="`\\`"}"#), r#"a{b=~"\\xff\"\\d" , c="`\\`"}"#);
        assert!(resolved(r#"a{b="\xff"}"#).is_err());
        assert!(resolved(r#"a{b="é\xc3"}"#).is_err());
    }
}
