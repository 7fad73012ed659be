//! Variable-length integers (LEB128) and the zigzag map that keeps small negative numbers short.

use super::Decoded;

pub(crate) fn put(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push((value & 0x7f) as u8);
}

pub(crate) fn put_signed(out: &mut Vec<u8>, value: i64) {
    put(out, ((value << 1) ^ (value >> 63)).cast_unsigned());
}

/// Reads a value off the front of `bytes`.
pub(crate) fn take(bytes: &mut &[u8]) -> Decoded<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first().ok_or("a number is cut short")?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err("a number is too long")
}

pub(crate) fn take_signed(bytes: &mut &[u8]) -> Decoded<i64> {
    let value = take(bytes)?;
    Ok((value >> 1).cast_signed() ^ -((value & 1).cast_signed()))
}

/// A number that counts things in memory.
pub(crate) fn take_length(bytes: &mut &[u8]) -> Decoded<usize> {
    usize::try_from(take(bytes)?).map_err(|_| "a length does not fit")
}

/// The next `length` bytes.
pub(crate) fn take_bytes<'a>(bytes: &mut &'a [u8], length: usize) -> Decoded<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(length).ok_or("a field is cut short")?;
    *bytes = rest;
    Ok(taken)
}
