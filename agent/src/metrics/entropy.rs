//! `node_entropy_*`: the kernel's random pool, from `/proc/sys/kernel/random` (random(4)).

use agent_model::Millis;

use super::proc_file::ProcFile;
use crate::source::{HostRoot, MetricSource, Reading, SourceError};

pub struct Entropy {
    files: [(&'static str, ProcFile); 2],
}

impl Entropy {
    pub fn new(root: &HostRoot) -> Self {
        let file = |name: &str| ProcFile::new(root.proc.join("sys/kernel/random").join(name));
        let files = [
            ("node_entropy_available_bits", file("entropy_avail")),
            ("node_entropy_pool_size_bits", file("poolsize")),
        ];
        Self { files }
    }
}

impl MetricSource for Entropy {
    fn name(&self) -> &'static str {
        "entropy"
    }

    fn read(&mut self, _now_ms: Millis, out: &mut Reading) -> Result<(), SourceError> {
        for (name, file) in &mut self.files {
            let Some(text) = file.read()? else { continue };
            out.add(name, &[], text.number(Some(text.text.trim()), "number of bits")?);
        }
        Ok(())
    }
}
