//! `agent.yml`: what people write, checked as a whole, then what the parts work with.
//! Each part owns its own section; this file only composes them. Every problem is told at once, with its line.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use agent_model::{HostId, Problem, Problems};
use agent_yaml::{At, Bytes, Document};
use deserr::Deserr;

use crate::source::HostRoot;
use crate::{backup, drop_box, exporters, metrics, outage_notice, probe, security};

/// Collectors that one agent may report to: a main site and a backup site, with room to move between pairs.
const COLLECTORS_MAX: usize = 4;

/// A tick shorter than this costs more than it tells.
const INTERVAL_MIN: Duration = Duration::from_secs(1);

/// A collector takes a host for silent after 45 s: beyond this, one missed report would already look like a dead host.
const INTERVAL_MAX: Duration = Duration::from_secs(20);

/// The smallest spool that holds an hour of a small host.
const SPOOL_BYTES_MIN: u64 = 4 << 20;

/// Everything the agent works with.
#[derive(Clone, Debug)]
pub struct Config {
    pub collectors: Vec<CollectorAddress>,
    /// Identity, spool and cursors; survives upgrades.
    pub state_dir: PathBuf,
    /// The name this host goes by; `None` takes the one in its certificate.
    pub host: Option<HostId>,
    pub interval: Duration,
    pub spool: SpoolConfig,
    pub web: WebConfig,
    pub drop_box: drop_box::Config,
    pub metrics: metrics::Config,
    pub security: security::Config,
    pub backup: backup::Config,
    pub probe: probe::Config,
    pub exporters: Vec<exporters::Config>,
    pub outage_notice: outage_notice::Config,
    /// Where the host's files are; not in the file, tests set it.
    pub root: HostRoot,
}

/// `host:port` of a collector; the address only says where to dial, its certificate says who it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CollectorAddress(String);

#[derive(Clone, Debug)]
pub struct SpoolConfig {
    /// What the spool may take of the disk.
    pub bytes_max: u64,
    /// How fast old metrics follow after an outage, so that a rented line stays usable.
    pub backlog_bytes_per_second: u64,
}

#[derive(Clone, Debug)]
pub struct WebConfig {
    /// `/metrics` and `/-/ready`; `None` when switched off.
    pub listen: Option<SocketAddr>,
}

#[derive(Debug, Deserr)]
#[deserr(deny_unknown_fields)]
struct Raw {
    collectors: Vec<RawCollector>,
    #[deserr(default = default_state_dir())]
    state_dir: String,
    #[deserr(default)]
    host: Option<At<String>>,
    #[deserr(default)]
    interval: Option<At<agent_yaml::Duration>>,
    #[deserr(default)]
    spool: RawSpool,
    #[deserr(default)]
    web: RawWeb,
    #[deserr(default)]
    drop_box: drop_box::Config,
    #[deserr(default)]
    metrics: metrics::Config,
    #[deserr(default)]
    security: security::Config,
    #[deserr(default)]
    backup: backup::Config,
    #[deserr(default)]
    probe: probe::Config,
    #[deserr(default)]
    exporters: Vec<exporters::Config>,
    #[deserr(default)]
    outage_notice: outage_notice::RawConfig,
}

#[derive(Debug, Deserr)]
#[deserr(deny_unknown_fields)]
struct RawCollector {
    address: At<String>,
}

#[derive(Debug, Default, Deserr)]
#[deserr(deny_unknown_fields)]
struct RawSpool {
    #[deserr(default)]
    bytes_max: Option<At<Bytes>>,
    #[deserr(default)]
    backlog_bytes_per_second: Option<Bytes>,
}

#[derive(Debug, Default, Deserr)]
#[deserr(deny_unknown_fields)]
struct RawWeb {
    #[deserr(default)]
    listen: Option<At<String>>,
}

fn default_state_dir() -> String {
    "/var/lib/haidang-agent".to_owned()
}

impl Default for SpoolConfig {
    fn default() -> Self {
        Self { bytes_max: 256 << 20, backlog_bytes_per_second: 256 << 10 }
    }
}

impl Default for WebConfig {
    fn default() -> Self {
        Self { listen: Some(SocketAddr::from(([127, 0, 0, 1], 7480))) }
    }
}

impl Config {
    /// What holds without a file: sections as they are when left out, and no collector.
    pub fn new(state_dir: PathBuf) -> Self {
        Self {
            collectors: Vec::new(),
            state_dir,
            host: None,
            interval: Duration::from_secs(15),
            spool: SpoolConfig::default(),
            web: WebConfig::default(),
            drop_box: drop_box::Config::default(),
            metrics: metrics::Config::default(),
            security: security::Config::default(),
            backup: backup::Config::default(),
            probe: probe::Config::default(),
            exporters: Vec::new(),
            outage_notice: outage_notice::Config::default(),
            root: HostRoot::default(),
        }
    }

    /// Reads and checks a file, or says everything that is wrong with it.
    pub fn open(file: &Path) -> Result<Self, Problems> {
        Self::read(&Document::open(file)?)
    }

    /// The same from text; `file` only names it in problems.
    pub fn parse(file: &Path, text: &str) -> Result<Self, Problems> {
        Self::read(&Document::parse(file, text)?)
    }

    /// Where other users of the host hand results over.
    pub fn drop_box_dir(&self) -> PathBuf {
        self.state_dir.join("drop-box")
    }

    fn read(document: &Document) -> Result<Self, Problems> {
        let raw: Raw = document.read()?;
        let mut problems = Vec::new();
        let mut config = Self::new(PathBuf::from(&raw.state_dir));
        config.collectors = collectors(&raw.collectors, document, &mut problems);
        if let Some(host) = &raw.host {
            match HostId::new(&host.value) {
                Ok(id) => config.host = Some(id),
                Err(error) => problems.push(document.problem(&host.place, error.to_string())),
            }
        }
        if let Some(interval) = &raw.interval {
            config.interval = interval.value.0;
            if !(INTERVAL_MIN..=INTERVAL_MAX).contains(&config.interval) {
                let message = "the interval lies between 1s and 20s; 15s is usual";
                problems.push(document.problem(&interval.place, message));
            }
        }
        spool(&raw.spool, &mut config.spool, document, &mut problems);
        web(&raw.web, &mut config.web, document, &mut problems);
        raw.drop_box.check(document, &mut problems);
        raw.metrics.check(document, &mut problems);
        raw.security.check(document, &mut problems);
        raw.backup.check(document, &mut problems);
        raw.probe.check(document, &mut problems);
        exporters::check(&raw.exporters, config.interval, document, &mut problems);
        config.outage_notice = raw.outage_notice.ready(document, &mut problems);
        config.drop_box = raw.drop_box;
        config.metrics = raw.metrics;
        config.security = raw.security;
        config.backup = raw.backup;
        config.probe = raw.probe;
        config.exporters = raw.exporters;
        if problems.is_empty() { Ok(config) } else { Err(Problems(problems)) }
    }
}

impl CollectorAddress {
    /// Checks that a text is `host:port`.
    pub fn new(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("{text:?} is not host:port; write for example collector.example:7443");
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        let port: u16 = port.parse().map_err(|_| wrong())?;
        let blank = host.is_empty() || host.chars().any(|c| c.is_whitespace() || c == '/');
        if blank || port == 0 { Err(wrong()) } else { Ok(Self(text.to_owned())) }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The same as the name of a file.
    pub fn as_file_name(&self) -> String {
        let plain = |c: char| if c.is_ascii_alphanumeric() || ".-".contains(c) { c } else { '_' };
        self.0.chars().map(plain).collect()
    }
}

impl std::fmt::Display for CollectorAddress {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}

fn collectors(
    raw: &[RawCollector],
    document: &Document,
    problems: &mut Vec<Problem>,
) -> Vec<CollectorAddress> {
    let mut addresses: Vec<CollectorAddress> = Vec::new();
    for collector in raw {
        let refusal = match CollectorAddress::new(&collector.address.value) {
            Err(message) => message,
            Ok(address) if addresses.contains(&address) => format!("{address} stands here twice"),
            Ok(_) if addresses.len() == COLLECTORS_MAX => {
                format!("at most {COLLECTORS_MAX} collectors are served")
            }
            Ok(address) => {
                addresses.push(address);
                continue;
            }
        };
        problems.push(document.problem(&collector.address.place, refusal));
    }
    if raw.is_empty() {
        let message = "`collectors` names no collector; add `- address: host:7443`";
        problems.push(Problem {
            file: document.file().to_owned(),
            line: None,
            message: message.to_owned(),
        });
    }
    addresses
}

fn spool(
    raw: &RawSpool,
    ready: &mut SpoolConfig,
    document: &Document,
    problems: &mut Vec<Problem>,
) {
    if let Some(bytes_max) = &raw.bytes_max {
        ready.bytes_max = bytes_max.value.0;
        if ready.bytes_max < SPOOL_BYTES_MIN {
            let message = "the spool needs at least 4MiB; 256MiB holds about two days";
            problems.push(document.problem(&bytes_max.place, message));
        }
    }
    if let Some(rate) = raw.backlog_bytes_per_second {
        // A rate of nothing would keep the backlog for ever.
        ready.backlog_bytes_per_second = rate.0.max(1 << 10);
    }
}

fn web(raw: &RawWeb, ready: &mut WebConfig, document: &Document, problems: &mut Vec<Problem>) {
    let Some(listen) = &raw.listen else { return };
    if listen.value == "off" {
        ready.listen = None;
        return;
    }
    match listen.value.parse::<SocketAddr>() {
        Ok(address) if address.ip().is_loopback() => ready.listen = Some(address),
        Ok(_) => {
            let message = "the agent's own page has no lock: it listens on loopback only, for \
                           example 127.0.0.1:7480, or `off`";
            problems.push(document.problem(&listen.place, message));
        }
        Err(_) => {
            let message = format!("{:?} is not ip:port", listen.value);
            problems.push(document.problem(&listen.place, message));
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(text: &str, expected: Expect) {
        let shown = match Config::parse(Path::new("agent.yml"), text) {
            Ok(config) => format!("{:?} {:?}\n", config.collectors, config.interval),
            Err(problems) => format!("{problems}\n"),
        };
        expected.assert_eq(&shown);
    }

    #[test]
    fn one_collector_is_enough() {
        check(
            "collectors:\n  - address: c.example:7443\n",
            expect![[r#"
            [CollectorAddress("c.example:7443")] 15s
        "#]],
        );
    }

    #[test]
    fn a_tick_may_be_missed_before_the_host_looks_dead() {
        let with = |interval: &str| {
            let text = format!("collectors:\n  - address: a:1\ninterval: {interval}\n");
            Config::parse(Path::new("agent.yml"), &text).map(|config| config.interval)
        };
        assert_eq!(with("20s").unwrap(), INTERVAL_MAX);
        assert!(with("21s").unwrap_err().to_string().contains("between 1s and 20s"));
    }

    #[test]
    fn every_problem_is_told_at_once() {
        check(
            "collectors:\n  - address: c.example\n  - address: a:1\n  - address: a:1\nhost: Web\n\
             interval: 1h\nspool:\n  bytes_max: 1KiB\nweb:\n  listen: 0.0.0.0:80\n",
            expect![[r#"
                agent.yml:2: "c.example" is not host:port; write for example collector.example:7443
                agent.yml:4: a:1 stands here twice
                agent.yml:5: host id "Web" may only hold a-z, 0-9, '.', '_' and '-', and begins and ends with a-z or 0-9
                agent.yml:6: the interval lies between 1s and 20s; 15s is usual
                agent.yml:8: the spool needs at least 4MiB; 256MiB holds about two days
                agent.yml:10: the agent's own page has no lock: it listens on loopback only, for example 127.0.0.1:7480, or `off`
            "#]],
        );
        check(
            "colectors: []\n",
            expect![[r#"
                agent.yml:1: unknown key `colectors`; known here: collectors, state_dir, host, interval, spool, web, drop_box, metrics, security, backup, probe, exporters, outage_notice
                agent.yml:1: `collectors` is missing
            "#]],
        );
    }

    #[test]
    fn an_address_makes_a_safe_file_name() {
        let address = CollectorAddress::new("[::1]:7443").unwrap();
        assert_eq!(address.as_file_name(), "___1__7443");
    }
}
