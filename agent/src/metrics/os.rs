//! `node_os_info`, `node_os_version`: the distribution, from `os-release` (os-release(5)).

use agent_model::Millis;

use super::proc_file::{ProcFile, ProcText};
use crate::source::{HostRoot, MetricSource, Reading, SourceError};

/// Labels and the keys that hold their values.
const LABELS: [(&str, &str); 12] = [
    ("build_id", "BUILD_ID"),
    ("id", "ID"),
    ("id_like", "ID_LIKE"),
    ("image_id", "IMAGE_ID"),
    ("image_version", "IMAGE_VERSION"),
    ("name", "NAME"),
    ("pretty_name", "PRETTY_NAME"),
    ("variant", "VARIANT"),
    ("variant_id", "VARIANT_ID"),
    ("version", "VERSION"),
    ("version_codename", "VERSION_CODENAME"),
    ("version_id", "VERSION_ID"),
];

pub struct Os {
    /// The first that is there counts (os-release(5)).
    files: [ProcFile; 2],
}

impl Os {
    pub fn new(root: &HostRoot) -> Self {
        let file = |path: &str| ProcFile::new(root.root.join(path));
        Self { files: ["etc/os-release", "usr/lib/os-release"].map(file) }
    }
}

impl MetricSource for Os {
    fn name(&self) -> &'static str {
        "os"
    }

    fn read(&mut self, _now_ms: Millis, out: &mut Reading) -> Result<(), SourceError> {
        for file in &mut self.files {
            if let Some(text) = file.read()? {
                report(text, out);
                return Ok(());
            }
        }
        Ok(())
    }
}

fn report(text: ProcText<'_>, out: &mut Reading) {
    let value = |wanted: &str| {
        let mut pairs = text.lines().filter_map(|line| line.split_once('='));
        let found = pairs.find(|(key, _)| key.trim() == wanted);
        found.map_or("", |(_, value)| value.trim().trim_matches(['"', '\'']))
    };
    out.add("node_os_info", &LABELS.map(|(label, key)| (label, value(key))), 1.0);
    let labels = [("id", value("ID")), ("id_like", value("ID_LIKE")), ("name", value("NAME"))];
    if let Some(version) = leading_number(value("VERSION_ID")) {
        out.add("node_os_version", &labels, version);
    }
}

/// `22.04.1` is 22.04.
fn leading_number(text: &str) -> Option<f64> {
    let mut dots = 0;
    let end = text.find(|letter: char| {
        dots += u8::from(letter == '.');
        !(letter.is_ascii_digit() || letter == '.' && dots == 1)
    });
    text[..end.unwrap_or(text.len())].trim_end_matches('.').parse().ok()
}
