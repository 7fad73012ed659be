//! `remote_write.targets` of `collector.yml`: the systems that samples are sent on to.
//! Promises: every problem at once, each with its line; secrets are file paths.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::time::Duration;

use agent_model::{Millis, Problem};
use agent_yaml::{At, Bytes, Document, Duration as Length, FilePath, Place, Text, http_url};
use collector_remote_write::Version;
use deserr::Deserr;
use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

/// Systems that one collector sends to: each reads the journal and has connections of its own.
const TARGETS_MAX: usize = 10;

/// Requests to one target at once.
const SHARDS_MAX: usize = 64;

/// Samples of one request: twice as many as what common receivers take in one piece.
const BATCH_SAMPLES_MAX: usize = 20_000;

/// Two segments of the journal: what is dropped is dropped in these.
const QUEUE_BYTES_MIN: u64 = 128 << 20;

/// The journal's schemas are kept for 30 days after their last use; what is older could not be read.
const QUEUE_AGE_MAX: Duration = Duration::from_secs(7 * 86_400);

/// Bytes of a name: it is a label's value and a file's name.
const NAME_BYTES_MAX: usize = 64;

/// What a request says of itself.
const OWN_HEADERS: [&str; 5] = [
    "content-type",
    "content-encoding",
    "content-length",
    "user-agent",
    "x-prometheus-remote-write-version",
];

/// One target as people write it.
#[derive(Clone, Debug, Deserr)]
#[deserr(deny_unknown_fields)]
pub struct Raw {
    name: At<String>,
    url: At<String>,
    #[deserr(default)]
    version: Option<At<Text>>,
    /// Sent with every request; no place for secrets.
    #[deserr(default)]
    headers: BTreeMap<String, At<Text>>,
    #[deserr(default)]
    basic_auth: Option<BasicAuth>,
    #[deserr(default)]
    bearer_token_file: Option<At<FilePath>>,
    #[deserr(default)]
    tls: RawTls,
    /// Prometheus' `write_relabel_configs`.
    #[deserr(default)]
    write_relabel: Vec<At<agent_relabel::Config>>,
    #[deserr(default = 2_000)]
    batch_samples_max: usize,
    #[deserr(default = 4)]
    shards: usize,
    #[deserr(default = Length::from_secs(30))]
    timeout: Length,
    #[deserr(default = Bytes(1 << 30))]
    queue_bytes_max: Bytes,
    #[deserr(default = Length::from_secs(2 * 86_400))]
    queue_age_max: Length,
}

#[derive(Clone, Debug, Deserr)]
#[deserr(deny_unknown_fields)]
struct BasicAuth {
    username: String,
    password_file: FilePath,
}

#[derive(Clone, Debug, Default, Deserr)]
#[deserr(deny_unknown_fields)]
struct RawTls {
    #[deserr(default)]
    ca_file: Option<FilePath>,
    #[deserr(default)]
    cert_file: Option<At<FilePath>>,
    #[deserr(default)]
    key_file: Option<At<FilePath>>,
}

/// Who the collector says it is.
#[derive(Clone, Debug)]
pub enum Credentials {
    None,
    Basic { username: String, password_file: PathBuf },
    Bearer { token_file: PathBuf },
}

/// A system that samples are sent on to.
#[derive(Clone, Debug)]
pub struct Target {
    /// In metrics, in the log, and the name of the file that holds how far it has come.
    pub name: String,
    pub url: Url,
    pub version: Version,
    pub headers: HeaderMap,
    pub credentials: Credentials,
    /// PEM certificates that the target's must come from; left out, those that this machine trusts.
    pub ca_file: Option<PathBuf>,
    /// Certificate chain and key that are shown to the target.
    pub client_files: Option<(PathBuf, PathBuf)>,
    /// Which series are sent, and under which labels.
    pub write_relabel: Vec<agent_relabel::Rule>,
    pub batch_samples_max: usize,
    /// Requests under way at once; a series always goes by the same.
    pub shards: usize,
    /// One request, from the connection to the end of the answer's head.
    pub timeout: Duration,
    /// Bytes of the journal that are kept for this target; beyond it the oldest are dropped.
    pub queue_bytes_max: u64,
    /// What was received longer ago is dropped.
    pub queue_age_max_ms: Millis,
}

/// The targets, and what is wrong with them.
pub fn ready(raw: Vec<At<Raw>>, document: &Document, problems: &mut Vec<Problem>) -> Vec<Target> {
    let mut names = HashSet::new();
    let mut targets = Vec::new();
    for (at, one) in raw.into_iter().enumerate() {
        let At { value, place } = one;
        let mut wrong = |place: &Place, message: String| {
            problems.push(document.problem(place, message));
        };
        if at == TARGETS_MAX {
            wrong(&place, format!("at most {TARGETS_MAX} targets are sent to"));
        }
        if !names.insert(value.name.value.clone()) {
            let message = format!("two targets are named {:?}", value.name.value);
            wrong(&value.name.place, message);
        }
        let rules = value.write_relabel.clone();
        targets.extend(value.ready(&place, &mut wrong));
        for rule in &rules {
            agent_relabel::Config::check(rule, &[], document, problems);
        }
    }
    targets
}

impl Raw {
    fn ready(self, place: &Place, wrong: &mut impl FnMut(&Place, String)) -> Option<Target> {
        if !is_name(&self.name.value) {
            let message = format!(
                "{:?} is no name: 1 to {NAME_BYTES_MAX} letters, digits, `-` and `_`",
                self.name.value
            );
            wrong(&self.name.place, message);
        }
        for (got, min, max, key) in [
            (self.shards, 1, SHARDS_MAX, "shards"),
            (self.batch_samples_max, 1, BATCH_SAMPLES_MAX, "batch_samples_max"),
        ] {
            if !(min..=max).contains(&got) {
                wrong(place, format!("{key} lies between {min} and {max}"));
            }
        }
        if self.timeout.0.is_zero() {
            wrong(place, "timeout must be longer than 0".to_owned());
        }
        if self.queue_bytes_max.0 < QUEUE_BYTES_MIN {
            wrong(place, format!("queue_bytes_max is at least {}MiB", QUEUE_BYTES_MIN >> 20));
        }
        if self.queue_age_max.0.is_zero() || self.queue_age_max.0 > QUEUE_AGE_MAX {
            wrong(place, "queue_age_max lies between 1ms and 7d".to_owned());
        }
        let headers = headers(&self.headers, wrong);
        let version = version(self.version.as_ref(), wrong);
        let credentials = credentials(self.basic_auth, self.bearer_token_file, wrong);
        let client_files = client_files(self.tls.cert_file, self.tls.key_file, wrong);
        let url = url(&self.url.value).map_err(|message| wrong(&self.url.place, message)).ok()?;
        Some(Target {
            name: self.name.value,
            url,
            version,
            headers,
            credentials,
            ca_file: self.tls.ca_file.map(|file| file.0),
            client_files,
            // What cannot be used is told by `ready`.
            write_relabel: self.write_relabel.iter().flat_map(|at| at.value.rule()).collect(),
            batch_samples_max: self.batch_samples_max,
            shards: self.shards,
            timeout: self.timeout.0,
            queue_bytes_max: self.queue_bytes_max.0,
            queue_age_max_ms: self.queue_age_max.as_millis(),
        })
    }
}

fn is_name(text: &str) -> bool {
    let part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=NAME_BYTES_MAX).contains(&text.len()) && text.bytes().all(part)
}

fn url(text: &str) -> Result<Url, String> {
    http_url(text, "use basic_auth")
}

fn version(at: Option<&At<Text>>, wrong: &mut impl FnMut(&Place, String)) -> Version {
    match at.map(|at| (at.value.0.as_str(), &at.place)) {
        None | Some(("1" | "1.0", _)) => Version::One,
        Some(("2" | "2.0", _)) => Version::Two,
        Some((other, place)) => {
            wrong(place, format!("there is no version {other:?} of remote write; write 1 or 2"));
            Version::One
        }
    }
}

fn headers(
    written: &BTreeMap<String, At<Text>>,
    wrong: &mut impl FnMut(&Place, String),
) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, At { value, place }) in written {
        let parsed = (name.parse::<HeaderName>(), HeaderValue::from_str(&value.0));
        match parsed {
            (Ok(name), _) if OWN_HEADERS.contains(&name.as_str()) => {
                wrong(place, format!("{name} is set by the collector"));
            }
            (Ok(name), _) if name == reqwest::header::AUTHORIZATION => {
                let message = "use basic_auth or bearer_token_file: secrets stand in files";
                wrong(place, message.to_owned());
            }
            (Ok(name), Ok(value)) => drop(headers.insert(name, value)),
            _ => wrong(place, format!("{name:?} with this value is no HTTP header")),
        }
    }
    headers
}

fn credentials(
    basic: Option<BasicAuth>,
    token: Option<At<FilePath>>,
    wrong: &mut impl FnMut(&Place, String),
) -> Credentials {
    match (basic, token) {
        (Some(_), Some(token)) => {
            wrong(&token.place, "basic_auth and bearer_token_file exclude each other".to_owned());
            Credentials::None
        }
        (Some(BasicAuth { username, password_file }), None) => {
            Credentials::Basic { username, password_file: password_file.0 }
        }
        (None, Some(token)) => Credentials::Bearer { token_file: token.value.0 },
        (None, None) => Credentials::None,
    }
}

fn client_files(
    certificate: Option<At<FilePath>>,
    key: Option<At<FilePath>>,
    wrong: &mut impl FnMut(&Place, String),
) -> Option<(PathBuf, PathBuf)> {
    match (certificate, key) {
        (Some(certificate), Some(key)) => Some((certificate.value.0, key.value.0)),
        (Some(alone), None) | (None, Some(alone)) => {
            wrong(&alone.place, "cert_file and key_file belong together".to_owned());
            None
        }
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests;
