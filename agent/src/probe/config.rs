//! The `probe` section of `agent.yml`, and the probes made from it.

use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

use agent_model::{ProbeKind, Problem};
use agent_yaml::{At, Bytes, Document, Duration as Length, http_url};
use deserr::Deserr;
use regex::bytes::{Regex, RegexBuilder};
use reqwest::Url;

use super::certificate::{RootsError, roots};
use super::http::HttpProbe;
use super::tcp::TcpProbe;
use super::{Check, Probe};

/// Probes of one agent: each holds some kilobytes and a task.
const PROBES_MAX: usize = 500;
/// More often is load, not knowledge.
const INTERVAL_MIN: Duration = Duration::from_secs(1);
/// A compiled expression's memory.
const REGEX_BYTES_MAX: usize = 1 << 20;
/// What a body bound may be set to: the agent stays small whatever it looks at.
const BODY_BYTES_MAX: u64 = 4 << 20;

/// The `probe` section of `agent.yml`.
#[derive(Clone, Debug, Default, Deserr)]
#[deserr(deny_unknown_fields)]
pub struct Config {
    /// Probes that run at the same time.
    #[deserr(default = 4)]
    pub concurrent_max: u32,
    #[deserr(default)]
    pub http: Vec<HttpConfig>,
    #[deserr(default)]
    pub tcp: Vec<TcpConfig>,
}

#[derive(Clone, Debug, Deserr)]
#[deserr(deny_unknown_fields)]
pub struct HttpConfig {
    pub name: At<String>,
    pub url: At<String>,
    #[deserr(default = Length::from_secs(60))]
    pub interval: Length,
    #[deserr(default = Length::from_secs(10))]
    pub timeout: Length,
    /// Accepted answers; left out, any of 200 to 299.
    #[deserr(default)]
    pub status: Vec<u16>,
    /// A regular expression that the body must match.
    #[deserr(default)]
    pub body_matches: Option<At<String>>,
    /// What is read of the body.
    #[deserr(default = Bytes(256 << 10))]
    pub body_bytes_max: Bytes,
    #[deserr(default = 5)]
    pub redirects_max: u32,
    /// PEM certificates that the chain must end in; left out, those that the host trusts.
    #[deserr(default)]
    pub ca_file: Option<At<String>>,
    /// Accepts any certificate; its expiry is still reported.
    #[deserr(default)]
    pub skip_verification: bool,
}

#[derive(Clone, Debug, Deserr)]
#[deserr(deny_unknown_fields)]
pub struct TcpConfig {
    pub name: At<String>,
    /// `host:port`
    pub address: At<String>,
    #[deserr(default = Length::from_secs(60))]
    pub interval: Length,
    #[deserr(default = Length::from_secs(5))]
    pub timeout: Length,
    /// A regular expression that the server's first words must match.
    #[deserr(default)]
    pub expect: Option<At<String>>,
}

impl Config {
    /// Adds what is wrong across the keys of this section.
    pub fn check(&self, document: &Document, problems: &mut Vec<Problem>) {
        let mut wrong = |at: &At<String>, message: String| {
            problems.push(document.problem(&at.place, message));
        };
        let mut names = HashSet::new();
        let common = |name: &At<String>, interval: Length, timeout: Length| {
            let mut found = Vec::new();
            if name.value.is_empty() {
                found.push("a probe needs a name".to_owned());
            }
            if interval.0 < INTERVAL_MIN {
                found.push(format!("the interval of {:?} is below 1s", name.value));
            }
            if timeout.0.is_zero() || timeout > interval {
                found.push(format!("the timeout of {:?} must lie within its interval", name.value));
            }
            found
        };
        for (at, probe) in self.http.iter().enumerate() {
            let found = common(&probe.name, probe.interval, probe.timeout);
            found.into_iter().for_each(|message| wrong(&probe.name, message));
            if !names.insert(&probe.name.value) {
                wrong(&probe.name, format!("{:?} is the name of two probes", probe.name.value));
            }
            if let Err(message) = url(&probe.url.value) {
                wrong(&probe.url, message);
            }
            if let Some(at) = &probe.body_matches
                && let Err(message) = regex(&at.value)
            {
                wrong(at, message);
            }
            if probe.body_bytes_max.0 > BODY_BYTES_MAX {
                wrong(&probe.name, format!("body_bytes_max is at most {BODY_BYTES_MAX}"));
            }
            if let Some(file) = &probe.ca_file
                && let Err(error) = roots(Some(Path::new(&file.value)))
            {
                wrong(file, error.to_string());
            }
            if at == PROBES_MAX {
                wrong(&probe.name, format!("at most {PROBES_MAX} probes of a kind"));
            }
        }
        for (at, probe) in self.tcp.iter().enumerate() {
            let found = common(&probe.name, probe.interval, probe.timeout);
            found.into_iter().for_each(|message| wrong(&probe.name, message));
            if !names.insert(&probe.name.value) {
                wrong(&probe.name, format!("{:?} is the name of two probes", probe.name.value));
            }
            if !is_address(&probe.address.value) {
                wrong(&probe.address, format!("{:?} is not host:port", probe.address.value));
            }
            if let Some(at) = &probe.expect
                && let Err(message) = regex(&at.value)
            {
                wrong(at, message);
            }
            if at == PROBES_MAX {
                wrong(&probe.name, format!("at most {PROBES_MAX} probes of a kind"));
            }
        }
    }

    /// The probes, ready to run; one that cannot be made is told and left out.
    pub(super) fn probes(&self) -> Vec<Probe> {
        let http = self.http.iter().map(|config| (config.name.value.as_str(), config.probe()));
        let tcp = self.tcp.iter().map(|config| (config.name.value.as_str(), config.probe()));
        http.chain(tcp)
            .filter_map(|(name, made)| {
                made.inspect_err(|reason| tracing::error!(name, reason, "probe left out")).ok()
            })
            .collect()
    }
}

impl HttpConfig {
    fn probe(&self) -> Result<Probe, String> {
        let body_matches = self.body_matches.as_ref().map(|at| regex(&at.value)).transpose()?;
        let url = url(&self.url.value)?;
        let file = self.ca_file.as_ref().map(|at| Path::new(&at.value));
        let roots = match url.scheme() {
            "https" => roots(file).map_err(|error: RootsError| error.to_string())?,
            _ => std::sync::Arc::new(rustls::RootCertStore::empty()),
        };
        let check = HttpProbe {
            url,
            timeout: self.timeout.0,
            status: self.status.clone(),
            body_matches,
            body_bytes_max: self.body_bytes_max.0,
            redirects_max: usize::try_from(self.redirects_max).unwrap_or(usize::MAX),
            roots,
            skip_verification: self.skip_verification,
        };
        Ok(Probe {
            name: self.name.value.clone(),
            kind: ProbeKind::Http,
            target: self.url.value.clone(),
            interval: self.interval.0,
            check: Check::Http(check),
        })
    }
}

impl TcpConfig {
    fn probe(&self) -> Result<Probe, String> {
        let expect = self.expect.as_ref().map(|at| regex(&at.value)).transpose()?;
        let (address, timeout) = (self.address.value.clone(), self.timeout.0);
        Ok(Probe {
            name: self.name.value.clone(),
            kind: ProbeKind::Tcp,
            target: address.clone(),
            interval: self.interval.0,
            check: Check::Tcp(TcpProbe { address, timeout, expect }),
        })
    }
}

fn url(text: &str) -> Result<Url, String> {
    http_url(text, "it is shown to people")
}

fn is_address(text: &str) -> bool {
    text.rsplit_once(':').is_some_and(|(host, port)| {
        !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0)
    })
}

fn regex(text: &str) -> Result<Regex, String> {
    let built = RegexBuilder::new(text).size_limit(REGEX_BYTES_MAX).build();
    built.map_err(|error| {
        // The last line says what; those before it draw where.
        let error = error.to_string();
        let what = error.lines().last().unwrap_or_default().trim_start_matches("error: ");
        format!("{text:?} is not a usable regular expression: {what}")
    })
}
