//! Which series go on and which end, as targets report.

use agent_model::{Epoch, MatchOp, Matcher, Report, ReportKey, Stream, is_stale};
use collector_journal::Position;
use collector_metric_store::MetricStoreConfig;

use super::*;
use crate::record::Record;

const SECOND: Millis = 1_000;

struct Bench {
    view: MetricsView,
    schemas: Schemas,
    position: u64,
    _directory: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let config = MetricStoreConfig::new(directory.path());
        let store = Arc::new(MetricStore::open(config).unwrap());
        let schemas = Schemas::default();
        let catalog = Arc::new(Catalog::new(Arc::clone(&store), 1, 100));
        let metrics = SelfMetrics::new().unwrap();
        let (arrived, _) = tokio::sync::watch::channel(0);
        let view = MetricsView::new(store, schemas.clone(), catalog, metrics, 45 * SECOND, arrived);
        Self { view, schemas, position: 0, _directory: directory }
    }

    /// One report at a time: instance and names of the series of each schema.
    fn report(&mut self, seconds: Millis, columns: &[(&str, &[&str])]) {
        let (host, time_ms) = (HostId::new("dc1-srv01").unwrap(), seconds * SECOND);
        let key = ReportKey { epoch: Epoch(1), stream: Stream::Metrics, sequence: 1 };
        let mut report = Report::empty(host.clone(), key, time_ms);
        for (instance, names) in columns {
            let series = names.iter().map(|name| Labels::metric(*name, [("instance", "lie")]));
            let (job, instance) = ("db".to_owned(), (*instance).to_owned());
            let base = vec![1.0; names.len()];
            let schema = Schema { job, instance, series: series.collect(), base: base.clone() };
            let id = schema.id();
            self.schemas.add(&host, &[(id, Arc::new(schema))], &[id]);
            report.columns.push(Column { schema: id, timestamp_ms: time_ms, values: base });
        }
        let record = Record {
            host,
            received_ms: time_ms,
            clock_offset_ms: 0,
            agent_version: String::new(),
            derived: false,
            report: bytes::Bytes::new(),
        };
        self.position += 1;
        let position = Position(self.position);
        let content = Content::Report(Box::new(Reported { record, report, hash: [0; 32] }));
        self.view.take(&Decoded { position, content }).unwrap();
    }

    /// Every series, and whether its last sample says that it has ended.
    fn shown(&self) -> Vec<String> {
        let any = Matcher::new("job", MatchOp::Matches, ".+").unwrap();
        let mut shown: Vec<String> = self
            .view
            .store
            .select(&[any], 0, 1_000_000_000)
            .unwrap()
            .iter()
            .map(|series| {
                let instance = series.labels.get("instance").unwrap_or("none");
                let ended = series.samples.last().is_some_and(|last| is_stale(last.value));
                let end = if ended { " ended" } else { "" };
                format!("{} of {instance}{end}", series.labels.metric_name())
            })
            .collect();
        shown.sort();
        shown
    }
}

#[test]
fn targets_of_one_job_do_not_end_each_others_series() {
    let mut bench = Bench::new();
    bench.report(15, &[("one:1", &["a"])]);
    bench.report(16, &[("two:1", &["b"])]);
    bench.report(30, &[("one:1", &["a"])]);
    assert_eq!(bench.shown(), ["a of one:1", "b of two:1"]);
}

#[test]
fn a_series_that_moves_between_the_schemas_of_a_target_goes_on() {
    let mut bench = Bench::new();
    bench.report(15, &[("one:1", &["a", "b"]), ("one:1", &["up"])]);
    bench.report(30, &[("one:1", &["a", "b"]), ("one:1", &["c"]), ("one:1", &["up"])]);
    bench.report(45, &[("one:1", &["b", "c"]), ("one:1", &["up"])]);
    assert_eq!(bench.shown(), ["a of one:1 ended", "b of one:1", "c of one:1", "up of one:1"]);
    bench.report(60, &[("one:1", &["up"])]);
    let ended = ["a of one:1 ended", "b of one:1 ended", "c of one:1 ended", "up of one:1"];
    assert_eq!(bench.shown(), ended);
}

#[test]
fn a_target_is_silent_after_three_of_its_own_intervals() {
    let mut bench = Bench::new();
    bench.report(60, &[("slow:1", &["a"]), ("", &["own"])]);
    bench.view.mark_silent(106 * SECOND);
    assert_eq!(bench.shown(), ["a of slow:1", "own of dc1-srv01 ended"]);
    bench.report(120, &[("slow:1", &["a"])]);
    bench.view.mark_silent(299 * SECOND);
    assert_eq!(bench.shown(), ["a of slow:1", "own of dc1-srv01 ended"]);
    bench.view.mark_silent(301 * SECOND);
    assert_eq!(bench.shown(), ["a of slow:1 ended", "own of dc1-srv01 ended"]);
}
