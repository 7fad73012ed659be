//! A file of roll-ups: named by its days, shaped as a part is.

use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use agent_model::{ROLLUP_SAMPLES, Rollup};

use super::{Cuts, columns, day_range};
use crate::MetricStoreError;
use crate::chunk::{Decoded, varint};
use crate::deletions::Hidden;
use crate::part::{Kind, Part, ReadBudget, Row, TimesCache, block};
use crate::select::TimeRange;

const EXTENSION: &str = "rollup";

/// From a day up to another that is not in it; of the same days the higher revision counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RollupName {
    pub(crate) from_day: i64,
    pub(crate) to_day: i64,
    pub(crate) revision: u64,
}

impl RollupName {
    pub(crate) fn path(self, directory: &Path) -> PathBuf {
        let Self { from_day, to_day, revision } = self;
        directory.join(format!("days-{from_day:06}-{to_day:06}-{revision}.{EXTENSION}"))
    }

    pub(crate) fn parse(path: &Path) -> Option<Self> {
        if path.extension()? != EXTENSION {
            return None;
        }
        let mut fields = path.file_stem()?.to_str()?.strip_prefix("days-")?.split('-');
        let (from_day, to_day) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
        let revision = fields.next()?.parse().ok()?;
        fields.next().is_none().then_some(Self { from_day, to_day, revision })
    }

    /// Whether a file of this name stands in the place of `other`.
    pub(crate) fn covers(self, other: Self) -> bool {
        self.from_day <= other.from_day && other.to_day <= self.to_day
    }

    pub(crate) fn range(self) -> TimeRange {
        day_range(self.from_day, self.to_day)
    }
}

#[derive(Debug)]
pub(crate) struct RollupPart {
    pub(crate) name: RollupName,
    /// The cuts that it was made from, in order; none once several days were put together, whose samples are gone.
    pub(crate) inputs: Option<Vec<Cuts>>,
    /// Written without what the deletions up to this one hide.
    pub(crate) cleaned: u64,
    pub(crate) part: Part,
}

impl RollupPart {
    pub(crate) fn open(path: &Path, name: RollupName) -> Result<Self, MetricStoreError> {
        let (part, extra) = Part::open_kind(path, Kind::Rollups)?;
        let (inputs, cleaned) = part.sound(decode_inputs(&extra))?;
        Ok(Self { name, inputs, cleaned, part })
    }

    /// Whether every part that it was made from is still there and not known to have lost anything. `parts` in order.
    pub(crate) fn has_all_samples(&self, parts: &[Arc<Part>]) -> bool {
        let Some(inputs) = &self.inputs else { return false };
        inputs.iter().all(|wanted| {
            let mut next = wanted.first;
            for part in parts.iter().filter(|part| part.is_whole()) {
                let cuts = Cuts::of(&part.meta);
                if cuts.first <= next && next <= cuts.last {
                    next = cuts.last.saturating_add(1);
                }
            }
            next > wanted.last
        })
    }

    /// Whether it knows what this part holds of its days.
    pub(crate) fn includes(&self, part: &Part) -> bool {
        let cuts = Cuts::of(&part.meta);
        let inputs = self.inputs.as_deref().unwrap_or_default();
        !part.overlaps(&self.name.range()) || inputs.iter().any(|input| input.holds(cuts))
    }

    /// Adds every roll-up of one series that no deletion hides.
    pub(crate) fn read_visible(
        &self,
        row: &Row,
        hidden: &Hidden<'_>,
        times: &mut TimesCache,
        out: &mut Vec<Rollup>,
    ) -> Result<(), MetricStoreError> {
        let before = out.len();
        self.read_series(row, times, out)?;
        hidden.hide_rollups(row.slot, before, out);
        Ok(())
    }

    /// Whether it knows all that is there of its days, or all that it ever can: without all samples it stays as it is.
    pub(crate) fn is_final(&self, parts: &[Arc<Part>]) -> bool {
        parts.iter().all(|part| self.includes(part)) || !self.has_all_samples(parts)
    }

    /// Adds the roll-ups of a block that reach into the range; nothing of a damaged one.
    pub(crate) fn read(
        &self,
        block: &[u8],
        range: &TimeRange,
        times: &mut TimesCache,
        budget: &ReadBudget,
        out: &mut Vec<Rollup>,
    ) -> Result<(), MetricStoreError> {
        let mut rows = Vec::new();
        self.read_block(block, range, times, &mut rows)?;
        budget.spend(rows.len().saturating_mul(ROLLUP_SAMPLES))?;
        out.append(&mut rows);
        Ok(())
    }

    /// Adds every roll-up of one series; damage is an error. `times` is for this file alone.
    pub(crate) fn read_series(
        &self,
        row: &Row,
        times: &mut TimesCache,
        out: &mut Vec<Rollup>,
    ) -> Result<(), MetricStoreError> {
        let block = self.part.block(row);
        let read =
            block.and_then(|block| self.read_block(&block, &(i64::MIN..=i64::MAX), times, out));
        self.part.note(row, read)
    }

    fn read_block(
        &self,
        block: &[u8],
        range: &TimeRange,
        times: &mut TimesCache,
        out: &mut Vec<Rollup>,
    ) -> Result<(), MetricStoreError> {
        let part = &self.part;
        let content = part.sound(block::unseal(block))?;
        for chunk in part.sound(block::decode(content))? {
            if chunk.last_ms < *range.start() || chunk.first_ms > *range.end() {
                continue;
            }
            let last_times = part.times(chunk.times, chunk.samples, times)?;
            let mut values = chunk.values;
            let first_place = part.sound(columns::first_times(&mut values))?;
            let first_times: Rc<Vec<i64>> = part.times(first_place, chunk.samples, times)?;
            let before = out.len();
            part.sound(columns::decode(values, &first_times, &last_times, out))?;
            let reaches_in = |row: &Rollup| {
                row.ended_ms.unwrap_or(row.last_ms) >= *range.start()
                    && row.first_ms <= *range.end()
            };
            let mut at = 0;
            out.retain(|row| {
                at += 1;
                at <= before || reaches_in(row)
            });
        }
        Ok(())
    }
}

/// `whether the cuts are known | their number, per run: first (as a step), length | the newest deletion that was applied`;
/// files from before there were deletions end without the last.
pub(crate) fn encode_inputs(inputs: Option<&[Cuts]>, cleaned: u64) -> Vec<u8> {
    let mut out = Vec::new();
    varint::put(&mut out, u64::from(inputs.is_some()));
    let inputs = inputs.unwrap_or_default();
    varint::put(&mut out, inputs.len() as u64);
    let mut end = 0;
    for cuts in inputs {
        varint::put(&mut out, cuts.first.saturating_sub(end));
        varint::put(&mut out, cuts.last.saturating_sub(cuts.first));
        end = cuts.last;
    }
    varint::put(&mut out, cleaned);
    out
}

fn decode_inputs(mut bytes: &[u8]) -> Decoded<(Option<Vec<Cuts>>, u64)> {
    let bytes = &mut bytes;
    let known = varint::take(bytes)? == 1;
    let mut inputs = Vec::new();
    let mut end = 0u64;
    for _ in 0..varint::take_length(bytes)? {
        let first = end.checked_add(varint::take(bytes)?).ok_or("a cut is too large")?;
        let last = first.checked_add(varint::take(bytes)?).ok_or("a cut is too large")?;
        inputs.push(Cuts { first, last });
        end = last;
    }
    let cleaned = if bytes.is_empty() { 0 } else { varint::take(bytes)? };
    Ok((known.then_some(inputs), cleaned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_cuts_come_back() {
        let name = RollupName { from_day: 20_400, to_day: 20_408, revision: 3 };
        assert_eq!(RollupName::parse(&name.path(Path::new("/x"))), Some(name));
        assert_eq!(RollupName::parse(Path::new("/x/days-1-2-3.part")), None);
        assert_eq!(RollupName::parse(Path::new("/x/days-1-2-3-4.rollup")), None);
        let cuts = [Cuts { first: 3, last: 3 }, Cuts { first: 9, last: 300 }];
        for inputs in [None, Some(&cuts[..]), Some(&[])] {
            let bytes = encode_inputs(inputs, 300);
            let (found, cleaned) = decode_inputs(&bytes).unwrap();
            assert_eq!((found.as_deref(), cleaned), (inputs, 300));
            // As before there were deletions.
            let (found, cleaned) = decode_inputs(&bytes[..bytes.len() - 2]).unwrap();
            assert_eq!((found.as_deref(), cleaned), (inputs, 0));
        }
    }
}
