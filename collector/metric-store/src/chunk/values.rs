//! Values of a chunk, by what they are: constant, whole numbers (counters, bytes), decimals of few places, or any floats.
//! Fresh, short chunks take byte codes; long ones pco, which also finds decimals and multiples.

use pco::data_types::Number;
use pco::standalone::simple_compress;

use super::{CHUNK_SAMPLES_MAX, Decoded, PCO_SAMPLES_MIN, packed, unpack, varint};
use crate::MetricStoreError;

const CONSTANT: u8 = 0;
const WHOLE_STEPS: u8 = 1;
const XOR_BYTES: u8 = 2;
const WHOLE_PCO: u8 = 3;
const FLOAT_PCO: u8 = 4;
const DECIMAL_STEPS: u8 = 5;
/// Whole or decimal numbers, bit by bit.
const PACKED: u8 = 6;

/// Powers of ten, each exact: what is measured has few places, and more of them would make long numbers of short ones.
const POWERS: [f64; 7] = [1.0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6];

/// Every whole number up to here is an exact `f64`, and so is every difference of two.
const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;

/// At least one value.
pub(crate) fn encode(values: &[f64]) -> Result<Vec<u8>, MetricStoreError> {
    encode_lasting(values, PCO_SAMPLES_MIN)
}

/// As [`encode`]; from `pco_min` values on the dearer code.
pub(crate) fn encode_lasting(values: &[f64], pco_min: usize) -> Result<Vec<u8>, MetricStoreError> {
    let Some(first) = values.first() else { return Ok(Vec::new()) };
    if values.iter().all(|value| value.to_bits() == first.to_bits()) {
        let mut out = vec![CONSTANT];
        out.extend_from_slice(&first.to_le_bytes());
        return Ok(out);
    }
    match whole_numbers(values) {
        Some(whole) if values.len() < pco_min => Ok(encode_short(vec![WHOLE_STEPS], 0, &whole)),
        Some(whole) => pack(WHOLE_PCO, &whole),
        None if values.len() < pco_min => Ok(encode_decimals(values)),
        None => pack(FLOAT_PCO, values),
    }
}

fn pack<T: Number>(code: u8, numbers: &[T]) -> Result<Vec<u8>, MetricStoreError> {
    let packed = simple_compress(numbers, &pco::ChunkConfig::default())
        .map_err(|error| MetricStoreError::Encode { reason: error.to_string() })?;
    Ok([vec![code], packed].concat())
}

fn whole_numbers(values: &[f64]) -> Option<Vec<i64>> {
    values.iter().map(|value| whole_number(*value)).collect()
}

#[allow(clippy::cast_possible_truncation, reason = "checked to be whole and within 2^53 before")]
fn whole_number(value: f64) -> Option<i64> {
    let whole = value.trunc() == value && value.abs() <= WHOLE_MAX;
    // Negative zero is not the whole number 0: its sign would be lost.
    (whole && (value != 0.0 || value.is_sign_positive())).then_some(value as i64)
}

#[allow(clippy::cast_precision_loss, reason = "the encoder only takes whole numbers within 2^53")]
fn from_whole(number: i64) -> f64 {
    number as f64
}

/// In bits, or in bytes where a few numbers are much wider than the others.
fn encode_short(head: Vec<u8>, places: u8, whole: &[i64]) -> Vec<u8> {
    let steps = encode_steps(head, whole);
    let mut bits = vec![PACKED, places];
    let packed = packed::encode(whole, &mut bits);
    if packed && bits.len() < steps.len() { bits } else { steps }
}

fn encode_steps(mut out: Vec<u8>, whole: &[i64]) -> Vec<u8> {
    let mut previous = 0;
    for number in whole {
        varint::put_signed(&mut out, number - previous);
        previous = *number;
    }
    out
}

/// `places, steps of the values as whole numbers of their last place`; of what has no few places the bytes that differ.
fn encode_decimals(values: &[f64]) -> Vec<u8> {
    let places = (1u8..).zip(&POWERS[1..]);
    let mut fitting = places.skip_while(|(_, power)| {
        values.first().is_some_and(|first| scaled(*first, **power).is_none())
    });
    let whole = fitting.find_map(|(places, power)| {
        let whole: Option<Vec<i64>> = values.iter().map(|value| scaled(*value, *power)).collect();
        Some((places, whole?))
    });
    match whole {
        Some((places, whole)) => encode_short(vec![DECIMAL_STEPS, places], places, &whole),
        None => encode_xor(values),
    }
}

/// The whole number that gives this value back to the bit when divided by the power.
fn scaled(value: f64, power: f64) -> Option<i64> {
    let whole = (value * power).round();
    (value.to_bits() == (whole / power).to_bits()).then(|| whole_number(whole)).flatten()
}

/// Per value one byte (leading zero bytes, count of bytes) and the bytes that differ from the value before.
fn encode_xor(values: &[f64]) -> Vec<u8> {
    let mut out = vec![XOR_BYTES];
    let mut previous = 0;
    for value in values {
        let bits = value.to_bits();
        let changed = (bits ^ previous).to_be_bytes();
        previous = bits;
        let leading = changed.iter().take_while(|byte| **byte == 0).count();
        let trailing = changed.iter().rev().take_while(|byte| **byte == 0).count();
        let kept = changed.get(leading..8 - trailing).unwrap_or_default();
        out.push(u8::try_from(leading << 4 | kept.len()).unwrap_or_default());
        out.extend_from_slice(kept);
    }
    out
}

/// As many values as there is room in `out`, which is what the chunk's directory tells.
pub(crate) fn decode(bytes: &[u8], out: &mut [f64]) -> Decoded<()> {
    let (code, rest) = bytes.split_first().ok_or("values are empty")?;
    match *code {
        CONSTANT => {
            let value = rest.first_chunk().ok_or("a constant is cut short")?;
            out.fill(f64::from_le_bytes(*value));
            Ok(())
        }
        WHOLE_STEPS => decode_steps(rest, 1.0, out),
        DECIMAL_STEPS => {
            let (places, steps) = rest.split_first().ok_or("decimals are cut short")?;
            decode_steps(steps, power(*places)?, out)
        }
        PACKED => {
            let (places, numbers) = rest.split_first().ok_or("numbers are cut short")?;
            let power = power(*places)?;
            // Divided by one a number stays what it is.
            packed::decode(numbers, out, |whole| from_whole(whole) / power)
        }
        XOR_BYTES => decode_xor(rest, out),
        WHOLE_PCO => {
            let mut whole = [0i64; CHUNK_SAMPLES_MAX];
            let whole = whole.get_mut(..out.len()).ok_or("values are too many")?;
            unpack(rest, whole)?;
            out.iter_mut().zip(whole).for_each(|(place, whole)| *place = from_whole(*whole));
            Ok(())
        }
        FLOAT_PCO => unpack(rest, out),
        _ => Err("values have an unknown code"),
    }
}

fn power(places: u8) -> Decoded<f64> {
    POWERS.get(usize::from(places)).copied().ok_or("decimals have too many places")
}

fn decode_steps(mut bytes: &[u8], power: f64, out: &mut [f64]) -> Decoded<()> {
    let mut number = 0i64;
    for place in out {
        number = number.wrapping_add(varint::take_signed(&mut bytes)?);
        *place = from_whole(number) / power;
    }
    Ok(())
}

fn decode_xor(mut bytes: &[u8], out: &mut [f64]) -> Decoded<()> {
    let mut bits = 0u64;
    for place in out {
        let [shape] = varint::take_bytes(&mut bytes, 1)? else {
            return Err("a value is cut short");
        };
        let (leading, length) = (usize::from(shape >> 4), usize::from(shape & 15));
        let mut changed = [0; 8];
        let kept = changed.get_mut(leading..leading + length).ok_or("a value is too long")?;
        kept.copy_from_slice(varint::take_bytes(&mut bytes, length)?);
        bits ^= u64::from_be_bytes(changed);
        *place = f64::from_bits(bits);
    }
    Ok(())
}
