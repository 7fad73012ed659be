//! `node_hwmon_*`: temperatures, fans, voltages and power of the host's chips, from `/sys/class/hwmon`
//! (the kernel's hwmon/sysfs-interface.rst).
//!
//! What a chip offers does not change while its driver is loaded: it is looked up once, and again when chips
//! come or go. Promises: a sensor that has no answer at the moment is left out, the others are reported.

use std::path::{Path, PathBuf};

use agent_model::Millis;

use super::proc_file::{names_in, read_attribute};
use crate::source::{HostRoot, MetricSource, Reading, SourceError};

mod attribute;

use attribute::{Attribute, Sensor};

pub struct Hwmon {
    class: PathBuf,
    directories: Vec<String>,
    chips: Vec<Chip>,
    buffer: Vec<u8>,
}

/// One directory of the class and what is read from it at every tick.
struct Chip {
    /// Where the chip sits: stable over restarts, unlike `hwmon3`.
    chip: String,
    /// What its driver calls itself.
    chip_name: Option<String>,
    labels: Vec<(String, String)>,
    attributes: Vec<Attribute>,
}

impl Hwmon {
    pub fn new(root: &HostRoot) -> Self {
        Self {
            class: root.sys.join("class/hwmon"),
            directories: Vec::new(),
            chips: Vec::new(),
            buffer: Vec::new(),
        }
    }
}

impl MetricSource for Hwmon {
    fn name(&self) -> &'static str {
        "hwmon"
    }

    fn read(&mut self, _now_ms: Millis, out: &mut Reading) -> Result<(), SourceError> {
        let directories = names_in(&self.class)?;
        if directories != self.directories {
            let chips = directories.iter().map(|name| Chip::look_up(&self.class.join(name)));
            self.chips = chips.collect::<Result<_, _>>()?;
            self.directories = directories;
        }
        for chip in &self.chips {
            chip.report(&mut self.buffer, out);
        }
        Ok(())
    }
}

impl Chip {
    fn look_up(directory: &Path) -> Result<Self, SourceError> {
        let mut buffer = Vec::new();
        let chip_name = read_attribute(&directory.join("name"), &mut buffer).map(clean);
        let mut sensors: Vec<Sensor> = Vec::new();
        // Old drivers put their attributes into the directory of the device.
        for place in [directory.to_owned(), directory.join("device")] {
            for file in names_in(&place)? {
                Sensor::note(&mut sensors, &place, &file);
            }
        }
        let mut labels = Vec::new();
        let mut attributes = Vec::new();
        for sensor in &sensors {
            if let Some(label) = sensor.label(&mut buffer) {
                labels.push((sensor.name.clone(), label));
            }
            attributes.extend(sensor.attributes());
        }
        let chip =
            place_of(directory).or(chip_name.clone()).unwrap_or_else(|| file_name(directory));
        Ok(Self { chip, chip_name, labels, attributes })
    }

    fn report(&self, buffer: &mut Vec<u8>, out: &mut Reading) {
        if let Some(chip_name) = &self.chip_name {
            let labels = [("chip", self.chip.as_str()), ("chip_name", chip_name)];
            out.add("node_hwmon_chip_names", &labels, 1.0);
        }
        for (sensor, label) in &self.labels {
            let labels = [("chip", self.chip.as_str()), ("label", label), ("sensor", sensor)];
            out.add("node_hwmon_sensor_label", &labels, 1.0);
        }
        for attribute in &self.attributes {
            let text = read_attribute(&attribute.path, buffer);
            let Some(value) = text.and_then(|text| text.parse::<f64>().ok()) else { continue };
            let labels = [("chip", self.chip.as_str()), ("sensor", &attribute.sensor)];
            out.add(&attribute.metric_name, &labels, value * attribute.factor);
        }
    }
}

/// Bus and address of the chip: `platform_coretemp_0`, `pci0000:00_0000:00:18_3`.
fn place_of(directory: &Path) -> Option<String> {
    let device = directory.join("device").canonicalize().ok()?;
    let name = clean(&file_name(&device));
    let bus = clean(&file_name(device.parent()?));
    match (bus.is_empty(), name.is_empty()) {
        (false, false) => Some(format!("{bus}_{name}")),
        (true, false) => Some(name),
        (_, true) => None,
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// What may stand in a metric's name: everything else becomes `_`.
fn clean(text: &str) -> String {
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || letter == ':' || letter == '_';
    let lower = text.to_lowercase();
    let cleaned: String =
        lower.chars().map(|letter| if allowed(letter) { letter } else { '_' }).collect();
    cleaned.trim_matches('_').to_owned()
}
