//! Samples of one series by themselves, between two cuts: full blocks coded, the open one as it came.
//! Promises the order of arrival, and every bit of a sample. A block that its range does not touch is not decoded.

use agent_model::Sample;

use crate::chunk::{timestamps, values};
use crate::select::TimeRange;

/// Samples of a block: long enough that a counter takes a quarter of its plain size, short enough that many series with
/// an open block each take little.
pub(crate) const BLOCK_SAMPLES: usize = 32;

#[derive(Debug, Default)]
pub(crate) struct Loose {
    blocks: Vec<Block>,
    open: Vec<Sample>,
}

#[derive(Clone, Debug)]
struct Block {
    min_ms: i64,
    max_ms: i64,
    /// Times, then values.
    bytes: Box<[u8]>,
    values_at: u32,
    samples: u32,
}

impl Loose {
    pub(crate) fn is_empty(&self) -> bool {
        self.blocks.is_empty() && self.open.is_empty()
    }

    pub(crate) fn push(&mut self, sample: Sample) {
        self.open.push(sample);
        if self.open.len() >= BLOCK_SAMPLES
            && let Some(block) = Block::encode(&self.open)
        {
            self.blocks.push(block);
            self.open.clear();
        }
    }

    /// Adds the samples within the range, in order of arrival.
    pub(crate) fn read(&self, range: &TimeRange, out: &mut Vec<Sample>) {
        let coded: usize = self.near(range).map(|block| block.samples as usize).sum();
        out.reserve(coded + self.open.len());
        for block in self.near(range) {
            block.read(range, out);
        }
        out.extend(self.open.iter().filter(|sample| range.contains(&sample.timestamp_ms)));
    }

    /// What [`Loose::read`] needs for this range, still coded.
    pub(crate) fn copy(&self, range: &TimeRange) -> Self {
        let open = self.open.iter().filter(|sample| range.contains(&sample.timestamp_ms));
        Self { blocks: self.near(range).cloned().collect(), open: open.copied().collect() }
    }

    /// How many samples there are.
    pub(crate) fn len(&self) -> usize {
        self.blocks.iter().map(|block| block.samples as usize).sum::<usize>() + self.open.len()
    }

    /// How many samples of a copy lie in its range for certain: those of a block that reaches out of it are not counted.
    pub(crate) fn certain(&self, range: &TimeRange) -> usize {
        let whole = self.blocks.iter().filter(|block| block.within(range));
        whole.map(|block| block.samples as usize).sum::<usize>() + self.open.len()
    }

    fn near(&self, range: &TimeRange) -> impl Iterator<Item = &Block> {
        let (from, to) = (*range.start(), *range.end());
        self.blocks.iter().filter(move |block| block.max_ms >= from && block.min_ms <= to)
    }
}

impl Block {
    /// None would keep the samples open: so few are never given to the code that can fail.
    fn encode(samples: &[Sample]) -> Option<Self> {
        let times: Vec<i64> = samples.iter().map(|sample| sample.timestamp_ms).collect();
        let values: Vec<f64> = samples.iter().map(|sample| sample.value).collect();
        let mut bytes = timestamps::encode(&times).ok()?;
        let values_at = u32::try_from(bytes.len()).ok()?;
        bytes.extend_from_slice(&values::encode(&values).ok()?);
        Some(Self {
            min_ms: times.iter().copied().min()?,
            max_ms: times.iter().copied().max()?,
            bytes: bytes.into_boxed_slice(),
            values_at,
            samples: u32::try_from(samples.len()).ok()?,
        })
    }

    fn within(&self, range: &TimeRange) -> bool {
        range.contains(&self.min_ms) && range.contains(&self.max_ms)
    }

    fn read(&self, range: &TimeRange, out: &mut Vec<Sample>) {
        let (mut times, mut values) = ([0; BLOCK_SAMPLES], [0.0; BLOCK_SAMPLES]);
        let count = (self.samples as usize).min(BLOCK_SAMPLES);
        let (times, values) = (&mut times[..count], &mut values[..count]);
        let (coded_times, coded_values) = self.bytes.split_at(self.values_at as usize);
        let decoded = timestamps::decode(coded_times, times);
        if let Err(reason) = decoded.and_then(|()| values::decode(coded_values, values)) {
            // What was encoded here a moment ago decodes, unless the machine's memory is failing.
            tracing::error!(reason, count, "samples in memory are damaged");
            return;
        }
        let pairs = times.iter().zip(values.iter());
        let samples = pairs.map(|(time, value)| Sample { timestamp_ms: *time, value: *value });
        if self.within(range) {
            out.extend(samples);
        } else {
            out.extend(samples.filter(|sample| range.contains(&sample.timestamp_ms)));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn value() -> impl Strategy<Value = f64> {
        prop_oneof![any::<u64>().prop_map(f64::from_bits), (0..50i32).prop_map(f64::from)]
    }

    fn time() -> impl Strategy<Value = i64> {
        prop_oneof![any::<i64>(), (0..200i64).prop_map(|at| at * 15_000)]
    }

    fn bits(samples: &[Sample]) -> Vec<(i64, u64)> {
        samples.iter().map(|sample| (sample.timestamp_ms, sample.value.to_bits())).collect()
    }

    proptest! {
        #[test]
        fn every_bit_comes_back_in_order_of_arrival(
            samples in vec((time(), value()), 0..BLOCK_SAMPLES * 3 + 2),
            bounds in (time(), time()),
        ) {
            let mut loose = Loose::default();
            let samples: Vec<_> = samples
                .into_iter()
                .map(|(timestamp_ms, value)| Sample { timestamp_ms, value })
                .collect();
            samples.iter().for_each(|sample| loose.push(*sample));
            prop_assert_eq!(loose.is_empty(), samples.is_empty());
            for range in [i64::MIN..=i64::MAX, bounds.0..=bounds.1] {
                let mut read = Vec::new();
                let copy = loose.copy(&range);
                prop_assert!(copy.certain(&range) <= copy.len());
                copy.read(&range, &mut read);
                prop_assert!(copy.certain(&range) <= read.len() && read.len() <= copy.len());
                prop_assert_eq!(bits(&read), {
                    let mut same = Vec::new();
                    loose.read(&range, &mut same);
                    bits(&same)
                });
                let mut expected = samples.clone();
                expected.retain(|sample| range.contains(&sample.timestamp_ms));
                prop_assert_eq!(bits(&read), bits(&expected));
            }
        }
    }

    #[test]
    fn a_counter_takes_a_quarter_of_its_plain_size() {
        let mut loose = Loose::default();
        for at in 0..i32::try_from(BLOCK_SAMPLES).unwrap() * 30 {
            loose.push(Sample {
                timestamp_ms: i64::from(at) * 15_000,
                value: f64::from(at * 1_500 + at % 7),
            });
        }
        assert!(loose.open.is_empty());
        let coded: usize =
            loose.blocks.iter().map(|block| size_of::<Block>() + block.bytes.len()).sum();
        assert!(coded * 4 <= loose.blocks.len() * BLOCK_SAMPLES * size_of::<Sample>(), "{coded}");
    }
}
