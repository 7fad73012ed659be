//! `node_pressure_*_seconds_total`: time in which tasks waited (some) or nothing moved (full) for want of processor,
//! disk or memory, from `/proc/pressure` (the kernel's accounting/psi.rst). Kernels without it report nothing.

use agent_model::Millis;

use super::proc_file::ProcFile;
use crate::source::{HostRoot, MetricSource, Reading, SourceError};

const MICROSECONDS: f64 = 1e6;

pub struct Pressure {
    resources: [Resource; 3],
}

struct Resource {
    file: ProcFile,
    waiting: &'static str,
    /// A processor is never wholly stalled at the level of the host (the kernel shows 0 for form's sake).
    stalled: Option<&'static str>,
}

impl Pressure {
    pub fn new(root: &HostRoot) -> Self {
        let resource = |name: &str, waiting, stalled| {
            let file = ProcFile::new(root.proc.join("pressure").join(name));
            Resource { file, waiting, stalled }
        };
        let resources = [
            resource("cpu", "node_pressure_cpu_waiting_seconds_total", None),
            resource(
                "io",
                "node_pressure_io_waiting_seconds_total",
                Some("node_pressure_io_stalled_seconds_total"),
            ),
            resource(
                "memory",
                "node_pressure_memory_waiting_seconds_total",
                Some("node_pressure_memory_stalled_seconds_total"),
            ),
        ];
        Self { resources }
    }
}

impl MetricSource for Pressure {
    fn name(&self) -> &'static str {
        "pressure"
    }

    fn read(&mut self, _now_ms: Millis, out: &mut Reading) -> Result<(), SourceError> {
        for resource in &mut self.resources {
            let Some(text) = resource.file.read()? else { continue };
            for line in text.lines() {
                let name = match line.split_ascii_whitespace().next() {
                    Some("some") => Some(resource.waiting),
                    Some("full") => resource.stalled,
                    _ => None,
                };
                let Some(name) = name else { continue };
                let total = line.rsplit_once("total=").map(|(_, total)| total);
                out.add(name, &[], text.number(total, "total")? / MICROSECONDS);
            }
        }
        Ok(())
    }
}
