//! The `exporters` section of `agent.yml`: each entry is one exporter that this agent scrapes.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use agent_model::Problem;
use agent_relabel as relabel;
use agent_wire::limits;
use agent_yaml::{At, Bytes, Document, Duration as Length, Text, http_url};
use deserr::Deserr;
use reqwest::Url;
use rustls::RootCertStore;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::sign::CertifiedKey;

use super::TARGET_LABELS;
use super::fetch::{Credentials, secret};
use super::layout::Limits;
use crate::probe::certificate::{Terms, roots};

/// Exporters of one agent: each has a task, a connection and the layout of its series.
const EXPORTERS_MAX: usize = 100;
/// More often is load, not knowledge.
const INTERVAL_MIN: Duration = Duration::from_secs(1);
/// PromQL looks five minutes back; a series that comes more seldom has holes.
const INTERVAL_MAX: Duration = Duration::from_secs(300);
/// How long an exporter may take unless the configuration says otherwise, as in Prometheus.
const TIMEOUT: Duration = Duration::from_secs(10);
/// What a body may be set to: the agent stays small whatever it scrapes.
const BODY_BYTES_MAX: u64 = 32 << 20;
/// What the samples of an exporter may be set to: one schema of them fits into a report.
const SAMPLES_MAX: usize = 50_000;
/// Labels of a series beside its name; the collector adds none that a report carries.
const LABELS_MAX: usize = limits::LABELS_MAX - 1;

/// Jobs whose series the agent or the collector makes itself.
const RESERVED_JOBS: [&str; 4] = ["node", "agent", "probe", "collector"];

/// One exporter.
#[derive(Clone, Debug, Deserr)]
#[deserr(deny_unknown_fields)]
pub struct Config {
    /// The `job` label of its series.
    pub job: At<String>,
    pub url: At<String>,
    /// The `instance` label; left out, host and port of the URL, with this host's name for a loopback address.
    #[deserr(default)]
    pub instance: Option<At<String>>,
    /// Left out, the agent's own.
    #[deserr(default)]
    pub interval: Option<At<Length>>,
    /// Left out, 10s, or the interval when that is shorter.
    #[deserr(default)]
    pub timeout: Option<At<Length>>,
    #[deserr(default)]
    pub basic_auth: Option<BasicAuth>,
    #[deserr(default)]
    pub bearer_token_file: Option<At<String>>,
    #[deserr(default)]
    pub tls: Tls,
    /// Set on every series.
    #[deserr(default)]
    pub labels: BTreeMap<String, At<Text>>,
    /// Prometheus' `metric_relabel_configs`.
    #[deserr(default)]
    pub metric_relabel: Vec<At<relabel::Config>>,
    /// Of a body, unpacked.
    #[deserr(default = Bytes(4 << 20))]
    pub body_bytes_max: Bytes,
    /// Samples after `metric_relabel`.
    #[deserr(default = 10_000)]
    pub samples_max: usize,
    /// Labels of one series, without its name.
    #[deserr(default = LABELS_MAX)]
    pub labels_max: usize,
    /// Bytes of a label's name or value.
    #[deserr(default = limits::LABEL_BYTES_MAX)]
    pub label_bytes_max: usize,
}

#[derive(Clone, Debug, Deserr)]
#[deserr(deny_unknown_fields)]
pub struct BasicAuth {
    pub username: String,
    pub password_file: At<String>,
}

#[derive(Clone, Debug, Default, Deserr)]
#[deserr(deny_unknown_fields)]
pub struct Tls {
    /// PEM certificates that the chain must end in; left out, those that the host trusts.
    #[deserr(default)]
    pub ca_file: Option<At<String>>,
    /// What we show when the exporter asks who we are.
    #[deserr(default)]
    pub cert_file: Option<At<String>>,
    #[deserr(default)]
    pub key_file: Option<At<String>>,
    /// The name that the exporter's certificate must have, when it is not the URL's.
    #[deserr(default)]
    pub server_name: Option<At<String>>,
    /// Accepts any certificate.
    #[deserr(default)]
    pub skip_verification: bool,
}

/// What a scrape is made with.
pub(super) struct Ready {
    pub(super) job: String,
    /// Empty where the host's name is wanted and not known.
    pub(super) instance: String,
    pub(super) url: Url,
    pub(super) interval: Duration,
    pub(super) timeout: Duration,
    pub(super) credentials: Credentials,
    /// `None` for plain HTTP.
    pub(super) tls: Option<Terms>,
    pub(super) body_bytes_max: usize,
    pub(super) limits: Limits,
    pub(super) rules: Vec<relabel::Rule>,
    pub(super) labels: Vec<(String, String)>,
}

/// Adds what is wrong with the whole section.
pub(crate) fn check(
    all: &[Config],
    tick: Duration,
    document: &Document,
    problems: &mut Vec<Problem>,
) {
    let mut targets = HashSet::new();
    for (at, config) in all.iter().enumerate() {
        config.check(tick, document, problems);
        let target = url(&config.url.value).map(|url| config.instance(&url, "this host"));
        if let Ok(instance) = target
            && !targets.insert((config.job.value.clone(), instance.clone()))
        {
            let message = format!(
                "two exporters of job {:?} are {instance}; give them an `instance` of their own",
                config.job.value
            );
            problems.push(document.problem(&config.url.place, message));
        }
        if at == EXPORTERS_MAX {
            let message = format!("at most {EXPORTERS_MAX} exporters are scraped by one agent");
            problems.push(document.problem(&config.job.place, message));
        }
    }
}

impl Config {
    fn check(&self, tick: Duration, document: &Document, problems: &mut Vec<Problem>) {
        let mut wrong = |at: &agent_yaml::Place, message: String| {
            problems.push(document.problem(at, message));
        };
        let (job, label_bytes) = (&self.job.value, limits::LABEL_BYTES_MAX);
        if job.is_empty() || job.len() > label_bytes {
            wrong(&self.job.place, format!("a job has 1 to {label_bytes} bytes"));
        }
        if RESERVED_JOBS.contains(&job.as_str()) {
            wrong(&self.job.place, format!("{job:?} is a job of our own; choose another name"));
        }
        if let Err(message) = url(&self.url.value) {
            wrong(&self.url.place, message);
        }
        if let Some(instance) = &self.instance
            && (instance.value.is_empty() || instance.value.len() > label_bytes)
        {
            wrong(&instance.place, format!("an instance has 1 to {label_bytes} bytes"));
        }
        let interval = self.interval(tick);
        if let Some(at) = &self.interval
            && !(INTERVAL_MIN..=INTERVAL_MAX).contains(&interval)
        {
            wrong(&at.place, "the interval lies between 1s and 5m".to_owned());
        }
        if let Some(at) = &self.timeout
            && (at.value.0.is_zero() || at.value.0 > interval)
        {
            wrong(&at.place, "the timeout must lie within the interval".to_owned());
        }
        for (name, at) in &self.labels {
            if name.is_empty() || name.starts_with("__") {
                wrong(&at.place, format!("{name:?} is no label name"));
            } else if TARGET_LABELS.contains(&name.as_str()) {
                wrong(&at.place, format!("`{name}` is set by the collector"));
            } else if at.value.0.len() > label_bytes {
                wrong(&at.place, format!("a label has at most {label_bytes} bytes"));
            }
        }
        for (got, max, key) in [
            (self.samples_max, SAMPLES_MAX, "samples_max"),
            (self.labels_max, LABELS_MAX, "labels_max"),
            (self.label_bytes_max, label_bytes, "label_bytes_max"),
        ] {
            if !(1..=max).contains(&got) {
                wrong(&self.job.place, format!("{key} lies between 1 and {max}"));
            }
        }
        if !(1..=BODY_BYTES_MAX).contains(&self.body_bytes_max.0) {
            wrong(&self.job.place, format!("body_bytes_max lies between 1 and {BODY_BYTES_MAX}"));
        }
        self.check_secrets(&mut wrong);
        for rule in &self.metric_relabel {
            relabel::Config::check(rule, &TARGET_LABELS, document, problems);
        }
    }

    fn check_secrets(&self, wrong: &mut impl FnMut(&agent_yaml::Place, String)) {
        let password = self.basic_auth.as_ref().map(|basic| &basic.password_file);
        for file in password.into_iter().chain(&self.bearer_token_file) {
            if let Err(error) = secret(Path::new(&file.value)) {
                wrong(&file.place, format!("{} cannot be read: {error}", file.value));
            }
        }
        if let (Some(_), Some(token)) = (&self.basic_auth, &self.bearer_token_file) {
            wrong(&token.place, "basic_auth and bearer_token_file exclude each other".to_owned());
        }
        let tls = &self.tls;
        if let Some(file) = &tls.ca_file
            && let Err(error) = roots(Some(Path::new(&file.value)))
        {
            wrong(&file.place, error.to_string());
        }
        if let Some(name) = &tls.server_name
            && let Err(message) = server_name(&name.value)
        {
            wrong(&name.place, message);
        }
        match (&tls.cert_file, &tls.key_file) {
            (Some(cert), Some(key)) => {
                if let Err(message) = certified_key(&cert.value, &key.value) {
                    wrong(&cert.place, message);
                }
            }
            (Some(alone), None) | (None, Some(alone)) => {
                wrong(&alone.place, "cert_file and key_file belong together".to_owned());
            }
            (None, None) => {}
        }
    }

    /// What this exporter is scraped with; `host` stands in the instance of loopback addresses.
    pub(super) fn ready(&self, tick: Duration, host: &str) -> Result<Ready, String> {
        let url = url(&self.url.value)?;
        let interval = self.interval(tick);
        let rules = self.metric_relabel.iter().map(|rule| rule.value.rule());
        let path = |at: &At<String>| Path::new(&at.value).to_owned();
        let credentials = match (&self.basic_auth, &self.bearer_token_file) {
            (Some(basic), _) => {
                Credentials::Basic(basic.username.clone(), path(&basic.password_file))
            }
            (None, Some(file)) => Credentials::Bearer(path(file)),
            (None, None) => Credentials::None,
        };
        let label = |(name, value): (&String, &At<Text>)| (name.clone(), value.value.0.clone());
        Ok(Ready {
            job: self.job.value.clone(),
            instance: self.instance(&url, host),
            interval,
            timeout: self.timeout.as_ref().map_or(TIMEOUT.min(interval), |at| at.value.0),
            credentials,
            tls: (url.scheme() == "https").then(|| self.tls.terms()).transpose()?,
            url,
            body_bytes_max: usize::try_from(self.body_bytes_max.0).unwrap_or(usize::MAX),
            limits: Limits {
                samples_max: self.samples_max,
                labels_max: self.labels_max,
                label_bytes_max: self.label_bytes_max,
            },
            rules: rules.collect::<Result<_, _>>()?,
            labels: self.labels.iter().map(label).collect(),
        })
    }

    fn interval(&self, tick: Duration) -> Duration {
        self.interval.as_ref().map_or(tick, |at| at.value.0)
    }

    /// Every host has a `localhost`: its own name tells them apart.
    fn instance(&self, url: &Url, host: &str) -> String {
        if let Some(instance) = &self.instance {
            return instance.value.clone();
        }
        let port = url.port_or_known_default().unwrap_or(0);
        if is_loopback(url) { format!("{host}:{port}") } else { authority(url, port) }
    }
}

impl Tls {
    fn terms(&self) -> Result<Terms, String> {
        let name = self.server_name.as_ref().map(|name| server_name(&name.value));
        let client = match (&self.cert_file, &self.key_file) {
            (Some(cert), Some(key)) => Some(Arc::new(certified_key(&cert.value, &key.value)?)),
            _ => None,
        };
        let file = self.ca_file.as_ref().map(|file| Path::new(&file.value));
        let roots = match self.skip_verification {
            true => Arc::new(RootCertStore::empty()),
            false => roots(file).map_err(|error| error.to_string())?,
        };
        let (skip_verification, server_name) = (self.skip_verification, name.transpose()?);
        Ok(Terms { roots, skip_verification, server_name, client })
    }
}

pub(super) fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let address = host.parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

fn authority(url: &Url, port: u16) -> String {
    format!("{}:{port}", url.host_str().unwrap_or_default())
}

fn url(text: &str) -> Result<Url, String> {
    http_url(text, "use basic_auth")
}

fn server_name(text: &str) -> Result<ServerName<'static>, String> {
    ServerName::try_from(text.to_owned()).map_err(|_| format!("{text:?} is no name of a server"))
}

fn certified_key(cert_file: &str, key_file: &str) -> Result<CertifiedKey, String> {
    let unread = |file: &str, error: &dyn std::fmt::Display| format!("{file} is no PEM: {error}");
    let chain = CertificateDer::pem_file_iter(cert_file)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| unread(cert_file, &error))?;
    let key = PrivateKeyDer::from_pem_file(key_file).map_err(|error| unread(key_file, &error))?;
    CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider())
        .map_err(|error| format!("{cert_file} and {key_file} cannot be used together: {error}"))
}

#[cfg(test)]
mod tests;
