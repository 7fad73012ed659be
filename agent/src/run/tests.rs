//! The whole agent in one process, against a collector with real TLS.

use agent_model::{BackupOutcome, BackupRun};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;
use crate::enrol::enrol;
use crate::test_collector::{TestCollector, eventually};

async fn enrolled(collector: &TestCollector, state_dir: &Path) -> Config {
    enrol(&collector.enrolment(state_dir)).await.unwrap();
    let mut config = Config::new(state_dir.to_owned());
    config.collectors = vec![collector.address.clone()];
    config.interval = Duration::from_secs(1);
    config.spool.bytes_max = 8 << 20;
    config.web.listen = None;
    config
}

fn free_port() -> std::net::SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

async fn fetch(address: std::net::SocketAddr, path: &str) -> String {
    let mut text = String::new();
    if let Ok(mut stream) = TcpStream::connect(address).await {
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        stream.read_to_string(&mut text).await.unwrap();
    }
    text
}

async fn ready(address: std::net::SocketAddr) {
    let deadline = Clock.instant() + Duration::from_secs(20);
    while !fetch(address, "/-/ready").await.starts_with("HTTP/1.1 200") {
        assert!(Clock.instant() < deadline, "it does not become ready");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_host_reports_metrics_facts_and_what_others_hand_over() {
    let collector = TestCollector::start().await;
    let state = tempfile::tempdir().unwrap();
    let mut config = enrolled(&collector, state.path()).await;
    let page = free_port();
    config.web.listen = Some(page);
    let drop_box = config.drop_box_dir();
    let shutdown = CancellationToken::new();
    let agent = tokio::spawn(run(config, shutdown.clone()));
    ready(page).await;
    assert!(fetch(page, "/metrics").await.contains("\nhaidang_agent_spool_bytes_max 8388608\n"));
    assert!(fetch(page, "/").await.starts_with("HTTP/1.1 404"));
    let run = BackupRun {
        job: "nightly".to_owned(),
        tool: "command".to_owned(),
        started_ms: 1,
        finished_ms: 2,
        outcome: BackupOutcome::Succeeded,
        exit_code: Some(0),
        bytes: Some(5),
        files: None,
        content_id: None,
        detail: String::new(),
        reported_by: "somebody else".to_owned(),
    };
    drop_box::hand_over(&drop_box, &run).unwrap();
    eventually("the run arrives", || {
        let state = collector.state();
        let mut runs = state.decoded.iter().flat_map(|report| &report.backup_runs);
        runs.any(|run| run.job == "nightly" && run.reported_by != "somebody else")
    })
    .await;
    let has_fact = |name: &str| {
        let state = collector.state();
        let mut facts = state.decoded.iter().flat_map(|report| &report.facts);
        facts.any(|fact| fact.name == name)
    };
    eventually("the facts arrive", || has_fact("kernel") && has_fact("boot_id")).await;
    eventually("several readings arrive", || {
        let state = collector.state();
        state.decoded.iter().filter(|report| !report.columns.is_empty()).count() >= 2
    })
    .await;
    shutdown.cancel();
    agent.await.unwrap().unwrap();
    assert_eq!(collector.state().repeats, 0);
}

#[tokio::test]
async fn a_certificate_past_two_thirds_of_its_life_is_renewed_while_running() {
    let collector = TestCollector::start().await;
    collector.state().aged_certificates = true;
    let state = tempfile::tempdir().unwrap();
    let config = enrolled(&collector, state.path()).await;
    let before = std::fs::read(Identity::path(state.path(), collector.authority())).unwrap();
    let shutdown = CancellationToken::new();
    let agent = tokio::spawn(run(config, shutdown.clone()));
    eventually("it renews", || collector.state().renewals == 1).await;
    eventually("the new identity is stored", || {
        std::fs::read(Identity::path(state.path(), collector.authority())).unwrap() != before
    })
    .await;
    eventually("it goes on reporting", || collector.samples() > 0).await;
    shutdown.cancel();
    agent.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_renewal_whose_answer_was_lost_asks_with_the_same_key_after_a_restart() {
    let collector = TestCollector::start().await;
    collector.state().aged_certificates = true;
    let state = tempfile::tempdir().unwrap();
    let config = enrolled(&collector, state.path()).await;
    collector.state().lose_grants = 1;
    for renewals in 1..=2 {
        let shutdown = CancellationToken::new();
        let agent = tokio::spawn(run(config.clone(), shutdown.clone()));
        eventually("it asks", || collector.state().renewals == renewals).await;
        if renewals == 2 {
            let request = Identity::path(state.path(), collector.authority());
            let request = request.with_extension("request");
            eventually("it has its answer", || !request.exists()).await;
        }
        shutdown.cancel();
        agent.await.unwrap().unwrap();
    }
    let keys = collector.state().asked_keys.clone();
    assert_eq!(keys.len(), 3, "one for the enrolment");
    assert_eq!(keys[1], keys[2]);
}

/// One report of each stream may be on its way at a stop, and comes twice.
const REPEATS_PER_STOP: usize = 2;

/// So many reports that nobody could take a forgotten cursor for a stop.
fn many(collector: &TestCollector) -> bool {
    collector.state().reports.len() > 4 * REPEATS_PER_STOP
}

/// Runs the agent until something holds, and stops it.
async fn run_until(config: &Config, what: &str, holds: impl Fn() -> bool) {
    let shutdown = CancellationToken::new();
    let agent = tokio::spawn(run(config.clone(), shutdown.clone()));
    eventually(what, holds).await;
    shutdown.cancel();
    agent.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_collector_that_moves_is_the_same_collector() {
    let mut collector = TestCollector::start().await;
    let state = tempfile::tempdir().unwrap();
    let mut config = enrolled(&collector, state.path()).await;
    run_until(&config, "it reports", || many(&collector)).await;
    let moved = collector.listen().await;
    collector.hang_up(0);
    config.collectors = vec![moved];
    let before = collector.samples();
    run_until(&config, "it reports to the new address", || collector.samples() > before).await;
    let before = collector.samples();
    run_until(&config, "and after one more start", || collector.samples() > before).await;
    let repeats = collector.state().repeats;
    assert!(repeats <= 2 * REPEATS_PER_STOP, "{repeats}: the spool knows what the collector has");
    assert_eq!(collector.state().asked_keys.len(), 1, "enrolled once");
    let cursors = state.path().join("spool/cursors");
    let cursors: Vec<_> =
        std::fs::read_dir(cursors).unwrap().map(|it| it.unwrap().file_name()).collect();
    assert_eq!(cursors, [collector.authority().to_string().as_str()]);
}

#[tokio::test]
async fn two_addresses_of_a_collector_are_one_collector_of_which_either_will_do() {
    let mut collector = TestCollector::start().await;
    let state = tempfile::tempdir().unwrap();
    let mut config = enrolled(&collector, state.path()).await;
    let second = collector.listen().await;
    config.collectors.insert(0, second.clone());
    // The first run finds out; from then on they are one.
    let met = || kept::all(state.path()).unwrap()[0].was_met_at(&second);
    run_until(&config, "it is met at its second address", met).await;
    let known = known_collectors(&config, &kept::all(state.path()).unwrap());
    assert_eq!(known.len(), 1);
    assert_eq!(known[0].addresses, config.collectors);
    run_until(&config, "it reports", || many(&collector)).await;
    collector.hang_up(1);
    let (before, repeats) = (collector.samples(), collector.state().repeats);
    run_until(&config, "the other address serves", || collector.samples() > before).await;
    assert!(collector.state().repeats <= repeats + REPEATS_PER_STOP);
}

#[tokio::test]
async fn what_earlier_versions_left_by_address_is_taken_over() {
    let collector = TestCollector::start().await;
    let state = tempfile::tempdir().unwrap();
    let config = enrolled(&collector, state.path()).await;
    run_until(&config, "it reports", || many(&collector)).await;
    // The old names of the identity and of the cursor.
    let name = collector.address.as_file_name();
    let identity = Identity::path(state.path(), collector.authority());
    std::fs::rename(&identity, identity.with_file_name(format!("{name}.json"))).unwrap();
    let cursors = state.path().join("spool/cursors");
    let cursor = cursors.join(collector.authority().to_string());
    std::fs::rename(&cursor, cursors.join(&name)).unwrap();
    let before = collector.samples();
    run_until(&config, "it goes on", || collector.samples() > before).await;
    assert!(identity.exists() && cursor.exists() && !cursors.join(&name).exists());
    assert!(collector.state().repeats <= REPEATS_PER_STOP);
}

#[tokio::test]
async fn what_a_collector_missed_follows_after_a_restart_under_its_old_epoch() {
    let collector = TestCollector::start().await;
    let state = tempfile::tempdir().unwrap();
    let config = enrolled(&collector, state.path()).await;
    collector.state().hold_metrics = true;
    for _ in 0..2 {
        let shutdown = CancellationToken::new();
        let page = free_port();
        let mut config = config.clone();
        config.web.listen = Some(page);
        let agent = tokio::spawn(run(config, shutdown.clone()));
        ready(page).await;
        shutdown.cancel();
        agent.await.unwrap().unwrap();
    }
    collector.state().hold_metrics = false;
    let shutdown = CancellationToken::new();
    let agent = tokio::spawn(run(config, shutdown.clone()));
    eventually("three epochs arrive", || {
        let state = collector.state();
        let metrics = state.reports.keys().filter(|key| key.stream == Stream::Metrics);
        metrics.map(|key| key.epoch).collect::<std::collections::BTreeSet<_>>().len() == 3
    })
    .await;
    shutdown.cancel();
    agent.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_host_that_is_not_enrolled_is_told_what_to_do() {
    let state = tempfile::tempdir().unwrap();
    let mut config = Config::new(state.path().to_owned());
    config.collectors = vec![crate::config::CollectorAddress::new("c.example:7443").unwrap()];
    let error = run(config, CancellationToken::new()).await.unwrap_err().to_string();
    assert!(error.contains("haidang-agent enrol --collector c.example:7443"), "{error}");
}

async fn received(syslog: &tokio::net::UnixDatagram) -> String {
    let mut buffer = [0; 2_048];
    let bytes = tokio::time::timeout(Duration::from_secs(60), syslog.recv(&mut buffer)).await;
    String::from_utf8(buffer[..bytes.unwrap().unwrap()].to_vec()).unwrap()
}

#[tokio::test]
async fn a_host_whose_collector_is_gone_says_so_once_and_says_when_it_is_back() {
    let mut collector = TestCollector::start().await;
    let state = tempfile::tempdir().unwrap();
    let mut config = enrolled(&collector, state.path()).await;
    let socket = state.path().join("log");
    let syslog = tokio::net::UnixDatagram::bind(&socket).unwrap();
    config.outage_notice = outage_notice::Config {
        after: Duration::from_secs(4),
        syslog: Some(socket),
        mail_to: vec!["root".to_owned()],
        sendmail: outage_notice::tests::sendmail(state.path(), ""),
    };
    let address = collector.address.as_str().to_owned();
    collector.hang_up(0);
    let shutdown = CancellationToken::new();
    let agent = tokio::spawn(run(config, shutdown.clone()));
    let begins = received(&syslog).await;
    assert!(begins.starts_with("<26>haidang-agent["), "{begins}");
    assert!(begins.contains("không máy thu thập Hải Đăng nào nhận báo cáo"), "{begins}");
    collector.listen_at(&address).await;
    let ends = received(&syslog).await;
    assert!(ends.starts_with("<29>haidang-agent["), "{ends}");
    assert!(ends.contains("đã nhận báo cáo trở lại"), "{ends}");
    let mails = || std::fs::read_to_string(state.path().join("mails")).unwrap_or_default();
    eventually("both mails are there", || mails().matches("Subject: ").count() == 2).await;
    shutdown.cancel();
    agent.await.unwrap().unwrap();
}
