//! Whether the newest copy is as large as its predecessors: a shrunken one lacks data, a swollen one may be encrypted.

use agent_model::CopyEntry;

/// Fewer copies than this have no usual size.
const COPIES_MIN: usize = 6;
/// A difference of less than this part of the usual size is nobody's business.
const PART_MIN: f64 = 0.3;
/// How many deviations away is unusual.
const DEVIATIONS: f64 = 5.0;
/// From the median absolute deviation to the standard deviation of a normal distribution.
const SCALE: f64 = 1.4826;

/// The newest copy beside the usual one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sizes {
    /// The newest size by the median of those before it.
    pub ratio: f64,
    pub unusual: bool,
}

impl Sizes {
    /// `entries` are the newest first; those without a size do not count.
    pub fn of(entries: &[CopyEntry]) -> Option<Self> {
        let sizes: Vec<f64> = entries.iter().filter_map(|entry| entry.bytes).map(float).collect();
        let (newest, before) = sizes.split_first()?;
        if before.len() + 1 < COPIES_MIN {
            return None;
        }
        let median = median(before.to_vec())?;
        let spread = self::median(before.iter().map(|size| (size - median).abs()).collect())?;
        let distance = (newest - median).abs();
        let unusual = distance > median * PART_MIN && distance > spread * SCALE * DEVIATIONS;
        (median > 0.0).then(|| Self { ratio: newest / median, unusual })
    }
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = values.get(middle)?;
    if values.len() % 2 == 1 {
        return Some(*upper);
    }
    Some(f64::midpoint(values[middle - 1], *upper))
}

#[allow(clippy::cast_precision_loss, reason = "a size in bytes; 53 bits are plenty")]
fn float(bytes: u64) -> f64 {
    bytes as f64
}
