//! The rules in force: those that come with the program, and those of the province.
//! Promises: one bad rule never silences the others; its file, line and reason are kept for people to see.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use agent_model::{Problem, Problems};
use rules::RuleSet;
use rules_sigma::SigmaRules;

use crate::config::Rules;

/// Metric rules, detections, and what is wrong with the files.
#[derive(Clone, Default)]
pub struct Rulebook {
    pub metrics: RuleSet,
    pub detections: Arc<SigmaRules>,
    pub problems: Problems,
}

/// Sigma rules lie in this folder of the rule directory.
const DETECTIONS_FOLDER: &str = "detections";

impl Rulebook {
    pub fn load(config: &Rules) -> Self {
        let mut book = Self::default();
        let mut sigma: Vec<(PathBuf, String)> = Vec::new();
        if config.library {
            for file in rules::library::metric_rules() {
                book.add(rules::load_rule_text(Path::new(&file.name), &file.text));
            }
            let shipped = rules::library::detection_rules().into_iter();
            sigma.extend(shipped.map(|file| (file.name.into(), file.text)));
        }
        if let Some(directory) = &config.directory {
            let files = book.yaml_files(&directory.0);
            book.add(rules::load_rule_files(&files));
            let folder = directory.0.join(DETECTIONS_FOLDER);
            let files = if folder.exists() { book.yaml_files(&folder) } else { Vec::new() };
            for file in files {
                match std::fs::read_to_string(&file) {
                    Ok(text) => sigma.push((file, text)),
                    Err(error) => book.problem(&file, format!("cannot be read: {error}")),
                }
            }
        }
        let (detections, problems) = SigmaRules::load(&sigma);
        book.detections = Arc::new(detections);
        book.problems.0.extend(problems.0);
        book
    }

    fn add(&mut self, (rules, problems): (RuleSet, Problems)) {
        self.metrics.groups.extend(rules.groups);
        self.problems.0.extend(problems.0);
    }

    /// The rule files of a directory in order of name; tests of rules lie beside them and are not rules.
    fn yaml_files(&mut self, directory: &Path) -> Vec<PathBuf> {
        let entries = match std::fs::read_dir(directory) {
            Ok(entries) => entries,
            Err(error) => {
                self.problem(directory, format!("cannot be listed: {error}"));
                return Vec::new();
            }
        };
        let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
        let mut files: Vec<PathBuf> = paths
            .filter(|path| {
                let name = path.to_string_lossy();
                let yaml = name.ends_with(".yml") || name.ends_with(".yaml");
                yaml && !name.ends_with(".test.yml") && path.is_file()
            })
            .collect();
        files.sort();
        files
    }

    fn problem(&mut self, file: &Path, message: String) {
        self.problems.0.push(Problem { file: file.to_owned(), line: None, message });
    }
}
