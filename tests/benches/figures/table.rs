//! The table of figures, and what a figure needs beside it: the date, the machine, its load.

use std::fmt;
use std::fs;
use std::time::Duration;

#[derive(Default)]
pub(crate) struct Table {
    rows: Vec<[String; 3]>,
}

impl Table {
    /// Adds a line, and shows it at once: a long run tells what it has.
    pub(crate) fn row(&mut self, what: &str, here: String, peer: &str) {
        println!("{what}: {here} ({peer})");
        self.rows.push([what.to_owned(), here, peer.to_owned()]);
    }
}

impl fmt::Display for Table {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "| what | measured | peer |\n|---|---|---|")?;
        for [what, here, peer] in &self.rows {
            writeln!(formatter, "| {what} | {here} | {peer} |")?;
        }
        Ok(())
    }
}

#[allow(clippy::disallowed_methods, reason = "the clock of this benchmark")]
pub(crate) fn present() -> jiff::Timestamp {
    jiff::Timestamp::now()
}

/// Date, cores, memory and load of this moment.
pub(crate) fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let date = present().strftime("%Y-%m-%d %H:%M UTC").to_string();
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let memory = memory.split_whitespace().nth(1).and_then(|kib| kib.parse::<f64>().ok());
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load: Vec<&str> = load.split_whitespace().take(3).collect();
    let gibibytes = memory.unwrap_or(f64::NAN) / f64::from(1 << 20);
    format!("{date}, {cores} cores, {gibibytes:.0} GiB, load {}", load.join(" "))
}

/// Median, 99th percentile and maximum; nearest rank.
pub(crate) fn spread(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let rank = |percent: usize| (times.len() * percent).div_ceil(100).saturating_sub(1);
    let at = |rank: usize| times.get(rank).map_or(f64::NAN, Duration::as_secs_f64);
    let (median, p99, max) = (at(rank(50)), at(rank(99)), at(rank(100)));
    format!("p50 {median:.3} s, p99 {p99:.3} s, max {max:.3} s (n = {})", times.len())
}
