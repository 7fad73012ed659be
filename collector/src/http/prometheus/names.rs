//! Names that are not plain, for those who cannot take them: in addresses, and in the text format of older scrapers.
//! Promises: a scraper gets the names as they are only when it says that it takes them (prometheus.io/docs/instrumenting/
//! escaping_schemes). Not offered: `dots`; who asks for it is given underscores, and told so.

use std::borrow::Cow;
use std::fmt::Write;

use agent_model::{Label, Labels, is_plain_label_name, is_plain_metric_name};
use axum::http::{HeaderMap, header};

/// How names are written that are not plain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Escaping {
    /// As they are, in quotes.
    AllowUtf8,
    /// An underscore for each character that an older reader would refuse. Two names can become one.
    Underscores,
    /// `U__a_2e_b`, which can be read back.
    Values,
}

impl Escaping {
    /// What a scraper asks for. The first format that names a way counts: they stand best first, as scrapers send them.
    pub(super) fn asked(headers: &HeaderMap) -> Self {
        let accepted = headers.get_all(header::ACCEPT).into_iter();
        let accepted = accepted.filter_map(|value| value.to_str().ok());
        let mut parameters = accepted.flat_map(|value| value.split([',', ';']));
        match parameters.find_map(|one| one.trim().strip_prefix("escaping=")) {
            Some("allow-utf-8") => Self::AllowUtf8,
            Some("values") => Self::Values,
            _ => Self::Underscores,
        }
    }

    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::AllowUtf8 => "text/plain; version=1.0.0; charset=utf-8; escaping=allow-utf-8",
            Self::Underscores => "text/plain; version=0.0.4; charset=utf-8; escaping=underscores",
            Self::Values => "text/plain; version=0.0.4; charset=utf-8; escaping=values",
        }
    }

    /// The series under the names that the scraper takes.
    pub(super) fn apply(self, labels: &Labels) -> Cow<'_, Labels> {
        let plain = |label: &Label| is_plain_label_name(&label.name);
        if self == Self::AllowUtf8
            || is_plain_metric_name(labels.metric_name()) && labels.iter().all(plain)
        {
            return Cow::Borrowed(labels);
        }
        let escaped = labels.iter().map(|label| {
            if label.name.as_ref() == Labels::NAME {
                let value = self.name(&label.value, is_plain_metric_name);
                (label.name.to_string(), value)
            } else {
                (self.name(&label.name, is_plain_label_name), label.value.to_string())
            }
        });
        Cow::Owned(Labels::new(escaped.collect::<Vec<_>>()))
    }

    fn name(self, name: &str, is_plain: fn(&str) -> bool) -> String {
        if self == Self::AllowUtf8 || is_plain(name) {
            return name.to_owned();
        }
        let mut out = String::from(if self == Self::Values { "U__" } else { "" });
        for (at, letter) in name.char_indices() {
            // The first may not be a digit; what follows may.
            let probe = if at == 0 { letter.to_string() } else { format!("_{letter}") };
            match (self, is_plain(&probe)) {
                (Self::Values, true) if letter == '_' => out.push_str("__"),
                (_, true) => out.push(letter),
                (Self::Values, false) => {
                    let written = write!(out, "_{:x}_", u32::from(letter));
                    debug_assert!(written.is_ok(), "writing to a string cannot fail");
                }
                (_, false) => out.push('_'),
            }
        }
        out
    }
}

/// `U__a_2e_b` is `a.b`; what cannot be read so stands for itself.
pub(super) fn unescaped(name: &str) -> String {
    let Some(escaped) = name.strip_prefix("U__") else { return name.to_owned() };
    let mut out = String::new();
    let mut rest = escaped;
    while let Some(at) = rest.find('_') {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let Some(end) = after.find('_') else { return name.to_owned() };
        let character = u32::from_str_radix(&after[..end], 16).ok().and_then(char::from_u32);
        match (end, character) {
            (0, _) => out.push('_'),
            (_, Some(character)) => out.push(character),
            (_, None) => return name.to_owned(),
        }
        rest = &after[end + 1..];
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaped_names_are_read() {
        assert_eq!(unescaped("U__a_2e_b__c"), "a.b_c");
        assert_eq!(unescaped("plain_name"), "plain_name");
        assert_eq!(unescaped("U__broken_"), "U__broken_");
        for name in ["a.b_c", "nhiệt độ", "1a", "đ"] {
            let written = Escaping::Values.name(name, is_plain_label_name);
            assert!(is_plain_label_name(&written), "{written}");
            assert_eq!(unescaped(&written), name);
        }
    }

    #[test]
    fn a_scraper_is_given_names_it_takes() {
        let asked = |accept: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, accept.parse().unwrap());
            Escaping::asked(&headers)
        };
        let newest = "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;q=0.3";
        assert_eq!(asked(newest), Escaping::AllowUtf8);
        assert_eq!(asked("text/plain; escaping=values"), Escaping::Values);
        assert_eq!(asked("text/plain; escaping=dots"), Escaping::Underscores);
        assert_eq!(asked("*/*"), Escaping::Underscores);

        let labels = Labels::metric("http.status:1", [("máy chủ", "a"), ("host", "b")]);
        let written = |escaping: Escaping| escaping.apply(&labels).to_string();
        assert_eq!(written(Escaping::AllowUtf8), r#"{"http.status:1",host="b","máy chủ"="a"}"#);
        assert_eq!(written(Escaping::Underscores), r#"http_status:1{host="b",m_y_ch_="a"}"#);
        assert_eq!(
            written(Escaping::Values),
            r#"U__http_2e_status:1{U__m_e1_y_20_ch_1ee7_="a",host="b"}"#
        );
    }
}
