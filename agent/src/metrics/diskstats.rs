//! `node_disk_*`: operations, bytes and times per block device, from `/proc/diskstats` (the kernel's
//! admin-guide/iostats.rst), and what udev knows of each disk (model, serial number, logical volume).
//! RAM and loop devices, floppies and partitions are left out, as node_exporter does unless told otherwise.

use std::collections::BTreeMap;
use std::path::PathBuf;

use agent_model::Millis;

use super::proc_file::ProcFile;
use crate::source::{HostRoot, MetricSource, Reading, SourceError};

mod udev;

use udev::DiskFacts;

/// The kernel counts sectors of 512 bytes, whatever the device's own are (iostats.rst).
const SECTOR_BYTES: f64 = 512.0;
const MILLISECONDS: f64 = 1e-3;

/// The columns after the device's name, with the factor to the metric's unit. Linux before 4.18 ends at the 11th,
/// before 5.5 at the 15th.
const COLUMNS: [(&str, f64); 17] = [
    ("node_disk_reads_completed_total", 1.0),
    ("node_disk_reads_merged_total", 1.0),
    ("node_disk_read_bytes_total", SECTOR_BYTES),
    ("node_disk_read_time_seconds_total", MILLISECONDS),
    ("node_disk_writes_completed_total", 1.0),
    ("node_disk_writes_merged_total", 1.0),
    ("node_disk_written_bytes_total", SECTOR_BYTES),
    ("node_disk_write_time_seconds_total", MILLISECONDS),
    ("node_disk_io_now", 1.0),
    ("node_disk_io_time_seconds_total", MILLISECONDS),
    ("node_disk_io_time_weighted_seconds_total", MILLISECONDS),
    ("node_disk_discards_completed_total", 1.0),
    ("node_disk_discards_merged_total", 1.0),
    ("node_disk_discarded_sectors_total", 1.0),
    ("node_disk_discard_time_seconds_total", MILLISECONDS),
    ("node_disk_flush_requests_total", 1.0),
    ("node_disk_flush_requests_time_seconds_total", MILLISECONDS),
];

pub struct Diskstats {
    file: ProcFile,
    udev: PathBuf,
    /// By "major:minor device", so that another disk under an old number is looked up again.
    facts: BTreeMap<String, DiskFacts>,
}

impl Diskstats {
    pub fn new(root: &HostRoot) -> Self {
        Self {
            file: ProcFile::new(root.proc.join("diskstats")),
            udev: root.root.join("run/udev/data"),
            facts: BTreeMap::new(),
        }
    }
}

impl MetricSource for Diskstats {
    fn name(&self) -> &'static str {
        "diskstats"
    }

    fn read(&mut self, _now_ms: Millis, out: &mut Reading) -> Result<(), SourceError> {
        let Some(text) = self.file.read()? else { return Ok(()) };
        let mut devices = 0;
        for line in text.lines() {
            let mut words = line.split_ascii_whitespace();
            let (Some(major), Some(minor), Some(device)) =
                (words.next(), words.next(), words.next())
            else {
                return Err(text.malformed("device"));
            };
            if is_left_out(device) {
                continue;
            }
            devices += 1;
            for ((name, factor), word) in COLUMNS.iter().zip(words) {
                let value = text.number(Some(word), name)? * factor;
                out.add(name, &[("device", device)], value);
            }
            let head = line[..line.find(device).unwrap_or(0) + device.len()].trim_start();
            if !self.facts.contains_key(head) {
                let facts = DiskFacts::load(&self.udev, major, minor);
                self.facts.insert(head.to_owned(), facts);
            }
            if let Some(facts) = self.facts.get(head) {
                facts.report(device, major, minor, out);
            }
        }
        // Disks that are gone are not remembered for ever.
        if self.facts.len() > devices * 2 {
            self.facts.clear();
        }
        Ok(())
    }
}

/// node_exporter's default: `^(ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\d+n\d+p)\d+$`.
fn is_left_out(device: &str) -> bool {
    let stem = device.trim_end_matches(|letter: char| letter.is_ascii_digit());
    if stem.len() == device.len() {
        return false;
    }
    if matches!(stem, "ram" | "loop" | "fd") {
        return true;
    }
    let disk = stem.strip_suffix(|letter: char| letter.is_ascii_lowercase());
    if disk.is_some_and(|disk| matches!(disk, "hd" | "sd" | "vd" | "xvd")) {
        return true;
    }
    let Some((controller, namespace)) = stem
        .strip_prefix("nvme")
        .and_then(|rest| rest.strip_suffix('p'))
        .and_then(|rest| rest.split_once('n'))
    else {
        return false;
    };
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number(controller) && is_number(namespace)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_are_left_out_and_whole_disks_are_not() {
        let left_out = ["ram0", "loop12", "fd0", "sda1", "vdb12", "xvda1", "hdc3", "nvme0n1p2"];
        assert!(left_out.iter().all(|device| is_left_out(device)));
        let reported = ["sda", "vda", "nvme0n1", "dm-0", "md127", "sr0", "zram0", "sdaa1", "nbd0"];
        assert!(!reported.iter().any(|device| is_left_out(device)));
    }
}
