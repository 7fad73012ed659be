//! Every shipped rule stands beside its test, with at least one case that fires and one that stays silent.
//! That the tests pass is checked by the crate `rules`.

use super::SourceFile;

const LIBRARY: &str = "rules/library/";

/// Keys of the expected results: alerts and samples in promtool's format, detections in ours.
const RESULTS: [&str; 3] = ["exp_alerts:", "exp_samples:", "detections:"];

pub(super) fn problems(files: &[SourceFile]) -> Vec<String> {
    let shipped = files.iter().filter(|file| {
        file.path.starts_with(LIBRARY) && file.path.ends_with(".yml") && !is_test(&file.path)
    });
    let mut problems: Vec<String> =
        shipped.flat_map(|rule| rule_problems(&rule.path, files)).collect();
    let tests = files.iter().filter(|file| file.path.starts_with(LIBRARY) && is_test(&file.path));
    for test in tests {
        let rule = format!("{}.yml", test.path.trim_end_matches(".test.yml"));
        if !files.iter().any(|file| file.path == rule) {
            problems.push(format!("{}: tests {rule}, which is not there", test.path));
        }
    }
    problems
}

fn is_test(path: &str) -> bool {
    path.ends_with(".test.yml")
}

fn rule_problems(rule: &str, files: &[SourceFile]) -> Vec<String> {
    let path = format!("{}.test.yml", rule.trim_end_matches(".yml"));
    let Some(test) = files.iter().find(|file| file.path == path) else {
        return vec![format!("{rule}: has no test; write {path}")];
    };
    let mut problems = Vec::new();
    let file_name = rule.rsplit('/').next().unwrap_or(rule);
    if !test.text.contains(file_name) {
        problems.push(format!("{path}: its rule_files do not name {file_name}"));
    }
    let results = || {
        let lines = test.text.lines().map(|line| line.trim_start_matches([' ', '-']));
        lines.filter_map(|line| RESULTS.iter().find_map(|key| line.strip_prefix(key)))
    };
    let is_empty = |result: &str| result.trim().starts_with("[]");
    if !results().any(is_empty) {
        problems.push(format!("{path}: no case stays silent (a result of `[]`)"));
    }
    if results().all(is_empty) {
        problems.push(format!("{path}: no case fires"));
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(test: Option<&str>) -> Vec<String> {
        let file = |path: &str, text: &str| SourceFile { path: path.into(), text: text.into() };
        let mut files = vec![file("rules/library/metrics/HostDown.yml", "groups: []")];
        if let Some(text) = test {
            files.push(file("rules/library/metrics/HostDown.test.yml", text));
        }
        problems(&files)
    }

    const FIRES: &str = "      - exp_alerts:\n          - {}\n";
    const SILENT: &str = "    detections: []\n";

    #[test]
    fn a_rule_with_both_cases_is_fine() {
        let found = check(Some(&format!("rule_files: [HostDown.yml]\n{FIRES}{SILENT}")));
        assert_eq!(found, Vec::<String>::new());
    }

    #[test]
    fn a_rule_without_a_test_is_refused() {
        assert_eq!(check(None).len(), 1);
    }

    #[test]
    fn a_rule_that_only_fires_or_never_does_is_refused() {
        let head = "rule_files: [HostDown.yml]\n";
        assert!(check(Some(&format!("{head}{FIRES}")))[0].ends_with("(a result of `[]`)"));
        assert!(check(Some(&format!("{head}{SILENT}")))[0].ends_with("no case fires"));
    }

    #[test]
    fn a_test_must_name_its_rule_and_the_rule_must_exist() {
        let found = check(Some(&format!("rule_files: [Other.yml]\n{FIRES}{SILENT}")));
        assert_eq!(found.len(), 1);
        let alone =
            SourceFile { path: "rules/library/metrics/Gone.test.yml".into(), text: String::new() };
        assert_eq!(problems(&[alone]).len(), 1);
    }
}
