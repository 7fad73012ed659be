//! A small collector for tests: real TLS, real HTTP/2, an authority of its own, and faults on demand.
//! It keeps what it was given by key and refuses the same key with other bytes, as the real one does.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use agent_model::{HostId, Report, ReportKey, Schema, SchemaId, Stream};
use agent_wire::{Acknowledgement, RawReport, ReportOutcome, SchemaSource, decode_envelope};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName,
    DnType, IsCa, Issuer, KeyPair, PublicKeyData,
};
use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::clock::Clock;
use crate::config::CollectorAddress;
use crate::enrol::{EnrolRequest, Token};
use crate::identity::{AuthorityId, COLLECTOR_NAME};

/// What to do with the next request for reports, instead of the ordinary.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    Status(StatusCode),
    /// Store everything, and let the answer get lost.
    LoseAnswer,
    /// Lose the schemas and say so.
    ForgetSchemas,
}

#[derive(Default)]
pub(crate) struct State {
    pub(crate) faults: VecDeque<Fault>,
    pub(crate) reports: BTreeMap<ReportKey, Bytes>,
    /// Decoded, in the order in which they came.
    pub(crate) decoded: Vec<Report>,
    pub(crate) repeats: usize,
    pub(crate) requests: usize,
    pub(crate) renewals: usize,
    /// An event with this message makes the whole body malformed.
    pub(crate) poison: Option<String>,
    /// Metrics get no answer while this holds.
    pub(crate) hold_metrics: bool,
    /// What enrolment answers instead of a certificate.
    pub(crate) enrol_refusal: Option<(StatusCode, &'static str)>,
    /// Certificates are given with most of their life behind them.
    pub(crate) aged_certificates: bool,
    /// Certificates are given with all of their life behind them.
    pub(crate) expired_certificates: bool,
    /// So many certificates are granted and their answers get lost.
    pub(crate) lose_grants: usize,
    /// The public keys of all requests for certificates.
    pub(crate) asked_keys: Vec<Vec<u8>>,
    /// What reports and renewals are refused with.
    pub(crate) refusal: Option<(StatusCode, &'static str)>,
    schemas: HashMap<SchemaId, Arc<Schema>>,
}

impl SchemaSource for State {
    fn schema(&self, id: &SchemaId) -> Option<Arc<Schema>> {
        self.schemas.get(id).cloned()
    }
}

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
    der: CertificateDer<'static>,
}

pub(crate) struct TestCollector {
    pub(crate) address: CollectorAddress,
    authority: Arc<Authority>,
    state: Arc<Mutex<State>>,
    servers: Vec<tokio::task::JoinHandle<()>>,
}

impl TestCollector {
    pub(crate) async fn start() -> Self {
        let authority = Arc::new(Authority::new());
        let state = Arc::new(Mutex::new(State::default()));
        let address = CollectorAddress::new("127.0.0.1:1").unwrap();
        let mut collector = Self { address, authority, state, servers: Vec::new() };
        collector.address = collector.listen().await;
        collector
    }

    /// Opens one more address of the same collector.
    pub(crate) async fn listen(&mut self) -> CollectorAddress {
        self.listen_at("127.0.0.1:0").await
    }

    /// The same at a given address, which may be one that was closed.
    pub(crate) async fn listen_at(&mut self, address: &str) -> CollectorAddress {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = CollectorAddress::new(&listener.local_addr().unwrap().to_string()).unwrap();
        let (authority, state) = (Arc::clone(&self.authority), Arc::clone(&self.state));
        let acceptor = authority.acceptor();
        self.servers.push(tokio::spawn(serve(listener, acceptor, authority, state)));
        address
    }

    /// Closes an address, in the order in which they were opened.
    pub(crate) fn hang_up(&mut self, at: usize) {
        self.servers[at].abort();
    }

    pub(crate) fn authority(&self) -> AuthorityId {
        AuthorityId::of(&self.authority.der)
    }

    pub(crate) fn ca_pem(&self) -> String {
        self.authority.pem.clone()
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub(crate) fn token(&self) -> String {
        format!("hd1.{}.{}", self.authority(), "s".repeat(43))
    }

    /// What enrols `dc1-srv01` here.
    pub(crate) fn enrolment(&self, state_dir: &Path) -> EnrolRequest {
        EnrolRequest {
            state_dir: state_dir.to_owned(),
            collector: self.address.clone(),
            token: Token::parse(&self.token()).unwrap(),
            host: HostId::new("dc1-srv01").unwrap(),
            replace: false,
        }
    }

    /// Messages of the events it has, in the order in which they came.
    pub(crate) fn events(&self) -> Vec<String> {
        let state = self.state();
        let events = state.decoded.iter().flat_map(|report| &report.events);
        events.map(|event| event.message.clone()).collect()
    }

    pub(crate) fn samples(&self) -> usize {
        self.state().decoded.iter().map(Report::sample_count).sum()
    }
}

impl Drop for TestCollector {
    fn drop(&mut self) {
        self.servers.iter().for_each(tokio::task::JoinHandle::abort);
    }
}

/// Waits until something holds; fails the test when it does not within some seconds.
pub(crate) async fn eventually(what: &str, holds: impl Fn() -> bool) {
    let deadline = Clock.instant() + Duration::from_secs(20);
    while !holds() {
        assert!(Clock.instant() < deadline, "in vain: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name = named("Test CA");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        let (pem, der) = (certificate.pem(), certificate.der().clone());
        Self { issuer: Issuer::new(params, key), pem, der }
    }

    fn acceptor(&self) -> TlsAcceptor {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![COLLECTOR_NAME.to_owned()]).unwrap();
        let leaf = params.signed_by(&key, &self.issuer).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(self.der.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let clients =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
        let clients = clients.allow_unauthenticated().build().unwrap();
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_client_cert_verifier(clients)
            .with_single_cert(
                vec![leaf.der().clone(), self.der.clone()],
                PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
            )
            .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec()];
        TlsAcceptor::from(Arc::new(config))
    }

    fn sign(&self, host: &str, csr_pem: &str, years: (i32, i32)) -> Bytes {
        let request = CertificateSigningRequestParams::from_pem(csr_pem).unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name = named(host);
        let now = jiff::Timestamp::from_millisecond(Clock.now_ms()).unwrap();
        let year = i32::from(now.to_zoned(jiff::tz::TimeZone::UTC).year());
        params.not_before = rcgen::date_time_ymd(year + years.0, 1, 1);
        params.not_after = rcgen::date_time_ymd(year + years.1, 1, 1);
        let certificate = params.signed_by(&request.public_key, &self.issuer).unwrap();
        let answer = serde_json::json!({
            "certificate_pem": certificate.pem(),
            "ca_pem": self.pem,
            "collector_name": COLLECTOR_NAME,
        });
        answer.to_string().into()
    }
}

fn named(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    name
}

async fn serve(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    authority: Arc<Authority>,
    state: Arc<Mutex<State>>,
) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (acceptor, authority, state) =
            (acceptor.clone(), Arc::clone(&authority), Arc::clone(&state));
        tokio::spawn(async move {
            let tls = match acceptor.accept(stream).into_fallible().await {
                Ok(tls) => tls,
                Err((_, mut stream)) => {
                    // Closed at once, the alert that says why would be lost with what was not read.
                    drop(stream.shutdown().await);
                    drop(stream.read_to_end(&mut Vec::new()).await);
                    return;
                }
            };
            let certified = tls.get_ref().1.peer_certificates().is_some();
            let service = hyper::service::service_fn(move |request| {
                answer(request, certified, Arc::clone(&authority), Arc::clone(&state))
            });
            let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            // Clients that go away are the rule in these tests.
            drop(builder.serve_connection(TokioIo::new(tls), service).await);
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    certified: bool,
    authority: Arc<Authority>,
    state: Arc<Mutex<State>>,
) -> Result<Response<Full<Bytes>>, std::io::Error> {
    let path = request.uri().path().to_owned();
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let held = || path == "/v1/reports" && is_metrics(&body) && state.lock().unwrap().hold_metrics;
    while held() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let mut state = state.lock().unwrap();
    state.requests += 1;
    let text = |name: &str| {
        let json: serde_json::Value = serde_json::from_slice(&body).unwrap();
        json[name].as_str().unwrap().to_owned()
    };
    if matches!(path.as_str(), "/v1/enrol" | "/v1/renew") {
        let request = CertificateSigningRequestParams::from_pem(&text("csr_pem")).unwrap();
        state.asked_keys.push(request.public_key.subject_public_key_info());
    }
    match path.as_str() {
        "/v1/enrol" => match state.enrol_refusal {
            Some((status, error)) => Ok(refusal(status, error)),
            None => {
                let years = state.years();
                state.grant(authority.sign(&text("host"), &text("csr_pem"), years))
            }
        },
        _ if !certified => Ok(refusal(StatusCode::UNAUTHORIZED, "no_certificate")),
        _ if state.refusal.is_some() => {
            let (status, reason) = state.refusal.unwrap_or_default();
            Ok(refusal(status, reason))
        }
        "/v1/renew" => {
            state.renewals += 1;
            state.grant(authority.sign("dc1-srv01", &text("csr_pem"), (-1, 5)))
        }
        _ => state.reports(&body),
    }
}

fn is_metrics(body: &Bytes) -> bool {
    let envelope = decode_envelope(body).unwrap();
    let first = RawReport::decode(envelope.reports[0].clone()).unwrap();
    first.key().stream == Stream::Metrics
}

fn ok(body: Bytes) -> Response<Full<Bytes>> {
    Response::new(Full::new(body))
}

fn refusal(status: StatusCode, error: &str) -> Response<Full<Bytes>> {
    let body = serde_json::json!({ "error": error, "reason": error }).to_string();
    let response = Response::builder().status(status).header("retry-after", "0");
    response.body(Full::new(body.into())).unwrap_or_else(|_: hyper::http::Error| unreachable!())
}

impl State {
    fn years(&self) -> (i32, i32) {
        match (self.expired_certificates, self.aged_certificates) {
            (true, _) => (-3, -1),
            // Past two thirds of its life, and years from its end.
            (_, true) => (-20, 2),
            _ => (-1, 5),
        }
    }

    fn grant(&mut self, answer: Bytes) -> Result<Response<Full<Bytes>>, std::io::Error> {
        if self.lose_grants == 0 {
            return Ok(ok(answer));
        }
        self.lose_grants -= 1;
        Err(std::io::Error::other("the answer is lost"))
    }

    fn reports(&mut self, body: &[u8]) -> Result<Response<Full<Bytes>>, std::io::Error> {
        let fault = self.faults.pop_front();
        match &fault {
            Some(Fault::Status(status)) => return Ok(refusal(*status, "on demand")),
            Some(Fault::ForgetSchemas) => self.schemas.clear(),
            Some(Fault::LoseAnswer) | None => {}
        }
        let envelope = decode_envelope(body).unwrap();
        let poisoned = self.poison.as_ref().is_some_and(|poison| {
            let raws = envelope.reports.iter().map(|it| RawReport::decode(it.clone()).unwrap());
            raws.filter(|raw| raw.key().stream == Stream::Evidence)
                .map(|raw| raw.into_report(self).unwrap())
                .any(|report| report.events.iter().any(|event| event.message == *poison))
        });
        if poisoned {
            return Ok(refusal(StatusCode::BAD_REQUEST, "malformed"));
        }
        let mut schemas_needed = Vec::new();
        let mut results = Vec::new();
        for bytes in envelope.reports {
            results.push(self.take(bytes, &mut schemas_needed));
        }
        if matches!(fault, Some(Fault::LoseAnswer)) {
            return Err(std::io::Error::other("the answer is lost"));
        }
        let received_ms = Clock.now_ms();
        let acknowledgement = Acknowledgement { received_ms, results, schemas_needed };
        Ok(ok(acknowledgement.encode().into()))
    }

    fn take(&mut self, bytes: Bytes, schemas_needed: &mut Vec<SchemaId>) -> ReportOutcome {
        let raw = RawReport::decode(bytes.clone()).unwrap();
        let key = raw.key();
        if let Some(before) = self.reports.get(&key) {
            assert_eq!(before, &bytes, "{key:?} came with other bytes");
            self.repeats += 1;
            return ReportOutcome::Duplicate;
        }
        let missing = raw.missing_schemas(self);
        if !missing.is_empty() {
            schemas_needed.extend(missing);
            return ReportOutcome::SchemaNeeded;
        }
        self.schemas.extend(raw.schemas().iter().cloned());
        self.decoded.push(raw.into_report(self).unwrap());
        self.reports.insert(key, bytes);
        ReportOutcome::Stored
    }
}
