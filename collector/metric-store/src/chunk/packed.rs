//! Whole numbers in as many bits each as the widest of them needs: the numbers themselves, or their steps, above the least.
//!
//! `bits of a number, and 128 for steps | the least (signed varint) | of steps the first number (signed varint) | bits, the low
//! ones first`. What would need more than 56 bits is left to others.

use super::{Decoded, varint};

const STEPS: u8 = 0x80;
const BITS_MAX: u32 = 56;

/// Adds the shorter of both ways to `out`; false when neither can be.
pub(crate) fn encode(whole: &[i64], out: &mut Vec<u8>) -> bool {
    let Some((first, _)) = whole.split_first() else { return false };
    let steps: Vec<i64> = whole.windows(2).map(|pair| pair[1].wrapping_sub(pair[0])).collect();
    let (plain, stepped) = (Frame::of(whole), Frame::of(&steps));
    let bits = |frame: &Frame| frame.bits as usize * whole.len();
    if stepped.bits <= BITS_MAX && bits(&stepped) <= bits(&plain) {
        out.push(stepped.shape() | STEPS);
        varint::put_signed(out, stepped.least);
        varint::put_signed(out, *first);
        stepped.put(&steps, out);
    } else if plain.bits <= BITS_MAX {
        out.push(plain.shape());
        varint::put_signed(out, plain.least);
        plain.put(whole, out);
    } else {
        return false;
    }
    true
}

pub(crate) fn decode(mut bytes: &[u8], count: usize) -> Decoded<Vec<i64>> {
    let (shape, rest) = bytes.split_first().ok_or("numbers are cut short")?;
    bytes = rest;
    let bits = u32::from(shape & !STEPS);
    if bits > BITS_MAX {
        return Err("numbers are too wide");
    }
    let least = varint::take_signed(&mut bytes)?;
    if shape & STEPS == 0 {
        return take(bytes, Frame { least, bits }, count);
    }
    let mut number = varint::take_signed(&mut bytes)?;
    let mut numbers = take(bytes, Frame { least, bits }, count.saturating_sub(1))?;
    numbers.insert(0, 0);
    for (at, place) in numbers.iter_mut().enumerate() {
        number = if at == 0 { number } else { number.wrapping_add(*place) };
        *place = number;
    }
    Ok(numbers)
}

struct Frame {
    least: i64,
    bits: u32,
}

impl Frame {
    fn of(numbers: &[i64]) -> Self {
        let least = numbers.iter().copied().min().unwrap_or(0);
        let greatest = numbers.iter().copied().max().unwrap_or(0);
        let span = greatest.wrapping_sub(least).cast_unsigned();
        Self { least, bits: u64::BITS - span.leading_zeros() }
    }

    fn shape(&self) -> u8 {
        // No more than 64.
        u8::try_from(self.bits).unwrap_or_default()
    }

    fn put(&self, numbers: &[i64], out: &mut Vec<u8>) {
        let (mut waiting, mut filled) = (0u64, 0);
        for number in numbers {
            waiting |= number.wrapping_sub(self.least).cast_unsigned() << filled;
            filled += self.bits;
            while filled >= u8::BITS {
                let [low, ..] = waiting.to_le_bytes();
                out.push(low);
                waiting >>= u8::BITS;
                filled -= u8::BITS;
            }
        }
        if filled > 0 {
            let [low, ..] = waiting.to_le_bytes();
            out.push(low);
        }
    }
}

fn take(bytes: &[u8], frame: Frame, count: usize) -> Decoded<Vec<i64>> {
    let mut bytes = bytes.iter();
    let (mut waiting, mut filled) = (0u64, 0);
    let next = |_| {
        while filled < frame.bits {
            let byte = bytes.next().ok_or("numbers are cut short")?;
            waiting |= u64::from(*byte) << filled;
            filled += u8::BITS;
        }
        let above = waiting & ((1 << frame.bits) - 1);
        waiting >>= frame.bits;
        filled -= frame.bits;
        Ok(frame.least.wrapping_add(above.cast_signed()))
    };
    (0..count).map(next).collect()
}
