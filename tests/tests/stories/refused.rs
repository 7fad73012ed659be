//! Who may not report does not, what nobody can read is not taken, and both are told with a reason and counted.

use std::io::Write;
use std::time::Duration;

use agent_model::{Epoch, Labels};
use agent_wire::ReportOutcome;
use anyhow::Context;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use serde_json::json;
use tests::deadline::{eventually, now};
use tests::fleet::{Agent, Shared};
use tests::house::House;
use tests::load::Load;
use tests::lone_agent::LoneAgent;
use tests::outsider::{Outsider, certificate, now_ms, packed};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

/// How often each bad body is sent, so that the others are disturbed for a while if they can be.
const TIMES: usize = 10;

/// The longest that anybody may be slow: a body of two minutes, and some time to notice.
const SLOW_TIME_MAX: Duration = Duration::from_secs(180);

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

fn unconnected(reason: &str) -> String {
    format!("haidang_collector_connections_refused_total{{reason=\"{reason}\"}}")
}

fn enrolment(outcome: &str) -> String {
    format!("haidang_collector_enrolments_total{{outcome=\"{outcome}\"}}")
}

/// As the agent's own page names it.
fn agent_refusal(collector: &str, reason: &str) -> String {
    format!("haidang_agent_refusals_total{{collector=\"{collector}\",reason=\"{reason}\"}}")
}

#[tokio::test]
async fn who_is_not_the_host_it_says_it_is_is_refused_with_a_reason() -> anyhow::Result<()> {
    let mut house = House::new()?;
    house.start().await?;
    let (agents, ca_pem) = (house.agents_address().to_owned(), ca_pem(&house)?);

    // A token invites once, and only to the collector that made it.
    let used = token(&house).await?;
    let mut known = Outsider::enrol(&agents, &ca_pem, &used, "dc1-srv07").await?;

    // A certificate counts as long as it is valid, and from our own authority alone.
    let key = std::fs::read_to_string(house.state_dir.join("collector/ca/ca.key"))?;
    let ours = Issuer::from_ca_cert_pem(&ca_pem, KeyPair::from_pem(&key)?)?;
    let foreign = foreign_authority()?;
    for (issuer, days) in [(&ours, (-30, -1)), (&foreign, (-1, 30))] {
        let mut stranger = Outsider::signed(&agents, &ca_pem, issuer, "dc1-srv07", days)?;
        let report = stranger.report("dc1-srv07", sample("story_stranger"), now_ms())?;
        assert!(stranger.deliver(&report).await.is_err(), "valid {days:?} days from now");
    }
    counted(&house, &unconnected("certificate_expired"), 1.0).await?;
    counted(&house, &unconnected("certificate_foreign"), 1.0).await?;

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

#[tokio::test]
async fn who_cannot_enrol_is_told_why_and_both_sides_count_it() -> anyhow::Result<()> {
    let mut house = House::new()?;
    house.start().await?;
    let (agents, ca_pem) = (house.agents_address().to_owned(), ca_pem(&house)?);
    let mut agent = LoneAgent::new()?;

    let used = token(&house).await?;
    Outsider::enrol(&agents, &ca_pem, &used, "dc1-srv07").await?;
    let said = agent.cannot_enrol(&agents, &used, "dc1-srv08")?;
    assert!(said.contains("refuses the token") && said.contains("was used before"), "{said}");
    assert!(said.contains("make a new one with `haidang token create`"), "{said}");
    counted(&house, &enrolment("used_token"), 1.0).await?;

    let (from, lifetime) = (now_ms(), 1);
    let made = house.post("/api/tokens", &json!({ "lifetime_seconds": lifetime })).await?;
    let expired = made["token"].as_str().context("no token")?;
    eventually("the token's end", || async {
        anyhow::ensure!(now_ms() > from + (lifetime + 1) * 1_000);
        Ok(())
    })
    .await?;
    let said = agent.cannot_enrol(&agents, expired, "dc1-srv08")?;
    assert!(said.contains("has expired"), "{said}");
    counted(&house, &enrolment("expired_token"), 1.0).await?;

    let secret = used.rsplit_once('.').context("no secret")?.1;
    let elsewhere = format!("hd1.{}.{secret}", "ab".repeat(32));
    let said = agent.cannot_enrol(&agents, &elsewhere, "dc1-srv08")?;
    assert!(said.contains("is not the collector that made this token"), "{said}");
    assert!(said.contains("Nothing was sent to it"), "{said}");
    counted(&house, &unconnected("distrusted"), 1.0).await?;

    for words in ["outcome=\"used_token\"", "outcome=\"expired_token\"", "reason=\"distrusted\""] {
        assert!(house.log_text().contains(words), "{words}: {}", house.last_log_lines());
    }
    let audit = house.get("/api/audit").await?.to_string();
    assert!(audit.contains("used_token") && audit.contains("expired_token"), "{audit}");
    // The agent counts them once it runs, with the token that was good in the end.
    agent.enrol(&agents, &token(&house).await?, "dc1-srv08")?;
    agent.start(&agents)?;
    agent.counts("haidang_agent_enrolments_total{outcome=\"refused_token\"}", 2.0).await?;
    agent.counts("haidang_agent_enrolments_total{outcome=\"other_authority\"}", 1.0).await?;
    agent.counts("haidang_agent_enrolments_total{outcome=\"enrolled\"}", 1.0).await
}

#[tokio::test]
async fn an_agent_whose_certificate_is_no_good_says_what_to_do_and_counts_it() -> anyhow::Result<()>
{
    let mut house = House::new()?;
    house.start().await?;
    let (agents, ca_pem) = (house.agents_address().to_owned(), ca_pem(&house)?);
    let key = std::fs::read_to_string(house.state_dir.join("collector/ca/ca.key"))?;
    let ours = Issuer::from_ca_cert_pem(&ca_pem, KeyPair::from_pem(&key)?)?;
    let foreign = foreign_authority()?;

    let mut agent = LoneAgent::new()?;
    for (issuer, days, reason, words) in [
        (&ours, (-30, -1), "certificate_expired", "it has expired. Check both clocks"),
        (&foreign, (-1, 30), "certificate_foreign", "another authority has signed it"),
        // Our authority signed it, but the collector knows nothing of it: restored from an old copy, perhaps.
        (&ours, (-1, 30), "certificate_unknown", "this collector does not know the certificate"),
    ] {
        let (key, certificate) = certificate(issuer, "dc1-srv07", days)?;
        agent.set_identity(&key.serialize_pem(), &certificate, &ca_pem)?;
        agent.start(&agents)?;
        agent.counts(&agent_refusal(&agents, reason), 1.0).await?;
        agent.says(words).await?;
        agent.stop()?;
        std::fs::remove_dir_all(agent.state_dir().join("identity"))?;
    }
    counted(&house, &unconnected("certificate_expired"), 1.0).await?;
    counted(&house, &unconnected("certificate_foreign"), 1.0).await?;
    counted(&house, &refusal("unknown_certificate"), 1.0).await?;

    // Revoked while it reports.
    agent.enrol(&agents, &token(&house).await?, "dc1-srv08")?;
    agent.start(&agents)?;
    house.eventually_sees("node_load1{host=\"dc1-srv08\"}").await?;
    house.post("/api/hosts/dc1-srv08/revoke", &json!({ "reason": "máy bị lấy mất" })).await?;
    agent.counts(&agent_refusal(&agents, "certificate_revoked"), 1.0).await?;
    agent.says("was revoked; enrol it again with a new token").await?;
    counted(&house, &refusal("revoked"), 1.0).await?;
    for words in ["has expired", "another authority signed", "was revoked"] {
        assert!(house.log_text().contains(words), "{words}: {}", house.last_log_lines());
    }

    // Another collector at the address that was ours.
    let mut second = House::new()?;
    second.start().await?;
    agent.start(second.agents_address())?;
    let counter = agent_refusal(second.agents_address(), "other_authority");
    agent.counts(&counter, 1.0).await?;
    agent.says("is not a collector that this host is enrolled at").await?;
    counted(&second, &unconnected("distrusted"), 1.0).await
}

#[tokio::test]
async fn what_was_spooled_under_another_name_is_refused_and_named() -> anyhow::Result<()> {
    let mut house = House::new()?;
    house.start().await?;
    let agents = house.agents_address().to_owned();
    let mut agent = LoneAgent::new()?;
    agent.enrol(&agents, &token(&house).await?, "dc1-srv07")?;
    // Nobody is there to take it.
    agent.start(&tests::house::free_address()?)?;
    agent.counts("haidang_agent_spooled_reports_total", 2.0).await?;
    agent.stop()?;
    let renamed = token(&house).await?;
    agent.enrol_anew(&agents, &renamed, "dc1-srv08")?;
    agent.start(&agents)?;
    agent.counts("haidang_agent_dropped_reports_total{reason=\"refused\"}", 1.0).await?;
    agent.says("the report speaks for dc1-srv07, the certificate for dc1-srv08").await?;
    counted(&house, &refusal("other_host"), 1.0).await?;
    assert!(house.log_text().contains("reason=\"other_host\""), "{}", house.last_log_lines());
    house.eventually_sees("node_load1{host=\"dc1-srv08\"}").await
}

/// An authority that the collector has never heard of, with the name of its own.
fn foreign_authority() -> anyhow::Result<Issuer<'static, KeyPair>> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name.push(DnType::CommonName, "Hải Đăng CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    Ok(Issuer::new(params, KeyPair::generate()?))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_can_read_is_refused_and_the_other_hosts_go_on() -> anyhow::Result<()> {
    let mut house = House::new()?;
    house.start().await?;
    let mut host = enrolled(&house, "dc1-srv07").await?;
    let name = host.host().to_owned();

    let bomb = bomb()?;
    let load = Load::start(&house, 2).await?;
    let good = packed(&host.report(&name, sample("story_cut"), now_ms())?)?;
    let version_99 = zstd::bulk::compress(&[0x08, 99], 3)?;
    let bodies = [
        ("garbage", b"\xff\x00 rubbish".to_vec(), 400, "unpack"),
        ("a truncated body", good[..good.len() / 2].to_vec(), 400, "unpack"),
        ("a version of the future", version_99, 400, "version 99"),
        ("five megabytes", vec![0; 5 << 20], 413, "at most"),
        ("a gigabyte of nothing in a few bytes", bomb, 400, "unpack"),
    ];
    for (what, body, status, words) in bodies.iter().cycle().take(bodies.len() * TIMES) {
        let (found, said) = host.send(body.clone()).await.with_context(|| (*what).to_owned())?;
        let said = String::from_utf8_lossy(&said);
        assert!(found == *status && said.contains(words), "{what}: {found}: {said}");
    }
    counted(&house, &refusal("malformed"), 40.0).await?;
    counted(&house, &refusal("too_large"), 10.0).await?;

    let labels = (0..10_000).map(|at| (format!("label_{at:05}"), "x".to_owned()));
    let many = host.report(&name, Labels::metric("story_wide", labels), now_ms())?;
    let early = host.report(&name, sample("story_early"), now_ms() + 2 * HOUR_MS)?;
    let ancient = host.report(&name, sample("story_ancient"), now_ms() - 30 * 24 * HOUR_MS)?;
    for (report, words) in [
        (many, "labels"),
        (early, "ahead of the collector's clock"),
        (ancient, "more than agents.past_max"),
    ] {
        let outcome = host.deliver(&report).await?;
        let ReportOutcome::Refused { reason } = outcome else {
            anyhow::bail!("not refused: {words}: {outcome:?}");
        };
        assert!(reason.contains(words), "{reason}");
    }
    counted(&house, &refusal("malformed"), 41.0).await?;
    counted(&house, &refusal("time"), 2.0).await?;

    // Not a number is a value like any other, as in Prometheus: it is kept, and the host's other series stay numbers.
    let mut nothing = host.report(&name, sample("story_nan"), now_ms())?;
    nothing.columns[0].values = vec![f64::NAN];
    assert_eq!(host.deliver(&nothing).await?, ReportOutcome::Stored);
    house.eventually_sees("story_nan != story_nan").await?;

    // Nobody else has suffered, and the same host is heard as soon as it speaks sense.
    let sense = host.report(&name, sample("story_sense"), now_ms())?;
    assert_eq!(host.deliver(&sense).await?, ReportOutcome::Stored);
    house.eventually_sees("story_sense{host=\"dc1-srv07\"} == 1").await?;
    let after = now_ms() / 1_000;
    house.eventually_sees(&format!("timestamp(node_load1) > {after}")).await?;
    for refused in ["story_cut", "story_wide", "story_early", "story_ancient"] {
        let found = house.query(&format!("last_over_time({refused}[1d])")).await?;
        assert_eq!(found, json!([]), "{refused}");
    }
    undisturbed(load).await
}

/// Other hosts were acknowledged all the time, each request at once.
async fn undisturbed(load: Load) -> anyhow::Result<()> {
    for host in load.stop().await? {
        anyhow::ensure!(host.failed() == 0 && host.readings() > 10, "others suffered: {host:?}");
    }
    Ok(())
}

/// Unpacks to a gigabyte.
fn bomb() -> anyhow::Result<Vec<u8>> {
    let mut packer = zstd::Encoder::new(Vec::new(), 3)?;
    for _ in 0..1_024 {
        packer.write_all(&[0; 1 << 20])?;
    }
    Ok(packer.finish()?)
}

/// What the collector says to somebody who says one byte in two seconds, until it hangs up.
async fn dribble(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    mut text: impl Iterator<Item = u8>,
) -> anyhow::Result<String> {
    let (mut said, mut buffer) = (Vec::new(), [0; 4_096]);
    let deadline = now() + SLOW_TIME_MAX;
    while now() < deadline {
        let heard = tokio::time::timeout(Duration::from_secs(2), stream.read(&mut buffer)).await;
        match heard {
            // It hung up, with or without a farewell.
            Ok(Ok(0) | Err(_)) => return Ok(String::from_utf8_lossy(&said).into_owned()),
            Ok(Ok(bytes)) => said.extend_from_slice(&buffer[..bytes]),
            Err(_) => {}
        }
        if let Some(byte) = text.next()
            && stream.write_all(&[byte]).await.is_ok()
        {
            stream.flush().await?;
        }
    }
    anyhow::bail!("the connection still stands after {SLOW_TIME_MAX:?}")
}

#[tokio::test(flavor = "multi_thread")]
async fn who_speaks_too_slowly_is_cut_off_and_the_other_hosts_go_on() -> anyhow::Result<()> {
    let mut house = House::new()?;
    house.start().await?;
    let load = Load::start(&house, 2).await?;
    let slow = Agent::enrol(&house, 99, Epoch(1), Shared::new(1)).await?;
    let refused = |reason: &str| {
        format!("haidang_collector_connections_refused_total{{reason=\"{reason}\"}}")
    };

    // No handshake; a handshake and then silence; a head, and a body, that never end.
    let nothing = dribble(TcpStream::connect(house.agents_address()).await?, std::iter::empty());
    let silent = dribble(slow.connect().await?, std::iter::empty());
    let head =
        dribble(slow.connect().await?, std::iter::repeat_n(b"GET /", 999).flatten().copied());
    let start = "POST /v1/reports HTTP/1.1\r\nHost: c\r\nContent-Length: 900\r\n\r\n";
    let mut stream = slow.connect().await?;
    stream.write_all(start.as_bytes()).await?;
    let body = dribble(stream, std::iter::repeat(b'x'));
    let (nothing, silent, head, body) = tokio::join!(nothing, silent, head, body);
    nothing.context("without a handshake")?;
    silent.context("silent after the handshake")?;
    head.context("a head without an end")?;
    let body = body.context("a body without an end")?;
    assert!(body.contains("408") && body.contains("too slowly"), "{body}");
    counted(&house, &refused("handshake_timeout"), 1.0).await?;
    counted(&house, &refused("connection"), 2.0).await?;
    counted(&house, &refusal("slow_body"), 1.0).await?;
    undisturbed(load).await
}
