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

/// As many numbers as there is room in `out`, each as `finish` makes it.
pub(crate) fn decode(
    mut bytes: &[u8],
    out: &mut [f64],
    finish: impl Fn(i64) -> f64,
) -> Decoded<()> {
    let (shape, rest) = bytes.split_first().ok_or("numbers are cut short")?;
    bytes = rest;
    let bits = u32::from(shape & !STEPS);
    if bits > BITS_MAX {
        return Err("numbers are too wide");
    }
    let least = varint::take_signed(&mut bytes)?;
    let frame = Frame { least, bits };
    if shape & STEPS == 0 {
        return frame.take(bytes, out, |place, number| *place = finish(number));
    }
    let mut number = varint::take_signed(&mut bytes)?;
    let Some((first, others)) = out.split_first_mut() else { return Ok(()) };
    *first = finish(number);
    frame.take(bytes, others, |place, step| {
        number = number.wrapping_add(step);
        *place = finish(number);
    })
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

    /// Gives `put` a number for each place.
    fn take(
        &self,
        bytes: &[u8],
        places: &mut [f64],
        mut put: impl FnMut(&mut f64, i64),
    ) -> Decoded<()> {
        if (self.bits as usize * places.len()).div_ceil(8) > bytes.len() {
            return Err("numbers are cut short");
        }
        let mask = (1u64 << self.bits) - 1;
        let mut bit = 0;
        for place in places {
            // A number begins within the first byte, so eight bytes hold its 56 bits.
            let above = word(bytes, bit / 8) >> (bit % 8) & mask;
            put(place, self.least.wrapping_add(above.cast_signed()));
            bit += self.bits as usize;
        }
        Ok(())
    }
}

/// The eight bytes from here on; behind the end zeros.
fn word(bytes: &[u8], at: usize) -> u64 {
    let rest = bytes.get(at..).unwrap_or_default();
    if let Some(all) = rest.first_chunk() {
        return u64::from_le_bytes(*all);
    }
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    u64::from_le_bytes(last)
}
