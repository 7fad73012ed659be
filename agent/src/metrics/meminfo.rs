//! `node_memory_*`: every line of `/proc/meminfo` (proc_meminfo(5)) under the kernel's own key.
//!
//! The text is read directly rather than through a struct, so that a key a newer kernel adds is reported as
//! node_exporter would. "kB" there means 1,024 bytes; lines without a unit are counts (huge pages).

use agent_model::Millis;

use super::metric_name::MetricName;
use super::proc_file::ProcFile;
use crate::source::{HostRoot, MetricSource, Reading, SourceError};

pub struct Meminfo {
    file: ProcFile,
    name: MetricName,
}

impl Meminfo {
    pub fn new(root: &HostRoot) -> Self {
        Self { file: ProcFile::new(root.proc.join("meminfo")), name: MetricName::default() }
    }
}

impl MetricSource for Meminfo {
    fn name(&self) -> &'static str {
        "meminfo"
    }

    fn read(&mut self, _now_ms: Millis, out: &mut Reading) -> Result<(), SourceError> {
        let Some(text) = self.file.read()? else { return Ok(()) };
        for line in text.lines() {
            let mut words = line.split_ascii_whitespace();
            let Some(key) = words.next() else { continue };
            let value = text.number(words.next(), "amount of memory")?;
            let (key, kind) = split_key(key.trim_end_matches(':'));
            let joint = if kind.is_empty() { "" } else { "_" };
            let (unit, factor) = match words.next() {
                Some("kB") => ("_bytes", 1024.0),
                _ => ("", 1.0),
            };
            let name = self.name.of(format_args!("node_memory_{key}{joint}{kind}{unit}"));
            out.add(name, &[], value * factor);
        }
        Ok(())
    }
}

/// `Active(anon)` is reported as `Active_anon`.
fn split_key(key: &str) -> (&str, &str) {
    match key.split_once('(') {
        Some((key, kind)) => (key, kind.trim_end_matches(')')),
        None => (key, ""),
    }
}
