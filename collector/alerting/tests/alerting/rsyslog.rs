//! Debian's rsyslog as the other side: over TLS with counted octets a line lands in its file as it was sent, and is read as
//! RFC 5424 says.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::harness::{MINUTE, START, World, detection};

/// A server that writes what comes, raw and as it read it; it ends with the value.
struct Rsyslog {
    process: Child,
    directory: tempfile::TempDir,
    port: u16,
}

impl Rsyslog {
    async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let here = directory.path().display();
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        std::fs::write(directory.path().join("cert.pem"), made.cert.pem()).unwrap();
        std::fs::write(directory.path().join("key.pem"), made.signing_key.serialize_pem()).unwrap();
        let config = format!(
            r#"global(workDirectory="{here}" defaultNetstreamDriver="gtls" maxMessageSize="64k"
    parser.escapeControlCharactersOnReceive="off"
    defaultNetstreamDriverCAFile="{here}/cert.pem"
    defaultNetstreamDriverCertFile="{here}/cert.pem" defaultNetstreamDriverKeyFile="{here}/key.pem")
module(load="imtcp" streamDriver.name="gtls" streamDriver.mode="1" streamDriver.authMode="anon")
input(type="imtcp" address="127.0.0.1" port="0" listenPortFileName="{here}/port")
template(name="raw" type="string" string="%rawmsg%\n")
template(name="read" type="string"
    string="%syslogfacility-text%|%syslogseverity-text%|%timestamp:::date-rfc3339%|%hostname%|%app-name%|%msgid%|%structured-data%|%msg%\n")
action(type="omfile" file="{here}/raw.log" template="raw")
action(type="omfile" file="{here}/read.log" template="read")
"#
        );
        let file = directory.path().join("rsyslog.conf");
        std::fs::write(&file, config).unwrap();
        let process = Command::new("rsyslogd")
            .args(["-n", "-i"])
            .arg(directory.path().join("pid"))
            .arg("-f")
            .arg(&file)
            .stdout(Stdio::null())
            .spawn()
            .expect("Debian's rsyslog and rsyslog-gnutls are installed");
        let mut server = Self { process, directory, port: 0 };
        let port = server.read("port", |text| !text.is_empty()).await;
        server.port = port.trim().parse().unwrap();
        server
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A file once it has what is awaited; fails after a while.
    async fn read(&self, name: &str, is_there: impl Fn(&str) -> bool) -> String {
        let text = |path: &Path| std::fs::read_to_string(path).unwrap_or_default();
        for _ in 0..1_000 {
            let found = text(&self.file(name));
            if is_there(&found) {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{name} is {:?}", text(&self.file(name)));
    }
}

impl Drop for Rsyslog {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

#[tokio::test]
async fn rsyslog_takes_lines_over_tls_as_they_were() {
    let rsyslog = Rsyslog::start().await;
    let (port, ca) = (rsyslog.port, rsyslog.file("cert.pem"));
    let siem = |more: &str| {
        let tls = format!("tls_config: {{ca_file: {}}}", ca.display());
        format!("      - {{address: 'localhost:{port}', {tls}{more}}}\n")
    };
    let config = format!(
        "route: {{receiver: siem}}\nreceivers:\n  - name: siem\n    syslog_configs:\n{}{}",
        siem(", facility: local0"),
        siem(", format: cef, message: \"hàng một\\nhàng hai\"")
    );
    let world = World::new(&config).await;
    let found = vec![detection(1, "máy-1", START), detection(2, "máy-2", START)];
    world.alerting.commit_detections(1, b"", found, START + MINUTE).await.unwrap();
    world.alerting.deliver_due(START + MINUTE).await.unwrap();
    let errors = world.alerting.notifications(9).await.unwrap();
    let errors: Vec<_> = errors.into_iter().map(|one| one.last_error).collect();
    assert_eq!(world.alerting.stats(START).await.unwrap().sent, 4, "{errors:?}");

    let raw = rsyslog.read("raw.log", |text| text.lines().count() >= 4).await;
    let begin = "<130>1 2026-11-21T01:13:00.000Z m_y-1 haidang - BruteForce [haidang@32473 ";
    let line = raw.lines().find(|line| line.starts_with(begin)).expect(&raw);
    assert!(line.contains("host=\"máy-1\""), "{line}");
    assert!(line.contains("] \u{feff}[KHẨN CẤP] máy-1 – dò mật khẩu. Từ 08:12"), "{line}");
    let read = rsyslog.read("read.log", |text| text.lines().count() >= 4).await;
    let begin = "local0|crit|2026-11-21T01:13:00.000Z|m_y-1|haidang|BruteForce|[haidang@32473 ";
    let line = read.lines().find(|line| line.starts_with(begin)).expect(&read);
    assert!(line.contains("|\u{feff}[KHẨN CẤP] máy-1 – dò mật khẩu. Từ 08:12"), "{line}");
    let cef = read.lines().filter(|line| line.contains("CEF:0|Hai Dang|Hai Dang|"));
    let whole = cef.filter(|line| line.ends_with(" msg=hàng một hàng hai"));
    assert_eq!(whole.count(), 2, "{read}");
}
