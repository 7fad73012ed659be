//! The metric store and a map in memory give the evaluator the same, whatever was appended, cut and merged in between.

use agent_model::{Sample, stale_marker};
use collector_metric_store::MetricStoreConfig;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use rules_promql::{Limits, MemorySource, answer_instant, answer_range, parse};

use super::*;

mod rolled;

const EXPRESSIONS: &[&str] = &[
    "a",
    "{__name__=~\"a|b\",host!=\"h0\"}",
    "a offset 30s",
    "a @ 100",
    "rate(a[1m])",
    "increase({host=\"h1\"}[90s]) or a",
    "sum by (host) (a)",
    "topk(2, a)",
    "limitk(1, b)",
    "limit_ratio(0.5, a)",
    "a + on (host) group_left () b",
    "absent(a{host=\"h2\"})",
    "max_over_time(sum(b)[2m:20s])",
    "last_over_time(b[1m])",
    "count_over_time({host=~\"h.\"}[45s])",
    "quantile_over_time(0.3, a[2m])",
    "a{site=\"north\"}",
    "a{site=\"north\",host=\"\"}",
    "a{site!=\"south\"}",
    "count by (site) (a)",
    "a unless on (host) b{site!=\"north\"}",
];

#[derive(Clone, Debug)]
enum Step {
    /// A column of one value for each series named, at this many seconds.
    Append {
        series: Vec<usize>,
        at_s: i64,
        value: u8,
    },
    Cut,
    Maintain,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let columns = (prop::collection::vec(0usize..9, 1..5), 0i64..300, 0u8..20);
    let append = columns.prop_map(|(series, at_s, value)| Step::Append { series, at_s, value });
    let step = prop_oneof![12 => append, 1 => Just(Step::Cut), 1 => Just(Step::Maintain)];
    prop::collection::vec(step, 1..120)
}

/// The last is of no host and carries its site itself, as a recorded sum by site does.
fn labels(series: usize) -> Labels {
    if series == 8 {
        return Labels::metric("a", [("site", "north")]);
    }
    let name = if series.is_multiple_of(2) { "a" } else { "b" };
    Labels::metric(name, [("host", format!("h{}", series / 2))])
}

/// Two hosts at one site, one at another, one that the inventory does not know.
fn facts() -> HostLabels {
    let host = |name: &str, site: &str| (name.to_owned(), Labels::new([("site", site)]));
    [host("h0", "north"), host("h1", "north"), host("h2", "south")].into()
}

/// Both hold what the steps say; the reference has the inventory's labels stored with each series.
fn filled(steps: &[Step], directory: &std::path::Path) -> (Query, MemorySource) {
    let store = Arc::new(MetricStore::open(MetricStoreConfig::new(directory)).unwrap());
    let query = Query::new(Arc::clone(&store));
    query.set_hosts(facts());
    let mut reference = MemorySource::default();
    for step in steps {
        match step {
            Step::Append { series, at_s, value } => {
                let value = match value {
                    0 => stale_marker(),
                    1 => f64::NAN,
                    other => f64::from(*other),
                };
                let mut series: Vec<Labels> = series.iter().map(|one| labels(*one)).collect();
                series.sort();
                series.dedup();
                let refs = store.series_refs(&series).unwrap();
                store.append(&refs, at_s * 1_000, &vec![value; series.len()]).unwrap();
                for one in &series {
                    let one = with_facts(one.clone(), &facts());
                    reference.insert(&one, Sample { timestamp_ms: at_s * 1_000, value });
                }
            }
            Step::Cut => store.cut().unwrap(),
            Step::Maintain => {
                store.maintain(300_000).unwrap();
            }
        }
    }
    (query, reference)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn the_store_answers_as_a_map_in_memory_does(
        steps in steps(),
        start_s in 0i64..300,
        step_s in 1i64..60,
        count in 0i64..8,
    ) {
        let directory = tempfile::tempdir().unwrap();
        let (query, reference) = filled(&steps, directory.path());
        let limits = Limits::default();
        let (start, step) = (start_s * 1_000, step_s * 1_000);
        for text in EXPRESSIONS {
            let expr = parse(text).unwrap();
            // Compared as text, in which NaN equals itself; an error counts as an answer.
            let instant = |source: &dyn SeriesSource| {
                format!("{:?}", answer_instant(&expr, start, source, &limits))
            };
            prop_assert_eq!(instant(&query), instant(&reference), "{}", text);
            let range = |source: &dyn SeriesSource| {
                format!("{:?}", answer_range(&expr, start, start + count * step, step, source, &limits))
            };
            prop_assert_eq!(range(&query), range(&reference), "{}", text);
        }
    }
}

fn named_hosts() -> HostLabels {
    let host = |name: &str, site: &str| (name.to_owned(), Labels::new([("site", site)]));
    [host("dc1-srv01", "cmu-dc1"), host("bk.srv01", "cmu-bk")].into()
}

fn picks(name: &str, op: MatchOp, value: &str) -> Vec<&'static str> {
    let matcher = Matcher::new(name, op, value).unwrap();
    let resolved = host_matcher(&named_hosts(), &[&matcher]).unwrap();
    let all = ["dc1-srv01", "bk.srv01", "bkxsrv01", "unknown"];
    all.into_iter().filter(|host| resolved.matches(host)).collect()
}

#[test]
fn a_site_stands_for_its_hosts() {
    assert_eq!(picks("site", MatchOp::Equal, "cmu-bk"), ["bk.srv01"]);
    assert_eq!(picks("site", MatchOp::Matches, "cmu-.*"), ["dc1-srv01", "bk.srv01"]);
    assert_eq!(picks("site", MatchOp::Equal, "nowhere"), [""; 0]);
    assert_eq!(picks("site", MatchOp::NotEqual, "cmu-bk"), ["dc1-srv01", "bkxsrv01", "unknown"]);
    assert_eq!(picks("site", MatchOp::Equal, ""), ["bkxsrv01", "unknown"]);
}
