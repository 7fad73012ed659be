//! A mapping whose keys people choose: labels, matchers, headers.
//! deserr's own `BTreeMap` leaves entries out that it cannot read and says nothing; here every such entry is told.

use std::collections::{BTreeMap, btree_map};
use std::ops::{ControlFlow, Deref, DerefMut};

use deserr::{
    DeserializeError, Deserr, ErrorKind, IntoValue, Map, Value, ValueKind, ValuePointerRef,
};

use crate::scalars::content;

/// Entries by key, in the order of the keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entries<T>(pub BTreeMap<String, T>);

impl<T> Default for Entries<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T, const COUNT: usize> From<[(String, T); COUNT]> for Entries<T> {
    fn from(entries: [(String, T); COUNT]) -> Self {
        Self(entries.into())
    }
}

impl<T> Deref for Entries<T> {
    type Target = BTreeMap<String, T>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<T> DerefMut for Entries<T> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

impl<T> IntoIterator for Entries<T> {
    type Item = (String, T);
    type IntoIter = btree_map::IntoIter<String, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a, T> IntoIterator for &'a Entries<T> {
    type Item = (&'a String, &'a T);
    type IntoIter = btree_map::Iter<'a, String, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl<E: DeserializeError, T: Deserr<E>> Deserr<E> for Entries<T> {
    fn deserialize_from_value<V: IntoValue>(
        value: Value<V>,
        place: ValuePointerRef,
    ) -> Result<Self, E> {
        let map = match value {
            Value::Map(map) => map,
            other => {
                let error =
                    ErrorKind::IncorrectValueKind { actual: other, accepted: &[ValueKind::Map] };
                return Err(content(E::error(None, error, place)));
            }
        };
        let (mut entries, mut found) = (BTreeMap::new(), None);
        for (key, value) in map.into_iter() {
            let place = place.push_key(&key);
            match T::deserialize_from_value(value.into_value(), place) {
                Ok(value) => {
                    entries.insert(key, value);
                }
                Err(error) => match E::merge(found, error, place) {
                    ControlFlow::Continue(error) => found = Some(error),
                    ControlFlow::Break(error) => return Err(error),
                },
            }
        }
        found.map_or(Ok(Self(entries)), Err)
    }
}
