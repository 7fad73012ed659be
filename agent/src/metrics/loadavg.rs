//! `node_load1`, `node_load5`, `node_load15`: the run queue, from `/proc/loadavg` (proc_loadavg(5)).

use agent_model::Millis;

use super::proc_file::ProcFile;
use crate::source::{HostRoot, MetricSource, Reading, SourceError};

const NAMES: [&str; 3] = ["node_load1", "node_load5", "node_load15"];

pub struct Loadavg {
    file: ProcFile,
}

impl Loadavg {
    pub fn new(root: &HostRoot) -> Self {
        Self { file: ProcFile::new(root.proc.join("loadavg")) }
    }
}

impl MetricSource for Loadavg {
    fn name(&self) -> &'static str {
        "loadavg"
    }

    fn read(&mut self, _now_ms: Millis, out: &mut Reading) -> Result<(), SourceError> {
        let Some(text) = self.file.read()? else { return Ok(()) };
        let mut words = text.text.split_ascii_whitespace();
        for name in NAMES {
            out.add(name, &[], text.number(words.next(), "load average")?);
        }
        Ok(())
    }
}
