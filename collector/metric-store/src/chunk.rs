//! Codes for runs of samples: times and values apart, so that series sampled together share their times.
//! Every code is lossless to the bit, NaN payloads included. Integrity (CRC) is the part's business.

use pco::data_types::Number;
use pco::standalone::simple_decompress_into;

pub(crate) mod packed;
pub(crate) mod timestamps;
pub(crate) mod values;
pub(crate) mod varint;

/// Samples of one chunk: long enough for pco to earn its keep, short enough that reading minutes out of hours is cheap.
pub(crate) const CHUNK_SAMPLES_MAX: usize = 1024;

/// From here on pco's model pays for its header and its time: shorter chunks are merged again soon.
pub(crate) const PCO_SAMPLES_MIN: usize = 512;

/// The bytes are not what the encoder makes; the text says where.
pub(crate) type Decoded<T> = Result<T, &'static str>;

/// What pco packed: as many numbers as there is room in `out`, neither more nor less.
fn unpack<T: Number>(bytes: &[u8], out: &mut [T]) -> Decoded<()> {
    let done = simple_decompress_into(bytes, out).map_err(|_| "numbers do not unpack")?;
    let all = done.finished && done.n_processed == out.len();
    if all { Ok(()) } else { Err("numbers are too few or too many") }
}

#[cfg(test)]
mod tests;
