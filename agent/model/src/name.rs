//! Names of metrics and labels. Since Prometheus 3 any text but the empty one is a name; what older readers take without
//! quotes is called plain here (prometheus.io/docs/concepts/data_model).
//! Promises: one place says which names need quotes, and how a text stands between them.

use std::borrow::Cow;

/// `[a-zA-Z_:][a-zA-Z0-9_:]*`: a metric's name that needs no quotes.
pub fn is_plain_metric_name(name: &str) -> bool {
    is_plain(name, |byte| is_plain_letter(byte) || byte == b':')
}

/// `[a-zA-Z_][a-zA-Z0-9_]*`: a label's name that needs no quotes.
pub fn is_plain_label_name(name: &str) -> bool {
    is_plain(name, is_plain_letter)
}

fn is_plain(name: &str, of_name: impl Fn(u8) -> bool) -> bool {
    let starts = name.bytes().next().is_some_and(|first| !first.is_ascii_digit());
    starts && name.bytes().all(of_name)
}

fn is_plain_letter(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// The name as it stands in a line of the text format: plain, or in quotes.
pub fn written_metric_name(name: &str) -> Cow<'_, str> {
    if is_plain_metric_name(name) {
        return Cow::Borrowed(name);
    }
    Cow::Owned(format!("\"{}\"", escaped(name)))
}

/// The text with `\`, `"` and line feeds escaped, as it stands between double quotes.
pub(crate) fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_names_are_those_that_older_readers_take() {
        for name in ["up", "_", "job:rate:5m", ":x", "A1"] {
            assert!(is_plain_metric_name(name), "{name}");
            assert_eq!(is_plain_label_name(name), !name.contains(':'), "{name}");
        }
        for name in ["", "1a", "a.b", "a b", "độ", "a\"b"] {
            assert!(!is_plain_metric_name(name) && !is_plain_label_name(name), "{name}");
        }
    }
}
