//! What the tests need besides Rust: ONE list, each with its reason.
//! As root Debian packages are installed; otherwise what is missing is said, with the command that brings it.

use std::path::Path;

use anyhow::Result;

use crate::check::Outcome;
use crate::command::{answers, command, find_program, succeeds};

/// A program that tests call.
struct Need {
    program: &'static str,
    source: Source,
    reason: &'static str,
}

#[derive(Clone, Copy)]
enum Source {
    /// The Debian package that brings it.
    Debian(&'static str),
    /// The crate that brings it. Built without optimisation: a tool that waits for others is not built for minutes.
    Cargo(&'static str),
    /// Nothing that we install: what to do instead.
    Hand(&'static str),
}

const NEEDS: &[Need] = &[
    need("chromium", Source::Debian("chromium"), "the dashboards are opened in a real browser"),
    need(
        "prometheus-node-exporter",
        Source::Debian("prometheus-node-exporter"),
        "host metrics are compared with its names, labels and values",
    ),
    need(
        "prometheus-blackbox-exporter",
        Source::Debian("prometheus-blackbox-exporter"),
        "the agent scrapes it beside a real Prometheus",
    ),
    need(
        "promtool",
        Source::Debian("prometheus"),
        "shipped rules and their tests are files that promtool takes; its server answers as ours",
    ),
    need(
        "amtool",
        Source::Debian("prometheus-alertmanager"),
        "it is run against our alerting, and its server answers as ours",
    ),
    need("rsyslogd", Source::Debian("rsyslog-gnutls"), "it takes our lines of syslog over TLS"),
    need(
        "victoria-metrics",
        Source::Debian("victoria-metrics"),
        "samples are sent on to a real one",
    ),
    need("restic", Source::Debian("restic"), "backups are read from real repositories"),
    need("borg", Source::Debian("borgbackup"), "backups are read from real repositories"),
    need("pgbackrest", Source::Debian("pgbackrest"), "backups are read from real repositories"),
    need(
        "pg_createcluster",
        Source::Debian("postgresql"),
        "servers of PostgreSQL are backed up, followed by standbys and cut off",
    ),
    need("mariadbd", Source::Debian("mariadb-server"), "a server of MariaDB is backed up"),
    need("mariadb-backup", Source::Debian("mariadb-backup"), "it makes backups and prepares them"),
    need("mkfs.xfs", Source::Debian("xfsprogs"), "a full disk is tried on a real file system"),
    need("systemd-analyze", Source::Debian("systemd"), "the units in deploy/systemd are verified"),
    need(
        "systemd-nspawn",
        Source::Debian("systemd-container"),
        "the units are started by a systemd of their own",
    ),
    need("curl", Source::Debian("curl"), "the API is asked from inside a machine without network"),
    need("git", Source::Debian("git"), "tidy asks it which files are ours"),
    need("cc", Source::Debian("build-essential"), "aws-lc, zstd and SQLite are built from C"),
    need("cmake", Source::Debian("cmake"), "aws-lc is built with it"),
    need("npm", Source::Hand("install Node.js 20 or newer"), "the dashboards' pages are built"),
    need("cargo-nextest", Source::Cargo("cargo-nextest"), "the tests are run by it"),
    need("cargo-deny", Source::Cargo("cargo-deny"), "licences and sources are checked by it"),
];

const fn need(program: &'static str, source: Source, reason: &'static str) -> Need {
    Need { program, source, reason }
}

/// Brings what can be brought; `LeftOut` names what is missing still.
pub(crate) fn run(root: &Path) -> Result<Outcome> {
    install_packages(root)?;
    for need in missing() {
        if let Source::Cargo(name) = need.source {
            succeeds(&format!("cargo install --locked --debug {name}"), root)?;
        }
    }
    let missing = missing();
    for need in &missing {
        println!("missing: {} ({}): {}", need.program, need.reason, need.advice());
    }
    if missing.is_empty() {
        return Ok(Outcome::Passed);
    }
    let names: Vec<_> = missing.iter().map(|need| need.program).collect();
    Ok(Outcome::LeftOut(format!("missing: {}", names.join(", "))))
}

fn missing() -> Vec<&'static Need> {
    NEEDS.iter().filter(|need| find_program(need.program).is_none()).collect()
}

fn install_packages(root: &Path) -> Result<()> {
    let packages: Vec<_> = missing()
        .iter()
        .filter_map(|need| match need.source {
            Source::Debian(package) => Some(package),
            Source::Cargo(_) | Source::Hand(_) => None,
        })
        .collect();
    if packages.is_empty() || find_program("apt-get").is_none() || !is_root(root) {
        return Ok(());
    }
    let install = format!("apt-get install --yes --no-install-recommends {}", packages.join(" "));
    if answers(&install, root) {
        return Ok(());
    }
    // The lists of packages may be old or not there at all.
    if succeeds("apt-get update", root)? {
        succeeds(&install, root)?;
    }
    Ok(())
}

fn is_root(root: &Path) -> bool {
    let output = command("id --user", root).output();
    output.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

impl Need {
    fn advice(&self) -> String {
        match self.source {
            Source::Debian(package) => format!("apt-get install {package}"),
            Source::Cargo(name) => format!("cargo install --locked {name}"),
            Source::Hand(advice) => advice.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_need_has_a_reason_and_no_program_stands_twice() {
        for (at, need) in NEEDS.iter().enumerate() {
            assert!(need.reason.len() > 10, "{}", need.program);
            assert!(!NEEDS[..at].iter().any(|other| other.program == need.program));
        }
    }
}
