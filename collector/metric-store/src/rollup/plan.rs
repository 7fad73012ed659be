//! Decides, from what is there: which days are to be rolled up, which parts need not be kept for it any longer, which
//! files become one. Pure.

use std::sync::Arc;

use super::{DAY_MS, RollupPart, Rollups, day_of};
use crate::deletions::Deletions;
use crate::part::Part;

/// Days of one file, level by level: a file is deleted whole, so the longest is what it may overstay.
const LEVEL_DAYS: [i64; 3] = [1, 8, 32];

/// What the settings ask for at one time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Needs {
    /// Days from here on are kept as roll-ups …
    from_day: i64,
    /// … and those before this one are due.
    due_day: i64,
    /// Samples before this are no longer kept.
    samples_from_ms: i64,
}

impl Needs {
    /// `settled_ms` is the age from which on nothing is expected to come any more.
    pub(crate) fn new(now_ms: i64, samples_ms: i64, settled_ms: i64, rollups_ms: i64) -> Self {
        let before = |age_ms: i64| now_ms.saturating_sub(age_ms);
        let due_day = before(settled_ms.min(samples_ms)).div_euclid(DAY_MS);
        // Roll-ups that would not outlive their samples are not made.
        let from_day = if rollups_ms > samples_ms { day_of(before(rollups_ms)) } else { i64::MAX };
        Self { from_day, due_day, samples_from_ms: before(samples_ms) }
    }

    /// Whether a file has nothing left that is to be kept.
    pub(crate) fn expired(&self, rollups: &RollupPart, now_ms: i64, rollups_ms: i64) -> bool {
        *rollups.name.range().end() < now_ms.saturating_sub(rollups_ms)
    }

    /// None of a part without samples.
    fn days_of(&self, part: &Part) -> std::ops::RangeInclusive<i64> {
        day_of(part.meta.min_ms).max(self.from_day)..=day_of(part.meta.max_ms)
    }
}

/// Days to be rolled up, the oldest first, at most `limit`: those without roll-ups, and those of which data came late or
/// was deleted.
pub(crate) fn due(
    needs: &Needs,
    parts: &[Arc<Part>],
    rollups: &Rollups,
    deletions: &Deletions,
    limit: usize,
) -> Vec<i64> {
    let mut days: Vec<i64> = Vec::new();
    for part in parts {
        let until = needs.due_day.saturating_sub(1).min(*needs.days_of(part).end());
        for day in *needs.days_of(part).start()..=until {
            let wanted = match rollups.of_day(day) {
                None => true,
                Some(known) => {
                    let changed = !known.includes(part) || !deletions.of_rollups(known).is_empty();
                    changed && known.has_all_samples(parts)
                }
            };
            if wanted {
                days.push(day);
            }
        }
    }
    days.sort_unstable();
    days.dedup();
    days.truncate(limit);
    days
}

/// Parts that are too old and whose days are rolled up, of all parts in order of sequence; and of those, how many hold
/// something that came when its day could not be rolled up anew. The newest part stays whatever its age: it carries
/// the journal position.
pub(crate) fn unneeded(
    needs: &Needs,
    parts: &[Arc<Part>],
    rollups: &Rollups,
) -> (Vec<Arc<Part>>, u64) {
    let Some((_, older)) = parts.split_last() else { return (Vec::new(), 0) };
    let (mut gone, mut too_late) = (Vec::new(), 0);
    for part in older.iter().filter(|part| part.meta.max_ms < needs.samples_from_ms) {
        let mut late = false;
        let rolled_up = needs.days_of(part).all(|day| {
            rollups.of_day(day).is_some_and(|known| {
                late |= !known.includes(part);
                known.is_final(parts)
            })
        });
        if rolled_up {
            gone.push(Arc::clone(part));
            too_late += u64::from(late);
        }
    }
    (gone, too_late)
}

/// The next files to put together: all of one stretch of the next level's length, once nothing of it can change.
pub(crate) fn merge_run<'a>(
    needs: &Needs,
    parts: &[Arc<Part>],
    rollups: &'a Rollups,
) -> Option<&'a [Arc<RollupPart>]> {
    let all = rollups.all.as_slice();
    for (level, days) in (0u8..).zip(LEVEL_DAYS.iter().skip(1)) {
        let stretch = |one: &RollupPart| one.name.from_day.div_euclid(*days);
        let runs = all.chunk_by(|one, next| stretch(one) == stretch(next));
        for run in runs.filter(|run| run.len() > 1) {
            let (first, last) = (stretch(&run[0]) * days, (stretch(&run[0]) + 1) * days);
            let range = super::day_range(first, last);
            let fits = run.iter().all(|one| {
                let part = &one.part;
                part.meta.level <= level && one.name.to_day <= last && part.damaged_blocks() == 0
            });
            // Without a sample of it left nothing rewrites a day.
            let settled = *range.end() < needs.samples_from_ms
                && !parts.iter().any(|part| part.overlaps(&range));
            if fits && settled {
                return Some(run);
            }
        }
    }
    None
}
