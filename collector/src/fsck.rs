//! `haidang-collector fsck`: what is damaged in the metric store of a stopped collector, in words, and whether it is sound.
//! Leaves to others: reading and repairing (the store).

use std::fmt::Write;
use std::path::Path;

use agent_model::Labels;
use collector_metric_store::MetricStoreError;
use collector_metric_store::fsck::{
    Checked, CheckedPart, CheckedRollups, PartState, RollupState, check,
};

use crate::config::Config;

/// Damaged series of one part that are named one by one; the others are counted.
const NAMED_SERIES_MAX: usize = 20;

/// Checks, and with `repair` saves what can be read. The text ends with a line feed.
pub fn run(config: &Config, repair: bool) -> Result<(String, bool), MetricStoreError> {
    let checked = check(&config.state_dir.join("metrics"), repair)?;
    Ok((text(&checked, repair), checked.is_sound()))
}

fn text(checked: &Checked, repair: bool) -> String {
    let mut text = String::new();
    let mut line = |content: std::fmt::Arguments<'_>| {
        // Writing to a string does not fail.
        writeln!(text, "{content}").ok();
    };
    if !checked.catalogue && !checked.parts.is_empty() {
        line(format_args!(
            "the catalogue of series is damaged or absent: the next start makes it anew from the parts"
        ));
    }
    checked.parts.iter().for_each(|part| describe(part, &mut line));
    checked.rollups.iter().for_each(|rollups| describe_rollups(rollups, &mut line));
    for (path, reason) in &checked.damaged_deletions {
        line(format_args!(
            "{}: {reason}; the next start sets this deletion of series aside, and what it hid is seen again: delete it anew",
            path.display()
        ));
    }
    for aside in &checked.aside {
        line(format_args!(
            "{}: set aside before; delete it when nothing of it is missed",
            aside.display()
        ));
    }
    let damaged =
        checked.parts.iter().filter(|part| !matches!(part.state, PartState::Sound)).count();
    let samples: u64 = checked.parts.iter().map(|part| part.samples).sum();
    line(format_args!(
        "{} parts, {samples} samples can be read, {damaged} parts damaged",
        checked.parts.len()
    ));
    if !checked.rollups.is_empty() {
        let sound = |one: &&CheckedRollups| matches!(one.state, RollupState::Sound);
        let (files, sound) = (checked.rollups.len(), checked.rollups.iter().filter(sound).count());
        let rows: u64 = checked.rollups.iter().map(|one| one.rollups).sum();
        line(format_args!(
            "{files} files of roll-ups, {rows} roll-ups can be read, {} files damaged",
            files - sound
        ));
    }
    if !checked.is_sound() && !repair {
        line(format_args!("run it again with --repair to keep what can be read of them"));
    }
    text
}

fn describe(part: &CheckedPart, line: &mut impl FnMut(std::fmt::Arguments<'_>)) {
    let path = part.path.display();
    match &part.state {
        PartState::Sound => {}
        PartState::Unreadable { reason, from_position, to_position } => line(format_args!(
            "{path}: {reason}; nothing of it can be read. It held the journal's records {} to {to_position}; the \
             next start sets it aside",
            from_position + 1
        )),
        PartState::Damaged { series, repaired } => {
            describe_series(&part.path, part.series, (series, *repaired), line);
        }
    }
}

fn describe_rollups(rollups: &CheckedRollups, line: &mut impl FnMut(std::fmt::Arguments<'_>)) {
    let CheckedRollups { path, from_ms, to_ms, .. } = rollups;
    match &rollups.state {
        RollupState::Sound => {}
        RollupState::Unreadable { reason } => line(format_args!(
            "{}: {reason}; nothing of it can be read. It held roll-ups of {from_ms} to {to_ms} (milliseconds since \
             1970); the next start sets it aside, and days of which the samples are still there are rolled up again",
            path.display()
        )),
        RollupState::Damaged { series, repaired, again } => {
            describe_series(path, rollups.series, (series, *repaired && !again), line);
            if *again {
                let outcome = if *repaired { "it is set" } else { "a repair sets it" };
                line(format_args!(
                    "  {outcome} aside: its days are rolled up again from their samples"
                ));
            }
        }
    }
}

fn describe_series(
    path: &Path,
    all: u64,
    (series, repaired): (&[(Labels, &'static str)], bool),
    line: &mut impl FnMut(std::fmt::Arguments<'_>),
) {
    let outcome = if repaired { "the other series are saved" } else { "the others can be saved" };
    let (path, damaged) = (path.display(), series.len());
    line(format_args!("{path}: {damaged} of {all} series damaged; {outcome}"));
    for (labels, reason) in series.iter().take(NAMED_SERIES_MAX) {
        line(format_args!("  {labels}: {reason}"));
    }
    if let Some(more @ 1..) = series.len().checked_sub(NAMED_SERIES_MAX) {
        line(format_args!("  and {more} more"));
    }
}
