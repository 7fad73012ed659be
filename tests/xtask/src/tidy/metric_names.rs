//! Rules and dashboards only name metrics that exist: those the agent exports (a golden file of its tests) and those
//! that `rules/library/METRICS.md` promises. A name nobody exports is a rule that never fires.

use std::collections::BTreeSet;

use super::SourceFile;

/// What the agent exports of a host, checked by its own tests.
const EXPORTED: &str = "agent/fixtures/metric-names.txt";
/// The contract of the rules: what else may be used, in backquotes.
const PROMISED: &str = "rules/library/METRICS.md";
/// Names that begin like this are metrics.
const PREFIXES: [&str; 3] = ["node_", "haidang_", "probe_"];
/// Words that begin so and are none.
const NOT_METRICS: [&str; 2] = ["node_modules", "node_exporter"];

pub(super) fn problems(files: &[SourceFile]) -> Vec<String> {
    let find = |path: &str| files.iter().find(|file| file.path == path);
    let Some(exported) = find(EXPORTED) else {
        return vec![format!("{EXPORTED}: the list of exported metrics is missing")];
    };
    let exported: BTreeSet<&str> = exported.text.lines().collect();
    let promised: BTreeSet<&str> = find(PROMISED)
        .map(|file| words(&file.text).map(|(_, word)| word).collect())
        .unwrap_or_default();
    let mut problems = Vec::new();
    // What the contract says of hosts, the agent must keep.
    let of_hosts = |name: &&&str| name.starts_with("node_") && !name.starts_with("node_scrape_");
    for name in promised.iter().filter(of_hosts).filter(|name| !exported.contains(**name)) {
        problems.push(format!("{PROMISED}: no agent exports `{name}`"));
    }
    for file in files.iter().filter(|file| uses_metrics(&file.path)) {
        let recorded: BTreeSet<&str> = recorded(&file.text).collect();
        let mut reported = BTreeSet::new();
        for (line, name) in words(&file.text) {
            let known =
                exported.contains(name) || promised.contains(name) || recorded.contains(name);
            if !known && reported.insert(name) {
                problems.push(format!("{}:{line}: nobody exports `{name}`", file.path));
            }
        }
    }
    problems
}

/// Shipped rules and their tests, and what the dashboards ask for.
fn uses_metrics(path: &str) -> bool {
    let rules = path.starts_with("rules/library/") && path.ends_with(".yml");
    let grafana = path.starts_with("dashboards/grafana/") && path.ends_with(".json");
    let pages = path.starts_with("dashboards/web/src/")
        && (path.ends_with(".ts") || path.ends_with(".tsx"));
    rules || grafana || pages
}

/// Names that a rule file records itself.
fn recorded(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .filter_map(|line| line.trim_start_matches([' ', '-']).strip_prefix("record:"))
        .map(|name| name.trim().trim_matches(['"', '\'']))
}

/// Every word that is the name of a metric, with the number of its line.
fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let in_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == ':';
    text.lines().enumerate().flat_map(move |(at, line)| {
        let words = line.split(move |letter| !in_name(letter));
        let metrics = words.filter(|word| {
            PREFIXES.iter().any(|prefix| word.len() > prefix.len() && word.starts_with(prefix))
                // `haidang_backup_*` in a sentence.
                && !word.ends_with('_')
                && !NOT_METRICS.contains(word)
        });
        metrics.map(move |word| (at + 1, word))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, text: &str) -> Vec<String> {
        let file = |path: &str, text: &str| SourceFile { path: path.into(), text: text.into() };
        problems(&[
            file(EXPORTED, "node_load1\nnode_load5\n"),
            file(PROMISED, "| `haidang_service_up` | `service` | 1 |\nas `haidang_backup_*`\n"),
            file(path, text),
        ])
    }

    #[test]
    fn names_that_exist_are_fine() {
        let rule = "expr: node_load1 / haidang_service_up > 2\nrecord: node_load:ratio\nexpr: node_load:ratio";
        assert_eq!(check("rules/library/metrics/X.yml", rule), Vec::<String>::new());
        assert_eq!(check("dashboards/web/src/x.ts", "from 'node_modules/x'"), Vec::<String>::new());
    }

    #[test]
    fn a_name_nobody_exports_is_found_in_rules_and_dashboards() {
        let expected = ":1: nobody exports `node_laod1`";
        for path in [
            "rules/library/metrics/X.yml",
            "dashboards/grafana/host.json",
            "dashboards/web/src/pages/Host.tsx",
        ] {
            assert_eq!(check(path, "rate(node_laod1[5m])"), [format!("{path}{expected}")]);
        }
    }

    #[test]
    fn the_contract_may_not_promise_what_no_agent_exports() {
        let files = [
            SourceFile { path: EXPORTED.into(), text: "node_load1\n".into() },
            SourceFile { path: PROMISED.into(), text: "`node_load15`".into() },
        ];
        assert_eq!(problems(&files), [format!("{PROMISED}: no agent exports `node_load15`")]);
    }

    #[test]
    fn without_the_list_nothing_can_be_checked() {
        assert_eq!(problems(&[]).len(), 1);
    }
}
