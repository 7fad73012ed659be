//! `collector.yml`: what a person may set, and the paths that follow from it.
//! Promises: every problem at once, each with its line; a missing file means every default.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use agent_model::{Problem, Problems};
use agent_yaml::{Address, At, Bytes, Document, Duration, FilePath};
use deserr::Deserr;

use crate::outward;

/// What `collector.yml` may hold.
#[derive(Debug, Deserr)]
#[deserr(deny_unknown_fields)]
struct Raw {
    #[deserr(default = FilePath("/var/lib/haidang-collector".into()))]
    state_dir: FilePath,
    #[deserr(default)]
    agents: Agents,
    #[deserr(default)]
    remote_write: RawRemoteWrite,
    #[deserr(default)]
    web: RawWeb,
    #[deserr(default)]
    journal: Journal,
    #[deserr(default)]
    retention: Retention,
    #[deserr(default)]
    rules: Rules,
    #[deserr(default)]
    alerting_file: Option<FilePath>,
    #[deserr(default)]
    inventory_file: Option<FilePath>,
    #[deserr(default)]
    backup_policy_file: Option<FilePath>,
    #[deserr(default)]
    drills_dir: Option<FilePath>,
}

/// The port that agents talk to, and what one agent, or all of them, may take.
#[derive(Clone, Debug, Deserr)]
#[deserr(deny_unknown_fields)]
pub struct Agents {
    #[deserr(default = Agents::default().listen)]
    pub listen: Address,
    /// Connections at once; a further one waits in the kernel's queue.
    #[deserr(default = Agents::default().connections_max)]
    pub connections_max: usize,
    /// Bodies being received or decoded at once; beyond it agents are told to come back.
    #[deserr(default = Agents::default().bodies_bytes_max)]
    pub bodies_bytes_max: Bytes,
    /// Series that one host may have at once: a runaway exporter stops at its own wall.
    #[deserr(default = Agents::default().series_per_host_max)]
    pub series_per_host_max: usize,
    /// How long an agent's certificate lives; it renews at two thirds.
    #[deserr(default = Agents::default().certificate_lifetime)]
    pub certificate_lifetime: Duration,
    /// A sample further ahead of the collector's clock than this is refused.
    #[deserr(default = Agents::default().future_max)]
    pub future_max: Duration,
    /// A sample older than this is refused.
    #[deserr(default = Agents::default().past_max)]
    pub past_max: Duration,
}

#[derive(Debug, Deserr)]
#[deserr(deny_unknown_fields)]
struct RawRemoteWrite {
    #[deserr(default = RawRemoteWrite::default().series_per_token_max)]
    series_per_token_max: usize,
    #[deserr(default)]
    targets: Vec<At<outward::config::Raw>>,
}

/// What others may write with a token (what is too old or too new is said for `agents`), and where samples are sent on to.
#[derive(Clone, Debug)]
pub struct RemoteWrite {
    /// Series that one token may write at once: a runaway exporter stops at its own wall.
    pub series_per_token_max: usize,
    pub targets: Vec<outward::config::Target>,
}

#[derive(Debug, Deserr)]
#[deserr(deny_unknown_fields)]
struct RawWeb {
    #[deserr(default = RawWeb::default().listen)]
    listen: At<Address>,
    #[deserr(default)]
    certificate_file: Option<FilePath>,
    #[deserr(default)]
    key_file: Option<FilePath>,
    #[deserr(default)]
    external_url: Option<String>,
    #[deserr(default = RawWeb::default().session_lifetime)]
    session_lifetime: Duration,
    #[deserr(default)]
    admin_token_from_elsewhere: bool,
}

/// The port that people and their tools talk to.
#[derive(Clone, Debug)]
pub struct Web {
    pub listen: SocketAddr,
    /// Certificate chain and key, PEM files; needed unless `listen` is a loopback address.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// What people type, and what links in messages begin with.
    pub external_url: String,
    /// Whether the file says so: what is only derived from `listen` may lead nobody here.
    pub is_external_url_given: bool,
    pub session_lifetime_ms: i64,
    /// Whether the admin token of the start is taken from other machines too.
    pub admin_token_from_elsewhere: bool,
}

/// Four segments of the journal: only whole ones are released.
const JOURNAL_BYTES_MIN: u64 = 256 << 20;

/// How much of what was acknowledged is kept for views to catch up from.
#[derive(Clone, Debug, Deserr)]
#[deserr(deny_unknown_fields)]
pub struct Journal {
    /// Beyond it reports are refused, and wait at the agents.
    #[deserr(default = Journal::default().bytes_max)]
    pub bytes_max: Bytes,
    /// Free space that ingest leaves to alerts, the outbox and retention.
    #[deserr(default = Journal::default().free_reserve)]
    pub free_reserve: Bytes,
}

#[derive(Clone, Debug, Deserr)]
#[deserr(deny_unknown_fields)]
pub struct Retention {
    /// Of metrics as they were measured.
    #[deserr(default = Retention::default().metrics)]
    pub metrics: Duration,
    /// Of their five-minute roll-ups; none are made when it is no longer than that of the metrics.
    #[deserr(default = Retention::default().metric_rollups)]
    pub metric_rollups: Duration,
    #[deserr(default = Retention::default().events)]
    pub events: Duration,
}

#[derive(Clone, Debug, Deserr)]
#[deserr(deny_unknown_fields)]
pub struct Rules {
    /// Holds `*.yml`: Prometheus rule files, and Sigma rules in `detections/`.
    #[deserr(default)]
    pub directory: Option<FilePath>,
    /// Used by groups that set no interval of their own.
    #[deserr(default = Rules::default().evaluation_interval)]
    pub evaluation_interval: Duration,
    /// The rules that come with the program.
    #[deserr(default = Rules::default().library)]
    pub library: bool,
}

/// The configuration as the rest of the collector sees it.
#[derive(Clone, Debug)]
pub struct Config {
    pub state_dir: PathBuf,
    pub agents: Agents,
    pub remote_write: RemoteWrite,
    pub web: Web,
    pub journal: Journal,
    pub retention: Retention,
    pub rules: Rules,
    pub alerting_file: Option<PathBuf>,
    pub inventory_file: Option<PathBuf>,
    pub backup_policy_file: Option<PathBuf>,
    pub drills_dir: Option<PathBuf>,
}

impl Default for Agents {
    fn default() -> Self {
        Self {
            listen: Address(SocketAddr::from(([0, 0, 0, 0], 7443))),
            connections_max: 20_000,
            bodies_bytes_max: Bytes(256 << 20),
            series_per_host_max: 20_000,
            certificate_lifetime: Duration::from_secs(90 * 86_400),
            future_max: Duration::from_secs(3_600),
            past_max: Duration::from_secs(7 * 86_400),
        }
    }
}

impl Default for RawRemoteWrite {
    fn default() -> Self {
        Self { series_per_token_max: 200_000, targets: Vec::new() }
    }
}

impl Default for RawWeb {
    fn default() -> Self {
        Self {
            listen: At {
                value: Address(SocketAddr::from(([127, 0, 0, 1], 8080))),
                place: agent_yaml::Place::default(),
            },
            certificate_file: None,
            key_file: None,
            external_url: None,
            session_lifetime: Duration::from_secs(12 * 3_600),
            admin_token_from_elsewhere: false,
        }
    }
}

impl Default for Journal {
    fn default() -> Self {
        Self { bytes_max: Bytes(4 << 30), free_reserve: Bytes(512 << 20) }
    }
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            metrics: Duration::from_secs(30 * 86_400),
            // Thirteen months: the same month a year ago can be looked at.
            metric_rollups: Duration::from_secs(396 * 86_400),
            events: Duration::from_secs(366 * 86_400),
        }
    }
}

impl Default for Rules {
    fn default() -> Self {
        Self { directory: None, evaluation_interval: Duration::from_secs(15), library: true }
    }
}

impl Config {
    /// Reads a file, or says everything that is wrong with it.
    pub fn open(file: &Path) -> Result<Self, Problems> {
        let document = Document::open(file)?;
        Self::ready(&document)
    }

    /// Every default; `haidang up` and tests start from it.
    pub fn defaults(state_dir: PathBuf) -> Result<Self, Problems> {
        let document = Document::parse(Path::new("(defaults)"), "")?;
        Ok(Self { state_dir, ..Self::ready(&document)? })
    }

    fn ready(document: &Document) -> Result<Self, Problems> {
        let raw: Raw = document.read()?;
        let mut problems = Vec::new();
        let web = ready_web(document, raw.web, &mut problems);
        let targets = outward::config::ready(raw.remote_write.targets, document, &mut problems);
        check_journal(document, raw.journal.bytes_max, &targets, &mut problems);
        let series_per_token_max = raw.remote_write.series_per_token_max;
        if !problems.is_empty() {
            return Err(Problems(problems));
        }
        Ok(Self {
            state_dir: raw.state_dir.0,
            agents: raw.agents,
            remote_write: RemoteWrite { series_per_token_max, targets },
            web,
            journal: raw.journal,
            retention: raw.retention,
            rules: raw.rules,
            alerting_file: raw.alerting_file.map(|file| file.0),
            inventory_file: raw.inventory_file.map(|file| file.0),
            backup_policy_file: raw.backup_policy_file.map(|file| file.0),
            drills_dir: raw.drills_dir.map(|dir| dir.0),
        })
    }
}

/// The journal is the queue of the targets too: what one that is away may hold leaves as much to the stores.
fn check_journal(
    document: &Document,
    bytes_max: Bytes,
    targets: &[outward::config::Target],
    problems: &mut Vec<Problem>,
) {
    let mut wrong = |message: String| {
        problems.push(Problem { file: document.file().to_owned(), line: None, message });
    };
    if bytes_max.0 < JOURNAL_BYTES_MIN {
        wrong(format!("journal.bytes_max is at least {}MiB", JOURNAL_BYTES_MIN >> 20));
    }
    for target in targets.iter().filter(|target| target.queue_bytes_max > bytes_max.0 / 2) {
        wrong(format!(
            "remote_write target {}: queue_bytes_max is at most half of journal.bytes_max, or reports of \
             agents are refused when it is away",
            target.name
        ));
    }
}

fn ready_web(document: &Document, raw: RawWeb, problems: &mut Vec<Problem>) -> Web {
    let Address(listen) = raw.listen.value;
    let mut wrong = |message: String| problems.push(document.problem(&raw.listen.place, message));
    let tls = match (raw.certificate_file, raw.key_file) {
        (Some(certificate), Some(key)) => Some((certificate.0, key.0)),
        (None, None) => None,
        _ => {
            wrong("`certificate_file` and `key_file` are given together or not at all".to_owned());
            None
        }
    };
    if tls.is_none() && !listen.ip().is_loopback() {
        wrong(format!(
            "{listen} can be reached from outside, so `certificate_file` and `key_file` are needed; \
             or listen on 127.0.0.1"
        ));
    }
    let scheme = if tls.is_some() { "https" } else { "http" };
    let is_external_url_given = raw.external_url.is_some();
    let external_url = raw.external_url.unwrap_or_else(|| format!("{scheme}://{listen}"));
    let session_lifetime_ms = raw.session_lifetime.as_millis();
    let admin_token_from_elsewhere = raw.admin_token_from_elsewhere;
    Web {
        listen,
        tls,
        external_url,
        is_external_url_given,
        session_lifetime_ms,
        admin_token_from_elsewhere,
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    fn read(text: &str) -> Result<Config, Problems> {
        Config::ready(&Document::parse(Path::new("collector.yml"), text)?)
    }

    #[test]
    fn every_default_is_usable() {
        let config = read("").unwrap();
        assert!(config.web.listen.ip().is_loopback());
        assert_eq!(config.agents.listen.0.port(), 7443);
    }

    #[test]
    fn the_queue_of_a_target_leaves_room_in_the_journal() {
        let text = |queue: &str| {
            format!(
                "journal:\n  bytes_max: 300MiB\nremote_write:\n  targets:\n    - name: dc2\n      \
                 url: http://127.0.0.1:9090/api/v1/write\n      queue_bytes_max: {queue}\n"
            )
        };
        assert!(read(&text("150MiB")).is_ok());
        let problems = read(&text("151MiB")).unwrap_err().to_string();
        assert!(problems.contains("target dc2: queue_bytes_max is at most half"), "{problems}");
        let problems = read("journal:\n  bytes_max: 255MiB\n").unwrap_err().to_string();
        assert!(problems.contains("journal.bytes_max is at least 256MiB"), "{problems}");
    }

    #[test]
    fn an_open_port_without_tls_and_other_mistakes_are_refused_together() {
        let problems =
            read("web:\n  listen: 0.0.0.0:8080\n  key_file: /k\nagents:\n  listen: here\n");
        expect![[r#"
            collector.yml:5: "here" is no address; write for example 0.0.0.0:7443"#]]
        .assert_eq(&problems.unwrap_err().to_string());
        let problems = read("web:\n  listen: 0.0.0.0:8080\n  key_file: /k\n");
        expect![[r#"
            collector.yml:2: `certificate_file` and `key_file` are given together or not at all
            collector.yml:2: 0.0.0.0:8080 can be reached from outside, so `certificate_file` and `key_file` are needed; or listen on 127.0.0.1"#]]
        .assert_eq(&problems.unwrap_err().to_string());
    }
}
