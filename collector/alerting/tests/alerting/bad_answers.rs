//! What receivers do wrong, one by one, with real sockets: each is a failed attempt that says what, where and what came, and each
//! notification arrives once its receiver is well.

use std::sync::Arc;
use std::time::Duration;

use collector_alerting::OutboxState;
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use rustls::version::TLS12;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::harness::{HOUR, MINUTE, SIMPLE, START, World, detection};

/// What a server does with a connection.
#[derive(Clone, Copy, Debug)]
enum Manner {
    /// Reads the request and answers these bytes.
    Says(&'static str),
    /// Begins an answer of a gigabyte and goes on with it for ever.
    NeverEnds(u16),
    /// Closes in the middle of the request.
    ClosesAtOnce,
    /// Takes the request and says nothing.
    SaysNothing,
}

async fn server(manner: Manner) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, manner));
        }
    });
    address
}

async fn serve(mut stream: TcpStream, manner: Manner) {
    if matches!(manner, Manner::ClosesAtOnce) {
        return;
    }
    let mut request = vec![0; 64 << 10];
    let _read = stream.read(&mut request).await;
    match manner {
        Manner::Says(answer) => {
            stream.write_all(answer.as_bytes()).await.ok();
        }
        Manner::NeverEnds(status) => {
            let head = format!("HTTP/1.1 {status} No\r\nContent-Length: 1073741824\r\n\r\n");
            stream.write_all(head.as_bytes()).await.ok();
            let much = vec![b'x'; 64 << 10];
            while stream.write_all(&much).await.is_ok() {}
        }
        Manner::SaysNothing => tokio::time::sleep(Duration::from_secs(600)).await,
        Manner::ClosesAtOnce => {}
    }
}

/// Long enough for an answer on a busy machine.
const PATIENT: &str = ", timeout: 1m";

/// Sends one notification to the address and returns the error of its only attempt.
async fn error_of(url: &str, extra: &str) -> String {
    let config = format!(
        "
route: {{receiver: hook, group_wait: 0s}}
receivers:
  - name: hook
    webhook_configs: [{{url: '{url}'{extra}}}]
"
    );
    let world = World::new(&config).await;
    world.alerting.commit_detections(1, b"", vec![detection(1, "a", START)], START).await.unwrap();
    world.alerting.deliver_due(START).await.unwrap();
    let record = world.alerting.notifications(1).await.unwrap().remove(0);
    assert_eq!((record.state, record.attempts), (OutboxState::Waiting, 1), "{url}: {record:?}");
    let channel = world.alerting.channels(START).await.unwrap().remove(0);
    assert_eq!(channel.last_error, record.last_error);
    record.last_error
}

#[tokio::test]
async fn every_bad_answer_is_a_failed_attempt_that_says_what_came() {
    let cases: [(Manner, &[&str]); 10] = [
        (
            Manner::Says("HTTP/1.1 500 No\r\nContent-Length: 6\r\n\r\nbroken"),
            &["answered 500", "broken"],
        ),
        (
            Manner::Says("HTTP/1.1 429 Slow\r\nRetry-After: 9\r\nContent-Length: 0\r\n\r\n"),
            &["answered 429"],
        ),
        (Manner::Says("HTTP/1.1 301 Away\r\nContent-Length: 0\r\n\r\n"), &["answered 301"]),
        (Manner::Says("\x16\x03\x01 garbage\r\n\r\n"), &["did not answer as HTTP"]),
        (Manner::Says("HTTP/1.1 two hundred\r\n\r\n"), &["did not answer as HTTP"]),
        (Manner::Says("SSH-2.0-OpenSSH_9.2\r\n"), &["did not answer as HTTP"]),
        (Manner::Says("HTTP/1.1 200"), &["did not answer as HTTP"]),
        (Manner::NeverEnds(503), &["answered 503", "xxxx"]),
        (Manner::ClosesAtOnce, &["could not be reached, or did not answer"]),
        (Manner::SaysNothing, &["timed out"]),
    ];
    for (manner, wanted) in cases {
        let address = server(manner).await;
        let limit = if matches!(manner, Manner::SaysNothing) { ", timeout: 2s" } else { PATIENT };
        let error = error_of(&format!("http://{address}/hook"), limit).await;
        for text in wanted {
            assert!(error.contains(text), "{manner:?}: {error}");
        }
        assert!(error.len() < 1_000, "{manner:?}: {} bytes of error", error.len());
        assert!(!error.contains("/hook"), "the path may be a secret: {error}");
    }
}

#[tokio::test]
async fn a_success_whose_body_never_ends_is_a_success() {
    let address = server(Manner::NeverEnds(200)).await;
    let world = World::new(&SIMPLE.replace("URL", &format!("http://{address}"))).await;
    world.alerting.commit_detections(1, b"", vec![detection(1, "a", START)], START).await.unwrap();
    world.alerting.deliver_due(START).await.unwrap();
    assert_eq!(world.alerting.stats(START).await.unwrap().sent, 1);
}

#[tokio::test]
async fn names_addresses_and_certificates_that_fail_are_told_apart() {
    let plain = server(Manner::Says("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")).await;
    let refused = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap().to_string()
    };
    let cases = [
        (format!("http://{refused}/x"), "onnection refused"),
        ("http://khong-co.invalid/x".to_owned(), "dns"),
        (format!("https://{plain}/x"), "corrupt message"),
    ];
    for (url, wanted) in cases {
        let error = error_of(&url, "").await;
        assert!(error.to_lowercase().contains(&wanted.to_lowercase()), "{url}: {error}");
    }
    let (tls, _certificate) = tls_server().await;
    let error = error_of(&format!("https://{tls}/x"), "").await;
    assert!(error.contains("certificate"), "{error}");
}

/// Speaks TLS with a certificate that nobody vouches for.
async fn tls_server() -> (String, String) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let directory = tempfile::tempdir().unwrap().keep();
    let (certificate, key) = (directory.join("cert.pem"), directory.join("key.pem"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let script = format!(
        "import http.server,ssl\ns=http.server.HTTPServer(('127.0.0.1',{port}),http.server.BaseHTTPRequestHandler)\n\
         c=ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)\nc.load_cert_chain({:?},{:?})\n\
         s.socket=c.wrap_socket(s.socket,server_side=True)\nprint('ready',flush=True)\ns.serve_forever()\n",
        certificate.display().to_string(),
        key.display().to_string()
    );
    let mut process = tokio::process::Command::new("python3")
        .args(["-c", &script])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = tokio::io::AsyncBufReadExt::lines(tokio::io::BufReader::new(
        process.stdout.take().unwrap(),
    ));
    lines.next_line().await.unwrap();
    // It lives as long as the test's runtime.
    tokio::spawn(async move { drop(process.wait().await) });
    (format!("localhost:{port}"), certificate.display().to_string())
}

#[tokio::test]
async fn whatever_went_wrong_it_arrives_once_when_the_receiver_is_well() {
    let world = World::new(SIMPLE).await;
    use crate::harness::Answer::{Hang, RetryAfter, Status};
    world.receiver.answer([Status(500), RetryAfter(429, 120), Status(301), Status(404), Hang]);
    world.observe(START, &["a"]).await;
    let told = world.pass_to(START, START + HOUR).await;
    assert_eq!(told.len(), 6, "{told:?}");
    let stats = world.alerting.stats(START + HOUR).await.unwrap();
    assert_eq!((stats.sent, stats.failed, stats.outbox_length), (1, 5, 0));
    assert_eq!(world.pass_to(START + HOUR, START + HOUR + 5 * MINUTE).await, []);
}

#[tokio::test]
async fn a_certificate_that_is_not_there_costs_one_receiver_its_messages_until_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("ca.pem");
    let config = format!(
        "
route: {{receiver: hook, group_wait: 0s}}
receivers:
  - name: hook
    webhook_configs:
      - url: URL/hook
        http_config:
          tls_config: {{ca_file: '{}'}}
",
        file.display()
    );
    let world = World::new(&config).await;
    let again = || crate::harness::routing(&world.receiver, &config);
    let problems = again().whole().unwrap_err().to_string();
    assert!(problems.starts_with("alerting.yml:8: the CA certificates cannot"), "{problems}");
    let refused = world.alerting.reload(again(), START).await.unwrap_err();
    assert_eq!(refused.to_string(), "receiver hook cannot be set up for sending");
    world.alerting.commit_detections(1, b"", vec![detection(1, "a", START)], START).await.unwrap();
    let wrong = [(START, None, "No such file"), (START + MINUTE, Some("no PEM"), "have none")];
    for (now, content, wanted) in wrong {
        if let Some(content) = content {
            std::fs::write(&file, content).unwrap();
        }
        world.alerting.deliver_due(now).await.unwrap();
        let record = world.alerting.notifications(1).await.unwrap().remove(0);
        assert!(record.last_error.contains(wanted), "{}", record.last_error);
    }
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(&file, made.cert.pem()).unwrap();
    assert!(again().whole().is_ok());
    world.alerting.deliver_due(START + HOUR).await.unwrap();
    assert_eq!(world.alerting.stats(START).await.unwrap().sent, 1);
}

#[tokio::test]
async fn a_webhook_over_tls_that_is_too_old_is_not_told() {
    let directory = tempfile::tempdir().unwrap();
    let ca = directory.path().join("ca.pem");
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(&ca, made.cert.pem()).unwrap();
    let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    rustls::crypto::aws_lc_rs::default_provider().install_default().ok();
    let config = ServerConfig::builder_with_protocol_versions(&[&TLS12]).with_no_client_auth();
    let config = config.with_single_cert(vec![made.cert.der().clone()], key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let Ok(mut stream) = acceptor.accept(listener.accept().await.unwrap().0).await else {
                continue;
            };
            assert_ne!(stream.read(&mut [0; 64 << 10]).await.unwrap(), 0);
            let answer = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
            stream.write_all(answer).await.unwrap();
            stream.shutdown().await.unwrap();
        }
    });
    for (version, wanted) in [("TLS13", "could not be reached"), ("TLS12", "")] {
        let config = format!(
            "route: {{receiver: x}}\nreceivers: [{{name: x, webhook_configs: [{{url: 'https://localhost:{port}/', \
             http_config: {{tls_config: {{ca_file: '{}', min_version: {version}}}}}}}]}}]\n",
            ca.display()
        );
        let world = World::new(&config).await;
        let found = vec![detection(1, "a", START)];
        world.alerting.commit_detections(1, b"", found, START).await.unwrap();
        world.alerting.deliver_due(START).await.unwrap();
        let said = world.alerting.notifications(1).await.unwrap().remove(0).last_error;
        assert!(said.contains(wanted) && wanted.is_empty() == said.is_empty(), "{version}: {said}");
    }
}
