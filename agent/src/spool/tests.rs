//! The spool against two collectors that are here and away, crashes, damage, overflow and a full disk.

mod bookmarks;
mod overflow;
mod renamed;
mod simulation;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use agent_model::{
    BackupOutcome, BackupRun, Event, EventClass, Gap, GapReason, HostId, Labels, Report, ReportKey,
    Schema, SchemaId, Severity, Stream,
};
use agent_wire::{RawReport, SchemaSource};
use bytes::Bytes;

use super::*;
use crate::source::{Bundle, Evidence};

const NOW: Millis = 1_800_000_000_000;

/// A disk directory, a switch that makes it full, and what each of two collectors was given.
struct Bench {
    directory: tempfile::TempDir,
    full: Arc<AtomicBool>,
    bytes_max: u64,
    spool: Option<Spool>,
    names: [CollectorName; 2],
    collectors: [Received; 2],
    now_ms: Millis,
}

/// What a collector has, checked as it comes.
#[derive(Default)]
struct Received {
    reports: BTreeMap<ReportKey, Bytes>,
    gaps: Vec<Gap>,
    events: Vec<String>,
    schemas: HashMap<SchemaId, Arc<Schema>>,
    samples: usize,
    last_evidence: Option<ReportKey>,
}

impl SchemaSource for Received {
    fn schema(&self, id: &SchemaId) -> Option<Arc<Schema>> {
        self.schemas.get(id).cloned()
    }
}

fn named(name: &str, former: &[&str]) -> CollectorName {
    let former = former.iter().map(|name| (*name).to_owned()).collect();
    CollectorName { name: name.to_owned(), former }
}

/// In memory where there is such a place: a hundred crashes need no real disk.
fn tempdir() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

impl Bench {
    fn new(bytes_max: u64) -> Self {
        let mut bench = Self {
            directory: tempdir(),
            full: Arc::default(),
            bytes_max,
            spool: None,
            names: [named("main", &[]), named("backup", &[])],
            collectors: Default::default(),
            now_ms: NOW,
        };
        bench.open();
        bench
    }

    fn open(&mut self) {
        let full = Arc::clone(&self.full);
        let allocate: Allocate = Box::new(move |file, bytes| {
            if full.load(Ordering::Relaxed) {
                return Err(std::io::Error::from(std::io::ErrorKind::StorageFull));
            }
            allocate_on_disk(file, bytes)
        });
        let options = SpoolOptions {
            directory: self.directory.path().to_owned(),
            host: HostId::new("dc1-srv01").unwrap(),
            bytes_max: self.bytes_max,
            collectors: self.names.to_vec(),
            allocate,
        };
        self.now_ms += 1;
        self.spool = Some(Spool::open(options, self.now_ms).unwrap());
    }

    fn spool(&mut self) -> &mut Spool {
        self.spool.as_mut().unwrap()
    }

    /// As after `kill -9`: nothing is flushed, nothing is closed.
    fn crash(&mut self) {
        self.spool = None;
        self.open();
    }

    fn events(&mut self, messages: &[&str]) -> Result<(), SpoolError> {
        let mut bundles = bundles(messages.iter().map(|message| event(message)));
        self.now_ms += 1;
        let now_ms = self.now_ms;
        self.spool().append_evidence(&mut bundles, now_ms)
    }

    /// Events of a source, and where it stands behind them; none when the batch is only a place.
    fn batch(&mut self, source: &str, messages: &[&str], place: &str) -> Result<(), SpoolError> {
        let evidence = messages.iter().map(|message| event(message)).collect();
        let bookmark = Some((source.into(), place.as_bytes().to_vec()));
        self.now_ms += 1;
        let now_ms = self.now_ms;
        self.spool().append_evidence(&mut vec![Bundle { evidence, bookmark }], now_ms)
    }

    /// Where a source is told that it stands.
    fn place(&mut self, source: &str) -> Option<String> {
        let bookmark = self.spool().bookmarks().take(source);
        bookmark.content().map(|content| String::from_utf8(content.to_vec()).unwrap())
    }

    fn run(&mut self, job: &str) -> Result<(), SpoolError> {
        self.now_ms += 1;
        let now_ms = self.now_ms;
        self.spool().append_evidence(&mut bundles([backup(job)]), now_ms)
    }

    fn tick(&mut self, series: usize) -> Result<(), SpoolError> {
        self.now_ms += 1;
        let reading = reading(self.now_ms, series);
        self.spool().append_metrics(&reading)
    }

    /// Gives a collector its next batch; with `settled` it answers that it has it.
    fn deliver(&mut self, collector: usize, stream: Stream, settled: bool) -> usize {
        let limits = BatchLimits { bytes: 20_000, reports: 20, created_from_ms: Millis::MIN };
        let batch = self.spool().batch(collector, stream, limits).unwrap();
        let mut stored = Vec::new();
        let mut needed = Vec::new();
        for delivery in &batch {
            match self.collectors[collector].take(delivery.report.clone()) {
                Ok(()) => stored.push(delivery.position()),
                Err(missing) => needed.extend(missing),
            }
        }
        let now_ms = self.now_ms;
        needed.sort();
        needed.dedup();
        let gone = self.spool().offer_schemas(&needed, now_ms).unwrap_or_default();
        assert_eq!(gone, [], "a schema went before the reports that need it");
        if settled {
            self.spool().settle(collector, stream, &stored, &[], now_ms).unwrap();
        }
        batch.len()
    }

    fn drain(&mut self, collector: usize) {
        for stream in Stream::ALL {
            let mut rounds = 0;
            while self.deliver(collector, stream, true) > 0 {
                rounds += 1;
                assert!(rounds < 10_000, "the spool gives the same for ever");
            }
        }
    }
}

impl Received {
    /// Takes a report as a collector would: by key, by hash, with its schemas.
    fn take(&mut self, bytes: Bytes) -> Result<(), Vec<SchemaId>> {
        let raw = RawReport::decode(bytes.clone()).unwrap();
        let key = raw.key();
        if let Some(before) = self.reports.get(&key) {
            assert_eq!(before, &bytes, "{key:?} came twice with different content");
            return Ok(());
        }
        let missing = raw.missing_schemas(self);
        if !missing.is_empty() {
            return Err(missing);
        }
        for (id, schema) in raw.schemas() {
            self.schemas.insert(*id, Arc::clone(schema));
        }
        if key.stream == Stream::Evidence {
            assert!(self.last_evidence < Some(key), "{key:?} came after {:?}", self.last_evidence);
            self.last_evidence = Some(key);
        }
        let report: Report = raw.into_report(self).unwrap();
        self.samples += report.sample_count();
        self.events.extend(report.events.into_iter().map(|event| event.message));
        self.gaps.extend(report.gaps);
        self.reports.insert(key, bytes);
        Ok(())
    }

    /// The sequences up to `last` that it neither got nor was told of.
    fn unexplained(&self, epoch: u64, stream: Stream, last: u64) -> Vec<u64> {
        let named = |sequence: u64| {
            self.gaps.iter().any(|gap| {
                gap.epoch == agent_model::Epoch(epoch)
                    && gap.stream == stream
                    && (gap.first_sequence..=gap.last_sequence).contains(&sequence)
            })
        };
        let got = |sequence| self.reports.contains_key(&Position { epoch, sequence }.key(stream));
        (1..=last).filter(|&sequence| !got(sequence) && !named(sequence)).collect()
    }
}

/// Each piece by itself, of sources that have no place.
fn bundles(evidence: impl IntoIterator<Item = Evidence>) -> Vec<Bundle> {
    let bundle = |piece| Bundle { evidence: vec![piece], bookmark: None };
    evidence.into_iter().map(bundle).collect()
}

fn event(message: &str) -> Evidence {
    Evidence::Event(Event {
        time_ms: NOW,
        class: EventClass::Authentication,
        severity: Severity::Low,
        source: "auth_log".to_owned(),
        message: message.to_owned(),
        fields: BTreeMap::new(),
    })
}

fn backup(job: &str) -> Evidence {
    Evidence::BackupRun(BackupRun {
        job: job.to_owned(),
        tool: "command".to_owned(),
        started_ms: NOW,
        finished_ms: NOW,
        outcome: BackupOutcome::Failed,
        exit_code: Some(1),
        bytes: None,
        files: None,
        content_id: None,
        detail: "x".repeat(1_000),
        reported_by: "root".to_owned(),
    })
}

fn reading(timestamp_ms: Millis, series: usize) -> MetricsReading {
    let series: Vec<_> = (0..series).map(|n| Labels::metric("m", [("n", n.to_string())])).collect();
    let base = vec![0.5; series.len()];
    let schema =
        Schema { job: "node".to_owned(), instance: String::new(), series, base: base.clone() };
    #[allow(clippy::cast_precision_loss, reason = "a test's time")]
    let values = base.iter().map(|base| base + (timestamp_ms - NOW) as f64 / 3.0).collect();
    MetricsReading { timestamp_ms, columns: vec![(schema.id(), Arc::new(schema), values)] }
}

#[test]
fn what_was_appended_arrives_once_in_order_at_both_collectors() {
    let mut bench = Bench::new(4 << 20);
    bench.events(&["one", "two"]).unwrap();
    bench.run("nightly").unwrap();
    bench.events(&["three"]).unwrap();
    (0..3).for_each(|_| bench.tick(10).unwrap());
    for collector in 0..2 {
        bench.drain(collector);
        assert_eq!(bench.collectors[collector].events, ["one", "two", "three"]);
        assert_eq!(bench.collectors[collector].samples, 30);
        assert_eq!(bench.collectors[collector].reports.len(), 6);
    }
    assert_eq!(bench.spool().statistics().waiting, [(0, 0), (0, 0)]);
}

#[test]
fn a_report_stays_until_every_collector_has_it_and_is_not_sent_twice() {
    let mut bench = Bench::new(4 << 20);
    bench.events(&["one"]).unwrap();
    bench.drain(0);
    assert_eq!(bench.spool().statistics().waiting, [(0, 0), (1, 0)]);
    assert_eq!(bench.deliver(0, Stream::Evidence, true), 0);
    bench.spool().close().unwrap();
    bench.open();
    assert_eq!(bench.deliver(0, Stream::Evidence, true), 0);
    bench.drain(1);
    assert_eq!(bench.collectors[1].events, ["one"]);
}

#[test]
fn after_an_outage_the_newest_metrics_go_first() {
    let mut bench = Bench::new(4 << 20);
    (0..100).for_each(|_| bench.tick(5).unwrap());
    let limits = BatchLimits { bytes: 1 << 20, reports: 10, created_from_ms: Millis::MIN };
    let batch = bench.spool().batch(0, Stream::Metrics, limits).unwrap();
    let sequences: Vec<u64> = batch.iter().map(|it| it.position().sequence).collect();
    assert_eq!(sequences, (91..=100).collect::<Vec<_>>());
    let fresh = BatchLimits { created_from_ms: bench.now_ms, ..limits };
    assert_eq!(bench.spool().batch(0, Stream::Metrics, fresh).unwrap().len(), 1);
}

#[test]
fn every_start_is_a_new_epoch_even_when_the_clock_goes_back() {
    let mut bench = Bench::new(4 << 20);
    let first = bench.spool().epoch();
    bench.tick(1).unwrap();
    let created_ms = u64::try_from(bench.now_ms).unwrap();
    bench.now_ms -= 3_600_000;
    bench.crash();
    let second = bench.spool().epoch();
    assert!(second > first && second > created_ms, "{second} after {first}, {created_ms}");
    bench.crash();
    assert!(bench.spool().epoch() > second);
}

#[test]
fn a_spool_cut_at_any_byte_keeps_the_whole_reports_before_the_cut() {
    let mut bench = Bench::new(4 << 20);
    (0..5).for_each(|n| bench.events(&[format!("event {n}").as_str()]).unwrap());
    bench.spool().close().unwrap();
    let events = bench.directory.path().join("events");
    let path = fs::read_dir(&events).unwrap().next().unwrap().unwrap().path();
    let whole = fs::read(&path).unwrap();
    let mut last = 5;
    for cut in (0..=whole.len()).rev() {
        fs::write(&path, &whole[..cut]).unwrap();
        bench.spool = None;
        bench.collectors = Default::default();
        bench.open();
        bench.drain(0);
        let got = bench.collectors[0].events.clone();
        let expected: Vec<_> = (0..got.len()).map(|n| format!("event {n}")).collect();
        assert_eq!(got, expected, "cut at {cut}");
        assert!(got.len() == last || got.len() + 1 == last, "cut at {cut}: {got:?}");
        last = got.len();
        fs::remove_dir_all(bench.directory.path().join("cursors")).unwrap();
    }
    assert_eq!(last, 0);
}

#[test]
fn damage_between_good_reports_is_named() {
    let mut bench = Bench::new(512 << 10);
    let long = "x".repeat(3_000);
    (0..20).for_each(|_| bench.events(&[&long]).unwrap());
    bench.spool().close().unwrap();
    let mut paths: Vec<_> = fs::read_dir(bench.directory.path().join("events"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    let mut bytes = fs::read(&paths[0]).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&paths[0], bytes).unwrap();
    let epoch = bench.spool().epoch();
    bench.crash();
    for collector in 0..2 {
        bench.drain(collector);
        let received = &bench.collectors[collector];
        assert!(received.events.len() < 20);
        assert_eq!(received.unexplained(epoch, Stream::Evidence, 20), [0; 0]);
        assert!(received.gaps.iter().all(|gap| gap.reason == GapReason::SpoolDamaged));
    }
}

#[test]
fn evidence_beyond_the_wire_is_counted_and_does_not_stop_the_rest() {
    let mut bench = Bench::new(64 << 20);
    let huge = "x".repeat(9 << 20);
    bench.events(&["one", &huge, "two"]).unwrap();
    assert_eq!(bench.spool().statistics().failed_appends, 1);
    bench.drain(0);
    assert_eq!(bench.collectors[0].events, ["one", "two"]);
}

#[test]
fn a_damaged_cursor_only_repeats() {
    let mut bench = Bench::new(4 << 20);
    bench.events(&["one"]).unwrap();
    bench.drain(0);
    bench.spool().close().unwrap();
    fs::write(bench.directory.path().join("cursors/main"), "evidence 1 2 3\ncrc32 5\n").unwrap();
    bench.open();
    bench.drain(0);
    assert_eq!(bench.collectors[0].events, ["one"]);
}
