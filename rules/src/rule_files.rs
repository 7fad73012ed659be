//! Files that people name: which language a file is written in, and which files a test is about.

use std::path::{Path, PathBuf};

use agent_model::{Problem, Problems};
use agent_yaml::{At, Document, Text};

/// Keys at the top of a Sigma rule; a file of metric rules has `groups` alone.
const SIGMA_KEYS: [&str; 4] = ["title:", "logsource:", "detection:", "correlation:"];

/// Keys of a case in a test of detections, and in one of metric rules.
const DETECTION_TEST_KEYS: [&str; 2] = ["events:", "detections:"];
const METRIC_TEST_KEYS: [&str; 3] = ["input_series:", "alert_rule_test:", "promql_expr_test:"];

/// Whether a rule file holds Sigma rules; what is neither is left to the metric rules' loader to refuse.
pub(crate) fn is_sigma(text: &str) -> bool {
    let begins = |line: &str| SIGMA_KEYS.iter().any(|key| line.starts_with(key));
    text.lines().any(begins) && !text.lines().any(|line| line.starts_with("groups:"))
}

/// Whether a test file is about detections; see [`crate::detection_tests`] for the format.
pub(crate) fn is_detection_test(text: &str) -> bool {
    // A case may stand in one line, as `{events: …, detections: …}`.
    let has = |keys: &[&str]| {
        let mut parts = text.lines().flat_map(|line| line.split(['{', ',']));
        parts
            .any(|part| keys.iter().any(|key| part.trim_start_matches([' ', '-']).starts_with(key)))
    };
    has(&DETECTION_TEST_KEYS) && !has(&METRIC_TEST_KEYS)
}

/// The files that the patterns of a test name, looked up beside it, and the patterns that name none.
pub(crate) fn beside(document: &Document, patterns: &[At<Text>]) -> (Vec<PathBuf>, Problems) {
    let folder = document.file().parent().unwrap_or(Path::new(""));
    let mut files = Vec::new();
    let mut problems: Vec<Problem> = Vec::new();
    for pattern in patterns {
        let absolute = folder.join(&pattern.value.0);
        match glob::glob(&absolute.to_string_lossy()) {
            Ok(found) => {
                let before = files.len();
                files.extend(found.filter_map(Result::ok));
                if files.len() == before {
                    let message = format!("{:?} names no file", pattern.value.0);
                    problems.push(document.problem(&pattern.place, message));
                }
            }
            Err(error) => {
                let message = format!("{:?} is not a file pattern: {error}", pattern.value.0);
                problems.push(document.problem(&pattern.place, message));
            }
        }
    }
    (files, Problems(problems))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_library_shows_which_language_a_file_is_written_in() {
        let (metrics, sigma) = (crate::library::metric_rules(), crate::library::detection_rules());
        assert!(!metrics.iter().any(|file| is_sigma(&file.text)));
        assert!(sigma.iter().all(|file| is_sigma(&file.text)));
        let (metrics, sigma) = (crate::library::metric_tests(), crate::library::detection_tests());
        assert!(!metrics.iter().any(|file| is_detection_test(&file.text)));
        assert!(sigma.iter().all(|file| is_detection_test(&file.text)));
    }
}
