//! The rows of the table of figures, and how many times become one figure.

use std::fmt::Display;
use std::time::Duration;

/// A row of the table that `cargo xtask bench` prints, shown as soon as it is known: a long run tells what it has.
pub(crate) fn row(what: &str, here: impl Display, peer: &str) {
    println!("| {what} | {here} | {peer} |");
}

#[allow(clippy::disallowed_methods, reason = "the clock of this benchmark")]
pub(crate) fn present() -> jiff::Timestamp {
    jiff::Timestamp::now()
}

/// Median, 99th percentile and maximum; nearest rank.
pub(crate) fn spread(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let rank = |percent: usize| (times.len() * percent).div_ceil(100).saturating_sub(1);
    let at = |rank: usize| times.get(rank).map_or(f64::NAN, Duration::as_secs_f64);
    let (median, p99, max) = (at(rank(50)), at(rank(99)), at(rank(100)));
    format!("p50 {median:.3} s, p99 {p99:.3} s, max {max:.3} s (n = {})", times.len())
}
