//! `node_cpu_seconds_total`, `node_cpu_guest_seconds_total`: time per processor and mode, from `/proc/stat`
//! (proc_stat(5)), in seconds.
//!
//! Promises: a counter does not run backwards. The kernel's idle and iowait can (proc_stat(5) says so), and `rate`
//! would take each step back for a restart; only a processor that was taken out and put back starts anew.

use std::collections::BTreeMap;

use agent_model::Millis;

use super::proc_file::{ProcFile, ProcText};
use crate::source::{HostRoot, MetricSource, Reading, SourceError};

/// In the order of the columns of `/proc/stat`; the two columns after them are time given to guests.
const MODES: [&str; 8] = ["user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal"];
const GUEST_MODES: [&str; 2] = ["user", "nice"];
const COLUMNS: usize = MODES.len() + GUEST_MODES.len();
const IDLE: usize = 3;

/// Idle time falling by more than this is a processor that came back, as in node_exporter; less is jitter.
const IDLE_FALL_SECONDS: f64 = 3.0;

pub struct Cpu {
    file: ProcFile,

    ticks_per_second: f64,
    seconds: BTreeMap<u32, [f64; COLUMNS]>,
}

impl Cpu {
    /// `ticks_per_second` is the unit of `/proc/stat`: sysconf(_SC_CLK_TCK).
    pub fn new(root: &HostRoot, ticks_per_second: f64) -> Self {
        let file = ProcFile::new(root.proc.join("stat"));
        Self { file, ticks_per_second, seconds: BTreeMap::new() }
    }
}

impl MetricSource for Cpu {
    fn name(&self) -> &'static str {
        "cpu"
    }

    fn read(&mut self, _now_ms: Millis, out: &mut Reading) -> Result<(), SourceError> {
        let Some(text) = self.file.read()? else { return Ok(()) };
        for line in text.lines().take_while(|line| line.starts_with("cpu")) {
            let mut words = line.split_ascii_whitespace();
            let number = words.next().unwrap_or_default().trim_start_matches("cpu");
            // The first line, without a number, is the sum of the others.
            let Ok(processor) = number.parse::<u32>() else { continue };
            let read = columns(text, words, self.ticks_per_second)?;
            let seconds = self.seconds.entry(processor).or_insert(read);
            advance(seconds, &read);
            for (mode, value) in MODES.iter().zip(&seconds[..]) {
                let labels = [("cpu", number), ("mode", mode)];
                out.add("node_cpu_seconds_total", &labels, *value);
            }
            for (mode, value) in GUEST_MODES.iter().zip(&seconds[MODES.len()..]) {
                let labels = [("cpu", number), ("mode", mode)];
                out.add("node_cpu_guest_seconds_total", &labels, *value);
            }
        }
        Ok(())
    }
}

/// Old kernels have fewer columns; those that are absent stay 0.
fn columns<'a>(
    text: ProcText<'_>,
    words: impl Iterator<Item = &'a str>,
    ticks_per_second: f64,
) -> Result<[f64; COLUMNS], SourceError> {
    let mut seconds = [0.0; COLUMNS];
    for (column, word) in seconds.iter_mut().zip(words) {
        *column = text.number(Some(word), "processor time")? / ticks_per_second;
    }
    Ok(seconds)
}

fn advance(known: &mut [f64; COLUMNS], read: &[f64; COLUMNS]) {
    if read[IDLE] < known[IDLE] - IDLE_FALL_SECONDS {
        *known = *read;
        return;
    }
    for (known, read) in known.iter_mut().zip(read) {
        *known = known.max(*read);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn idle_after(first: f64, then: f64) -> f64 {
        let mut known = [0.0; COLUMNS];
        known[IDLE] = first;
        let mut read = [0.0; COLUMNS];
        read[IDLE] = then;
        advance(&mut known, &read);
        known[IDLE]
    }

    #[test]
    fn a_small_step_back_is_held_and_a_returned_processor_starts_anew() {
        assert_eq!(idle_after(100.0, 99.99), 100.0);
        assert_eq!(idle_after(100.0, 100.5), 100.5);
        assert_eq!(idle_after(100.0, 1.0), 1.0);
    }
}
