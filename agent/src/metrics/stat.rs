//! Interrupts, context switches, forks, processes running and blocked, and the time of the start, from `/proc/stat`
//! (proc_stat(5)). The processors' lines of the same file are the business of `cpu`.

use agent_model::Millis;

use super::proc_file::ProcFile;
use crate::source::{HostRoot, MetricSource, Reading, SourceError};

/// The first word of a line and the metric that its first number is.
const NAMES: [(&str, &str); 6] = [
    ("intr", "node_intr_total"),
    ("ctxt", "node_context_switches_total"),
    ("btime", "node_boot_time_seconds"),
    ("processes", "node_forks_total"),
    ("procs_running", "node_procs_running"),
    ("procs_blocked", "node_procs_blocked"),
];

pub struct Stat {
    file: ProcFile,
}

impl Stat {
    pub fn new(root: &HostRoot) -> Self {
        Self { file: ProcFile::new(root.proc.join("stat")) }
    }
}

impl MetricSource for Stat {
    fn name(&self) -> &'static str {
        "stat"
    }

    fn read(&mut self, _now_ms: Millis, out: &mut Reading) -> Result<(), SourceError> {
        let Some(text) = self.file.read()? else { return Ok(()) };
        for line in text.lines() {
            // The line of interrupts has a number for each of thousands: only its head is looked at.
            let mut words = line.split_ascii_whitespace();
            let Some(key) = words.next() else { continue };
            let Some((_, name)) = NAMES.iter().find(|(word, _)| *word == key) else { continue };
            out.add(name, &[], text.number(words.next(), key)?);
        }
        Ok(())
    }
}
