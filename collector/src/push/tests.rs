//! Pushes for the tests of what takes them.

use std::collections::BTreeMap;

use agent_model::{Labels, MatchOp, Matcher};
use collector_journal::{JournalConfig, Position};
use collector_metric_store::{MetricStore, MetricStoreConfig};
use collector_remote_write::messages::version_1::{
    Label, MetricMetadata, Sample, TimeSeries, WriteRequest,
};
use collector_remote_write::messages::version_2;
use collector_remote_write::{Push, Version, decode, limits};
use prost::Message;

use super::*;
use crate::feed::Follower;
use crate::schemas::Schemas;
use crate::self_metrics::SelfMetrics;
use crate::views::metrics::MetricsView;

pub(crate) fn owner() -> Owner {
    Owner { name: "dc2".to_owned(), labels: Labels::new([("origin", "dc2")]) }
}

fn series(labels: &[(&str, &str)]) -> TimeSeries {
    let label = |&(name, value): &(&str, &str)| Label { name: name.into(), value: value.into() };
    TimeSeries {
        labels: labels.iter().map(label).collect(),
        samples: vec![Sample { value: 1.5, timestamp: 1_000 }],
        ..TimeSeries::default()
    }
}

pub(crate) fn body(timeseries: Vec<TimeSeries>) -> bytes::Bytes {
    let message = WriteRequest { timeseries, metadata: vec![] }.encode_to_vec();
    snap::raw::Encoder::new().compress_vec(&message).unwrap().into()
}

/// One sample, 1.5 at 1,000, of each name.
pub(crate) fn push(names: &[&str]) -> Push {
    let timeseries = names.iter().map(|name| series(&[("__name__", name)])).collect();
    decode(&body(timeseries), Version::One).unwrap()
}

pub(crate) fn push_of_host(name: &str, host: &str) -> Push {
    decode(&body(vec![series(&[("__name__", name), ("host", host)])]), Version::One).unwrap()
}

/// The way of a push, from a body to the end of the feed.
struct Bench {
    pushes: Arc<Pushes>,
    store: Arc<MetricStore>,
    follower: Follower,
    metrics: SelfMetrics,
    _directory: tempfile::TempDir,
}

impl Bench {
    async fn new(state: State) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        let store = Arc::new(MetricStore::open(MetricStoreConfig::new(path)).unwrap());
        let config = JournalConfig {
            free_reserve_bytes: 0,
            ..JournalConfig::new(path.join("journal"), || Duration::ZERO)
        };
        let journal = Journal::open(config).unwrap();
        let mut feed = Feed::default();
        let follower = feed.follow(journal.clone(), Schemas::default(), Position(0));
        let metrics = SelfMetrics::new().unwrap();
        let pushes = Arc::new(Pushes {
            journal,
            feed,
            catalog: Arc::new(Catalog::new(Arc::clone(&store), 1, 100)),
            inventory: Inventory::open(&path.join("inventory.db")).await.unwrap(),
            future_max_ms: 1_000,
            past_max_ms: 1_000,
            metrics: metrics.push.clone(),
            otlp_metrics: metrics.otlp.clone(),
            state,
        });
        Self { pushes, store, follower, metrics, _directory: directory }
    }

    async fn push(&self, body: bytes::Bytes) -> Result<Taken, PushError> {
        let body = Body::RemoteWrite(body, Version::One);
        self.pushes.accept(Arc::new(owner()), body, 1_500).await
    }

    /// What the view makes of some records of the journal.
    async fn stored(&self, contents: Vec<Content>) -> BTreeMap<String, Vec<u64>> {
        let (arrived, _) = tokio::sync::watch::channel(0);
        let catalog = Arc::clone(&self.pushes.catalog);
        let (store, metrics) = (Arc::clone(&self.store), self.metrics.clone());
        let mut view =
            MetricsView::new(store, Schemas::default(), catalog, metrics, 1_000, arrived);
        for content in contents {
            view.take(&Decoded { position: Position(1), content }).unwrap();
        }
        let any = Matcher::new("origin", MatchOp::Equal, "dc2").unwrap();
        let series = self.store.select(&[any], 0, i64::MAX).unwrap().into_iter();
        let bits = |series: agent_model::Series| {
            let values = series.samples.iter().map(|sample| sample.value.to_bits());
            (series.labels.to_string(), values.collect())
        };
        series.map(bits).collect()
    }
}

fn at(name: &str, samples: &[(f64, i64)]) -> TimeSeries {
    let sample = |&(value, timestamp): &(f64, i64)| Sample { value, timestamp };
    TimeSeries { samples: samples.iter().map(sample).collect(), ..series(&[("__name__", name)]) }
}

#[tokio::test]
async fn what_is_taken_is_the_same_live_and_after_a_crash_and_stale_markers_keep_their_bits() {
    let mut bench = Bench::new(State::default()).await;
    let stale = agent_model::stale_marker();
    let sent = vec![
        at("a", &[(1.5, 1_000), (stale, 1_001)]),
        at("b", &[(9.0, 100), (2.5, 1_000), (9.0, 9_000)]),
        at("late", &[(9.0, 1)]),
    ];
    let taken = bench.push(body(sent)).await.unwrap();
    let refused: Vec<_> = taken.refusals.iter().map(|(why, count)| (why.name(), count)).collect();
    assert_eq!((taken.samples, refused), (3, vec![("time", 3)]));
    let expected = BTreeMap::from([
        (r#"a{origin="dc2"}"#.to_owned(), vec![1.5_f64.to_bits(), stale.to_bits()]),
        (r#"b{origin="dc2"}"#.to_owned(), vec![2.5_f64.to_bits()]),
    ]);
    let live = bench.follower.next_batch().await.unwrap().unwrap().remove(0);
    let Content::Push(pushed) = Arc::try_unwrap(live).unwrap().content else { panic!() };
    assert_eq!(pushed.places.len(), 2);
    assert_eq!(bench.stored(vec![Content::Push(pushed)]).await, expected);
    // A crash lost what was in memory; the journal has it, and nobody asks whether it may be written.
    let again = Bench::new(State::default()).await;
    let mut reader = bench.pushes.journal.read(Position(1));
    let (position, bytes) = reader.next().unwrap().unwrap();
    let decoded = crate::feed::decode(position, bytes, &Schemas::default()).unwrap();
    assert_eq!(again.stored(vec![decoded.content]).await, expected);
}

#[tokio::test]
async fn a_sender_waits_for_room_and_is_told_to_come_back_when_there_is_none() {
    let state = State { room_time_max: Duration::ZERO, ..State::default() };
    let room = Arc::clone(&state.room);
    let bench = Bench::new(state).await;
    let all = room.acquire_many(u32::try_from(ROOM_KIBIBYTES).unwrap()).await.unwrap();
    let small = || body(vec![at("a", &[(1.5, 1_000)])]);
    assert!(matches!(bench.push(small()).await, Err(PushError::Busy)));
    assert_eq!(bench.pushes.journal.durable(), Position(0));
    drop(all);
    bench.push(small()).await.unwrap();
    // A view has still to take it.
    assert_eq!(room.available_permits(), ROOM_KIBIBYTES - 1);
}

/// A request of the second version, in which references to one symbol stand for all labels.
fn references(series: usize, label_bytes: usize) -> bytes::Bytes {
    let mut symbols = vec![String::new(), "__name__".to_owned(), "long".to_owned()];
    symbols.push("x".repeat(label_bytes));
    let first = symbols.len();
    symbols.extend((0..series).map(|at| format!("m{at}")));
    let one = |at: usize| version_2::TimeSeries {
        labels_refs: [1, first + at, 2, 3].map(|place| u32::try_from(place).unwrap()).to_vec(),
        samples: vec![version_2::Sample { value: 1.5, timestamp: 1_000, ..Default::default() }],
        ..Default::default()
    };
    let timeseries = (0..series).map(one).collect();
    let message = version_2::Request { symbols, timeseries }.encode_to_vec();
    snap::raw::Encoder::new().compress_vec(&message).unwrap().into()
}

#[tokio::test]
async fn a_request_that_becomes_more_than_was_expected_is_decoded_anew_and_keeps_what_it_is() {
    let state = State { room_time_max: Duration::ZERO, ..State::default() };
    let room = Arc::clone(&state.room);
    let mut bench = Bench::new(state).await;
    let body = Body::RemoteWrite(references(1_000, 4_000), Version::Two);
    let expected = body.memory_expected().unwrap();
    let push = body.decode(i64::MIN..=i64::MAX, ROOM_KIBIBYTES << 10).unwrap().push;
    assert!(PACKING * push.bytes() > 5 * expected, "{expected} {}", push.bytes());
    let again = body.decode(i64::MIN..=i64::MAX, expected);
    assert!(again.is_err_and(|error| error.needs_memory()));
    let accept = |body: Body| bench.pushes.accept(Arc::new(owner()), body, 1_500);
    // What it may take at most is not there while another holds a part of the room.
    let other = room.acquire().await.unwrap();
    assert!(matches!(accept(body.clone()).await, Err(PushError::Busy)));
    drop(other);
    let taken = accept(body).await.unwrap();
    assert_eq!((taken.samples, taken.refusals.samples()), (100, 900));
    let kept = ROOM_KIBIBYTES - room.available_permits();
    // A tenth of the series has room in the store.
    assert!((push.bytes() >> 10) / 10 <= kept && kept < (push.bytes() >> 10) / 9, "{kept}");
    drop(bench.follower.next_batch().await.unwrap().unwrap());
    assert_eq!(room.available_permits(), ROOM_KIBIBYTES);
}

/// The largest of each kind is refused by its own limits, not for want of room.
#[test]
fn there_is_room_for_the_largest_push() {
    let push = limits::LABEL_SETS_BYTES_MAX + 16 * (limits::SAMPLES_MAX + limits::SERIES_MAX);
    assert!(PACKING * push <= ROOM_KIBIBYTES << 10);
    // Beside it a message and the symbols in it.
    let symbols = 2 * 16 * limits::SYMBOLS_MAX;
    assert!(limits::MESSAGE_BYTES_MAX + symbols <= (ROOM_KIBIBYTES << 10) / PACKING * 3);
}

#[tokio::test]
async fn what_is_said_of_a_metric_is_in_the_journal_once_and_again_when_it_changes() {
    let bench = Bench::new(State::default()).await;
    let said = |help: &str| {
        let (metric_family_name, help) = ("a".to_owned(), help.to_owned());
        let metadata = MetricMetadata { r#type: 1, metric_family_name, help, unit: String::new() };
        let message = WriteRequest { timeseries: vec![], metadata: vec![metadata] };
        let body = snap::raw::Encoder::new().compress_vec(&message.encode_to_vec()).unwrap();
        bench.push(body.into())
    };
    for help in ["Old.", "Old.", "New.", "New."] {
        assert_eq!(said(help).await.unwrap().left_out.metadata, 0);
    }
    assert_eq!(bench.pushes.journal.durable(), Position(2));
    let mut reader = bench.pushes.journal.read(Position(1));
    let mut helps = Vec::new();
    while let Some((position, bytes)) = reader.next().unwrap() {
        let decoded = crate::feed::decode(position, bytes, &Schemas::default()).unwrap();
        let Content::Push(pushed) = decoded.content else { panic!() };
        helps.extend(pushed.record.described.into_iter().map(|one| one.help));
    }
    assert_eq!(helps, ["Old.", "New."]);
}
