//! What udev knows of a disk, from `/run/udev/data/b<major>:<minor>` (lines `E:KEY=value`): `node_disk_info`,
//! `node_disk_device_mapper_info`, `node_disk_filesystem_info`. Read once per disk; a host without udev just has less.

use std::path::Path;

use crate::source::Reading;

/// Labels of one info metric and the udev keys that hold their values.
struct Info {
    name: &'static str,
    /// The label without which the metric is not reported; `None`: always reported.
    needs: Option<&'static str>,
    labels: &'static [(&'static str, &'static str)],
}

const DISK: Info = Info {
    name: "node_disk_info",
    needs: None,
    labels: &[
        ("path", "ID_PATH"),
        ("wwn", "ID_WWN"),
        ("model", "ID_MODEL"),
        ("serial", "ID_SERIAL_SHORT"),
        ("revision", "ID_REVISION"),
    ],
};
const DEVICE_MAPPER: Info = Info {
    name: "node_disk_device_mapper_info",
    needs: Some("name"),
    labels: &[
        ("name", "DM_NAME"),
        ("uuid", "DM_UUID"),
        ("vg_name", "DM_VG_NAME"),
        ("lv_name", "DM_LV_NAME"),
        ("lv_layer", "DM_LV_LAYER"),
    ],
};
const FILESYSTEM: Info = Info {
    name: "node_disk_filesystem_info",
    needs: Some("type"),
    labels: &[
        ("type", "ID_FS_TYPE"),
        ("usage", "ID_FS_USAGE"),
        ("uuid", "ID_FS_UUID"),
        ("version", "ID_FS_VERSION"),
    ],
};

/// The values of the three metrics' labels, empty where udev says nothing.
pub(super) struct DiskFacts([(Info, Vec<String>); 3]);

impl DiskFacts {
    /// What udev says; a record that is absent or unreadable is one that says nothing.
    pub(super) fn load(udev: &Path, major: &str, minor: &str) -> Self {
        let record = udev.join(format!("b{major}:{minor}"));
        let text = std::fs::read_to_string(record).unwrap_or_default();
        let value = |wanted: &str| {
            let properties = text.lines().filter_map(|line| line.strip_prefix("E:"));
            let mut pairs = properties.filter_map(|property| property.split_once('='));
            pairs.find(|(key, _)| *key == wanted).map_or("", |(_, value)| value).to_owned()
        };
        let values = |info: Info| {
            let values = info.labels.iter().map(|(_, key)| value(key)).collect();
            (info, values)
        };
        Self([DISK, DEVICE_MAPPER, FILESYSTEM].map(values))
    }

    pub(super) fn report(&self, device: &str, major: &str, minor: &str, out: &mut Reading) {
        for (info, values) in &self.0 {
            // At most device, major, minor and five of its own.
            let mut labels = [("device", device); 8];
            let mut used = 1;
            if info.needs.is_none() {
                labels[1] = ("major", major);
                labels[2] = ("minor", minor);
                used = 3;
            }
            let mut present = info.needs.is_none();
            for ((label, _), value) in info.labels.iter().zip(values) {
                labels[used] = (label, value);
                used += 1;
                present |= info.needs == Some(*label) && !value.is_empty();
            }
            if present {
                out.add(info.name, &labels[..used], 1.0);
            }
        }
    }
}
