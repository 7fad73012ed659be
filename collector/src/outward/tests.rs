//! Sending to a small real server that takes, refuses, waits, talks rubbish or says nothing.

mod broken;
mod content;
mod receiver;
mod secured;

use std::collections::BTreeMap;
use std::time::Duration;

use agent_model::{Labels, Sample};
use collector_journal::JournalConfig;
use collector_remote_write::{OutwardSeries, Version, decode, encode};

use super::*;
use crate::push::Owner;
use crate::record::PushRecord;
use receiver::{Receiver, Say};

const PATIENCE: Duration = Duration::from_secs(60);

/// A journal, a target and its sender.
struct Bench {
    journal: Journal,
    schemas: Schemas,
    registry: Registry,
    target: Target,
    directory: tempfile::TempDir,
}

impl Bench {
    fn new(url: &str) -> Self {
        drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
        let directory = tempfile::tempdir().unwrap();
        let config = JournalConfig {
            free_reserve_bytes: 0,
            segment_bytes_max: 1_024,
            ..JournalConfig::new(directory.path().join("journal"), || Duration::ZERO)
        };
        let target = Target {
            name: "there".to_owned(),
            url: url.parse().unwrap(),
            version: Version::One,
            headers: reqwest::header::HeaderMap::new(),
            credentials: config::Credentials::None,
            ca_file: None,
            client_files: None,
            write_relabel: Vec::new(),
            batch_samples_max: 10,
            shards: 3,
            timeout: Duration::from_millis(500),
            queue_bytes_max: 1 << 20,
            queue_age_max_ms: 3_600_000,
        };
        Self {
            journal: Journal::open(config).unwrap(),
            schemas: Schemas::default(),
            registry: Registry::new(),
            target,
            directory,
        }
    }

    /// A start of the collector: what runs until the answer is dropped.
    fn start(&mut self) -> (Outward, Running) {
        self.registry = Registry::new();
        let sources = Sources {
            journal: self.journal.clone(),
            schemas: self.schemas.clone(),
            state_dir: self.directory.path().to_owned(),
            reserve_bytes: 0,
        };
        let directory = sources.state_dir.join(DIRECTORY);
        open_directory(&directory, std::slice::from_ref(&self.target)).unwrap();
        let figures = Figures::new(&self.registry).unwrap();
        let mut sender = sender(&self.target, &sources, &directory, &figures).unwrap();
        sender.bound_interval = Duration::from_millis(50);
        let outward = Outward([Arc::clone(&sender.progress)].into());
        let (stop, stopped) = watch::channel(false);
        (outward, Running(tokio::spawn(sender.run(stopped)), stop))
    }

    /// One sample of each series, by its number, at a time; its value is the time.
    async fn push(&self, series: &[u32], timestamp_ms: i64) {
        self.push_received(series, timestamp_ms, crate::clock::now_ms()).await;
    }

    async fn push_received(&self, series: &[u32], timestamp_ms: i64, received_ms: i64) {
        #[allow(clippy::cast_precision_loss, reason = "times of a test are small")]
        let sample = Sample { timestamp_ms, value: timestamp_ms as f64 };
        let one = |at: &u32| OutwardSeries {
            labels: Labels::metric(format!("m{at}"), [("a", "b")]),
            samples: vec![sample],
        };
        let series: Vec<OutwardSeries> = series.iter().map(one).collect();
        let push = decode(&encode(&series, Version::One).unwrap(), Version::One).unwrap();
        let owner = Owner { name: "o".to_owned(), labels: Labels::new([("origin", "o")]) };
        let record = PushRecord { owner: Arc::new(owner), received_ms, push, described: vec![] };
        self.journal.append(vec![record.encode().unwrap()]).await.unwrap();
    }

    /// A counter or gauge by its labels beside the target.
    fn figure(&self, name: &str, reason: Option<&str>) -> f64 {
        let name = format!("haidang_collector_outward_{name}");
        let families = self.registry.gather();
        let metrics = families.iter().filter(|family| family.name() == name);
        let of_reason = metrics.flat_map(|family| family.get_metric()).filter(|metric| {
            let mut labels = metric.get_label().iter();
            reason.is_none_or(|reason| labels.any(|label| label.value() == reason))
        });
        of_reason.map(|one| one.get_counter().get_value() + one.get_gauge().get_value()).sum()
    }
}

/// Ends as a kill does when it is dropped.
struct Running(
    tokio::task::JoinHandle<()>,
    #[allow(dead_code, reason = "held")] watch::Sender<bool>,
);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn eventually(what: &str, mut look: impl FnMut() -> bool) {
    let asked = async {
        while !look() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, asked).await.is_ok(), "not in time: {what}");
}

/// The times of each series in the order in which they were taken, repeats of a crash taken out.
fn times(receiver: &Receiver) -> BTreeMap<String, Vec<i64>> {
    let mut found: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for (labels, sample) in receiver.taken() {
        let times = found.entry(labels).or_default();
        if !times.contains(&sample.timestamp_ms) {
            times.push(sample.timestamp_ms);
        }
    }
    found
}

fn name(at: u32) -> String {
    format!(r#"m{at}{{a="b",origin="o"}}"#)
}

#[tokio::test]
async fn what_a_target_does_not_take_now_is_sent_again_until_it_does() {
    let receiver = Receiver::new().await;
    receiver.will_say(vec![
        Say::status(503),
        Say::Status { status: 429, headers: "Retry-After: 1\r\n", body: "slow down" },
        Say::Never,
        Say::Rubbish,
    ]);
    let mut bench = Bench::new(&receiver.url());
    bench.target.shards = 1;
    let (outward, _running) = bench.start();
    bench.push(&[1, 2], 100).await;
    eventually("the health to turn", || {
        outward.targets().any(|target| matches!(target.health(), Health::Failing { .. }))
    })
    .await;
    bench.push(&[1, 2], 200).await;
    eventually("everything to be taken", || outward.stored() == Some(Position(2))).await;
    let expected = [(name(1), vec![100, 200]), (name(2), vec![100, 200])];
    assert_eq!(times(&receiver), BTreeMap::from(expected));
    assert!(outward.targets().all(|target| target.health() == Health::Good));
    assert_eq!(bench.figure("sent_samples_total", None), 4.0);
    assert_eq!(bench.figure("dropped_samples_total", None), 0.0);
    assert_eq!(bench.figure("retries_total", None), 4.0);
    assert_eq!(bench.figure("good", None), 1.0);
}

#[tokio::test]
async fn a_target_that_moved_or_speaks_another_version_is_a_mistake_to_mend_and_loses_nothing() {
    let receiver = Receiver::new().await;
    receiver.will_say(vec![
        Say::Status { status: 307, headers: "Location: /elsewhere\r\n", body: "" },
        Say::status(415),
        Say::status(408),
    ]);
    let mut bench = Bench::new(&receiver.url());
    let (outward, _running) = bench.start();
    bench.push(&[1], 100).await;
    eventually("the sample to be taken", || outward.stored() == Some(Position(1))).await;
    assert_eq!(bench.figure("retries_total", None), 3.0);
    assert_eq!(bench.figure("dropped_samples_total", None), 0.0);
}

#[tokio::test]
async fn a_bad_sample_is_lost_alone_and_the_order_of_its_neighbours_holds() {
    for status in [400, 409, 413, 422] {
        a_bad_sample_among_good_ones(status).await;
    }
}

async fn a_bad_sample_among_good_ones(status: u16) {
    let receiver = Receiver::new().await;
    receiver.refuse("m7{", status);
    let mut bench = Bench::new(&receiver.url());
    let all: Vec<u32> = (1..=20).collect();
    for at in 1..=5 {
        bench.push(&all, at).await;
    }
    // Before a target is known nothing is sent to it.
    let (outward, _running) = bench.start();
    for at in 6..=9 {
        bench.push(&all, at).await;
    }
    eventually("everything to be answered", || outward.stored() == Some(Position(9))).await;
    let good = all.iter().filter(|at| **at != 7);
    let expected: BTreeMap<_, _> = good.map(|at| (name(*at), vec![6, 7, 8, 9])).collect();
    assert_eq!(times(&receiver), expected);
    assert_eq!(bench.figure("dropped_samples_total", Some("refused")), 4.0);
    assert_eq!(bench.figure("sent_samples_total", None), 76.0);
}

#[tokio::test]
async fn who_refuses_us_and_not_the_samples_loses_one_batch_at_a_time() {
    let receiver = Receiver::new().await;
    receiver.refuse("", 401);
    let mut bench = Bench::new(&receiver.url());
    let (outward, _running) = bench.start();
    bench.push(&[1], 1).await;
    eventually("a refusal", || bench.figure("dropped_samples_total", Some("refused")) > 0.0).await;
    let bad = outward.targets().next().map(|target| target.health());
    let Some(Health::Refusing { why, .. }) = bad else { panic!("{bad:?}") };
    assert!(why.starts_with("401") && why.contains("nothing for you"), "{why}");
    // It is asked for its answer once: there is nothing to halve.
    assert_eq!(receiver.requests(), 1);
    receiver.refuse("none", 401);
    bench.push(&[1], 2).await;
    eventually("the next sample", || times(&receiver).contains_key(&name(1))).await;
}

#[tokio::test]
async fn a_kill_between_a_request_and_its_answer_repeats_it_and_loses_nothing() {
    let receiver = Receiver::new().await;
    let mut bench = Bench::new(&receiver.url());
    let (outward, running) = bench.start();
    bench.push(&[1, 2, 3], 1).await;
    eventually("the first", || outward.stored() == Some(Position(1))).await;
    // These are taken, and the answer never comes.
    receiver.will_say(vec![Say::TakenInSilence; 9]);
    bench.push(&[1, 2, 3], 2).await;
    bench.push(&[1, 2, 3], 3).await;
    eventually("a request", || receiver.requests() > 1).await;
    drop(running);
    receiver.will_say(Vec::new());
    let (outward, _running) = bench.start();
    assert!(outward.stored() < Some(Position(3)));
    eventually("the rest", || outward.stored() == Some(Position(3))).await;
    let expected: BTreeMap<_, _> = (1..=3).map(|at| (name(at), vec![1, 2, 3])).collect();
    assert_eq!(times(&receiver), expected);
}

#[tokio::test]
async fn what_waits_for_a_target_that_is_away_stays_within_its_bound() {
    let receiver = Receiver::new().await;
    receiver.will_say(vec![Say::status(500); 1_000]);
    let mut bench = Bench::new(&receiver.url());
    bench.target.queue_bytes_max = 8 << 10;
    let (outward, _running) = bench.start();
    let last = 600;
    for at in 1..=last {
        bench.push(&[1, 2], at).await;
    }
    let journal = bench.journal.clone();
    let release = || {
        let stored = outward.stored().unwrap();
        journal.release(stored).unwrap();
        // Nothing more has to go: what is counted now is all.
        let now = std::time::SystemTime::UNIX_EPOCH;
        queue::overflow(&journal, stored, &bench.target, false, now).is_none()
    };
    eventually("the oldest to go", release).await;
    // The bound, and the newest segment.
    assert!(journal.bytes() <= (8 << 10) + 2_048, "{} bytes", journal.bytes());
    let dropped = bench.figure("dropped_samples_total", Some("queue_full"));
    assert!(dropped > 0.0);
    receiver.will_say(Vec::new());
    eventually("the rest", || outward.stored().unwrap().0 == 600).await;
    let times = times(&receiver);
    for series in [1, 2] {
        let got = &times[&name(series)];
        assert!(got.is_sorted() && got.last() == Some(&last), "{got:?}");
        let whole: Vec<i64> = (got[0]..=last).collect();
        assert_eq!(*got, whole, "there is a hole");
    }
    // Each is either there or counted.
    let taken: usize = times.values().map(Vec::len).sum();
    assert_eq!(dropped + taken as f64, 1_200.0);
}

#[tokio::test]
async fn what_waited_too_long_is_dropped_and_counted() {
    let receiver = Receiver::new().await;
    let mut bench = Bench::new(&receiver.url());
    let (outward, _running) = bench.start();
    let now_ms = crate::clock::now_ms();
    bench.push_received(&[1, 2], 1, now_ms - bench.target.queue_age_max_ms - 1_000).await;
    bench.push_received(&[1, 2], 2, now_ms).await;
    eventually("both", || outward.stored() == Some(Position(2))).await;
    assert_eq!(times(&receiver)[&name(1)], [2]);
    assert_eq!(bench.figure("dropped_samples_total", Some("too_old")), 2.0);
}

#[tokio::test]
async fn records_that_the_journal_no_longer_has_are_counted() {
    let receiver = Receiver::new().await;
    let mut bench = Bench::new(&receiver.url());
    let (_, running) = bench.start();
    drop(running);
    for at in 1..=100 {
        bench.push(&[1], at).await;
    }
    bench.journal.release(Position(50)).unwrap();
    let first = bench.journal.first().0;
    assert!(first > 2, "nothing was released");
    let (outward, _running) = bench.start();
    eventually("the rest", || outward.stored() == Some(Position(100))).await;
    assert_eq!(bench.figure("lost_records_total", None), (first - 1) as f64);
    assert_eq!(times(&receiver)[&name(1)].first(), Some(&i64::try_from(first).unwrap()));
}
