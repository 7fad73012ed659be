//! Syslog over UDP, TCP and TLS, to servers that read it as the RFCs say.

use std::path::Path;
use std::sync::Arc;

use collector_alerting::Routing;
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, SupportedProtocolVersion};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::{TcpListener, UdpSocket};
use tokio_rustls::TlsAcceptor;

use crate::harness::{MINUTE, START, World, detection};

async fn world(more: &str) -> World {
    let config = format!(
        "route: {{receiver: siem}}\nreceivers:\n  - name: siem\n    syslog_configs:\n      - {{{more}}}\n"
    );
    let world = World::new(&config).await;
    let found = vec![detection(1, "máy-1", START)];
    world.alerting.commit_detections(1, b"", found, START + MINUTE).await.unwrap();
    world
}

/// Lines of a stream, by the lengths in front of them.
async fn lines(mut stream: impl AsyncRead + Unpin) -> Vec<String> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.unwrap();
    let mut rest = bytes.as_slice();
    let mut lines = Vec::new();
    while !rest.is_empty() {
        let space = rest.iter().position(|byte| *byte == b' ').unwrap();
        let length: usize = std::str::from_utf8(&rest[..space]).unwrap().parse().unwrap();
        lines.push(String::from_utf8(rest[space + 1..space + 1 + length].to_vec()).unwrap());
        rest = &rest[space + 1 + length..];
    }
    lines
}

fn is_ours(line: &str) {
    let start = "<130>1 2026-11-21T01:13:00.000Z m__y-1 haidang - BruteForce [haidang@32473 ";
    assert!(line.starts_with(&start.replace("m__y", "m_y")), "{line}");
    assert!(line.contains("status=\"firing\"") && line.contains("host=\"máy-1\""), "{line}");
    assert!(line.contains("] \u{feff}[KHẨN CẤP] máy-1 – dò mật khẩu. Từ 08:12"), "{line}");
}

#[tokio::test]
async fn lines_are_counted_over_tcp_and_a_connection_that_breaks_is_a_failure() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let world = world(&format!("address: '{address}', transport: tcp")).await;
    let broken = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        // Unread bytes make the end of it a reset.
        stream.readable().await.unwrap();
        stream.set_zero_linger().unwrap();
        drop(stream);
        listener
    });
    world.alerting.deliver_due(START + MINUTE).await.unwrap();
    let record = world.alerting.notifications(1).await.unwrap().remove(0);
    assert!(record.last_error.contains("did not take it"), "{}", record.last_error);
    let listener = broken.await.unwrap();
    let server = tokio::spawn(async move { lines(listener.accept().await.unwrap().0).await });
    world.alerting.deliver_due(START + 2 * MINUTE).await.unwrap();
    let lines = server.await.unwrap();
    assert_eq!(lines.len(), 1);
    is_ours(&lines[0]);
    assert_eq!(world.alerting.stats(START).await.unwrap().sent, 1);
}

#[tokio::test]
async fn over_tls_the_server_must_be_the_one_it_says() {
    let directory = tempfile::tempdir().unwrap();
    let ca = directory.path().join("ca.pem");
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(&ca, made.cert.pem()).unwrap();
    let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    rustls::crypto::aws_lc_rs::default_provider().install_default().ok();
    let config = ServerConfig::builder().with_no_client_auth();
    let config = config.with_single_cert(vec![made.cert.der().clone()], key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            if let Ok(stream) = acceptor.accept(stream).await {
                return lines(stream).await;
            }
        }
    });
    let untrusting = world(&format!("address: 'localhost:{port}'")).await;
    untrusting.alerting.deliver_due(START + MINUTE).await.unwrap();
    let record = untrusting.alerting.notifications(1).await.unwrap().remove(0);
    assert!(record.last_error.contains("certificate"), "{}", record.last_error);
    let more = format!(
        "address: 'localhost:{port}', format: cef, tls_config: {{ca_file: {}}}",
        ca.display()
    );
    let world = world(&more).await;
    world.alerting.deliver_due(START + MINUTE).await.unwrap();
    assert_eq!(world.alerting.stats(START).await.unwrap().sent, 1);
    let lines = server.await.unwrap();
    assert!(lines[0].contains("- \u{feff}CEF:0|Hai Dang|Hai Dang|"), "{}", lines[0]);
    assert!(lines[0].contains("|BruteForce|BruteForce|9|start=1795223520000"), "{}", lines[0]);
}

/// What became of a line to a server that speaks one version of TLS and is called `siem` by its certificate.
async fn over_tls(version: &'static SupportedProtocolVersion, more: &str) -> String {
    let directory = tempfile::tempdir().unwrap();
    let ca = directory.path().join("ca.pem");
    let made = rcgen::generate_simple_self_signed(["siem".to_owned()]).unwrap();
    std::fs::write(&ca, made.cert.pem()).unwrap();
    let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    rustls::crypto::aws_lc_rs::default_provider().install_default().ok();
    let config = ServerConfig::builder_with_protocol_versions(&[version]).with_no_client_auth();
    let config = config.with_single_cert(vec![made.cert.der().clone()], key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = tokio::spawn(async move {
        let stream = acceptor.accept(listener.accept().await.unwrap().0).await.ok()?;
        let name = stream.get_ref().1.server_name().map(str::to_owned);
        lines(stream).await;
        name
    });
    let tls = format!("tls_config: {{ca_file: {}, {more}}}", ca.display());
    let world = world(&format!("address: '127.0.0.1:{port}', {tls}")).await;
    world.alerting.deliver_due(START + MINUTE).await.unwrap();
    let record = world.alerting.notifications(1).await.unwrap().remove(0);
    if record.last_error.is_empty() {
        assert_eq!(server.await.unwrap().as_deref(), Some("siem"), "it is asked for by its name");
    }
    record.last_error
}

#[tokio::test]
async fn a_server_may_have_another_name_than_its_address_and_must_speak_what_is_asked_for() {
    let (older, newer) = (&rustls::version::TLS12, &rustls::version::TLS13);
    let unnamed = over_tls(newer, "").await;
    assert!(unnamed.contains("certificate not valid for name"), "{unnamed}");
    assert_eq!(over_tls(newer, "server_name: siem, min_version: TLS13").await, "");
    assert_eq!(over_tls(older, "server_name: siem, min_version: TLS12").await, "");
    let too_old = over_tls(older, "server_name: siem, min_version: TLS13").await;
    assert!(too_old.contains("did not take it"), "{too_old}");
}

#[tokio::test]
async fn a_datagram_is_a_line_and_a_template_that_fails_costs_none() {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let more = format!(
        "address: '{address}', transport: udp, facility: authpriv, app_name: 'hải đăng', message: '{{{{ .Nothing }}}}'"
    );
    let world = world(&more).await;
    world.alerting.deliver_due(START + MINUTE).await.unwrap();
    let mut bytes = [0; 9_000];
    let length = socket.recv(&mut bytes).await.unwrap();
    let line = std::str::from_utf8(&bytes[..length]).unwrap();
    assert!(line.starts_with("<82>1 2026-11-21T01:13:00.000Z m_y-1 h_i___ng - "), "{line}");
    assert!(line.contains("[KHẨN CẤP] máy-1 – dò mật khẩu. Từ 08:12"), "{line}");
    assert!(line.contains("A template failed"), "{line}");
    assert_eq!(world.alerting.stats(START).await.unwrap().template_failures, 1);
}

#[test]
fn what_cannot_be_a_syslog_server_is_refused() {
    let text = "
route: {receiver: x}
receivers:
  - name: x
    syslog_configs:
      - {address: siem, transport: smoke, format: xml, facility: local9}
      - {address: 'siem:514', transport: tcp, tls_config: {insecure_skip_verify: true}}
";
    let problems = Routing::parse(Path::new("a.yml"), text).unwrap_err().to_string();
    expect_test::expect![[r#"
        a.yml:6: "siem" is not host:port
        a.yml:6: `transport` is one of tls, tcp, udp
        a.yml:6: `format` is one of rfc5424, cef
        a.yml:6: `facility` is one of kern, user, mail, daemon, auth, syslog, lpr, news, uucp, cron, authpriv, ftp, ntp, audit, alert, clock, local0, local1, local2, local3, local4, local5, local6, local7
        a.yml:7: `insecure_skip_verify` is not for syslog: give the server's `ca_file`
        a.yml:7: `tls_config` goes with `transport: tls`"#]].assert_eq(&problems);
}
