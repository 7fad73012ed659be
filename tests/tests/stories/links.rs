//! A mail carries a link; a scanner follows it and nothing happens; a person presses the button and the alert is taken: the
//! escalation stops. Used again, changed, or made up it does nothing. With a real SMTP server (aiosmtpd) and the real binaries.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use tests::deadline::eventually;
use tests::house::House;
use tests::webhook::Webhook;

struct MailServer {
    port: u16,
    process: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Drop for MailServer {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

impl MailServer {
    fn start() -> anyhow::Result<Self> {
        let script = "/../collector/alerting/tests/alerting/smtp_server.py";
        let mut process = Command::new("python3")
            .arg(format!("{}{script}", env!("CARGO_MANIFEST_DIR")))
            .arg("{}")
            .env("PYTHONPATH", aiosmtpd()?)
            .stdout(Stdio::piped())
            .spawn()
            .context("python3 is needed")?;
        let mut lines = BufReader::new(process.stdout.take().context("no output")?).lines();
        let port = lines.next().context("the mail server said nothing")??.parse()?;
        Ok(Self { port, process, lines })
    }

    fn mail(&mut self) -> anyhow::Result<Value> {
        Ok(serde_json::from_str(&self.lines.next().context("the mail server ended")??)?)
    }
}

/// Fetched once into the target directory.
fn aiosmtpd() -> anyhow::Result<PathBuf> {
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join("aiosmtpd-1.4.6");
    if !kept.exists() {
        let fresh = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?.keep();
        let pip = ["-m", "pip", "install", "--quiet", "aiosmtpd==1.4.6", "--target"];
        let run = Command::new("python3").args(pip).arg(&fresh).status();
        ensure!(
            run.context("python3 with pip is needed")?.success(),
            "aiosmtpd cannot be installed"
        );
        // Another test may have been quicker: then ours is superfluous.
        if std::fs::rename(&fresh, &kept).is_err() {
            std::fs::remove_dir_all(&fresh)?;
        }
    }
    Ok(kept)
}

/// Presses the button of the page.
async fn press(link: &str, note: &str, hours: &str) -> anyhow::Result<(u16, String)> {
    let form = reqwest::Url::parse_with_params("http://form/", [("note", note), ("hours", hours)])?;
    let kind = ("content-type", "application/x-www-form-urlencoded");
    let request = reqwest::Client::new().post(link).header(kind.0, kind.1);
    let answer = request.body(form.query().unwrap_or_default().to_owned()).send().await?;
    Ok((answer.status().as_u16(), answer.text().await?))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_is_answered_by_its_link_once() -> anyhow::Result<()> {
    let mut server = MailServer::start()?;
    let lead = Webhook::start().await?;
    let mut house = House::new()?;
    let base = format!("http://{}", house.web_address());
    house.write("collector.yml", &format!("web: {{external_url: '{base}'}}\n"))?;
    house.write(
        "alerting.yml",
        &format!(
            "global: {{smtp_smarthost: 'localhost:{}', smtp_from: a@tinh.example}}
escalations: [{{name: chain, levels: [{{after: 30s, receivers: [lead]}}]}}]
route: {{receiver: mail, group_by: [alertname], group_wait: 0s, group_interval: 1s, escalation: chain}}
receivers:
  - name: mail
    email_configs: [{{to: b@tinh.example, require_tls: false}}]
  - {{name: lead, webhook_configs: [{{url: 'http://{}/'}}]}}
",
            server.port, lead.address
        ),
    )?;
    house.start().await?;
    let alert = |name: &str| json!([{ "labels": { "alertname": name, "service": "dvc" } }]);
    house.post("/api/v2/alerts", &alert("PortalDown")).await?;
    let mail = server.mail()?;
    let text = mail["text"].as_str().context("no text")?;
    let link = text.split_whitespace().find(|word| word.contains("/acknowledge/"));
    let link = link.with_context(|| format!("no link in {text}"))?.to_owned();
    ensure!(mail["html"].as_str().is_some_and(|html| html.contains(&link)), "{mail}");

    let http = reqwest::Client::new();
    let path = link.strip_prefix(&base).context("the link leads elsewhere")?;
    let owner = async || -> anyhow::Result<Value> {
        let alerts = house.get("/api/alerts").await?;
        let alerts = alerts.as_array().into_iter().flatten();
        let mut named = alerts.filter(|one| one["name"] == "PortalDown");
        Ok(named.next().context("no alert")?["acknowledged"].clone())
    };
    for _ in 0..2 {
        let page = http.get(&link).send().await?;
        ensure!(page.status() == 200, "{}", page.status());
        let page = page.text().await?;
        ensure!(page.contains("PortalDown") && page.contains("via link, mail"), "{page}");
    }
    ensure!(http.head(&link).send().await?.status() == 200, "HEAD");
    ensure!(owner().await?.is_null(), "looking took it: {}", owner().await?);

    let (status, page) = press(&link, "đang xem", "4").await?;
    ensure!(status == 200 && page.contains("Đã tiếp nhận"), "{status}: {page}");
    let shown = owner().await?;
    ensure!(shown["by"] == "via link, mail" && shown["note"] == "đang xem", "{shown}");
    let (status, page) = press(&link, "", "").await?;
    ensure!(status == 410 && page.contains("đã dùng liên kết này"), "{status}: {page}");
    ensure!(house.status_without_sign_in(path).await? == 410, "a look at a used link");
    ensure!(press(&link, "", "9999").await?.0 == 400, "hours that are not offered");

    // Another alert that nobody takes escalates later than this one would have: the escalation of this one has stopped.
    house.post("/api/v2/alerts", &alert("MailDown")).await?;
    lead.expect("MailDown", "firing").await?;
    ensure!(!lead.alerts().iter().any(|(name, ..)| name == "PortalDown"), "it escalated");

    house.kill_daemon("collector").await?;
    house.start().await?;
    ensure!(press(&link, "", "").await?.0 == 410, "used for ever");
    guess(&house, path).await?;
    let audit = eventually("the audit log", || async { house.get("/api/audit").await }).await?;
    ensure!(audit.to_string().contains("via link, mail"), "{audit}");
    Ok(())
}

/// Changed by one bit, and again and again.
async fn guess(house: &House, path: &str) -> anyhow::Result<()> {
    let mut forged = path.to_owned().into_bytes();
    let last = forged.len() - 1;
    forged[last] ^= 1;
    let forged = String::from_utf8(forged)?;
    let mut answers = Vec::new();
    for _ in 0..6 {
        answers.push(house.status_without_sign_in(&forged).await?);
    }
    ensure!(answers == [403, 403, 403, 403, 403, 429], "{answers:?}");
    let right = house.status_without_sign_in(path).await?;
    ensure!(right == 410, "a link that was made here is not slowed: {right}");
    let forged = "haidang_collector_acknowledge_links_total{outcome=\"forged\"}";
    ensure!(house.own_metric(forged).await? >= 5.0, "forged links are counted");
    Ok(())
}
