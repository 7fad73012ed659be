//! Drills over a real inventory, a real and empty metric store, and real sockets.

use collector_metric_store::{MetricStore, MetricStoreConfig};
use rules::drill::{Expectation, StepKind};
use tokio::net::TcpListener;

use super::*;
use crate::query::Query;

struct Bench {
    directory: tempfile::TempDir,
    inventory: Inventory,
    query: Query,
}

impl Bench {
    async fn new(plan: &str) -> Self {
        drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
        let directory = tempfile::tempdir().unwrap();
        let inventory = Inventory::open(&directory.path().join("inventory.db")).await.unwrap();
        let config = MetricStoreConfig::new(directory.path().join("metrics"));
        let query = Query::new(Arc::new(MetricStore::open(config).unwrap()));
        std::fs::create_dir(directory.path().join("drills")).unwrap();
        std::fs::write(directory.path().join("drills/plan.yml"), plan).unwrap();
        Self { directory, inventory, query }
    }

    /// As a start of the collector makes them.
    async fn drills(&self) -> Drills {
        let checker = Checker::new(self.query.clone()).unwrap();
        let (plans, problems) = DrillPlan::load_directory(&self.directory.path().join("drills"));
        let plans = Plans { plans: plans.into_iter().map(Arc::new).collect(), problems };
        let drills = Drills::new(plans, self.inventory.clone(), checker);
        drills.resume().await.unwrap();
        drills
    }
}

fn plan(preconditions: &str, address: &str) -> String {
    format!(
        "id: failover\ntitle_vi: Chuyển\ntitle_en: Failover\nsite: dc1\n{preconditions}\
         steps:\n  - id: stop\n    title_vi: Dừng\n    title_en: Stop\n    timeout: 10m\n    \
         measures: rto_start\n    manual: {{instruction_vi: Dừng}}\n  - id: back\n    title_vi: Lại\n    \
         title_en: Back\n    measures: rto_end\n    probe: {{tcp: '{address}'}}\n"
    )
}

#[tokio::test]
async fn a_drill_goes_on_from_its_log_after_a_restart_and_ends_when_the_probe_succeeds() {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap().to_string();
    drop(socket);
    let bench = Bench::new(&plan("", &address)).await;
    let drills = bench.drills().await;
    let drill = drills.start("failover", "dc1", "lan").await.unwrap().drill.drill;
    drills.finish_step(drill, "stop", "an", true, "đã dừng").await.unwrap();
    drills.look(drill).await.unwrap();
    assert_eq!(drills.drill(drill).await.unwrap().run.state(), DrillState::Running);
    drop(drills);
    // The plan in force changes; the run keeps its own.
    std::fs::write(bench.directory.path().join("drills/plan.yml"), "id: [").unwrap();
    let drills = bench.drills().await;
    let plans = drills.plans();
    assert_eq!((plans.plans.len(), plans.problems.0.len()), (0, 1));
    let _socket = TcpListener::bind(&address).await.unwrap();
    drills.look(drill).await.unwrap();
    let kept = drills.drill(drill).await.unwrap();
    assert_eq!(kept.run.state(), DrillState::Passed);
    assert_eq!(kept.drill.state, "passed");
    assert!(kept.run.rto_ms().is_some());
    assert!(kept.run.steps()[1].evidence.contains("nhận kết nối"));
    assert!(drills.running.lock().await.is_empty());
}

#[tokio::test]
async fn a_start_needs_its_site_its_preconditions_and_no_other_run() {
    let never = "preconditions:\n  - {title_vi: a, title_en: never, expr: vector(0)}\n";
    let bench = Bench::new(&plan(never, "127.0.0.1:1")).await;
    let drills = bench.drills().await;
    let wrong = drills.start("failover", "dc2", "lan").await;
    assert!(matches!(wrong, Err(DrillsError::WrongSite { .. })));
    let unmet = drills.start("failover", "dc1", "lan").await;
    assert!(matches!(unmet, Err(DrillsError::Unmet { .. })));
    assert!(drills.newest(10).await.unwrap().is_empty(), "a refused start leaves nothing");
    let bench = Bench::new(&plan("", "127.0.0.1:1")).await;
    let drills = bench.drills().await;
    let first = drills.start("failover", "dc1", "lan").await.unwrap().drill.drill;
    let second = drills.start("failover", "dc1", "lan").await;
    assert!(matches!(second, Err(DrillsError::RunsAlready(number)) if number == first));
    drills.abort(first, "lan", "thử").await.unwrap();
    assert!(matches!(drills.abort(first, "lan", "").await, Err(DrillsError::Refused(_))));
    drills.start("failover", "dc1", "lan").await.unwrap();
}

#[test]
fn a_check_that_succeeds_too_late_is_a_time_out() {
    let plan = DrillPlan::parse(Path::new("p"), &plan("", "127.0.0.1:1")).unwrap();
    let mut run = DrillRun::new(Arc::new(plan), "lan", 0);
    run.begin("lan", 0).unwrap();
    run.confirm("stop", "lan", "", 1_000).unwrap();
    let seen = Seen { passed: true, evidence: "mở".to_owned(), value: None };
    let late_ms = 1_000 + 1_800_000;
    let none = outcome(&mut run, "stop", Some(seen.clone()), "", late_ms).unwrap();
    assert_eq!(none, None, "another step runs by now");
    let record = outcome(&mut run, "back", Some(seen), "mở", late_ms).unwrap().unwrap();
    assert_eq!((record.what.as_str(), record.evidence.as_str()), ("timed_out", "mở"));
}

fn http(url: &str, expect: Expectation, body_matches: Option<&str>) -> StepKind {
    let body_matches = body_matches.map(str::to_owned);
    StepKind::Http { url: url.to_owned(), expect, body_matches, certificate_ms_min: None }
}

#[tokio::test]
async fn an_answer_with_the_right_status_and_another_body_does_not_pass() {
    let bench = Bench::new("").await;
    let checker = Checker::new(bench.query.clone()).unwrap();
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", socket.local_addr().unwrap());
    let page = axum::routing::get(|| async { "Cổng dịch vụ công: hoạt động" });
    let served = axum::serve(socket, axum::Router::new().route("/", page));
    tokio::spawn(async move { served.await });
    let mut seen = Vec::new();
    for wanted in [None, Some("hoạt động$"), Some("bảo trì")] {
        let step = http(&url, Expectation::Status(200), wanted);
        seen.push(checker.step(&step).await.unwrap());
    }
    assert_eq!(seen.iter().map(|one| one.passed).collect::<Vec<_>>(), [true, true, false]);
    assert!(seen[2].evidence.contains("nội dung không khớp"), "{seen:?}");
    // Without TLS there is no certificate that could be good for long enough.
    let mut step = http(&url, Expectation::Answers, None);
    if let StepKind::Http { certificate_ms_min, .. } = &mut step {
        *certificate_ms_min = Some(86_400_000);
    }
    assert!(!checker.step(&step).await.unwrap().passed);
}

#[tokio::test]
async fn silence_is_a_refused_connection_and_not_a_name_that_does_not_resolve() {
    let bench = Bench::new("").await;
    let checker = Checker::new(bench.query.clone()).unwrap();
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap().to_string();
    let silent = |address: &str| {
        let expect = Expectation::Silent;
        [
            StepKind::Tcp { address: address.to_owned(), expect: expect.clone() },
            http(&format!("http://{address}/"), expect, None),
        ]
    };
    let answers = StepKind::Tcp { address: address.clone(), expect: Expectation::Answers };
    assert!(checker.step(&answers).await.unwrap().passed);
    assert!(!checker.step(&silent(&address)[0]).await.unwrap().passed);
    drop(socket);
    assert!(!checker.step(&answers).await.unwrap().passed);
    for kind in silent(&address) {
        assert!(checker.step(&kind).await.unwrap().passed, "{kind:?}");
    }
    for kind in silent("nowhere.invalid:80") {
        assert!(!checker.step(&kind).await.unwrap().passed, "{kind:?}");
    }
}

#[tokio::test]
async fn a_query_passes_when_it_has_a_result_that_is_not_zero() {
    let bench = Bench::new("").await;
    let checker = Checker::new(bench.query.clone()).unwrap();
    let mut passed = Vec::new();
    for expr in ["vector(3)", "vector(0)", "up", "vector(0) / 0", "7"] {
        passed.push(checker.query(expr).await.passed);
    }
    assert_eq!(passed, [true, false, false, false, true]);
    assert_eq!(checker.query("vector(3)").await.value, Some(3.0));
}
