//! The stable name of a host, as it stands in its certificate and in the `host` label.
//! Promises: a `HostId` is always safe in a file name, a label, a URL path and a log line.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// A host id is a DNS-like name: one to 63 of `a-z 0-9 . _ -`, beginning and ending with a letter or digit.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostId(Arc<str>);

/// The longest host id: what fits one DNS label and a certificate's common name (RFC 5280: 64).
const HOST_ID_CHARS_MAX: usize = 63;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HostIdError {
    #[error("a host id has 1 to {HOST_ID_CHARS_MAX} characters; this one has {0}")]
    Length(usize),
    #[error(
        "host id {0:?} may only hold a-z, 0-9, '.', '_' and '-', and begins and ends with a-z or 0-9"
    )]
    Characters(String),
}

impl HostId {
    pub fn new(name: &str) -> Result<Self, HostIdError> {
        if name.is_empty() || name.len() > HOST_ID_CHARS_MAX {
            return Err(HostIdError::Length(name.chars().count()));
        }
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let bytes = name.as_bytes();
        let ends_plain = plain(bytes[0]) && plain(bytes[bytes.len() - 1]);
        if ends_plain && bytes.iter().all(|&byte| plain(byte) || b"._-".contains(&byte)) {
            Ok(Self(name.into()))
        } else {
            Err(HostIdError::Characters(name.to_owned()))
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The same text, shared, for use as a label value.
    pub fn as_label_value(&self) -> Arc<str> {
        Arc::clone(&self.0)
    }
}

impl FromStr for HostId {
    type Err = HostIdError;
    fn from_str(text: &str) -> Result<Self, HostIdError> {
        Self::new(text)
    }
}

impl fmt::Display for HostId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_the_names_of_the_demo_province() {
        for name in ["dc1-srv01", "bk-srv02", "a", "web.example.vn", "x_1"] {
            assert_eq!(HostId::new(name).unwrap().as_str(), name);
        }
    }

    #[test]
    fn refuses_what_is_unsafe_somewhere() {
        for name in ["", "A", "-a", "a-", "a/b", "a b", "..", "máy", &"a".repeat(64)] {
            assert!(HostId::new(name).is_err(), "{name:?} should be refused");
        }
    }
}
