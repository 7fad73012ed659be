//! A machine that speaks to the agents' port by itself, and says what an agent never would.
//! Its identities are those the collector gave it, or ones that a story has signed.

use std::net::SocketAddr;
use std::sync::Arc;

use agent_model::{Column, Epoch, HostId, Labels, Millis, Report, ReportKey, Schema, Stream};
use agent_wire::{Acknowledgement, Envelope, ReportOutcome, SchemaSource};
use anyhow::{Context, ensure};
use rcgen::{CertificateParams, DnType, Issuer, KeyPair, SanType};
use reqwest::{Certificate, Identity, StatusCode};
use serde_json::{Value, json};

/// The name in every collector's certificate.
const COLLECTOR_NAME: &str = "haidang-collector";

pub struct Outsider {
    http: reqwest::Client,
    url: String,
    host: HostId,
    sequence: u64,
}

/// Every schema travels with its report.
struct Attached;

impl SchemaSource for Attached {
    fn schema(&self, _: &agent_model::SchemaId) -> Option<Arc<Schema>> {
        None
    }
}

impl Outsider {
    /// Redeems an enrolment token as the agent does.
    pub async fn enrol(
        agents: &str,
        ca_pem: &str,
        token: &str,
        host: &str,
    ) -> anyhow::Result<Self> {
        let key = KeyPair::generate()?;
        let request = CertificateParams::new(Vec::new())?.serialize_request(&key)?.pem()?;
        let stranger = client(agents, ca_pem, None)?;
        let asked = json!({ "token": token, "host": host, "csr_pem": request });
        let answer = stranger.post(url(agents, "/v1/enrol")?).json(&asked).send().await?;
        let status = answer.status();
        let answer: Value = answer.json().await?;
        ensure!(status.is_success(), "{status}: {answer}");
        let certificate = answer["certificate_pem"].as_str().context("no certificate")?;
        Self::with(agents, ca_pem, &key, certificate, host)
    }

    /// Comes with a certificate for `host` that `issuer` signed and that is valid between these days from now.
    pub fn signed(
        agents: &str,
        ca_pem: &str,
        issuer: &Issuer<'_, KeyPair>,
        host: &str,
        days: (i64, i64),
    ) -> anyhow::Result<Self> {
        let (key, certificate) = certificate(issuer, host, days)?;
        Self::with(agents, ca_pem, &key, &certificate, host)
    }

    fn with(
        agents: &str,
        ca_pem: &str,
        key: &KeyPair,
        certificate: &str,
        host: &str,
    ) -> anyhow::Result<Self> {
        let pem = format!("{}{certificate}", key.serialize_pem());
        let http = client(agents, ca_pem, Some(Identity::from_pem(pem.as_bytes())?))?;
        let url = url(agents, "/v1/reports")?;
        Ok(Self { http, url, host: HostId::new(host)?, sequence: 0 })
    }

    /// Sends any bytes as a body of reports; the answer's status and body.
    pub async fn send(&self, body: Vec<u8>) -> anyhow::Result<(StatusCode, Vec<u8>)> {
        let answer = self.http.post(&self.url).body(body).send().await?;
        Ok((answer.status(), answer.bytes().await?.to_vec()))
    }

    /// A report with one sample of one series, in the name of any host.
    pub fn report(&mut self, host: &str, labels: Labels, at_ms: Millis) -> anyhow::Result<Report> {
        self.sequence += 1;
        let key = ReportKey { epoch: Epoch(1), stream: Stream::Metrics, sequence: self.sequence };
        let schema = Schema {
            job: "story".to_owned(),
            instance: String::new(),
            series: vec![labels],
            base: vec![0.0],
        };
        let column = Column { schema: schema.id(), timestamp_ms: at_ms, values: vec![1.0] };
        let mut report = Report::empty(HostId::new(host)?, key, now_ms());
        report.schemas.push(schema);
        report.columns.push(column);
        Ok(report)
    }

    /// Sends one report properly packed; what became of it.
    pub async fn deliver(&self, report: &Report) -> anyhow::Result<ReportOutcome> {
        let (status, answer) = self.send(packed(report)?).await?;
        ensure!(status.is_success(), "{status}: {}", String::from_utf8_lossy(&answer));
        let outcome = Acknowledgement::decode(&answer)?.results.pop();
        outcome.context("nothing was said about the report")
    }

    pub fn host(&self) -> &str {
        self.host.as_str()
    }
}

/// A key and a certificate for `host` that `issuer` signed, valid between these days from now.
pub fn certificate(
    issuer: &Issuer<'_, KeyPair>,
    host: &str,
    days: (i64, i64),
) -> anyhow::Result<(KeyPair, String)> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name.push(DnType::CommonName, host);
    params.subject_alt_names =
        vec![SanType::URI(format!("haidang:host:{host}").as_str().try_into()?)];
    let now = time::OffsetDateTime::now_utc();
    params.not_before = now + time::Duration::days(days.0);
    params.not_after = now + time::Duration::days(days.1);
    let certificate = params.signed_by(&key, issuer)?.pem();
    Ok((key, certificate))
}

/// One report in an envelope, as it travels.
pub fn packed(report: &Report) -> anyhow::Result<Vec<u8>> {
    let reports = vec![agent_wire::encode_report(report, &Attached)?];
    let agent_version = "story".to_owned();
    Ok(agent_wire::encode_envelope(&Envelope { agent_version, sent_ms: now_ms(), reports })?)
}

pub fn now_ms() -> Millis {
    let now = time::OffsetDateTime::now_utc();
    now.unix_timestamp() * 1_000 + Millis::from(now.millisecond())
}

fn client(
    agents: &str,
    ca_pem: &str,
    identity: Option<Identity>,
) -> anyhow::Result<reqwest::Client> {
    let address: SocketAddr = agents.parse()?;
    let builder = reqwest::Client::builder()
        .timeout(std::time::Duration::from_secs(20))
        .tls_certs_only([Certificate::from_pem(ca_pem.as_bytes())?])
        .resolve(COLLECTOR_NAME, address);
    Ok(match identity {
        Some(identity) => builder.identity(identity).build()?,
        None => builder.build()?,
    })
}

fn url(agents: &str, path: &str) -> anyhow::Result<String> {
    let port = agents.rsplit_once(':').context("no port")?.1;
    Ok(format!("https://{COLLECTOR_NAME}:{port}{path}"))
}
