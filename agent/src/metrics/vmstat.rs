//! `node_vmstat_*`: paging, swapping, faults and kills for want of memory, from `/proc/vmstat`.
//! Of its hundred and more lines those that node_exporter reports unless told otherwise.

use agent_model::Millis;

use super::metric_name::MetricName;
use super::proc_file::ProcFile;
use crate::source::{HostRoot, MetricSource, Reading, SourceError};

pub struct Vmstat {
    file: ProcFile,
    name: MetricName,
}

impl Vmstat {
    pub fn new(root: &HostRoot) -> Self {
        Self { file: ProcFile::new(root.proc.join("vmstat")), name: MetricName::default() }
    }
}

impl MetricSource for Vmstat {
    fn name(&self) -> &'static str {
        "vmstat"
    }

    fn read(&mut self, _now_ms: Millis, out: &mut Reading) -> Result<(), SourceError> {
        let Some(text) = self.file.read()? else { return Ok(()) };
        for line in text.lines() {
            let mut words = line.split_ascii_whitespace();
            let Some(key) = words.next().filter(|key| is_reported(key)) else { continue };
            let value = text.number(words.next(), key)?;
            out.add(self.name.of(format_args!("node_vmstat_{key}")), &[], value);
        }
        Ok(())
    }
}

/// node_exporter's default: `^(oom_kill|pgpg|pswp|pg.*fault).*`.
fn is_reported(key: &str) -> bool {
    let begins = |beginning| key.starts_with(beginning);
    begins("oom_kill")
        || begins("pgpg")
        || begins("pswp")
        || (begins("pg") && key[2..].contains("fault"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filter_is_node_exporters() {
        let reported = ["oom_kill", "pgpgin", "pswpout", "pgfault", "pgmajfault"];
        assert!(reported.iter().all(|key| is_reported(key)));
        let silent = ["nr_free_pages", "pgfree", "fault", "thp_fault_alloc", "pgalloc_dma"];
        assert!(!silent.iter().any(|key| is_reported(key)));
    }
}
