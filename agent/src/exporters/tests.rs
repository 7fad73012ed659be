//! Scrapes of real servers on this machine: good ones, and everything that an exporter can do wrong.

use std::io::Write as _;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::probe::tests::secure_page;

const DAY: i64 = 86_400;

/// What a server does with a connection after the request.
#[derive(Clone)]
enum Manner {
    /// Says this, and closes.
    Says(Vec<u8>),
    /// Says the first, and then the second without end.
    Endless(Vec<u8>, Vec<u8>),
    /// The same with a pause after each.
    Slow(Vec<u8>, Vec<u8>),
    /// Says nothing.
    Silent,
}

/// A server with its own address; each connection is treated alike.
async fn server(manner: impl Fn(u16) -> Manner) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let manner = manner(port);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let manner = manner.clone();
            tokio::spawn(async move {
                let mut request = [0; 4096];
                if stream.read(&mut request).await.is_err() {
                    return;
                }
                let (first, then, pause) = match manner {
                    Manner::Says(text) => {
                        stream.write_all(&text).await.unwrap_or_default();
                        stream.shutdown().await.unwrap_or_default();
                        return;
                    }
                    Manner::Endless(first, then) => (first, then, Duration::ZERO),
                    Manner::Slow(first, then) => (first, then, Duration::from_millis(20)),
                    Manner::Silent => (Vec::new(), Vec::new(), Duration::from_millis(20)),
                };
                stream.write_all(&first).await.unwrap_or_default();
                while stream.write_all(&then).await.is_ok() {
                    tokio::time::sleep(pause).await;
                }
            });
        }
    });
    port
}

fn page(content_type: &str, body: impl AsRef<[u8]>) -> Manner {
    let body = body.as_ref();
    let length = body.len();
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n"
    );
    Manner::Says([head.as_bytes(), body].concat())
}

fn exporters(section: &str) -> Vec<Exporter> {
    let text = format!("collectors: [{{address: 'c:1'}}]\nexporters:\n{section}");
    let config = crate::Config::parse(Path::new("agent.yml"), &text).unwrap();
    ready(&config.exporters, config.interval, "dc1-srv01")
}

/// What a scrape may take in a test that is not about time, on a machine however busy.
const PATIENT: &str = ", timeout: 60s";
const SHORT: &str = ", timeout: 500ms";

fn exporter(url: &str, more: &str) -> Exporter {
    let timeout = if more.contains("timeout") { "" } else { PATIENT };
    let section = format!("  - {{job: x, url: '{url}', interval: 60s{timeout}{more}}}\n");
    exporters(&section).remove(0)
}

/// `up`, and every sample that is not about the scrape.
async fn scrape(exporter: &mut Exporter) -> (bool, Vec<String>) {
    let reading = exporter.scrape(Clock).await;
    let mut up = None;
    let mut samples = Vec::new();
    for (labels, value) in reading.samples() {
        match labels.metric_name() {
            "up" => up = Some(value == 1.0),
            name if name.starts_with("scrape_") => {}
            _ if agent_model::is_stale(value) => samples.push(format!("{labels} ended")),
            _ => samples.push(format!("{labels} {value}")),
        }
    }
    (up.unwrap(), samples)
}

/// Scrapes once in vain; the reason that was counted.
async fn refused(port: u16, more: &str) -> &'static str {
    let mut exporter = exporter(&format!("http://127.0.0.1:{port}/"), more);
    assert_eq!(scrape(&mut exporter).await, (false, vec![]));
    reason(&exporter)
}

fn reason(exporter: &Exporter) -> &'static str {
    let failures = ScrapeError::REASONS.iter().zip(&exporter.health.failures);
    let met: Vec<_> = failures.filter(|(_, count)| count.load(Ordering::Relaxed) == 1).collect();
    assert_eq!(met.len(), 1, "{met:?}");
    met[0].0
}

const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n";

#[tokio::test]
async fn every_kind_of_rubbish_has_its_reason() {
    let says = |text: &str| Manner::Says(text.as_bytes().to_vec());
    let port = server(|_| page("text/plain", "<html>\n")).await;
    assert_eq!(refused(port, "").await, "malformed");
    let port = server(|_| page("text/plain", [0xff, 0xfe, 0])).await;
    assert_eq!(refused(port, "").await, "malformed");
    let port = server(|_| page("application/openmetrics-text", "a 1\n")).await;
    assert_eq!(refused(port, "").await, "malformed");
    let port = server(|_| page("text/html", "a 1\n")).await;
    assert_eq!(refused(port, "").await, "content_type");
    let port = server(|_| page("text/plain\r\nContent-Encoding: br", "a 1\n")).await;
    assert_eq!(refused(port, "").await, "encoding");
    let port = server(|_| says("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n")).await;
    assert_eq!(refused(port, "").await, "status");
    let port = server(|_| says("what do you want\r\n\r\n")).await;
    assert_eq!(refused(port, "").await, "connect");
    let port = server(|_| says("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\na 1\n")).await;
    assert_eq!(refused(port, "").await, "broken");
    let port = server(|port| {
        says(&format!(
            "HTTP/1.1 302 F\r\nLocation: http://127.0.0.1:{port}/\r\nContent-Length: 0\r\n\r\n"
        ))
    })
    .await;
    assert_eq!(refused(port, "").await, "redirect");
    let port = server(|_| page("text/plain", "a 1\nb 1\n")).await;
    assert_eq!(refused(port, ", samples_max: 1").await, "too_many_samples");
    assert_eq!(refused(port, ", body_bytes_max: 7").await, "body_too_large");
    let nameless = ", metric_relabel: [{action: labeldrop, regex: __name__}]";
    assert_eq!(refused(port, nameless).await, "nameless");
    let long = format!("a{{b=\"{}\"}} 1\n", "x".repeat(5_000));
    let port = server(|_| page("text/plain", &long)).await;
    assert_eq!(refused(port, "").await, "labels");
}

#[tokio::test]
async fn nothing_without_end_is_read_to_the_end() {
    let port = server(|_| Manner::Endless(HEAD.to_vec(), b"a 1\n".repeat(1_000))).await;
    assert_eq!(refused(port, ", body_bytes_max: 1MiB").await, "body_too_large");
    // One line of ten megabytes.
    let port = server(|_| page("text/plain", "x".repeat(10 << 20))).await;
    assert_eq!(refused(port, "").await, "body_too_large");
    let port = server(|_| Manner::Endless(HEAD.to_vec(), b"x".repeat(4_000))).await;
    assert_eq!(refused(port, "").await, "body_too_large");
    // A byte now and then, in the body, in the head, or never.
    let port = server(|_| Manner::Slow(HEAD.to_vec(), b"a".to_vec())).await;
    assert_eq!(refused(port, SHORT).await, "timeout");
    let port = server(|_| Manner::Slow(b"HTTP/1.1 200 OK\r\n".to_vec(), b"x".to_vec())).await;
    assert_eq!(refused(port, SHORT).await, "timeout");
    let port = server(|_| Manner::Silent).await;
    assert_eq!(refused(port, SHORT).await, "timeout");
}

fn packed(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn packed_bodies_count_as_they_are_unpacked() {
    let gzip = "text/plain\r\nContent-Encoding: gzip";
    let port = server(|_| page(gzip, packed(b"a 1\n"))).await;
    let mut good = exporter(&format!("http://127.0.0.1:{port}/"), "");
    assert_eq!(scrape(&mut good).await, (true, vec!["a 1".to_owned()]));
    let bomb = packed(&b"a 1\n".repeat(4 << 20));
    assert!(bomb.len() < 100_000);
    let port = server(|_| page(gzip, &bomb)).await;
    assert_eq!(refused(port, "").await, "body_too_large");
    let port = server(|_| page(gzip, "a 1\n")).await;
    assert_eq!(refused(port, "").await, "broken");
}

#[tokio::test]
async fn a_certificate_is_checked_against_the_configured_authority_and_name() {
    let server = secure_page("exporter.example", -DAY, DAY, "a 1\n").await;
    let url = format!("https://localhost:{}/", server.port);
    let ca = server.ca_file.display().to_string();
    let mut good =
        exporter(&url, &format!(", tls: {{ca_file: '{ca}', server_name: exporter.example}}"));
    assert_eq!(scrape(&mut good).await, (true, vec!["a 1".to_owned()]));
    for tls in [
        format!("{{ca_file: '{ca}'}}"),
        "{server_name: exporter.example}".to_owned(),
        format!("{{ca_file: '{ca}', server_name: another.example}}"),
    ] {
        let mut wrong = exporter(&url, &format!(", tls: {tls}"));
        assert!(!scrape(&mut wrong).await.0);
        assert_eq!(reason(&wrong), "tls", "{tls}");
    }
    let mut anyone = exporter(&url, ", tls: {skip_verification: true}");
    assert!(scrape(&mut anyone).await.0);
    // It speaks no TLS at all.
    let port = self::server(|_| page("text/plain", "a 1\n")).await;
    let mut plain = exporter(&format!("https://localhost:{port}/"), "");
    assert!(!scrape(&mut plain).await.0);
    assert_eq!(reason(&plain), "tls", "{:?}", plain.fetch.run().await.err());
}

/// Answers with what it was asked, as a label.
async fn mirror() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = vec![0; 4096];
            let length = stream.read(&mut request).await.unwrap();
            let request = String::from_utf8_lossy(&request[..length]).to_ascii_lowercase();
            let header = |name: &str| {
                let line = request.lines().find_map(|line| line.strip_prefix(name));
                line.unwrap_or("none").trim().to_owned()
            };
            let (accept, who) = (header("accept:"), header("authorization:"));
            let Manner::Says(answer) =
                page("", format!("a{{accept=\"{accept}\",who=\"{who}\"}} 1\n"))
            else {
                return;
            };
            stream.write_all(&answer).await.unwrap();
            stream.shutdown().await.unwrap();
        }
    });
    port
}

#[tokio::test]
async fn secrets_are_shown_and_read_anew_each_time() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("secret");
    std::fs::write(&file, "first\n").unwrap();
    let url = format!("http://127.0.0.1:{}/", mirror().await);
    let mut bearer = exporter(&url, &format!(", bearer_token_file: {}", file.display()));
    let (_, samples) = scrape(&mut bearer).await;
    assert!(samples[0].contains("who=\"bearer first\""), "{samples:?}");
    assert!(
        samples[0].contains("application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;"),
        "{samples:?}"
    );
    std::fs::write(&file, "second").unwrap();
    let (_, samples) = scrape(&mut bearer).await;
    assert!(samples.iter().any(|one| one.contains("who=\"bearer second\"")), "{samples:?}");
    let basic = format!(", basic_auth: {{username: u, password_file: {}}}", file.display());
    let (_, samples) = scrape(&mut exporter(&url, &basic)).await;
    // u:second
    assert!(samples[0].contains("who=\"basic dtpzzwnvbmq=\""), "{samples:?}");
    std::fs::remove_file(&file).unwrap();
    assert!(!scrape(&mut bearer).await.0);
    assert_eq!(reason(&bearer), "secret");
}

#[tokio::test]
async fn what_fails_ends_its_series_once_and_comes_back_with_them() {
    let port = server(|_| page("text/plain", "a 1\n")).await;
    let gone = "http://127.0.0.1:1/".parse::<reqwest::Url>().unwrap();
    let mut exporter = exporter(&format!("http://127.0.0.1:{port}/"), "");
    assert_eq!(scrape(&mut exporter).await, (true, vec!["a 1".to_owned()]));
    let there = std::mem::replace(&mut exporter.fetch.url, gone);
    assert_eq!(scrape(&mut exporter).await, (false, vec!["a ended".to_owned()]));
    assert_eq!(scrape(&mut exporter).await, (false, vec![]));
    exporter.fetch.url = there;
    assert_eq!(scrape(&mut exporter).await, (true, vec!["a 1".to_owned()]));
    assert_eq!(exporter.health.described.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_slow_exporter_delays_no_other_one() {
    let slow = server(|_| Manner::Silent).await;
    let quick = server(|_| page("text/plain", "a 1\n")).await;
    let text = format!(
        "collectors: [{{address: 'c:1'}}]\ninterval: 1s\nexporters:\n  \
         - {{job: slow, url: 'http://127.0.0.1:{slow}/', interval: 60s, timeout: 60s}}\n  \
         - {{job: quick, url: 'http://127.0.0.1:{quick}/'}}\n"
    );
    let config = crate::Config::parse(Path::new("agent.yml"), &text).unwrap();
    let (readings, mut receiver) = readings();
    let (host, tick) = (HostId::new("dc1-srv01").unwrap(), config.interval);
    let shutdown = CancellationToken::new();
    let (teller, _told) = Teller::channel();
    let context = Context { host, tick, readings, teller, shutdown: shutdown.clone() };
    let group = sources(&config.exporters, &context);
    drop(context);
    let tasks: Vec<_> = group.tasks.into_iter().map(tokio::spawn).collect();
    for _ in 0..3 {
        let reading = tokio::time::timeout(Duration::from_secs(60), receiver.recv()).await;
        let reading = reading.unwrap().unwrap();
        assert_eq!(reading.columns[0].1.job, "quick");
        assert_eq!(reading.columns[0].2[0].to_bits(), 1.0_f64.to_bits());
    }
    shutdown.cancel();
    for task in tasks {
        task.await.unwrap();
    }
    assert!(receiver.recv().await.is_none());
}
