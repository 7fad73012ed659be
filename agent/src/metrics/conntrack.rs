//! `node_nf_conntrack_*`: connections that the firewall follows, their limit, and what happened to them, from
//! `/proc/sys/net/netfilter` and `/proc/net/stat/nf_conntrack` (hexadecimal, one line per processor).

use agent_model::Millis;

use super::proc_file::ProcFile;
use crate::source::{HostRoot, MetricSource, Reading, SourceError};

/// Where a counter stands in a line, and the metric that it becomes.
const COUNTERS: [(usize, &str); 8] = [
    (2, "node_nf_conntrack_stat_found"),
    (4, "node_nf_conntrack_stat_invalid"),
    (5, "node_nf_conntrack_stat_ignore"),
    (8, "node_nf_conntrack_stat_insert"),
    (9, "node_nf_conntrack_stat_insert_failed"),
    (10, "node_nf_conntrack_stat_drop"),
    (11, "node_nf_conntrack_stat_early_drop"),
    (16, "node_nf_conntrack_stat_search_restart"),
];

pub struct Conntrack {
    entries: ProcFile,
    limit: ProcFile,
    counters: ProcFile,
}

impl Conntrack {
    pub fn new(root: &HostRoot) -> Self {
        let netfilter = root.proc.join("sys/net/netfilter");
        Self {
            entries: ProcFile::new(netfilter.join("nf_conntrack_count")),
            limit: ProcFile::new(netfilter.join("nf_conntrack_max")),
            counters: ProcFile::new(root.proc.join("net/stat/nf_conntrack")),
        }
    }
}

impl MetricSource for Conntrack {
    fn name(&self) -> &'static str {
        "conntrack"
    }

    fn read(&mut self, _now_ms: Millis, out: &mut Reading) -> Result<(), SourceError> {
        for (file, metric_name) in [
            (&mut self.entries, "node_nf_conntrack_entries"),
            (&mut self.limit, "node_nf_conntrack_entries_limit"),
        ] {
            // Without the module there is nothing to report.
            let Some(text) = file.read()? else { return Ok(()) };
            out.add(metric_name, &[], text.number(Some(text.text.trim()), "number")?);
        }
        let Some(text) = self.counters.read()? else { return Ok(()) };
        let mut sums = [0_u64; COUNTERS.len()];
        for line in text.lines().skip(1) {
            for (sum, (place, name)) in sums.iter_mut().zip(COUNTERS) {
                let word = line.split_whitespace().nth(place);
                let number = word.and_then(|word| u64::from_str_radix(word, 16).ok());
                *sum = sum.wrapping_add(number.ok_or_else(|| text.malformed(name))?);
            }
        }
        for (sum, (_, metric_name)) in sums.into_iter().zip(COUNTERS) {
            #[allow(clippy::cast_precision_loss, reason = "counters of 32 bits")]
            out.add(metric_name, &[], sum as f64);
        }
        Ok(())
    }
}
