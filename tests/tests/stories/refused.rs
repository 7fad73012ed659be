//! Who may not report does not, what nobody can read is not taken, and both are told with a reason and counted.

use std::process::Command;

use agent_model::Labels;
use agent_wire::ReportOutcome;
use anyhow::Context;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use serde_json::json;
use tests::deadline::eventually;
use tests::house::{House, binary};
use tests::outsider::{Outsider, now_ms, packed};

const HOUR_MS: i64 = 3_600_000;

async fn token(house: &House) -> anyhow::Result<String> {
    let made = house.post("/api/tokens", &json!({ "lifetime_seconds": 600 })).await?;
    Ok(made["token"].as_str().context("no token")?.to_owned())
}

fn ca_pem(house: &House) -> anyhow::Result<String> {
    Ok(std::fs::read_to_string(house.state_dir.join("collector/ca/ca.pem"))?)
}

async fn enrolled(house: &House, host: &str) -> anyhow::Result<Outsider> {
    let token = token(house).await?;
    Outsider::enrol(house.agents_address(), &ca_pem(house)?, &token, host).await
}

/// What the real agent says when it cannot enrol; fails when it can.
fn agent_cannot_enrol(house: &House, token: &str, host: &str) -> anyhow::Result<String> {
    let place = tempfile::tempdir()?;
    let output = Command::new(binary("haidang-agent")?)
        .args(["enrol", "--collector", house.agents_address(), "--token", token])
        .args(["--host", host, "--state-dir"])
        .arg(place.path())
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    anyhow::ensure!(!output.status.success(), "{host} was enrolled: {said}");
    Ok(said)
}

fn sample(name: &str) -> Labels {
    Labels::metric(name, [("kind", "story")])
}

/// Waits until a counter of the collector has reached a value.
async fn counted(house: &House, counter: &str, least: f64) -> anyhow::Result<()> {
    eventually(counter, || async {
        let found = house.own_metric(counter).await?;
        anyhow::ensure!(found >= least, "{counter} is {found}, not {least}");
        Ok(())
    })
    .await
}

fn refusal(reason: &str) -> String {
    format!("haidang_collector_refused_total{{reason=\"{reason}\"}}")
}

#[tokio::test]
async fn who_is_not_the_host_it_says_it_is_is_refused_with_a_reason() -> anyhow::Result<()> {
    let mut house = House::new()?;
    house.start().await?;
    let (agents, ca_pem) = (house.agents_address().to_owned(), ca_pem(&house)?);

    // A token invites once, and only to the collector that made it.
    let used = token(&house).await?;
    let mut known = Outsider::enrol(&agents, &ca_pem, &used, "dc1-srv07").await?;
    let said = agent_cannot_enrol(&house, &used, "dc1-srv08")?;
    assert!(said.contains("refuses the token") && said.contains("used"), "{said}");
    counted(&house, "haidang_collector_enrolments_total{outcome=\"used_token\"}", 1.0).await?;
    let secret = used.rsplit_once('.').context("no secret")?.1;
    let elsewhere = format!("hd1.{}.{secret}", "ab".repeat(32));
    let said = agent_cannot_enrol(&house, &elsewhere, "dc1-srv08")?;
    assert!(said.contains("is not the collector that made this token"), "{said}");

    // A certificate counts as long as it is valid, and from our own authority alone.
    let handshakes = "haidang_collector_connections_refused_total{reason=\"handshake\"}";
    let before = house.own_metric(handshakes).await.unwrap_or(0.0);
    let key = std::fs::read_to_string(house.state_dir.join("collector/ca/ca.key"))?;
    let ours = Issuer::from_ca_cert_pem(&ca_pem, KeyPair::from_pem(&key)?)?;
    let foreign = foreign_authority()?;
    for (issuer, days) in [(&ours, (-30, -1)), (&foreign, (-1, 30))] {
        let mut stranger = Outsider::signed(&agents, &ca_pem, issuer, "dc1-srv07", days)?;
        let report = stranger.report("dc1-srv07", sample("story_stranger"), now_ms())?;
        assert!(stranger.deliver(&report).await.is_err(), "valid {days:?} days from now");
    }
    counted(&house, handshakes, before + 2.0).await?;

    // A report speaks for the host of its certificate only.
    let report = known.report("dc1-srv08", sample("story_other"), now_ms())?;
    let ReportOutcome::Refused { reason } = known.deliver(&report).await? else {
        anyhow::bail!("a report in another host's name was taken");
    };
    assert!(reason.contains("dc1-srv08") && reason.contains("dc1-srv07"), "{reason}");
    counted(&house, &refusal("other_host"), 1.0).await?;

    // Revoked is revoked at once, even on a connection that stands.
    let report = known.report("dc1-srv07", sample("story_known"), now_ms())?;
    assert_eq!(known.deliver(&report).await?, ReportOutcome::Stored);
    house.post("/api/hosts/dc1-srv07/revoke", &json!({ "reason": "máy bị lấy mất" })).await?;
    let report = known.report("dc1-srv07", sample("story_known"), now_ms())?;
    let (status, said) = known.send(packed(&report)?).await?;
    let said = String::from_utf8_lossy(&said);
    assert!(status == 403 && said.contains("was revoked"), "{status}: {said}");
    counted(&house, &refusal("revoked"), 1.0).await
}

/// An authority that the collector has never heard of, with the name of its own.
fn foreign_authority() -> anyhow::Result<Issuer<'static, KeyPair>> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name.push(DnType::CommonName, "Hải Đăng CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    Ok(Issuer::new(params, KeyPair::generate()?))
}

#[tokio::test]
async fn what_nobody_can_read_is_refused_and_the_other_hosts_go_on() -> anyhow::Result<()> {
    let mut house = House::new()?;
    house.start().await?;
    let mut host = enrolled(&house, "dc1-srv07").await?;
    let name = host.host().to_owned();

    let good = packed(&host.report(&name, sample("story_cut"), now_ms())?)?;
    let version_99 = zstd::bulk::compress(&[0x08, 99], 3)?;
    for (what, body, status, words) in [
        ("garbage", b"\xff\x00 rubbish".to_vec(), 400, "unpack"),
        ("a truncated body", good[..good.len() / 2].to_vec(), 400, "unpack"),
        ("a version of the future", version_99, 400, "version 99"),
        ("five megabytes", vec![0; 5 << 20], 413, "at most"),
    ] {
        let (found, said) = host.send(body).await.with_context(|| what.to_owned())?;
        let said = String::from_utf8_lossy(&said);
        assert!(found == status && said.contains(words), "{what}: {found}: {said}");
    }
    counted(&house, &refusal("malformed"), 3.0).await?;
    counted(&house, &refusal("too_large"), 1.0).await?;

    let labels = (0..10_000).map(|at| (format!("label_{at:05}"), "x".to_owned()));
    let many = host.report(&name, Labels::metric("story_wide", labels), now_ms())?;
    let early = host.report(&name, sample("story_early"), now_ms() + 2 * HOUR_MS)?;
    for (report, words) in [(many, "labels"), (early, "ahead of the collector's clock")] {
        let outcome = host.deliver(&report).await?;
        let ReportOutcome::Refused { reason } = outcome else {
            anyhow::bail!("not refused: {words}: {outcome:?}");
        };
        assert!(reason.contains(words), "{reason}");
    }
    counted(&house, &refusal("malformed"), 4.0).await?;
    counted(&house, &refusal("time"), 1.0).await?;

    // Nobody else has suffered, and the same host is heard as soon as it speaks sense.
    let sense = host.report(&name, sample("story_sense"), now_ms())?;
    assert_eq!(host.deliver(&sense).await?, ReportOutcome::Stored);
    house.eventually_sees("story_sense{host=\"dc1-srv07\"} == 1").await?;
    let after = now_ms() / 1_000;
    house.eventually_sees(&format!("timestamp(node_load1) > {after}")).await?;
    for refused in ["story_cut", "story_wide", "story_early"] {
        let found = house.query(&format!("last_over_time({refused}[1d])")).await?;
        assert_eq!(found, json!([]), "{refused}");
    }
    Ok(())
}
