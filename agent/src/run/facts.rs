//! What a host is, as it says itself at every start of its agent.

use std::fs;

use agent_model::Fact;

use crate::source::HostRoot;

/// A fact is a line for people, not a document.
const VALUE_CHARS_MAX: usize = 200;

pub(crate) fn facts(root: &HostRoot) -> Vec<Fact> {
    let read = |path: std::path::PathBuf| fs::read_to_string(path).unwrap_or_default();
    let kernel = |name: &str| read(root.proc.join("sys/kernel").join(name));
    let os_release = read(root.root.join("etc/os-release"));
    let pretty = os_release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    let facts = [
        ("agent_version", env!("CARGO_PKG_VERSION").to_owned()),
        ("arch", std::env::consts::ARCH.to_owned()),
        ("boot_id", kernel("random/boot_id")),
        ("hostname", kernel("hostname")),
        ("kernel", kernel("osrelease")),
        ("os", pretty.unwrap_or(std::env::consts::OS).trim_matches('"').to_owned()),
    ];
    let fact = |(name, value): (&str, String)| Fact {
        name: name.to_owned(),
        value: value.trim().chars().take(VALUE_CHARS_MAX).collect(),
    };
    facts.into_iter().map(fact).filter(|fact| !fact.value.is_empty()).collect()
}
