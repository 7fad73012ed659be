//! The shipped rules, as data inside the program: `rules/library/`, each rule beside its test.
//! Promises: what is here loads without a problem, and every rule has a case that fires and one that stays silent
//! (this crate's tests see to it). Leaves to others: which of them are switched on, and loading them.

use rust_embed::RustEmbed;

/// One file of the library.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LibraryFile {
    /// Below the library: `metrics/HostDown.yml`.
    pub name: String,
    pub text: String,
}

#[derive(RustEmbed)]
#[folder = "library/"]
#[include = "*.yml"]
#[include = "METRICS.md"]
struct Library;

/// Folders whose rules are Prometheus rule files.
const METRIC_FOLDERS: [&str; 6] =
    ["metrics/", "systems/", "facility/", "backups/", "services/", "monitor/"];
const DETECTION_FOLDER: &str = "detections/";
/// How the name of a file of tests ends; it lies beside its rules.
pub(crate) const TEST_SUFFIX: &str = ".test.yml";

/// Prometheus rule files, in order of name.
pub fn metric_rules() -> Vec<LibraryFile> {
    files(|name| is_metric(name) && !name.ends_with(TEST_SUFFIX))
}

/// Sigma rule files, in order of name.
pub fn detection_rules() -> Vec<LibraryFile> {
    files(|name| name.starts_with(DETECTION_FOLDER) && !name.ends_with(TEST_SUFFIX))
}

/// Tests of the metric rules, in promtool's format.
pub fn metric_tests() -> Vec<LibraryFile> {
    files(|name| is_metric(name) && name.ends_with(TEST_SUFFIX))
}

/// Tests of the Sigma rules, in the format of [`crate::detection_tests`].
pub fn detection_tests() -> Vec<LibraryFile> {
    files(|name| name.starts_with(DETECTION_FOLDER) && name.ends_with(TEST_SUFFIX))
}

/// `METRICS.md`: the names that metric rules may rest on.
pub fn metrics_contract() -> String {
    files(|name| name == "METRICS.md").into_iter().map(|file| file.text).collect()
}

fn is_metric(name: &str) -> bool {
    METRIC_FOLDERS.iter().any(|folder| name.starts_with(folder))
}

fn files(wanted: impl Fn(&str) -> bool) -> Vec<LibraryFile> {
    let mut found: Vec<LibraryFile> = Library::iter()
        .filter(|name| wanted(name))
        .filter_map(|name| {
            let file = Library::get(&name)?;
            let text = String::from_utf8_lossy(&file.data).into_owned();
            Some(LibraryFile { name: name.into_owned(), text })
        })
        .collect();
    found.sort_by(|one, other| one.name.cmp(&other.name));
    found
}

#[cfg(test)]
mod tests;
