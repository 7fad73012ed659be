//! Probes against real servers on this machine, good ones and bad ones.

use std::path::PathBuf;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::Config as AgentConfig;
use crate::source::{Bookmarks, EvidenceSender, HostRoot};

const DAY: i64 = 86_400;

/// Reads a section as a person would write it, and runs its one probe.
async fn probe(section: &str) -> Answer {
    let text = format!("collectors: [{{address: 'localhost:7443'}}]\nprobe:\n{section}");
    let config = AgentConfig::parse(std::path::Path::new("agent.yml"), &text).unwrap();
    let probes = config.probe.probes();
    tokio::time::timeout(Duration::from_secs(60), probes[0].run(Clock)).await.unwrap()
}

async fn get(url: &str, more: &str) -> Answer {
    probe(&format!("  http:\n    - name: web\n      url: {url}\n{more}")).await
}

/// Answers every request with these bytes, then closes.
async fn server(answer: impl Into<Vec<u8>>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let answer = answer.into();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let answer = answer.clone();
            tokio::spawn(async move {
                let mut request = [0; 4096];
                if stream.read(&mut request).await.is_ok() {
                    say(&mut stream, &answer).await;
                }
            });
        }
    });
    port
}

/// The other side may have heard enough.
async fn say(stream: &mut (impl AsyncWrite + Unpin), answer: &[u8]) {
    stream.write_all(answer).await.unwrap_or_default();
    stream.shutdown().await.unwrap_or_default();
}

fn ok(body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// A TLS server for `localhost` whose certificate is valid from and to so many seconds from now.
pub(crate) struct Secure {
    pub(crate) port: u16,
    pub(crate) ca_file: PathBuf,
    not_after: i64,
    _dir: TempDir,
}

async fn secure(name: &str, from: i64, to: i64) -> Secure {
    secure_page(name, from, to, "safe").await
}

pub(crate) async fn secure_page(name: &str, from: i64, to: i64, page: &'static str) -> Secure {
    let now = Clock.now_ms().div_euclid(1000);
    let at = |seconds: i64| {
        let since_1970 = Duration::from_secs(u64::try_from(now + seconds).unwrap());
        rcgen::date_time_ymd(1970, 1, 1) + since_1970
    };
    let ca_key = KeyPair::generate().unwrap();
    let mut ca = CertificateParams::new(vec![]).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca_pem = ca.self_signed(&ca_key).unwrap().pem();
    let issuer = Issuer::new(ca, ca_key);
    let key = KeyPair::generate().unwrap();
    let mut leaf = CertificateParams::new(vec![name.to_owned()]).unwrap();
    (leaf.not_before, leaf.not_after) = (at(from), at(to));
    let chain = vec![leaf.signed_by(&key, &issuer).unwrap().der().clone()];
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let mut request = [0; 4096];
                if stream.read(&mut request).await.is_ok() {
                    say(&mut stream, &ok(page)).await;
                }
            });
        }
    });
    let dir = TempDir::new().unwrap();
    let ca_file = dir.path().join("ca.pem");
    std::fs::write(&ca_file, ca_pem).unwrap();
    Secure { port, ca_file, not_after: (now + to) * 1000, _dir: dir }
}

impl Secure {
    async fn get(&self, more: &str) -> Answer {
        let ca_file = self.ca_file.display();
        let more = format!("      ca_file: {ca_file}\n{more}");
        get(&format!("https://localhost:{}/", self.port), &more).await
    }
}

#[tokio::test]
async fn an_answer_as_wanted_is_a_success() {
    let port = server(ok("Cổng dịch vụ công")).await;
    let url = format!("http://127.0.0.1:{port}/");
    let answer = get(&url, "      body_matches: d.ch vụ\n").await;
    assert_eq!((answer.success, answer.http_status), (true, Some(200)), "{}", answer.failure);
    assert!(answer.duration > Duration::ZERO);
    let other = get(&url, "      body_matches: bảo trì\n").await;
    assert!(!other.success);
    assert!(other.failure.contains("is not in the body"), "{}", other.failure);
}

#[tokio::test]
async fn another_status_is_a_failure_unless_it_is_wanted() {
    let port = server("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n").await;
    let url = format!("http://127.0.0.1:{port}/");
    let answer = get(&url, "").await;
    assert_eq!((answer.success, answer.http_status), (false, Some(503)));
    assert_eq!(answer.failure, "answered 503 instead of 200 to 299");
    assert!(get(&url, "      status: [200, 503]\n").await.success);
}

#[tokio::test]
async fn redirects_are_followed_to_their_bound_or_taken_as_wanted() {
    let circle = "HTTP/1.1 302 Found\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n";
    let port = server(circle).await;
    let url = format!("http://127.0.0.1:{port}/");
    let answer = get(&url, "      redirects_max: 3\n").await;
    assert!(answer.failure.contains("redirected more than 3 times"), "{}", answer.failure);
    assert!(get(&url, "      status: [302]\n").await.success);
    let there = server(ok("there")).await;
    let hop = format!(
        "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:{there}/\r\nContent-Length: 0\r\n\r\n"
    );
    let hop = server(hop).await;
    let followed = format!("http://127.0.0.1:{hop}/");
    assert!(get(&followed, "      redirects_max: 1\n").await.success);
    assert!(!get(&followed, "      redirects_max: 0\n").await.success);
}

#[tokio::test]
async fn a_closed_port_and_a_slow_server_are_told_apart() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let slow = listener.local_addr().unwrap().port();
    let answer = get(&format!("http://127.0.0.1:{slow}/"), "      timeout: 200ms\n").await;
    assert_eq!(answer.failure, "no complete answer within 0.2 s");
    drop(listener);
    let closed = get(&format!("http://127.0.0.1:{slow}/"), "").await;
    assert!(closed.failure.contains("refused"), "{}", closed.failure);
    assert_eq!((closed.success, closed.http_status), (false, None));
}

#[tokio::test]
async fn a_body_that_ends_late_counts_as_slow() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0; 4096];
        assert!(stream.read(&mut request).await.unwrap() > 0);
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf").await.unwrap();
        std::future::pending::<()>().await;
    });
    let answer = get(&format!("http://127.0.0.1:{port}/"), "      timeout: 3s\n").await;
    assert_eq!((answer.success, answer.http_status), (false, Some(200)), "{}", answer.failure);
    server.abort();
}

#[tokio::test]
async fn a_huge_body_is_read_to_its_bound_only() {
    let mut huge = b"HTTP/1.1 200 OK\r\n\r\nhead".to_vec();
    huge.resize(20 << 20, b'x');
    huge.extend_from_slice(b"tail");
    let url = format!("http://127.0.0.1:{}/", server(huge).await);
    let head = get(&url, "      body_matches: head\n      body_bytes_max: 64KiB\n").await;
    assert!(head.success, "{}", head.failure);
    let tail = get(&url, "      body_matches: tail\n      body_bytes_max: 64KiB\n").await;
    let failure = tail.failure;
    assert!(failure.contains("the beginning of the body (65536 bytes were read)"), "{failure}");
}

#[tokio::test]
async fn the_expiry_is_told_while_the_certificate_holds() {
    let server = secure("localhost", -DAY, 3 * DAY).await;
    let answer = server.get("").await;
    assert!(answer.success, "{}", answer.failure);
    assert_eq!(answer.certificate_expiry_ms, Some(server.not_after));
}

#[tokio::test]
async fn a_certificate_that_does_not_hold_is_a_failure_with_its_expiry() {
    for (name, from, to, failure) in [
        ("localhost", -3 * DAY, -DAY, "the certificate expired on "),
        ("localhost", DAY, 3 * DAY, "the certificate is not valid yet"),
        ("other.example.vn", -DAY, DAY, "the certificate is for another name"),
    ] {
        let server = secure(name, from, to).await;
        let answer = server.get("").await;
        assert!(!answer.success);
        assert!(answer.failure.starts_with(failure), "{}", answer.failure);
        assert_eq!(answer.certificate_expiry_ms, Some(server.not_after));
        assert_eq!(answer.http_status, None, "nothing is asked of a server that is not proven");
        let skipped = server.get("      skip_verification: true\n").await;
        assert!(skipped.success, "{}", skipped.failure);
        assert_eq!(skipped.certificate_expiry_ms, Some(server.not_after));
    }
}

#[tokio::test]
async fn a_chain_that_ends_nowhere_is_a_failure_with_its_expiry() {
    let (server, other) = (secure("localhost", -DAY, DAY).await, secure("x", -DAY, DAY).await);
    let url = format!("https://localhost:{}/", server.port);
    let ca_file = format!("      ca_file: {}\n", other.ca_file.display());
    let answer = get(&url, &ca_file).await;
    assert!(answer.failure.contains("not signed by anyone"), "{}", answer.failure);
    assert_eq!(answer.certificate_expiry_ms, Some(server.not_after));
}

#[tokio::test]
async fn tcp_connects_and_hears_what_it_expects() {
    let greeting = server("").await;
    let section = |port: u16, more: &str| {
        format!("  tcp:\n    - name: ssh\n      address: 127.0.0.1:{port}\n{more}")
    };
    assert!(probe(&section(greeting, "")).await.success);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            say(&mut stream, b"SSH-2.0-OpenSSH_9.2\r\n").await;
        }
    });
    let right = probe(&section(port, "      expect: ^SSH-2\n")).await;
    assert!(right.success, "{}", right.failure);
    let wrong = probe(&section(port, "      expect: ^220\n")).await;
    assert!(wrong.failure.contains("SSH-2.0-OpenSSH_9.2"), "{}", wrong.failure);
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = silent.local_addr().unwrap().port();
    let more = "      expect: .\n      timeout: 200ms\n";
    let answer = probe(&section(port, more)).await;
    assert_eq!(answer.failure, "no expected words within 0.2 s");
    drop(silent);
    assert!(probe(&section(port, "")).await.failure.contains("refused"));
}

#[tokio::test]
async fn a_result_is_evidence_at_the_start_and_when_the_outcome_changes() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let text = format!(
        "collectors: [{{address: 'localhost:7443'}}]\nprobe:\n  tcp:\n    - name: db\n      address: {address}\n      interval: 5s\n      timeout: 5s\n"
    );
    let config = AgentConfig::parse(std::path::Path::new("agent.yml"), &text).unwrap();
    let (evidence, mut receiver) = EvidenceSender::channel();
    let context = SourceContext {
        root: HostRoot::default(),
        state_dir: PathBuf::new(),
        evidence,
        bookmarks: Bookmarks::default(),
        shutdown: CancellationToken::new(),
    };
    let mut group = sources(&config.probe, &context);
    let task = tokio::spawn(group.tasks.remove(0));
    let mut next = async || {
        let message = tokio::time::timeout(Duration::from_secs(30), receiver.recv());
        let message = message.await.unwrap().unwrap();
        let [Evidence::ProbeResult(result)] = &message.bundle.evidence[..] else {
            panic!("{message:?}")
        };
        let result = result.clone();
        message.spooled.send(()).unwrap();
        result
    };
    let first = next().await;
    assert_eq!((first.probe.as_str(), first.success), ("db", true));
    drop(listener);
    let second = next().await;
    assert!(!second.success && second.failure.contains("refused"), "{second:?}");
    let mut reading = Reading::new();
    group.metrics[0].read(0, &mut reading).unwrap();
    let shown: Vec<_> = reading.samples().map(|(labels, _)| labels.to_string()).collect();
    let expected = format!("probe_success{{probe=\"db\",target=\"{address}\"}}");
    assert_eq!((shown.len(), shown[0].as_str()), (2, expected.as_str()));
    context.shutdown.cancel();
    tokio::time::timeout(Duration::from_secs(10), task).await.unwrap().unwrap();
}

#[test]
fn everything_wrong_is_told_at_once() {
    let text = "collectors: [{address: 'localhost:7443'}]
probe:
  http:
    - name: a
      url: ftp://x/
      timeout: 2m
    - name: a
      url: https://u:p@x/
      body_matches: '('
      ca_file: /nonexistent.pem
  tcp:
    - name: a
      address: nowhere
      interval: 100ms
      timeout: 50ms
";
    let problems = AgentConfig::parse(std::path::Path::new("agent.yml"), text).unwrap_err();
    expect_test::expect![[r#"
        agent.yml:4: the timeout of "a" must lie within its interval
        agent.yml:5: "ftp://x/" must begin with http:// or https://
        agent.yml:7: "a" is the name of two probes
        agent.yml:8: a URL here must not hold a password; it is shown to people
        agent.yml:9: "(" is not a usable regular expression: unclosed group
        agent.yml:10: /nonexistent.pem cannot be read as PEM certificates
        agent.yml:12: the interval of "a" is below 1s
        agent.yml:12: "a" is the name of two probes
        agent.yml:13: "nowhere" is not host:port"#]]
    .assert_eq(&problems.to_string());
}
