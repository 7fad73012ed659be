//! The durable form of a push: what was taken of a request, for the journal.
//! Layout of the unpacked bytes: the number of series, for each the length of its label run and the number of its
//! samples (varints), all runs, all times (differences, zigzag varints), all values (eight bytes each, bit for bit).

use agent_model::Sample;

use crate::protobuf::Fields;
use crate::{Push, RemoteWriteError, limits};

/// zstd's quickest ordinary level: a tenth of a core at a million samples a second.
const LEVEL: i32 = 1;

impl Push {
    pub fn pack(&self) -> Result<Vec<u8>, RemoteWriteError> {
        let mut out = Vec::with_capacity(self.labels.len() + 10 * self.samples.len() + 64);
        varint(&mut out, self.ends.len() as u64);
        for series in self.series() {
            varint(&mut out, series.labels.len() as u64);
            varint(&mut out, series.samples.len() as u64);
        }
        out.extend_from_slice(&self.labels);
        let mut last_ms = 0_i64;
        for sample in &self.samples {
            varint(&mut out, zigzag(sample.timestamp_ms.wrapping_sub(last_ms)));
            last_ms = sample.timestamp_ms;
        }
        for sample in &self.samples {
            out.extend_from_slice(&sample.value.to_bits().to_le_bytes());
        }
        Ok(zstd::bulk::compress(&out, LEVEL)?)
    }

    pub fn unpack(packed: &[u8]) -> Result<Self, RemoteWriteError> {
        let bytes = zstd::bulk::decompress(packed, limits::UNPACKED_BYTES_MAX)?;
        let mut rest = Fields(&bytes);
        let mut push = Self::default();
        let (mut labels, mut samples) = (0, 0);
        for _ in 0..number(&mut rest)? {
            labels += number(&mut rest)?;
            samples += number(&mut rest)?;
            push.ends.push((labels, samples));
        }
        let (runs, after) = rest.0.split_at_checked(labels).ok_or(TORN)?;
        push.labels.extend_from_slice(runs);
        rest = Fields(after);
        let mut timestamp_ms = 0_i64;
        for _ in 0..samples {
            timestamp_ms = timestamp_ms.wrapping_add(unzigzag(rest.varint()?));
            push.samples.push(Sample { timestamp_ms, value: 0.0 });
        }
        let (values, _) = rest.0.as_chunks::<8>();
        if rest.0.len() != 8 * samples {
            return Err(TORN);
        }
        for (sample, bits) in push.samples.iter_mut().zip(values) {
            sample.value = f64::from_bits(u64::from_le_bytes(*bits));
        }
        Ok(push)
    }
}

const TORN: RemoteWriteError = RemoteWriteError::Packed("its lengths do not fit its bytes");

/// A length within the bounds of what was packed: nothing larger is ever reserved or summed.
fn number(rest: &mut Fields<'_>) -> Result<usize, RemoteWriteError> {
    let number = usize::try_from(rest.varint()?).unwrap_or(usize::MAX);
    if number > limits::UNPACKED_BYTES_MAX { Err(TORN) } else { Ok(number) }
}

/// Appends a number of protobuf's kind.
pub(crate) fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push((value & 0x7f) as u8);
}

fn zigzag(value: i64) -> u64 {
    (value.cast_unsigned() << 1) ^ (value >> 63).cast_unsigned()
}

fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}
