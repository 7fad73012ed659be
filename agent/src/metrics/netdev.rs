//! `node_network_receive_*`, `node_network_transmit_*`: traffic, errors and drops per network device, from
//! `/proc/net/dev` (proc_net(5)), and packets nobody handled, from sysfs. Every device is reported, `lo` too.

use std::collections::BTreeMap;
use std::path::PathBuf;

use agent_model::Millis;

use super::proc_file::{ProcFile, read_attribute};
use crate::source::{HostRoot, MetricSource, Reading, SourceError};

/// In the order of the columns of `/proc/net/dev`.
const COLUMNS: [&str; 16] = [
    "node_network_receive_bytes_total",
    "node_network_receive_packets_total",
    "node_network_receive_errs_total",
    "node_network_receive_drop_total",
    "node_network_receive_fifo_total",
    "node_network_receive_frame_total",
    "node_network_receive_compressed_total",
    "node_network_receive_multicast_total",
    "node_network_transmit_bytes_total",
    "node_network_transmit_packets_total",
    "node_network_transmit_errs_total",
    "node_network_transmit_drop_total",
    "node_network_transmit_fifo_total",
    "node_network_transmit_colls_total",
    "node_network_transmit_carrier_total",
    "node_network_transmit_compressed_total",
];
const HEADER_LINES: usize = 2;

pub struct Netdev {
    file: ProcFile,
    class: PathBuf,
    /// Where each device counts packets nobody handled.
    nohandler: BTreeMap<String, PathBuf>,
    attribute: Vec<u8>,
}

impl Netdev {
    pub fn new(root: &HostRoot) -> Self {
        Self {
            file: ProcFile::new(root.proc.join("net/dev")),
            class: root.sys.join("class/net"),
            nohandler: BTreeMap::new(),
            attribute: Vec::new(),
        }
    }
}

impl MetricSource for Netdev {
    fn name(&self) -> &'static str {
        "netdev"
    }

    fn read(&mut self, _now_ms: Millis, out: &mut Reading) -> Result<(), SourceError> {
        let Some(text) = self.file.read()? else { return Ok(()) };
        let mut devices = 0;
        for line in text.lines().skip(HEADER_LINES) {
            // The name may hold a colon itself (an alias such as eth0:1), the numbers cannot.
            let Some((device, numbers)) = line.rsplit_once(':') else {
                return Err(text.malformed("device name"));
            };
            let labels = [("device", device.trim())];
            let mut words = numbers.split_ascii_whitespace();
            for name in COLUMNS {
                out.add(name, &labels, text.number(words.next(), name)?);
            }
            devices += 1;
            if !self.nohandler.contains_key(labels[0].1) {
                let path = self.class.join(labels[0].1).join("statistics/rx_nohandler");
                self.nohandler.insert(labels[0].1.to_owned(), path);
            }
            let Some(path) = self.nohandler.get(labels[0].1) else { continue };
            let count =
                read_attribute(path, &mut self.attribute).and_then(|text| text.parse().ok());
            if let Some(count) = count {
                out.add("node_network_receive_nohandler_total", &labels, count);
            }
        }
        // Container hosts make and drop devices all day: do not remember the gone ones for ever.
        if self.nohandler.len() > devices * 2 {
            self.nohandler.clear();
        }
        Ok(())
    }
}
