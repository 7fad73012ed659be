//! The port of people over TLS: who may reach it from outside, who comes with plain HTTP, and where the admin token is taken.

use std::fs;
use std::process::Command;

use anyhow::{Context, ensure};
use rcgen::{CertificateParams, KeyPair};
use reqwest::{Client, StatusCode};
use tests::deadline::eventually;
use tests::house::{House, binary};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A house whose pages have a certificate for a name that is not this machine's.
fn house() -> anyhow::Result<House> {
    let house = House::new()?;
    let key = KeyPair::generate()?;
    let names = vec!["haidang.example.vn".to_owned()];
    let certificate = CertificateParams::new(names)?.self_signed(&key)?;
    house.write("web.pem", &certificate.pem())?;
    house.write("web.key", &key.serialize_pem())?;
    let file = |name: &str| house.state_dir.join(name).display().to_string();
    let web =
        format!("web:\n  certificate_file: {}\n  key_file: {}\n", file("web.pem"), file("web.key"));
    house.write("collector.yml", &web)?;
    Ok(house)
}

#[tokio::test(flavor = "multi_thread")]
async fn over_tls_everything_works_and_plain_http_is_told_where_to_go() -> anyhow::Result<()> {
    let mut house = house()?;
    house.launch()?;
    let http = Client::builder().tls_danger_accept_invalid_certs(true).build()?;
    let url = format!("https://{}", house.web_address());
    // The agent of this machine has found its way in, too.
    let up = async || {
        let token = fs::read_to_string(house.state_dir.join("admin.token"))?;
        let asked = http.get(format!("{url}/api/v1/query?query=up")).bearer_auth(token.trim());
        let answer = asked.send().await?.error_for_status()?.text().await?;
        ensure!(answer.contains("\"host\""), "{answer}");
        Ok(token.trim().to_owned())
    };
    let token = eventually("this machine is seen", up).await;
    let token = token.with_context(|| house.last_log_lines())?;

    let mut plain = TcpStream::connect(house.web_address()).await?;
    plain.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await?;
    let mut said = String::new();
    plain.read_to_string(&mut said).await?;
    ensure!(said.starts_with("HTTP/1.1 400 ") && said.contains("write https://"), "{said}");

    let asked = http.get(format!("{url}/metrics")).bearer_auth(&token);
    let metrics = asked.send().await?.error_for_status()?.text().await?;
    let counted = "haidang_collector_connections_refused_total{reason=\"plain_http\"} 1";
    ensure!(metrics.contains(counted), "{metrics}");

    // Whoever is behind a proxy is elsewhere, wherever the proxy is.
    let passed_on = http.get(format!("{url}/api/hosts")).header("x-forwarded-for", "10.1.2.3");
    let answer = passed_on.bearer_auth(&token).send().await?;
    let (status, said) = (answer.status(), answer.text().await?);
    ensure!(status == StatusCode::UNAUTHORIZED, "{status}: {said}");
    ensure!(said.contains("haidang api-token create"), "{said}");
    Ok(())
}

#[test]
fn without_tls_nobody_outside_can_reach_it() -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let up = Command::new(binary("haidang")?)
        .args(["up", "--web-listen", "0.0.0.0:0", "--agent-listen", "127.0.0.1:0", "--state-dir"])
        .arg(directory.path().join("state"))
        .output()?;
    let said = String::from_utf8([up.stdout, up.stderr].concat())?;
    ensure!(!up.status.success() && said.contains("can be reached from outside"), "{said}");
    ensure!(said.contains("collector.yml") && said.contains("proxy"), "{said}");
    Ok(())
}
