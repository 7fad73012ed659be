//! The scalar types of our configuration files: durations, sizes, text of any look, and values with their place.

use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::path::PathBuf;

use bytesize::ByteSize;
use deserr::{DeserializeError, Deserr, ErrorKind, IntoValue, Value, ValueKind, ValuePointerRef};

use crate::Place;

/// A length of time as Prometheus writes it: `15s`, `1h30m`, `200ms`, `7d`; a bare `0` too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Duration(pub std::time::Duration);

/// A size: `64MiB`, `1GB`, or a plain number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(pub u64);

/// Text that may look like a number or a boolean: label values, annotations.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text(pub String);

/// A number, however it is written: `1`, `0.5`, `1.10`, `1e3`. Not `f64`, which refuses what [`Text`] keeps as it
/// stands.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Number(pub f64);

/// A path; never empty.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FilePath(pub PathBuf);

/// An IP address and a port to listen on: `127.0.0.1:8080`, `[::]:7443`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address(pub SocketAddr);

/// Whatever stands there, unread: for keys that are known and mean nothing here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Anything;

/// A value and where it stood, for checks that are made after reading.
#[derive(Clone, Debug)]
pub struct At<T> {
    pub value: T,
    pub place: Place,
}

impl Duration {
    pub fn from_secs(seconds: u64) -> Self {
        Self(std::time::Duration::from_secs(seconds))
    }

    /// Parses Prometheus' duration syntax (prometheus/common, model.ParseDuration; a year has 365 days).
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not a duration; write for example 15s, 5m or 1h30m");
        if text == "0" {
            return Ok(Self::from_secs(0));
        }
        let mut total_ms: u64 = 0;
        let mut last_unit_ms = u64::MAX;
        let mut rest = text;
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
            let number: u64 = rest[..digits].parse().map_err(|_| wrong())?;
            rest = &rest[digits..];
            let unit_end = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
            let unit_ms = match &rest[..unit_end] {
                "ms" => 1,
                "s" => 1_000,
                "m" => 60_000,
                "h" => 3_600_000,
                "d" => 86_400_000,
                "w" => 7 * 86_400_000,
                "y" => 365 * 86_400_000,
                _ => return Err(wrong()),
            };
            // From the largest unit to the smallest, each once: `5m1h` is a slip.
            if unit_ms >= last_unit_ms {
                return Err(wrong());
            }
            last_unit_ms = unit_ms;
            rest = &rest[unit_end..];
            let part = number.checked_mul(unit_ms).ok_or_else(wrong)?;
            total_ms = total_ms.checked_add(part).ok_or_else(wrong)?;
        }
        if text.is_empty() {
            return Err(wrong());
        }
        Ok(Self(std::time::Duration::from_millis(total_ms)))
    }

    /// Whole milliseconds, as the model counts time.
    pub fn as_millis(self) -> i64 {
        i64::try_from(self.0.as_millis()).unwrap_or(i64::MAX)
    }
}

impl<E: DeserializeError> Deserr<E> for Duration {
    fn deserialize_from_value<V: IntoValue>(
        value: Value<V>,
        place: ValuePointerRef,
    ) -> Result<Self, E> {
        match value {
            Value::String(text) => Self::parse(&text).map_err(|message| unexpected(message, place)),
            Value::Integer(0) => Ok(Self::from_secs(0)),
            Value::Integer(number) => {
                let message = format!("{number} needs a unit: {number}s, {number}m …");
                Err(unexpected(message, place))
            }
            other => Err(wrong_kind(other, &[ValueKind::String], place)),
        }
    }
}

impl<E: DeserializeError> Deserr<E> for Bytes {
    fn deserialize_from_value<V: IntoValue>(
        value: Value<V>,
        place: ValuePointerRef,
    ) -> Result<Self, E> {
        match value {
            Value::Integer(bytes) => Ok(Self(bytes)),
            Value::String(text) => match text.parse::<ByteSize>() {
                Ok(size) => Ok(Self(size.as_u64())),
                Err(_) => {
                    let message = format!("{text:?} is not a size; write for example 64MiB or 1GB");
                    Err(unexpected(message, place))
                }
            },
            other => Err(wrong_kind(other, &[ValueKind::Integer, ValueKind::String], place)),
        }
    }
}

impl<E: DeserializeError> Deserr<E> for Text {
    fn deserialize_from_value<V: IntoValue>(
        value: Value<V>,
        place: ValuePointerRef,
    ) -> Result<Self, E> {
        match value {
            Value::String(text) => Ok(Self(text)),
            Value::Integer(number) => Ok(Self(number.to_string())),
            Value::NegativeInteger(number) => Ok(Self(number.to_string())),
            Value::Float(number) => Ok(Self(number.to_string())),
            Value::Boolean(boolean) => Ok(Self(boolean.to_string())),
            Value::Null => Ok(Self(String::new())),
            other => Err(wrong_kind(other, &[ValueKind::String], place)),
        }
    }
}

impl<E: DeserializeError> Deserr<E> for Number {
    fn deserialize_from_value<V: IntoValue>(
        value: Value<V>,
        place: ValuePointerRef,
    ) -> Result<Self, E> {
        let parsed = match &value {
            Value::String(text) => text.parse().ok().filter(|number: &f64| number.is_finite()),
            Value::Integer(number) => number.to_string().parse().ok(),
            Value::NegativeInteger(number) => number.to_string().parse().ok(),
            Value::Float(number) => Some(*number),
            _ => None,
        };
        parsed.map(Self).ok_or_else(|| wrong_kind(value, &[ValueKind::Float], place))
    }
}

impl<E: DeserializeError> Deserr<E> for FilePath {
    fn deserialize_from_value<V: IntoValue>(
        value: Value<V>,
        place: ValuePointerRef,
    ) -> Result<Self, E> {
        match value {
            Value::String(text) if !text.is_empty() => Ok(Self(text.into())),
            Value::String(_) => Err(unexpected("a path is empty".to_owned(), place)),
            other => Err(wrong_kind(other, &[ValueKind::String], place)),
        }
    }
}

impl<E: DeserializeError> Deserr<E> for Address {
    fn deserialize_from_value<V: IntoValue>(
        value: Value<V>,
        place: ValuePointerRef,
    ) -> Result<Self, E> {
        match value {
            Value::String(text) => text.parse().map(Self).map_err(|_| {
                let message = format!("{text:?} is no address; write for example 0.0.0.0:7443");
                unexpected(message, place)
            }),
            other => Err(wrong_kind(other, &[ValueKind::String], place)),
        }
    }
}

impl<E: DeserializeError> Deserr<E> for Anything {
    fn deserialize_from_value<V: IntoValue>(_: Value<V>, _: ValuePointerRef) -> Result<Self, E> {
        Ok(Self)
    }
}

impl<E: DeserializeError, T: Deserr<E>> Deserr<E> for At<T> {
    fn deserialize_from_value<V: IntoValue>(
        value: Value<V>,
        place: ValuePointerRef,
    ) -> Result<Self, E> {
        Ok(Self { value: T::deserialize_from_value(value, place)?, place: Place::from(place) })
    }
}

fn unexpected<E: DeserializeError>(msg: String, place: ValuePointerRef) -> E {
    let error: ErrorKind<'_, std::convert::Infallible> = ErrorKind::Unexpected { msg };
    content(E::error(None, error, place))
}

fn wrong_kind<E: DeserializeError, V: IntoValue>(
    actual: Value<V>,
    accepted: &[ValueKind],
    place: ValuePointerRef,
) -> E {
    content(E::error(None, ErrorKind::IncorrectValueKind { actual, accepted }, place))
}

pub(crate) fn content<E>(flow: ControlFlow<E, E>) -> E {
    match flow {
        ControlFlow::Continue(error) | ControlFlow::Break(error) => error,
    }
}
