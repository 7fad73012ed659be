//! Numbers in JSON's encoding of protobuf: 64-bit integers may stand in a text, and so do the doubles that JSON has no word for.

use std::fmt::{Display, Formatter};
use std::marker::PhantomData;
use std::str::FromStr;

use serde::de::{self, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};

pub(super) type Unsigned = Number<u64>;
pub(super) type Signed = Number<i64>;
pub(super) type Double = Number<f64>;

/// A number, or a number in a text. Nothing else is read, let alone kept, to find that out.
#[derive(Default)]
pub(super) struct Number<N>(pub(super) N);

pub(super) trait Written: FromStr<Err: Display> {
    fn unsigned(number: u64) -> Option<Self>;
    fn signed(number: i64) -> Option<Self>;
    fn double(number: f64) -> Option<Self>;
}

impl Written for u64 {
    fn unsigned(number: u64) -> Option<Self> {
        Some(number)
    }

    fn signed(number: i64) -> Option<Self> {
        number.try_into().ok()
    }

    fn double(_: f64) -> Option<Self> {
        None
    }
}

impl Written for i64 {
    fn unsigned(number: u64) -> Option<Self> {
        number.try_into().ok()
    }

    fn signed(number: i64) -> Option<Self> {
        Some(number)
    }

    fn double(_: f64) -> Option<Self> {
        None
    }
}

impl Written for f64 {
    fn unsigned(number: u64) -> Option<Self> {
        Some(number as f64)
    }

    fn signed(number: i64) -> Option<Self> {
        Some(number as f64)
    }

    fn double(number: f64) -> Option<Self> {
        Some(number)
    }
}

struct NumberVisitor<N>(PhantomData<N>);

impl<N: Written> Visitor<'_> for NumberVisitor<N> {
    type Value = Number<N>;

    fn expecting(&self, formatter: &mut Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}, or one in a text", std::any::type_name::<N>())
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Number<N>, E> {
        let wrong = || E::invalid_value(Unexpected::Unsigned(number), &self);
        N::unsigned(number).map(Number).ok_or_else(wrong)
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Number<N>, E> {
        let wrong = || E::invalid_value(Unexpected::Signed(number), &self);
        N::signed(number).map(Number).ok_or_else(wrong)
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Number<N>, E> {
        let wrong = || E::invalid_value(Unexpected::Float(number), &self);
        N::double(number).map(Number).ok_or_else(wrong)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Number<N>, E> {
        text.parse().map(Number).map_err(E::custom)
    }
}

impl<'de, N: Written> Deserialize<'de> for Number<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NumberVisitor(PhantomData))
    }
}
