//! Simulated agents in this one process: each enrolled for real, with its own certificate and its own HTTP/2 connection.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use agent_model::{
    Column, Epoch, Event, HostId, Labels, Millis, Report, ReportKey, Schema, SchemaId, Stream,
};
use agent_wire::{Acknowledgement, Envelope, ReportOutcome, SchemaSource};
use anyhow::{Context, ensure};
use bytes::Bytes;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::deadline::now;
use crate::house::House;
use crate::outsider::now_ms;

/// The name in every collector's certificate.
const COLLECTOR: &str = "haidang-collector";

/// Series of one agent: about what a server with some disks has.
pub const SERIES: u32 = 500;

/// The time between two readings.
pub const INTERVAL_MS: Millis = 15_000;

pub struct Agent {
    number: u32,
    host: HostId,
    http: reqwest::Client,
    tls: Arc<rustls::ClientConfig>,
    address: SocketAddr,
    url: String,
    epoch: Epoch,
    /// Reports numbered so far: metrics, evidence.
    metrics: u64,
    evidence: u64,
    schema: Arc<Shared>,
}

/// All agents have the same series: what differs between hosts, the collector adds.
pub struct Shared {
    schema: Arc<Schema>,
    id: SchemaId,
}

impl SchemaSource for Shared {
    fn schema(&self, id: &SchemaId) -> Option<Arc<Schema>> {
        (*id == self.id).then(|| Arc::clone(&self.schema))
    }
}

impl Shared {
    pub fn series(&self) -> &[Labels] {
        &self.schema.series
    }

    /// So many series, at most [`SERIES`].
    pub fn new(count: u32) -> Arc<Self> {
        let series = (0..count).map(|at| {
            let device = format!("device{}", at % 10);
            Labels::metric(format!("bench_{:02}", at / 10), [("device", device)])
        });
        let base = (0..count).map(|at| value(0, at, 0)).collect();
        let schema = Schema {
            job: "bench".to_owned(),
            instance: String::new(),
            series: series.collect(),
            base,
        };
        Arc::new(Self { id: schema.id(), schema: Arc::new(schema) })
    }
}

/// What an agent says of a series at a tick. Half of a host's values hardly ever change, a quarter are counters, a quarter gauges. What changes must be as chance
/// has it: a remainder that repeats would be packed into nothing, and bytes per sample would mean nothing.
pub fn value(agent: u32, series: u32, tick: u32) -> f64 {
    let chance = noise(agent, series, tick + 1);
    match series % 4 {
        1 => {
            let rate = noise(agent, series, 0) % 100_000 + 1;
            f64::from(tick) * f64::from(rate) + f64::from(chance % rate)
        }
        2 => f64::from(chance % 1_000) / 10.0,
        _ => f64::from(series * 1_024),
    }
}

/// Evenly spread and the same in every run (the finaliser of splitmix64).
fn noise(agent: u32, series: u32, tick: u32) -> u32 {
    let mut bits = (u64::from(agent) << 42) ^ (u64::from(series) << 21) ^ u64::from(tick);
    bits = bits.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    u32::try_from((bits ^ (bits >> 31)) >> 32).unwrap_or_default()
}

/// What became of one request.
pub struct Sent {
    pub took: Duration,
    pub body_bytes: usize,
    pub stored: usize,
    /// Reports that the collector had already.
    pub repeated: usize,
    pub refused: usize,
}

impl Agent {
    /// A token from the collector's API, a key, a certificate: as `haidang-agent enrol` does it.
    pub async fn enrol(
        house: &House,
        number: u32,
        epoch: Epoch,
        schema: Arc<Shared>,
    ) -> anyhow::Result<Self> {
        let address: SocketAddr = house.agents_address().parse()?;
        let host = HostId::new(&format!("bench-{number:05}"))?;
        let invitation = serde_json::json!({ "host": host.as_str(), "lifetime_seconds": 600 });
        let token = house.post("/api/tokens", &invitation).await?["token"].clone();
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
        let mut request = rcgen::CertificateParams::new(Vec::new())?;
        request.distinguished_name = rcgen::DistinguishedName::new();
        request.distinguished_name.push(rcgen::DnType::CommonName, host.as_str());
        let csr_pem = request.serialize_request(&key)?.pem()?;
        let url = format!("https://{COLLECTOR}:{}", address.port());
        // The agent pins the authority by the token; here the collector is our own child.
        let stranger = reqwest::Client::builder()
            .resolve(COLLECTOR, address)
            .tls_danger_accept_invalid_certs(true)
            .build()?;
        let asked =
            serde_json::json!({ "token": token, "host": host.as_str(), "csr_pem": csr_pem });
        let answer = stranger.post(format!("{url}/v1/enrol")).json(&asked).send().await?;
        let granted: serde_json::Value = answer.error_for_status()?.json().await?;
        let text = |key: &str| granted[key].as_str().context("an answer without certificates");
        let tls = tls(text("certificate_pem")?, text("ca_pem")?, &key.serialize_pem())?;
        let http = reqwest::Client::builder()
            .resolve(COLLECTOR, address)
            .tls_backend_preconfigured(tls.clone())
            .http2_prior_knowledge()
            .timeout(Duration::from_secs(120))
            .build()?;
        let url = format!("{url}/v1/reports");
        let tls = Arc::new(tls);
        Ok(Self { number, host, http, tls, address, url, epoch, metrics: 0, evidence: 0, schema })
    }

    /// A connection of its own, on which nothing has been said yet.
    pub async fn connect(&self) -> anyhow::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(self.address).await?;
        let name = ServerName::try_from(COLLECTOR)?;
        Ok(TlsConnector::from(Arc::clone(&self.tls)).connect(name, stream).await?)
    }

    pub fn host(&self) -> &str {
        self.host.as_str()
    }

    /// A body of reports, one a tick; the first report of an agent brings the schema.
    pub fn body(&mut self, ticks: &[(u32, Millis)]) -> anyhow::Result<Vec<u8>> {
        let readings = ticks.iter().map(|(tick, timestamp_ms)| self.reading(*tick, *timestamp_ms));
        enveloped(readings.collect::<anyhow::Result<_>>()?)
    }

    /// A report with one value of each series.
    pub fn reading(&mut self, tick: u32, timestamp_ms: Millis) -> anyhow::Result<Bytes> {
        self.metrics += 1;
        let key = ReportKey { epoch: self.epoch, stream: Stream::Metrics, sequence: self.metrics };
        let mut report = Report::empty(self.host.clone(), key, timestamp_ms);
        if self.metrics == 1 {
            report.schemas.push(self.schema.schema.as_ref().clone());
        }
        let series = u32::try_from(self.schema.schema.series.len())?;
        let values = (0..series).map(|at| value(self.number, at, tick)).collect();
        report.columns.push(Column { schema: self.schema.id, timestamp_ms, values });
        Ok(agent_wire::encode_report(&report, self.schema.as_ref())?)
    }

    /// A report with events.
    pub fn events(&mut self, events: Vec<Event>, created_ms: Millis) -> anyhow::Result<Bytes> {
        self.evidence += 1;
        let key =
            ReportKey { epoch: self.epoch, stream: Stream::Evidence, sequence: self.evidence };
        let mut report = Report::empty(self.host.clone(), key, created_ms);
        report.events = events;
        Ok(agent_wire::encode_report(&report, self.schema.as_ref())?)
    }

    /// Sends a body and waits until the collector has it on its disk.
    pub async fn send(&self, body: Vec<u8>) -> anyhow::Result<Sent> {
        let body_bytes = body.len();
        let started = now();
        let answer = self.http.post(&self.url).body(body).send().await?;
        let status = answer.status();
        let bytes = answer.bytes().await?;
        let took = now().duration_since(started);
        if !status.is_success() {
            return Ok(Sent { took, body_bytes, stored: 0, repeated: 0, refused: 1 });
        }
        let results = Acknowledgement::decode(&bytes)?.results;
        ensure!(!results.is_empty(), "an acknowledgement of nothing");
        let count = |wanted: &ReportOutcome| results.iter().filter(|it| *it == wanted).count();
        let (stored, repeated) = (count(&ReportOutcome::Stored), count(&ReportOutcome::Duplicate));
        let refused = results.len() - stored - repeated;
        Ok(Sent { took, body_bytes, stored, repeated, refused })
    }
}

/// Reports as they travel together.
pub fn enveloped(reports: Vec<Bytes>) -> anyhow::Result<Vec<u8>> {
    let agent_version = "fleet".to_owned();
    let envelope = Envelope { agent_version, sent_ms: now_ms(), reports };
    Ok(agent_wire::encode_envelope(&envelope)?)
}

fn tls(certificate: &str, authority: &str, key: &str) -> anyhow::Result<rustls::ClientConfig> {
    let mut roots = rustls::RootCertStore::empty();
    for root in CertificateDer::pem_slice_iter(authority.as_bytes()) {
        roots.add(root?)?;
    }
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(certificate.as_bytes()).collect();
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes())?;
    let mut config = rustls::ClientConfig::builder()
        .with_root_certificates(roots)
        .with_client_auth_cert(chain?, key)?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(config)
}
