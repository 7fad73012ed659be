//! SMS by SMPP over TLS to a gateway that is not ours (the npm package `smpp`): diacritics, joined parts, a number that is
//! refused once, a password that is changed.

use std::io::{BufRead, BufReader, Lines};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use tests::house::House;

struct Gateway {
    port: u64,
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

impl Gateway {
    fn start(key: &str, certificate: &str) -> anyhow::Result<Self> {
        let mut process = Command::new("node")
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/stories/smpp_gateway.js"))
            .arg(package()?)
            .arg(json!({"key": key, "cert": certificate}).to_string())
            .stdout(Stdio::piped())
            .spawn()
            .context("node is needed")?;
        let lines = BufReader::new(process.stdout.take().context("no output")?).lines();
        let mut gateway = Self { port: 0, process, lines };
        gateway.port = gateway.next()?.as_u64().context("no port")?;
        Ok(gateway)
    }

    fn next(&mut self) -> anyhow::Result<Value> {
        Ok(serde_json::from_str(&self.lines.next().context("the gateway ended")??)?)
    }

    /// What it got in one session, from the account to the goodbye.
    fn session(&mut self) -> anyhow::Result<Vec<Value>> {
        let bind = self.next()?;
        ensure!(bind == json!({"bind": "alert", "version": 0x34}), "{bind}");
        let mut said = Vec::new();
        loop {
            let next = self.next()?;
            if next["unbind"] == true {
                return Ok(said);
            }
            said.push(next);
        }
    }
}

/// Fetched once into the target directory.
fn package() -> anyhow::Result<PathBuf> {
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join("smpp-0.5.1");
    if !kept.exists() {
        let fresh = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?.keep();
        let npm = ["install", "--silent", "--no-audit", "--no-fund", "smpp@0.5.1", "--prefix"];
        let run = Command::new("npm").args(npm).arg(&fresh).status();
        ensure!(run.context("npm is needed")?.success(), "smpp cannot be installed");
        // Another test may have been quicker: then ours is superfluous.
        if std::fs::rename(&fresh, &kept).is_err() {
            std::fs::remove_dir_all(&fresh)?;
        }
    }
    Ok(kept.join("node_modules/smpp"))
}

fn alerting(port: u64) -> String {
    format!(
        "
route: {{receiver: phones, group_wait: 0s}}
receivers:
  - name: phones
    smpp_configs:
      - address: localhost:{port}
        tls_config: {{ca_file: ca.pem}}
        system_id: tinh
        password_file: smpp.password
        system_type: alert
        from: HaiDang
        to: ['+84900000012', '+84900000013', '+84900000014']
        message: '{{{{ .CommonAnnotations.summary }}}}'
"
    )
}

#[tokio::test]
async fn phones_are_told_through_a_gateway_and_one_refused_number_keeps_nothing_from_the_others()
-> anyhow::Result<()> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
    let mut gateway = Gateway::start(&made.signing_key.serialize_pem(), &made.cert.pem())?;
    let mut house = House::new()?;
    house.write("alerting.yml", &alerting(gateway.port))?;
    house.write("ca.pem", &made.cert.pem())?;
    house.write("smpp.password", "mat-khau\n")?;
    house.start().await?;
    let summary =
        "Ổ đĩa của máy chủ một cửa sắp đầy, còn [3 %] – hãy dọn nhật ký trước 17 giờ hôm nay.";
    let alert = json!([{"labels": {"alertname": "DiskFull"}, "annotations": {"summary": summary}}]);
    house.post("/api/v2/alerts", &alert).await?;

    let first = gateway.session()?;
    ensure!(first.len() == 6, "two parts for each of three: {first:?}");
    for to in ["84900000012", "84900000014"] {
        let parts: Vec<&Value> = first.iter().filter(|one| one["to"] == to).collect();
        let said: String = parts.iter().filter_map(|part| part["message"].as_str()).collect();
        ensure!(said == summary, "{to}: {said}");
        for (at, part) in (1_u8..).zip(&parts) {
            let reference = &parts[0]["udh"][0][2];
            ensure!(part["udh"] == json!([[0, 3, reference, 2, at]]), "{part}");
            ensure!(part["coding"] == 8 && part["class"] == 0x40 && part["receipt"] == 0, "{part}");
            ensure!(part["from"] == "HaiDang" && part["status"] == 0, "{part}");
        }
    }
    let second = gateway.session()?;
    let to: Vec<&Value> = second.iter().map(|one| &one["to"]).collect();
    ensure!(to == ["84900000013"], "only what was refused is sent again: {second:?}");
    ensure!(house.has_said("EsmeRinvdstadr (0x0000000b): look at the number in `to`"), "the log");

    let (fine, said) = house.haidang(&["notification", "test", "phones"])?;
    ensure!(fine, "{said}");
    ensure!(gateway.session()?.len() >= 3);
    house.write("smpp.password", "khac\n")?;
    let (fine, said) = house.haidang(&["notification", "test", "phones"])?;
    ensure!(!fine && said.contains("EsmeRbindfail") && said.contains("`password_file`"), "{said}");
    ensure!(!house.log_text().contains("mat-khau") && !house.log_text().contains("khac\n"));
    let (_, channels) = house.haidang(&["notification", "channels"])?;
    ensure!(channels.contains("smpp/0"), "{channels}");
    Ok(())
}
