//! Codes for runs of samples: times and values apart, so that series sampled together share their times.
//! Every code is lossless to the bit, NaN payloads included. Integrity (CRC) is the part's business.

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

#[cfg(test)]
mod tests;
