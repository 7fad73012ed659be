//! When groups are evaluated, and what becomes of the alerts of a rule.

use std::path::Path;

use collector_alerting::{AlertingConfig, OpenAlert, Routing};
use collector_metric_store::{MetricStore, MetricStoreConfig};

use super::*;

#[test]
fn whole_intervals_that_went_by_are_missed() {
    let (now, minute) = (clock::instant(), Duration::from_secs(60));
    let counted = |late_secs: u64| missed(now, now + Duration::from_secs(late_secs), minute);
    assert_eq!([0, 59, 60, 150].map(counted), [0, 0, 1, 2]);
    assert_eq!(missed(now + minute, now, minute), 0);
}

#[test]
fn a_quick_evaluation_follows_soon_and_a_slow_one_leaves_the_core_to_others() {
    let spaced = |took_ms: u64| spacing(Duration::from_millis(took_ms)).as_millis();
    assert_eq!(
        [1, 10, 20, 50, 250, 300, 2_000].map(spaced),
        [200, 200, 400, 1_000, 1_000, 1_200, 8_000]
    );
}

/// A metric store and alerting, and the only rule of a group.
struct Bench {
    store: Arc<MetricStore>,
    alerting: Alerting,
    group: RuleGroup,
    _directory: tempfile::TempDir,
}

impl Bench {
    async fn new(group: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let database = directory.path().join("alerting.db");
        let config = AlertingConfig { database, external_url: String::new(), answers_links: false };
        let metrics = MetricStoreConfig::new(directory.path().join("metrics"));
        let (rules, problems) =
            rules::load_rule_text(Path::new("a.yml"), &format!("groups: [{group}]"));
        assert!(problems.0.is_empty(), "{problems}");
        Self {
            store: Arc::new(MetricStore::open(metrics).unwrap()),
            alerting: Alerting::open(config, Routing::nobody(), 0).await.unwrap(),
            group: rules.groups[0].clone(),
            _directory: directory,
        }
    }

    /// `down` of these hosts at a second; the alerts that are open then, or why the evaluation failed.
    async fn evaluate(
        &self,
        second: i64,
        hosts: &[&str],
    ) -> (Option<String>, Option<Vec<OpenAlert>>) {
        let at_ms = second * 1_000;
        let series: Vec<_> =
            hosts.iter().map(|host| Labels::metric("down", [("host", *host)])).collect();
        let references = self.store.series_refs(&series).unwrap();
        self.store.append(&references, at_ms, &vec![1.0; series.len()]).unwrap();
        let query = Query::new(Arc::clone(&self.store));
        let mut evaluated = evaluate_group(&self.group, at_ms, &query, &External::default());
        let (_, _, result) = evaluated.pop().unwrap();
        let error = result.as_ref().err().map(ToString::to_string);
        let open = match observation(&self.group.rules[0], result, at_ms) {
            Some(observation) => Some(self.alerting.observe_rule(observation).await.unwrap()),
            None => None,
        };
        (error, open)
    }
}

#[tokio::test]
async fn over_the_limit_of_its_group_a_rule_fails_and_its_alerts_are_cleared_even_those_that_are_kept()
 {
    let rule =
        "{name: g, limit: 2, rules: [{alert: Down, expr: 'down == 1', keep_firing_for: 1h}]}";
    let bench = Bench::new(rule).await;
    let (error, open) = bench.evaluate(60, &["a", "b"]).await;
    assert_eq!((error, open.map(|open| open.len())), (None, Some(2)), "at the limit");
    let (error, open) = bench.evaluate(61, &["a", "b", "c"]).await;
    assert_eq!(error.as_deref(), Some("rule \"Down\" yields 3 results; its group allows 2"));
    assert_eq!(open.map(|open| open.len()), Some(0));
    // Five minutes later two of them are forgotten: it begins anew.
    let (error, open) = bench.evaluate(400, &["a"]).await;
    assert_eq!(error, None);
    let [OpenAlert { active_since_ms: 400_000, .. }] = open.as_deref().unwrap() else {
        panic!("{open:?}")
    };
}

#[tokio::test]
async fn a_rule_that_fails_for_another_reason_keeps_its_alerts() {
    let rule = "{name: g, rules: [{alert: Down, expr: 'down * on () down'}]}";
    let bench = Bench::new(rule).await;
    let (error, open) = bench.evaluate(60, &["a"]).await;
    assert_eq!((error, open.map(|open| open.len())), (None, Some(1)));
    let (error, open) = bench.evaluate(61, &["a", "b"]).await;
    assert!(error.is_some() && open.is_none(), "{error:?} {open:?}");
}
