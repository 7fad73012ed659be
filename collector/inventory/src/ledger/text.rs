//! How ranges and recent hashes lie in a column: `first-last:created:created:changed:named`, joined with spaces.

use std::collections::VecDeque;
use std::fmt::Write;

use super::stream::Range;

pub(crate) fn ranges_to_text(ranges: &[Range]) -> String {
    let shown = ranges.iter().map(|range| {
        format!(
            "{}-{}:{}:{}:{}:{}",
            range.first,
            range.last,
            range.first_created_ms,
            range.last_created_ms,
            range.hole_changed_ms,
            u8::from(range.hole_named)
        )
    });
    shown.collect::<Vec<_>>().join(" ")
}

/// `None` when the text is not ours.
pub(crate) fn ranges_from_text(text: &str) -> Option<Vec<Range>> {
    text.split_whitespace().map(range_from_text).collect()
}

fn range_from_text(text: &str) -> Option<Range> {
    let mut parts = text.split(':');
    let (first, last) = parts.next()?.split_once('-')?;
    let range = Range {
        first: first.parse().ok()?,
        last: last.parse().ok()?,
        first_created_ms: parts.next()?.parse().ok()?,
        last_created_ms: parts.next()?.parse().ok()?,
        hole_changed_ms: parts.next()?.parse().ok()?,
        hole_named: parts.next()? == "1",
    };
    parts.next().is_none().then_some(range)
}

pub(crate) fn recent_to_text(recent: &VecDeque<(u64, u64)>) -> String {
    let mut text = String::new();
    for (sequence, hash) in recent {
        let space = if text.is_empty() { "" } else { " " };
        // Writing to a string cannot fail.
        write!(text, "{space}{sequence}:{hash:016x}").unwrap_or_default();
    }
    text
}

/// `None` when the text is not ours.
pub(crate) fn recent_from_text(text: &str) -> Option<VecDeque<(u64, u64)>> {
    let pair = |part: &str| {
        let (sequence, hash) = part.split_once(':')?;
        Some((sequence.parse().ok()?, u64::from_str_radix(hash, 16).ok()?))
    };
    text.split_whitespace().map(pair).collect()
}
