//! Senders against a real TLS server that drops, repeats, refuses and forgets.

use std::collections::BTreeMap;

use agent_model::{Event, EventClass, GapReason, HostId, Labels, Schema, Severity};

use super::*;
use crate::enrol::enrol;
use crate::identity::Identity;
use crate::source::{Bundle, Evidence};
use crate::spool::{CollectorName, MetricsReading, SpoolOptions, SpoolThread, allocate_on_disk};
use crate::test_collector::{Fault, TestCollector, eventually};

struct Bench {
    collector: TestCollector,
    spool: SpoolHandle,
    stop: CancellationToken,
    lanes: Vec<tokio::task::JoinHandle<()>>,
    // Dropped after everything that uses them.
    _thread: SpoolThread,
    _state: tempfile::TempDir,
}

impl Bench {
    /// An enrolled host whose lanes wait for [`Bench::go`].
    async fn new() -> Self {
        Self::at(TestCollector::start().await).await
    }

    async fn at(collector: TestCollector) -> Self {
        let state = tempfile::tempdir().unwrap();
        enrol(&collector.enrolment(state.path())).await.unwrap();
        let options = SpoolOptions {
            directory: state.path().join("spool"),
            host: HostId::new("dc1-srv01").unwrap(),
            bytes_max: 16 << 20,
            collectors: vec![CollectorName { name: "test".to_owned(), former: Vec::new() }],
            allocate: Box::new(allocate_on_disk),
        };
        let (spool, thread) = SpoolHandle::start(options, Clock.now_ms()).unwrap();
        let (stop, lanes) = (CancellationToken::new(), Vec::new());
        Self { collector, spool, stop, lanes, _thread: thread, _state: state }
    }

    fn go(&mut self) -> Arc<Collector> {
        let state_dir = self._state.path().to_owned();
        let known = Known { addresses: vec![self.collector.address.clone()], authority: None };
        let end = Collector::new(0, known, state_dir, Clock);
        let end = Arc::new(end);
        for stream in Stream::ALL {
            let spool = self.spool.clone();
            let interval = Duration::from_secs(15);
            let lane = Lane::new(Arc::clone(&end), stream, spool, Clock, interval, 1 << 20);
            self.lanes.push(tokio::spawn(lane.run(self.stop.clone())));
        }
        end
    }

    /// Has something to say, and is not let; the error as the log shows it.
    async fn is_refused(&mut self, reason: &str) -> String {
        self.event("kept").await;
        let end = self.go();
        eventually(reason, || end.health.refusals.met().any(|(met, _)| met == reason)).await;
        assert_eq!(self.collector.events(), [""; 0]);
        assert_eq!(self.spool.statistics().await.unwrap().waiting, [(1, 0)], "it stays spooled");
        // A second end asks at once, without the wait that the first one must keep.
        self.go().authority().await.err().map(|error| crate::chain(&error)).unwrap_or_default()
    }

    async fn event(&self, message: &str) {
        let event = Evidence::Event(Event {
            time_ms: Clock.now_ms(),
            class: EventClass::Authentication,
            severity: Severity::Low,
            source: "auth_log".to_owned(),
            message: message.to_owned(),
            fields: BTreeMap::new(),
        });
        let bundle = Bundle { evidence: vec![event], bookmark: None };
        let rest = self.spool.append_evidence(vec![bundle], Clock.now_ms()).await.unwrap();
        assert!(rest.is_empty());
    }

    async fn tick(&self, series: usize) {
        let series: Vec<_> =
            (0..series).map(|n| Labels::metric("m", [("n", n.to_string())])).collect();
        let values = vec![1.5; series.len()];
        let schema = Schema {
            job: "node".to_owned(),
            instance: String::new(),
            series,
            base: values.clone(),
        };
        let columns = vec![(schema.id(), Arc::new(schema), values)];
        let reading = MetricsReading { timestamp_ms: Clock.now_ms(), columns };
        self.spool.append_metrics(Arc::new(reading)).await.unwrap();
    }

    async fn arrived(&self, events: &[&str]) {
        eventually("the events arrive", || self.collector.events() == events).await;
        self.settled().await;
    }

    /// Waits until the spool knows that nothing waits any more.
    async fn settled(&self) {
        let deadline = Clock.instant() + Duration::from_secs(20);
        while self.spool.statistics().await.unwrap().waiting != [(0, 0)] {
            assert!(Clock.instant() < deadline, "reports wait for ever");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

#[tokio::test]
async fn what_is_spooled_arrives_and_is_settled() {
    let mut bench = Bench::new().await;
    bench.event("before the first connection").await;
    bench.go();
    bench.tick(10).await;
    bench.event("while connected").await;
    bench.arrived(&["before the first connection", "while connected"]).await;
    assert_eq!((bench.collector.samples(), bench.collector.state().repeats), (10, 0));
}

#[tokio::test]
async fn lost_answers_and_busy_collectors_cost_repeats_and_nothing_else() {
    let mut bench = Bench::new().await;
    let faults = [
        Fault::LoseAnswer,
        Fault::Status(StatusCode::SERVICE_UNAVAILABLE),
        Fault::LoseAnswer,
        Fault::Status(StatusCode::INTERNAL_SERVER_ERROR),
    ];
    bench.collector.state().faults.extend(faults);
    for n in 0..5 {
        bench.event(&format!("event {n}")).await;
    }
    bench.go();
    bench.arrived(&["event 0", "event 1", "event 2", "event 3", "event 4"]).await;
    assert!(bench.collector.state().repeats >= 1);
}

#[tokio::test]
async fn a_collector_that_lost_its_schemas_gets_them_again() {
    let mut bench = Bench::new().await;
    bench.go();
    bench.tick(10).await;
    bench.settled().await;
    bench.collector.state().faults.push_back(Fault::ForgetSchemas);
    bench.tick(10).await;
    bench.settled().await;
    assert_eq!(bench.collector.samples(), 20);
}

#[tokio::test]
async fn one_report_that_spoils_its_envelope_is_found_and_named() {
    let mut bench = Bench::new().await;
    bench.collector.state().poison = Some("bad".to_owned());
    for message in ["one", "two", "bad", "three", "four"] {
        bench.event(message).await;
    }
    bench.go();
    bench.arrived(&["one", "two", "three", "four"]).await;
    let state = bench.collector.state();
    let gaps: Vec<_> = state.decoded.iter().flat_map(|report| &report.gaps).collect();
    assert_eq!(gaps.len(), 1, "{gaps:?}");
    let ends = (gaps[0].first_sequence, gaps[0].last_sequence);
    assert_eq!((gaps[0].reason, ends, gaps[0].events), (GapReason::Refused, (3, 3), 1));
}

#[tokio::test]
async fn evidence_does_not_wait_behind_metrics() {
    let mut bench = Bench::new().await;
    bench.collector.state().hold_metrics = true;
    bench.go();
    bench.tick(1_000).await;
    bench.event("urgent").await;
    eventually("the event passes the metrics", || bench.collector.events() == ["urgent"]).await;
    assert_eq!(bench.collector.samples(), 0);
    bench.collector.state().hold_metrics = false;
    bench.settled().await;
    assert_eq!(bench.collector.samples(), 1_000);
}

#[tokio::test]
async fn an_expired_certificate_is_refused_and_both_sides_know_why() {
    let collector = TestCollector::start().await;
    collector.state().expired_certificates = true;
    Bench::at(collector).await.is_refused("certificate_expired").await;
}

#[tokio::test]
async fn a_foreign_certificate_is_refused() {
    let mut bench = Bench::new().await;
    let foreign = Bench::new().await;
    let (own, other) = (bench._state.path(), foreign._state.path());
    let mut identity = Identity::load(other, foreign.collector.authority()).unwrap().unwrap();
    identity.ca_pem = bench.collector.ca_pem();
    identity.authority = bench.collector.authority();
    identity.store(own).unwrap();
    bench.is_refused("certificate_foreign").await;
}

#[tokio::test]
async fn a_revoked_certificate_is_refused_with_the_collectors_words() {
    let mut bench = Bench::new().await;
    bench.collector.state().refusal = Some((StatusCode::FORBIDDEN, "revoked"));
    bench.is_refused("certificate_revoked").await;
}

#[tokio::test]
async fn a_collector_of_another_authority_is_told_nothing() {
    let mut bench = Bench::new().await;
    bench.collector = TestCollector::start().await;
    let said = bench.is_refused("other_authority").await;
    assert!(said.contains("is not a collector that this host is enrolled at"), "{said}");
    assert!(said.contains("`haidang-agent enrol`"), "{said}");
    assert_eq!(bench.collector.state().requests, 0);
}
