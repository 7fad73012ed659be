//! `node_bonding_slaves` and `node_bonding_active`: how many links a bond has, and how many of them carry, from
//! `/sys/class/net` (the kernel's networking/bonding.rst). Without bonds there is nothing to report.

use std::path::PathBuf;

use agent_model::Millis;

use super::proc_file::read_attribute;
use crate::source::{HostRoot, MetricSource, Reading, SourceError};

pub struct Bonding {
    class: PathBuf,
    buffer: Vec<u8>,
}

impl Bonding {
    pub fn new(root: &HostRoot) -> Self {
        Self { class: root.sys.join("class/net"), buffer: Vec::new() }
    }

    fn words(&mut self, attribute: &str) -> Vec<String> {
        let text = read_attribute(&self.class.join(attribute), &mut self.buffer);
        text.unwrap_or_default().split_whitespace().map(str::to_owned).collect()
    }

    fn carries(&mut self, bond: &str, link: &str) -> bool {
        // `lower_` since Linux 3.14.
        ["lower", "slave"].into_iter().any(|kind| {
            let state = format!("{bond}/{kind}_{link}/bonding_slave/mii_status");
            read_attribute(&self.class.join(state), &mut self.buffer) == Some("up")
        })
    }
}

impl MetricSource for Bonding {
    fn name(&self) -> &'static str {
        "bonding"
    }

    #[allow(clippy::cast_precision_loss, reason = "a handful of links")]
    fn read(&mut self, _now_ms: Millis, out: &mut Reading) -> Result<(), SourceError> {
        for bond in self.words("bonding_masters") {
            let links = self.words(&format!("{bond}/bonding/slaves"));
            let active = links.iter().filter(|link| self.carries(&bond, link)).count();
            let labels = [("master", bond.as_str())];
            out.add("node_bonding_slaves", &labels, links.len() as f64);
            out.add("node_bonding_active", &labels, active as f64);
        }
        Ok(())
    }
}
