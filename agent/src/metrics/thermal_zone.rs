//! `node_thermal_zone_temp`, `node_cooling_device_*`: temperatures the firmware watches and what it cools with, from
//! `/sys/class/thermal` (the kernel's driver-api/thermal/sysfs-api.rst). Temperatures are in degrees Celsius.

use std::path::PathBuf;

use agent_model::Millis;

use super::proc_file::{names_in, read_attribute};
use crate::source::{HostRoot, MetricSource, Reading, SourceError};

const MILLIDEGREES: f64 = 1e-3;

pub struct ThermalZone {
    class: PathBuf,
    buffer: Vec<u8>,
}

impl ThermalZone {
    pub fn new(root: &HostRoot) -> Self {
        Self { class: root.sys.join("class/thermal"), buffer: Vec::new() }
    }

    fn text(&mut self, device: &str, attribute: &str) -> Option<&str> {
        read_attribute(&self.class.join(device).join(attribute), &mut self.buffer)
    }

    fn number(&mut self, device: &str, attribute: &str) -> Option<f64> {
        self.text(device, attribute)?.parse().ok()
    }
}

impl MetricSource for ThermalZone {
    fn name(&self) -> &'static str {
        "thermal_zone"
    }

    fn read(&mut self, _now_ms: Millis, out: &mut Reading) -> Result<(), SourceError> {
        for device in names_in(&self.class)? {
            if let Some(zone) = device.strip_prefix("thermal_zone") {
                let temperature = self.number(&device, "temp");
                let (Some(value), Some(kind)) = (temperature, self.text(&device, "type")) else {
                    // A zone that is switched off refuses to be read.
                    continue;
                };
                let labels = [("zone", zone), ("type", kind)];
                out.add("node_thermal_zone_temp", &labels, value * MILLIDEGREES);
            } else if let Some(name) = device.strip_prefix("cooling_device") {
                let state = self.number(&device, "cur_state");
                let most = self.number(&device, "max_state");
                let Some(kind) = self.text(&device, "type") else { continue };
                let labels = [("name", name), ("type", kind)];
                for (metric_name, value) in [
                    ("node_cooling_device_cur_state", state),
                    ("node_cooling_device_max_state", most),
                ] {
                    if let Some(value) = value {
                        out.add(metric_name, &labels, value);
                    }
                }
            }
        }
        Ok(())
    }
}
