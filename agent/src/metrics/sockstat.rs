//! `node_sockstat_*`: sockets in use and the memory they hold, from `/proc/net/{sockstat,sockstat6}`.
//! TCP and UDP memory is counted in pages there and reported in bytes too.

use agent_model::Millis;

use super::metric_name::MetricName;
use super::proc_file::ProcFile;
use crate::source::{HostRoot, MetricSource, Reading, SourceError};

pub struct Sockstat {
    files: [ProcFile; 2],
    page_bytes: f64,
    name: MetricName,
}

impl Sockstat {
    /// `page_bytes`: sysconf(_SC_PAGESIZE).
    pub fn new(root: &HostRoot, page_bytes: f64) -> Self {
        let files =
            ["net/sockstat", "net/sockstat6"].map(|name| ProcFile::new(root.proc.join(name)));
        Self { files, page_bytes, name: MetricName::default() }
    }
}

impl MetricSource for Sockstat {
    fn name(&self) -> &'static str {
        "sockstat"
    }

    fn read(&mut self, _now_ms: Millis, out: &mut Reading) -> Result<(), SourceError> {
        for file in &mut self.files {
            let Some(text) = file.read()? else { continue };
            for line in text.lines() {
                let mut words = line.split_ascii_whitespace();
                let Some(protocol) = words.next().map(|word| word.trim_end_matches(':')) else {
                    continue;
                };
                while let Some(field) = words.next() {
                    let value = text.number(words.next(), field)?;
                    let name = self.name.of(format_args!("node_sockstat_{protocol}_{field}"));
                    out.add(name, &[], value);
                    if field == "mem" {
                        let name = format_args!("node_sockstat_{protocol}_mem_bytes");
                        let name = self.name.of(name);
                        out.add(name, &[], value * self.page_bytes);
                    }
                }
            }
        }
        Ok(())
    }
}
