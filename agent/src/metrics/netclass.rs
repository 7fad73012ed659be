//! `node_network_up`, `_info`, `_carrier`, `_speed_bytes` and the other states of network links, from `/sys/class/net`
//! (the kernel's ABI/testing/sysfs-class-net). An attribute that a link does not have, or refuses while it is down, is
//! left out.

use std::fs;
use std::path::PathBuf;

use agent_model::Millis;

use super::proc_file::{names_in, read_attribute};
use crate::source::{HostRoot, MetricSource, Reading, SourceError};

/// Attributes that are numbers, and the metrics they become.
const NUMBERS: [(&str, &str); 16] = [
    ("addr_assign_type", "node_network_address_assign_type"),
    ("carrier", "node_network_carrier"),
    ("carrier_changes", "node_network_carrier_changes_total"),
    ("carrier_up_count", "node_network_carrier_up_changes_total"),
    ("carrier_down_count", "node_network_carrier_down_changes_total"),
    ("dev_id", "node_network_device_id"),
    ("dormant", "node_network_dormant"),
    ("flags", "node_network_flags"),
    ("ifindex", "node_network_iface_id"),
    ("iflink", "node_network_iface_link"),
    ("link_mode", "node_network_iface_link_mode"),
    ("mtu", "node_network_mtu_bytes"),
    ("name_assign_type", "node_network_name_assign_type"),
    ("netdev_group", "node_network_net_dev_group"),
    ("tx_queue_len", "node_network_transmit_queue_length"),
    ("type", "node_network_protocol_type"),
];

/// A link's speed is in megabits per second.
const BYTES_PER_MEGABIT: i64 = 1_000_000 / 8;

pub struct Netclass {
    class: PathBuf,
    /// The link and attribute that is read.
    path: PathBuf,
    buffer: Vec<u8>,
}

impl Netclass {
    pub fn new(root: &HostRoot) -> Self {
        let class = root.sys.join("class/net");
        Self { path: class.clone(), class, buffer: Vec::new() }
    }

    fn text(&mut self, attribute: &str) -> Option<&str> {
        self.path.push(attribute);
        let found = read_attribute(&self.path, &mut self.buffer);
        self.path.pop();
        found
    }

    /// Decimal, or hexadecimal as `flags` and `dev_id` are.
    fn number(&mut self, attribute: &str) -> Option<i64> {
        let text = self.text(attribute)?;
        match text.strip_prefix("0x") {
            Some(digits) => i64::from_str_radix(digits, 16).ok(),
            None => text.parse().ok(),
        }
    }

    fn device(&mut self, device: &str, out: &mut Reading) {
        let mut words = |attribute: &str| self.text(attribute).unwrap_or_default().to_owned();
        let state = words("operstate");
        let up = f64::from(u8::from(state == "up"));
        out.add("node_network_up", &[("device", device)], up);
        let labels = [
            ("device", device),
            ("address", &words("address")),
            ("broadcast", &words("broadcast")),
            ("duplex", &words("duplex")),
            ("operstate", &state),
            ("ifalias", &words("ifalias")),
        ];
        out.add("node_network_info", &labels, 1.0);
        for (attribute, metric_name) in NUMBERS {
            if let Some(number) = self.number(attribute) {
                out.add(metric_name, &[("device", device)], exact(number));
            }
        }
        // -1 where the driver does not know: node_exporter shows that as well.
        if let Some(speed) = self.number("speed") {
            let bytes = exact(speed.saturating_mul(BYTES_PER_MEGABIT));
            out.add("node_network_speed_bytes", &[("device", device)], bytes);
        }
    }
}

#[allow(clippy::cast_precision_loss, reason = "counts, flags and speeds stay far below 2^53")]
fn exact(number: i64) -> f64 {
    number as f64
}

impl MetricSource for Netclass {
    fn name(&self) -> &'static str {
        "netclass"
    }

    fn read(&mut self, _now_ms: Millis, out: &mut Reading) -> Result<(), SourceError> {
        for device in names_in(&self.class)? {
            self.path.clone_from(&self.class);
            self.path.push(&device);
            // `bonding_masters` is a file among them; a link may go while we look.
            if fs::metadata(&self.path).is_ok_and(|metadata| metadata.is_dir()) {
                self.device(&device, out);
            }
        }
        Ok(())
    }
}
