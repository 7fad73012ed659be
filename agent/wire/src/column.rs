//! The values of a column, as differences from the schema's base.
//!
//! Three runs of bytes, one after the other, because zstd packs likes beside likes best:
//! one tag per value, then a LEB128 varint for each `Integer`, then eight bytes for each `Bits`.
//! `Same`: the base's very bits. `Integer`: both are whole numbers of at most 2^53; zigzag of the difference.
//! `Bits`: anything else, its bits as they are, little-endian (so every NaN survives).

use crate::error::{WireError, invalid};

const SAME: u8 = 0;
const INTEGER: u8 = 1;
const BITS: u8 = 2;

/// The largest whole number up to which every whole number is an f64.
const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;

/// `values` and `base` are equally long; the caller made them from one schema.
pub(crate) fn encode(base: &[f64], values: &[f64]) -> Vec<u8> {
    let mut out = Vec::with_capacity(values.len() * 3);
    let mut integers = Vec::with_capacity(values.len() * 2);
    let mut bits = Vec::new();
    for (&base, &value) in base.iter().zip(values) {
        if base.to_bits() == value.to_bits() {
            out.push(SAME);
        } else if let (Some(base), Some(value)) = (whole(base), whole(value)) {
            out.push(INTEGER);
            prost::encoding::encode_varint(zigzag(value - base), &mut integers);
        } else {
            out.push(BITS);
            bits.extend_from_slice(&value.to_bits().to_le_bytes());
        }
    }
    out.extend_from_slice(&integers);
    out.extend_from_slice(&bits);
    out
}

pub(crate) fn decode(base: &[f64], bytes: &[u8]) -> Result<Vec<f64>, WireError> {
    let wrong = |reason: &str| invalid("a column", reason);
    if bytes.len() < base.len() {
        return Err(wrong("it has fewer values than its schema has series"));
    }
    let (tags, mut integers) = bytes.split_at(base.len());
    let bits_count = tags.iter().filter(|&&tag| tag == BITS).count();
    let bits_at = integers.len().checked_sub(bits_count * 8).ok_or_else(|| wrong("it is cut"))?;
    let mut bits = integers[bits_at..].chunks_exact(8);
    integers = &integers[..bits_at];
    let mut values = Vec::with_capacity(base.len());
    for (&tag, &base) in tags.iter().zip(base) {
        values.push(match tag {
            SAME => base,
            INTEGER => {
                let base = whole(base).ok_or_else(|| wrong("a difference from no whole number"))?;
                let difference = prost::encoding::decode_varint(&mut integers)
                    .map_err(|_| wrong("a difference is cut"))?;
                let value = base.checked_add(unzigzag(difference));
                float(value.ok_or_else(|| wrong("a difference overflows"))?)
            }
            BITS => {
                let eight = bits.next().and_then(|chunk| chunk.try_into().ok());
                f64::from_bits(u64::from_le_bytes(eight.ok_or_else(|| wrong("it is cut"))?))
            }
            other => return Err(wrong(&format!("unknown tag {other}"))),
        });
    }
    if integers.is_empty() { Ok(values) } else { Err(wrong("bytes are left over")) }
}

/// Negative zero is not whole here: it would come back as plain zero.
fn whole(value: f64) -> Option<i64> {
    let fits = value.fract() == 0.0 && value.abs() <= WHOLE_MAX;
    let negative_zero = value == 0.0 && value.is_sign_negative();
    #[allow(clippy::cast_possible_truncation, reason = "checked to be whole and within 2^53")]
    (fits && !negative_zero).then_some(value as i64)
}

#[allow(clippy::cast_precision_loss, reason = "sums of two numbers within 2^53 that made one such")]
fn float(value: i64) -> f64 {
    value as f64
}

fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}
