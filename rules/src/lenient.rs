//! Reads a part of a document without letting its problems refuse the whole.

use agent_yaml::Findings;
use deserr::{Deserr, IntoValue, Value, ValuePointerRef};

/// A part that could be read, or what is wrong with it.
#[derive(Debug)]
pub(crate) enum Lenient<T> {
    Read(T),
    Refused(Findings),
}

impl<T: Deserr<Findings>> Deserr<Findings> for Lenient<T> {
    fn deserialize_from_value<V: IntoValue>(
        value: Value<V>,
        place: ValuePointerRef,
    ) -> Result<Self, Findings> {
        Ok(match T::deserialize_from_value(value, place) {
            Ok(part) => Self::Read(part),
            Err(findings) => Self::Refused(findings),
        })
    }
}
