//! The files of a chip: which sensor each belongs to, and the metric and unit that it becomes.
//! The kernel counts in thousandths and millionths (hwmon/sysfs-interface.rst); metrics are in base units.

use std::path::{Path, PathBuf};

use super::super::proc_file::read_attribute;
use super::clean;

/// What a file's name may begin with to be of a sensor.
const KINDS: [&str; 13] = [
    "vrm",
    "beep_enable",
    "update_interval",
    "in",
    "cpu",
    "fan",
    "pwm",
    "temp",
    "curr",
    "power",
    "energy",
    "humidity",
    "intrusion",
];

const MILLI: f64 = 1e-3;
const MICRO: f64 = 1e-6;

/// A sensor of a chip and the files that describe it.
pub(super) struct Sensor {
    /// Kind and number: `temp1`.
    pub(super) name: String,
    kind: &'static str,
    /// What follows the number (`input`, `max`, empty) and where it stands.
    properties: Vec<(String, PathBuf)>,
}

/// A file that is read at every tick.
pub(super) struct Attribute {
    pub(super) path: PathBuf,
    pub(super) metric_name: String,
    pub(super) sensor: String,
    pub(super) factor: f64,
}

impl Sensor {
    /// Adds a file to its sensor, if it is of one.
    pub(super) fn note(sensors: &mut Vec<Self>, directory: &Path, file: &str) {
        let Some((kind, number, property)) = split(file) else { return };
        let name = format!("{kind}{number}");
        let path = directory.join(file);
        let property = (property.to_owned(), path);
        match sensors.iter_mut().find(|sensor| sensor.name == name) {
            Some(sensor) => sensor.properties.push(property),
            None => sensors.push(Self { name, kind, properties: vec![property] }),
        }
    }

    /// What the maker calls it: `Core 0`, `CPU Fan`.
    pub(super) fn label(&self, buffer: &mut Vec<u8>) -> Option<String> {
        let (_, path) = self.properties.iter().find(|(property, _)| property == "label")?;
        read_attribute(path, buffer).map(str::to_owned)
    }

    pub(super) fn attributes(&self) -> impl Iterator<Item = Attribute> + '_ {
        self.properties.iter().filter_map(|(property, path)| {
            let (metric_name, factor) = self.metric(property)?;
            Some(Attribute { path: path.clone(), metric_name, sensor: self.name.clone(), factor })
        })
    }

    /// Name and factor of the metric that a property becomes.
    fn metric(&self, property: &str) -> Option<(String, f64)> {
        let kind = self.kind;
        match (kind, property) {
            (_, "label") => return None,
            ("beep_enable", _) => return Some(("node_hwmon_beep_enabled".into(), 1.0)),
            ("vrm", _) => return Some(("node_hwmon_voltage_regulator_version".into(), 1.0)),
            ("update_interval", _) => {
                return Some(("node_hwmon_update_interval_seconds".into(), MILLI));
            }
            _ => {}
        }
        let name = match property {
            "" => format!("node_hwmon_{kind}"),
            // The value itself: named like the sensor, unless that name is taken.
            "input" if self.properties.iter().any(|(other, _)| other.is_empty()) => {
                format!("node_hwmon_{kind}_input")
            }
            "input" => format!("node_hwmon_{kind}"),
            _ => format!("node_hwmon_{kind}_{}", clean(property)),
        };
        let (unit, factor) = unit(kind, property);
        Some((format!("{name}{unit}"), factor))
    }
}

/// The ending of the metric's name and the factor to its unit.
fn unit(kind: &str, property: &str) -> (&'static str, f64) {
    match (kind, property) {
        (_, "fault" | "alarm") => ("", 1.0),
        (_, "beep") => ("_enabled", 1.0),
        ("in" | "cpu", _) => ("_volts", MILLI),
        ("temp", "type") => ("", 1.0),
        ("temp", _) => ("_celsius", MILLI),
        ("curr", _) => ("_amps", MILLI),
        ("energy", _) => ("_joule_total", MICRO),
        ("power", "accuracy") => ("", MICRO),
        ("power", "average_interval" | "average_interval_min" | "average_interval_max") => {
            ("_seconds", MILLI)
        }
        ("power", _) => ("_watt", MICRO),
        ("humidity", _) => ("", MICRO),
        ("fan", "input" | "min" | "max") => ("_rpm", 1.0),
        _ => ("", 1.0),
    }
}

/// `temp1_crit_alarm` is kind `temp`, number 1, property `crit_alarm`.
fn split(file: &str) -> Option<(&'static str, u32, &str)> {
    let digits = file.find(|letter: char| letter.is_ascii_digit()).unwrap_or(file.len());
    let kind = KINDS.iter().find(|kind| **kind == &file[..digits])?;
    let rest = &file[digits..];
    let end = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len());
    let number = if end == 0 { 0 } else { rest[..end].parse().ok()? };
    match rest[end..].strip_prefix('_') {
        Some(property) => Some((kind, number, property)),
        None if rest[end..].is_empty() => Some((kind, number, "")),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_are_taken_apart() {
        assert_eq!(split("temp1_crit_alarm"), Some(("temp", 1, "crit_alarm")));
        assert_eq!(split("pwm2"), Some(("pwm", 2, "")));
        assert_eq!(split("beep_enable"), Some(("beep_enable", 0, "")));
        assert_eq!(split("temperature1"), None);
        assert_eq!(split("name"), None);
        assert_eq!(split("in99999999999_input"), None);
    }
}
