//! Dependencies point inward: which crate of ours may use which, and which crates of others it must not know.
//! The table is section "The house" of the design; a new crate gets a line here.

use std::collections::BTreeMap;

use cargo_metadata::{DependencyKind, Metadata};

use super::SourceFile;

/// What a crate may use.
struct Arrow {
    package: &'static str,
    /// Crates of ours.
    may: &'static [&'static str],
    /// Crates of others that would break its promise.
    never: &'static [&'static str],
}

/// No sockets, no HTTP, no database.
const NO_IO: &[&str] =
    &["axum", "hyper", "reqwest", "rustls", "sqlx", "tantivy", "tokio", "tokio-rustls"];
/// Plain values: not even serialisation.
const VALUES: &[&str] =
    &["axum", "hyper", "prost", "reqwest", "serde", "serde_json", "sqlx", "tantivy", "tokio"];
/// A store serves nobody over a network.
const NO_NETWORK: &[&str] = &["axum", "hyper", "reqwest", "tokio-rustls"];

const ARROWS: &[Arrow] = &[
    arrow("agent-model", &[], VALUES),
    arrow("agent-wire", &["agent-model"], NO_IO),
    arrow("agent-yaml", &["agent-model"], NO_IO),
    arrow("agent-relabel", &["agent-model", "agent-yaml"], NO_IO),
    arrow(
        "agent",
        &["agent-model", "agent-relabel", "agent-wire", "agent-yaml"],
        &["axum", "sqlx", "tantivy"],
    ),
    arrow("rules-promql", &["agent-model"], NO_IO),
    arrow("rules-sigma", &["agent-model"], NO_IO),
    arrow("rules-templates", &["agent-model"], NO_IO),
    arrow(
        "rules",
        &["agent-model", "agent-yaml", "rules-promql", "rules-sigma", "rules-templates"],
        NO_IO,
    ),
    arrow("collector-journal", &[], NO_NETWORK),
    arrow("collector-metric-store", &["agent-model"], NO_NETWORK),
    arrow("collector-event-store", &["agent-model"], NO_NETWORK),
    arrow("collector-remote-write", &["agent-model"], NO_IO),
    arrow("collector-sqlite", &[], NO_NETWORK),
    arrow("collector-otlp", &["agent-model", "collector-remote-write"], NO_IO),
    arrow("collector-inventory", &["agent-model", "agent-yaml", "collector-sqlite"], NO_NETWORK),
    // It sends to webhooks, but serves nothing.
    arrow(
        "collector-alerting",
        &["agent-model", "agent-yaml", "collector-sqlite", "rules-templates"],
        &["axum", "promql-parser"],
    ),
    arrow("dashboards", &[], &["sqlx", "tantivy"]),
    arrow(
        "collector",
        &[
            "agent-model",
            "agent-relabel",
            "agent-wire",
            "agent-yaml",
            "collector-alerting",
            "collector-event-store",
            "collector-inventory",
            "collector-journal",
            "collector-metric-store",
            "collector-otlp",
            "collector-remote-write",
            "collector-sqlite",
            "dashboards",
            "rules",
            "rules-promql",
            "rules-sigma",
            "rules-templates",
        ],
        &[],
    ),
    arrow(
        "collector-cli",
        &[
            "agent",
            "agent-model",
            "agent-yaml",
            "collector",
            "rules",
            "rules-promql",
            "rules-sigma",
        ],
        &["sqlx", "tantivy"],
    ),
    // Stories use the daemons as people do, and the wires to play an agent or somebody who writes.
    arrow("tests", &["agent-model", "agent-wire", "collector-remote-write"], &[]),
    arrow("tests-xtask", &[], &[]),
];

const fn arrow(
    package: &'static str,
    may: &'static [&'static str],
    never: &'static [&'static str],
) -> Arrow {
    Arrow { package, may, never }
}

/// A package of ours and the names of what it depends on.
pub(super) struct Package {
    name: String,
    normal: Vec<String>,
    development: Vec<String>,
}

pub(super) fn packages(metadata: &Metadata) -> Vec<Package> {
    let names = |package: &cargo_metadata::Package, development: bool| {
        let wanted = package
            .dependencies
            .iter()
            .filter(|dependency| (dependency.kind == DependencyKind::Development) == development);
        wanted.map(|dependency| dependency.name.clone()).collect()
    };
    let packages = metadata.packages.iter().map(|package| Package {
        name: package.name.to_string(),
        normal: names(package, false),
        development: names(package, true),
    });
    packages.collect()
}

pub(super) fn problems(packages: &[Package]) -> Vec<String> {
    let ours: BTreeMap<&str, &Package> =
        packages.iter().map(|package| (package.name.as_str(), package)).collect();
    let mut problems = Vec::new();
    for package in packages {
        let name = &package.name;
        let Some(arrow) = ARROWS.iter().find(|arrow| arrow.package == name) else {
            problems.push(format!("{name}: a new crate needs a line in xtask's tidy/arrows.rs"));
            continue;
        };
        for used in &package.normal {
            if ours.contains_key(used.as_str()) && !arrow.may.contains(&used.as_str()) {
                problems.push(format!("{name} uses {used}: that arrow points the wrong way"));
            }
            if arrow.never.contains(&used.as_str()) {
                problems.push(format!("{name} uses {used}: it promises to know nothing of that"));
            }
        }
        // Tests may borrow more, but nobody leans on the stories.
        for used in package.development.iter().filter(|used| *used == "tests") {
            problems.push(format!("{name} uses {used}: nothing depends on the tests"));
        }
    }
    for arrow in ARROWS.iter().filter(|arrow| !ours.contains_key(arrow.package)) {
        problems.push(format!("{}: gone, but still in xtask's tidy/arrows.rs", arrow.package));
    }
    problems
}

/// The parts of the collector that only its wiring knows all of.
const PARTS: [&str; 5] = [
    "collector_alerting",
    "collector_event_store",
    "collector_inventory",
    "collector_journal",
    "collector_metric_store",
];
/// A file that joins as many parts as this is wiring. Two or three meet where work is done: ingest appends to the
/// journal and asks the inventory.
const PARTS_JOINED_MAX: usize = 3;

/// Where the collector's parts are joined: `app.rs` starts them, `stores.rs` opens them for it.
const WIRING: [&str; 3] = ["collector/src/app.rs", "collector/src/app/", "collector/src/stores.rs"];

/// The wiring is the only place of the collector that knows all its parts.
pub(super) fn wiring_problems(files: &[SourceFile]) -> Vec<String> {
    let of_collector = files.iter().filter(|file| {
        file.path.starts_with("collector/src/")
            && file.path.ends_with(".rs")
            && !WIRING.iter().any(|wiring| file.path.starts_with(wiring))
    });
    of_collector
        .filter_map(|file| {
            let known = PARTS.iter().filter(|part| file.text.contains(*part)).count();
            (known > PARTS_JOINED_MAX).then(|| {
                format!(
                    "{}: knows {known} parts of the collector; only app.rs joins them",
                    file.path
                )
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every crate as the table wants it, with some dependencies added to one of them.
    fn with(name: &str, normal: &[&str], development: &[&str]) -> Vec<String> {
        let texts = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let packages: Vec<Package> = ARROWS
            .iter()
            .map(|arrow| {
                let more = arrow.package == name;
                let normal = if more { texts(normal) } else { texts(arrow.may) };
                let development = if more { texts(development) } else { Vec::new() };
                Package { name: arrow.package.to_owned(), normal, development }
            })
            .collect();
        problems(&packages)
    }

    #[test]
    fn the_house_as_it_is_drawn_is_fine() {
        assert_eq!(with("", &[], &[]), Vec::<String>::new());
    }

    #[test]
    fn an_arrow_the_wrong_way_is_found() {
        let found = with("collector-metric-store", &["agent-model", "collector-journal"], &[]);
        let expected =
            "collector-metric-store uses collector-journal: that arrow points the wrong way";
        assert_eq!(found, [expected]);
    }

    #[test]
    fn a_broken_promise_is_found() {
        let found = with("agent-model", &["serde"], &[]);
        assert_eq!(found, ["agent-model uses serde: it promises to know nothing of that"]);
    }

    #[test]
    fn nothing_depends_on_the_tests() {
        let found = with("rules", &["agent-model"], &["tests"]);
        assert_eq!(found, ["rules uses tests: nothing depends on the tests"]);
    }

    #[test]
    fn a_crate_that_is_not_in_the_table_is_found() {
        let stranger = Package {
            name: "collector-utils".to_owned(),
            normal: Vec::new(),
            development: Vec::new(),
        };
        let found = problems(&[stranger]);
        assert!(found[0].starts_with("collector-utils: a new crate"), "{found:?}");
        assert!(found.contains(&"agent: gone, but still in xtask's tidy/arrows.rs".to_owned()));
    }

    #[test]
    fn only_the_wiring_knows_all_the_parts() {
        let file =
            |path: &str| SourceFile { path: path.to_owned(), text: PARTS.join("::x;\nuse ") };
        assert!(wiring_problems(&[file("collector/src/app.rs")]).is_empty());
        assert_eq!(wiring_problems(&[file("collector/src/ingest.rs")]).len(), 1);
    }
}
