//! E-mail through a real SMTP server (aiosmtpd, installed beside the build when it is missing).

use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use crate::harness::{MINUTE, START, World, detection};

struct MailServer {
    port: u16,
    lines: Lines<BufReader<ChildStdout>>,
    _process: Child,
}

impl MailServer {
    async fn start(options: &Value) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/alerting/smtp_server.py");
        let mut process = Command::new("python3")
            .arg(script)
            .arg(options.to_string())
            .env("PYTHONPATH", aiosmtpd().await)
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("python3 is needed for the mail server of this test");
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let port = lines.next_line().await.unwrap().expect("the mail server starts");
        Self { port: port.parse().unwrap(), lines, _process: process }
    }

    async fn mail(&mut self) -> Value {
        serde_json::from_str(&self.lines.next_line().await.unwrap().unwrap()).unwrap()
    }
}

/// The directory that holds aiosmtpd.
async fn aiosmtpd() -> PathBuf {
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join("aiosmtpd-1.4.6");
    if !kept.exists() {
        let fresh = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap().keep();
        let installed = Command::new("python3")
            .args(["-m", "pip", "install", "--quiet", "aiosmtpd==1.4.6", "--target"])
            .arg(&fresh)
            .status()
            .await;
        let installed = installed.is_ok_and(|status| status.success());
        assert!(installed, "aiosmtpd cannot be installed: needs python3 with pip and the network");
        // Another test may have been quicker: then ours is superfluous.
        if std::fs::rename(&fresh, &kept).is_err() {
            std::fs::remove_dir_all(&fresh).unwrap();
        }
    }
    kept
}

async fn world(email: &str, port: u16) -> World {
    world_with(email, port, "").await
}

/// The same with more at the end of the file.
async fn world_with(email: &str, port: u16, more: &str) -> World {
    let to = if email.contains(" to: ") {
        "send_resolved: true"
    } else {
        "to: 'truc@tinh.example, Lan <lan@tinh.example>'"
    };
    let config = format!(
        "
{more}
global: {{smtp_smarthost: 'localhost:{port}', smtp_from: 'Hải Đăng <haidang@tinh.example>'}}
route: {{receiver: mail}}
receivers:
  - name: mail
    email_configs:
      - {to}
        {email}
"
    );
    let world = World::new(&config).await;
    let found = vec![detection(1, "máy-1", START)];
    world.alerting.commit_detections(1, b"", found, START + MINUTE).await.unwrap();
    world
}

#[tokio::test]
async fn a_mail_that_was_put_off_arrives_as_the_same_mail() {
    let mut server = MailServer::start(&json!({"refusals": 1})).await;
    let email = "require_tls: false\n        headers: {X-Province: Quảng Nam}";
    let world = world(email, server.port).await;
    world.alerting.deliver_due(START + MINUTE).await.unwrap();
    let first = server.mail().await;
    assert_eq!(world.alerting.stats(START).await.unwrap().outbox_length, 1);
    world.alerting.deliver_due(START + 2 * MINUTE).await.unwrap();
    let second = server.mail().await;
    assert_eq!((&first["taken"], &second["taken"]), (&json!(false), &json!(true)));
    assert_eq!(first["message_id"], second["message_id"]);
    assert_eq!(second["subject"], "[KHẨN CẤP] máy-1 – dò mật khẩu");
    assert_eq!(second["to"], json!(["truc@tinh.example", "lan@tinh.example"]));
    assert_eq!(second["from"], "haidang@tinh.example");
    assert_eq!(second["header"], "Quảng Nam");
    let text = second["text"].as_str().unwrap();
    assert!(text.contains("Từ 08:12 ngày 21/11/2026 (đã 1 phút)."), "{text}");
    assert!(second["html"].as_str().unwrap().contains("<h3>[KHẨN CẤP] máy-1"));
    let stats = world.alerting.stats(START).await.unwrap();
    assert_eq!((stats.sent, stats.failed, stats.outbox_length), (1, 1, 0));
    let error = &world.alerting.notifications(1).await.unwrap()[0].last_error;
    assert_eq!(error, "");
}

#[tokio::test]
async fn starttls_and_a_password_from_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str| directory.path().join(name).display().to_string();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(file("cert.pem"), made.cert.pem()).unwrap();
    std::fs::write(file("key.pem"), made.signing_key.serialize_pem()).unwrap();
    std::fs::write(file("password"), "bí mật\n").unwrap();
    let options = json!({
        "certificate": file("cert.pem"), "key": file("key.pem"),
        "user": "haidang", "password": "bí mật",
    });
    let mut server = MailServer::start(&options).await;
    let email = format!(
        "auth_username: haidang
        auth_password_file: {}
        tls_config: {{ca_file: {}}}",
        file("password"),
        file("cert.pem")
    );
    let trusted = world(&email, server.port).await;
    trusted.alerting.deliver_due(START + MINUTE).await.unwrap();
    assert_eq!(server.mail().await["encrypted"], json!(true));
    assert_eq!(trusted.alerting.stats(START).await.unwrap().sent, 1);

    // A certificate that nobody vouches for is not trusted.
    let email = "require_tls: true";
    let untrusted = world(email, server.port).await;
    untrusted.alerting.deliver_due(START + MINUTE).await.unwrap();
    let record = untrusted.alerting.notifications(1).await.unwrap().remove(0);
    assert!(record.last_error.contains("certificate"), "{}", record.last_error);
}

#[tokio::test]
async fn without_starttls_nothing_is_sent_in_the_clear_unless_it_may() {
    let server = MailServer::start(&json!({})).await;
    let world = world("require_tls: true", server.port).await;
    world.alerting.deliver_due(START + MINUTE).await.unwrap();
    let stats = world.alerting.stats(START).await.unwrap();
    assert_eq!((stats.sent, stats.failed, stats.outbox_length), (0, 1, 1));
}

#[tokio::test]
async fn files_of_templates_make_the_mail() {
    let mut server = MailServer::start(&json!({})).await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("tinh.tmpl");
    let defined = r#"{{ define "email.default.subject" }}Tỉnh: {{ .GroupLabels.SortedPairs.Values | join " " }}{{ end }}
{{ define "than" }}<p>{{ range .Alerts }}{{ .Labels.host }} &gt; {{ .Annotations.summary_vi }}{{ end }}</p>{{ end }}"#;
    std::fs::write(&file, defined).unwrap();
    let email = r#"require_tls: false
        to: '{{ range .Alerts }}{{ .Labels.host }}@tinh.example{{ end }}, lan@tinh.example'
        from: 'a@{{ .Receiver }}.example'
        headers: {X-Province: '{{ .Status }} {{ len .Alerts }}'}
        html: '{{ template "than" . }}'"#;
    let templates = format!("templates: ['{}/*.tmpl']", directory.path().display());
    let email = email.replace("{{ .Labels.host }}@", "{{ .Labels.alertname | toLower }}@");
    let world = world_with(&email, server.port, &templates).await;
    world.alerting.deliver_due(START + MINUTE).await.unwrap();
    let mail = server.mail().await;
    let group = mail["subject"].as_str().unwrap();
    assert!(group.starts_with("Tỉnh: "), "{group}");
    assert_eq!(mail["to"], json!(["bruteforce@tinh.example", "lan@tinh.example"]));
    assert_eq!(mail["from"], "a@mail.example");
    assert_eq!(mail["header"], "firing 1");
    assert_eq!(mail["text"], Value::Null);
    let html = mail["html"].as_str().unwrap();
    assert_eq!(html.trim(), "<p>máy-1 &gt; dò mật khẩu</p>");
    assert_eq!(world.alerting.stats(START).await.unwrap().template_failures, 0);
}

#[tokio::test]
async fn templates_that_fail_loop_or_grow_cost_no_mail() {
    for (template, why) in [
        ("{{ template \"nobody\" . }}", "undefined template"),
        ("{{ .Nothing }}", "can't evaluate field Nothing"),
        ("{{ range 100001 }}{{ end }}", "range"),
        ("{{ range 90000 }}0123456789{{ end }}", "longer than"),
        ("{{ $x := \"ab\" }}{{ range 60 }}{{ $x = print $x $x }}{{ end }}", "longer than"),
        ("{{ reReplaceAll \"(\" \"\" .Status }}", "regex"),
    ] {
        let mut server = MailServer::start(&json!({})).await;
        let email = format!(
            "require_tls: false\n        text: '{template}'\n        headers: {{Subject: '{template}'}}"
        );
        let world = world(&email, server.port).await;
        world.alerting.deliver_due(START + MINUTE).await.unwrap();
        let mail = server.mail().await;
        assert_eq!(mail["subject"], "[KHẨN CẤP] máy-1 – dò mật khẩu");
        for part in ["text", "html"] {
            let text = mail[part].as_str().unwrap();
            assert!(text.contains("[KHẨN CẤP] máy-1"), "{template}: {text}");
            assert!(text.contains("A template failed"), "{template}: {text}");
            assert!(text.contains(why), "{template}: {text}");
        }
        let stats = world.alerting.stats(START).await.unwrap();
        assert_eq!((stats.sent, stats.template_failures), (1, 2), "{template}");
    }
}

const PASSWORD: &str =
    "require_tls: false\n        auth_username: haidang\n        auth_password: p";

#[tokio::test]
async fn a_filter_that_takes_its_time_gets_one_mail() {
    let mut server = MailServer::start(&json!({"filter_seconds": 16})).await;
    let world = world("require_tls: false", server.port).await;
    world.alerting.deliver_due(START + MINUTE).await.unwrap();
    server.mail().await;
    let stats = world.alerting.stats(START).await.unwrap();
    assert_eq!((stats.sent, stats.failed), (1, 0));
}

#[tokio::test]
async fn a_server_that_only_listens_is_left_soon() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let world = world("require_tls: false", listener.local_addr().unwrap().port()).await;
    world.alerting.deliver_due(START + MINUTE).await.unwrap();
    let record = world.alerting.notifications(1).await.unwrap().remove(0);
    assert_eq!(record.last_error, "no answer within 20 s");
}

#[tokio::test]
async fn a_comma_in_a_name_is_part_of_it() {
    let mut server = MailServer::start(&json!({})).await;
    let email = r#"require_tls: false
        to: '"Lan, phòng CNTT" <lan@tinh.example>, truc@tinh.example'"#;
    let world = world(email, server.port).await;
    world.alerting.deliver_due(START + MINUTE).await.unwrap();
    assert_eq!(server.mail().await["to"], json!(["lan@tinh.example", "truc@tinh.example"]));
}

#[tokio::test]
async fn a_relay_that_asks_for_no_password_gets_none() {
    let mut server = MailServer::start(&json!({})).await;
    let world = world(PASSWORD, server.port).await;
    world.alerting.deliver_due(START + MINUTE).await.unwrap();
    server.mail().await;
    assert_eq!(world.alerting.stats(START).await.unwrap().sent, 1);
}

#[tokio::test]
async fn a_password_goes_in_the_clear_to_ourselves_only() {
    for (address, sent) in [("127.0.0.1", 1), ("127.0.0.2", 0)] {
        let options =
            json!({"clear": true, "user": "haidang", "password": "p", "address": address});
        let server = MailServer::start(&options).await;
        let email = format!("{PASSWORD}\n        smarthost: '{address}:{}'", server.port);
        let world = world(&email, server.port).await;
        world.alerting.deliver_due(START + MINUTE).await.unwrap();
        let record = world.alerting.notifications(1).await.unwrap().remove(0);
        let refused = record.last_error.contains("would get the password without TLS");
        assert_eq!(refused, sent == 0, "{address}: {}", record.last_error);
        assert_eq!(world.alerting.stats(START).await.unwrap().sent, sent);
    }
}
