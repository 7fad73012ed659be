//! Fields of a protobuf message, in place (protobuf.dev/programming-guides/encoding).
//! A generated decoder would copy every label of every series; this one lends slices of the message.

use crate::RemoteWriteError;

/// What a field holds, by its wire type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'a [u8]),
    Fixed32(u32),
}

/// The rest of a message.
#[derive(Clone, Copy, Debug)]
pub struct Fields<'a>(pub &'a [u8]);

impl<'a> Fields<'a> {
    /// The next field's number and value.
    #[inline]
    #[allow(clippy::should_implement_trait, reason = "it may fail")]
    pub fn next(&mut self) -> Result<Option<(u32, Value<'a>)>, RemoteWriteError> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let key = self.varint()?;
        let number = u32::try_from(key >> 3).unwrap_or(0);
        if number == 0 {
            return Err(RemoteWriteError::Malformed("a field has no number"));
        }
        let value = match key & 7 {
            0 => Value::Varint(self.varint()?),
            1 => Value::Fixed64(u64::from_le_bytes(self.array()?)),
            2 => {
                let length = usize::try_from(self.varint()?).unwrap_or(usize::MAX);
                Value::Bytes(self.take(length)?)
            }
            5 => Value::Fixed32(u32::from_le_bytes(self.array()?)),
            _ => return Err(RemoteWriteError::Malformed("a field has an unknown wire type")),
        };
        Ok(Some((number, value)))
    }

    #[inline]
    /// A number that is no field of its own, in a packed list for example.
    pub fn varint(&mut self) -> Result<u64, RemoteWriteError> {
        let mut value = 0_u64;
        for (at, byte) in self.0.iter().enumerate().take(10) {
            value |= u64::from(byte & 0x7f) << (7 * at);
            if byte & 0x80 == 0 {
                self.0 = &self.0[at + 1..];
                return Ok(value);
            }
        }
        Err(RemoteWriteError::Malformed("a number has no end"))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], RemoteWriteError> {
        let (array, rest) = self.0.split_first_chunk().ok_or(TORN)?;
        self.0 = rest;
        Ok(*array)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], RemoteWriteError> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(TORN)?;
        self.0 = rest;
        Ok(taken)
    }
}

const TORN: RemoteWriteError = RemoteWriteError::Malformed("a field is longer than its message");

impl<'a> Value<'a> {
    /// A text, bytes or a message within.
    pub fn bytes(self) -> Result<&'a [u8], RemoteWriteError> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            _ => Err(RemoteWriteError::Malformed("a field has another wire type than its own")),
        }
    }
}

/// A sample of either version: a double in field 1, milliseconds in field 2.
#[inline]
pub fn sample(bytes: &[u8]) -> Result<agent_model::Sample, RemoteWriteError> {
    let (mut value, mut timestamp_ms) = (0.0, 0);
    let mut fields = Fields(bytes);
    while let Some(field) = fields.next()? {
        match field {
            (1, Value::Fixed64(bits)) => value = f64::from_bits(bits),
            (2, Value::Varint(ms)) => timestamp_ms = ms.cast_signed(),
            (1 | 2, _) => {
                return Err(RemoteWriteError::Malformed("a sample's field has a wrong wire type"));
            }
            _ => {}
        }
    }
    Ok(agent_model::Sample { timestamp_ms, value })
}
