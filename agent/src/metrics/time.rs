//! `node_time_*`: the host's clock, its time zone and the kernel's clock sources.
//! How far the clock is off is measured by the collector with every report.

use std::path::PathBuf;

use agent_model::Millis;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::proc_file::{names_in, read_attribute};
use crate::source::{HostRoot, MetricSource, Reading, SourceError};

pub struct Time {
    clocksources: PathBuf,
    zone: TimeZone,
    buffer: Vec<u8>,
}

impl Time {
    /// `zone`: the host's time zone.
    pub fn new(root: &HostRoot, zone: TimeZone) -> Self {
        let clocksources = root.sys.join("devices/system/clocksource");
        Self { clocksources, zone, buffer: Vec::new() }
    }
}

impl MetricSource for Time {
    fn name(&self) -> &'static str {
        "time"
    }

    fn read(&mut self, now_ms: Millis, out: &mut Reading) -> Result<(), SourceError> {
        #[allow(clippy::cast_precision_loss, reason = "exact for the next 280,000 years")]
        out.add("node_time_seconds", &[], now_ms as f64 / 1000.0);
        if let Ok(now) = Timestamp::from_millisecond(now_ms) {
            let zone = self.zone.to_offset_info(now);
            let labels = [("time_zone", zone.abbreviation())];
            out.add("node_time_zone_offset_seconds", &labels, f64::from(zone.offset().seconds()));
        }
        for directory in names_in(&self.clocksources)? {
            let Some(device) = directory.strip_prefix("clocksource") else { continue };
            let clocksource = self.clocksources.join(&directory);
            let path = clocksource.join("available_clocksource");
            for source in read_attribute(&path, &mut self.buffer).unwrap_or("").split(' ') {
                let labels = [("device", device), ("clocksource", source)];
                out.add("node_time_clocksource_available_info", &labels, 1.0);
            }
            let path = clocksource.join("current_clocksource");
            if let Some(source) = read_attribute(&path, &mut self.buffer) {
                let labels = [("device", device), ("clocksource", source)];
                out.add("node_time_clocksource_current_info", &labels, 1.0);
            }
        }
        Ok(())
    }
}
