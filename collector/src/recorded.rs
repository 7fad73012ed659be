//! What rules say as series: recorded results, and `ALERTS` and `ALERTS_FOR_STATE` of the alerts that are open, as
//! Prometheus writes them, reported into the journal.
//!
//! Promises: a series that a group says no more ends with a stale marker at that evaluation; the samples of a group lie at
//! least its interval apart, unless its series change. Leaves to others: storing a report, and when rules are evaluated.

use std::collections::{BTreeMap, BTreeSet};

use agent_model::{
    Column, Epoch, HostId, Labels, Millis, Report, ReportKey, Schema, SchemaId, Stream,
    stale_marker,
};
use collector_alerting::OpenAlert;
use rules::RuleGroup;

use crate::authority::COLLECTOR_NAME;
use crate::query::INVENTORY_LABELS;

/// How the job of recorded series begins; they do not count as an arrival of data. Each group has a job of its own, so that
/// the series of one do not end those of another.
pub const RECORDED_JOB: &str = "recorded";

/// Series with complete labels, and their values.
pub type Said = BTreeMap<Labels, f64>;

/// Numbers the reports and remembers what each group said last.
#[derive(Debug)]
pub struct Recorder {
    epoch: Epoch,
    sequence: u64,
    host: HostId,
    groups: BTreeMap<String, Last>,
}

/// What a group said last.
#[derive(Debug, Default)]
struct Last {
    at_ms: Millis,
    series: BTreeSet<Labels>,
    schema: Option<(Vec<Labels>, SchemaId)>,
}

impl Recorder {
    /// `epoch_ms` must be larger than that of every earlier start: the time will do.
    pub fn new(epoch_ms: Millis) -> Result<Self, agent_model::HostIdError> {
        let epoch = Epoch(u64::try_from(epoch_ms).unwrap_or(0));
        let host = HostId::new(&format!("{COLLECTOR_NAME}.{RECORDED_JOB}"))?;
        Ok(Self { epoch, sequence: 0, host, groups: BTreeMap::new() })
    }

    /// A report of what a group says at an instant, unless it said the same series less than its interval ago.
    pub fn report(
        &mut self,
        group: &RuleGroup,
        said: Said,
        at_ms: Millis,
        interval_ms: Millis,
    ) -> Option<Report> {
        let job = job_of(group);
        let last = self.groups.entry(job.clone()).or_default();
        let changed = last.series.len() != said.len()
            || !last.series.iter().all(|series| said.contains_key(series));
        if !changed && (said.is_empty() || at_ms.saturating_sub(last.at_ms) < interval_ms) {
            return None;
        }
        let ended = last.series.iter().filter(|series| !said.contains_key(*series));
        let mut readings: Said = ended.map(|series| (series.clone(), stale_marker())).collect();
        last.series = said.keys().cloned().collect();
        last.at_ms = at_ms;
        readings.extend(said);
        Some(self.numbered(job, readings, at_ms.saturating_sub(group.query_offset_ms())))
    }

    /// The ends of what groups said that are no longer in force.
    pub fn retain(&mut self, groups: &[RuleGroup], at_ms: Millis) -> Vec<Report> {
        let kept: BTreeSet<String> = groups.iter().map(job_of).collect();
        let gone = self.groups.keys().filter(|job| !kept.contains(*job)).cloned();
        let gone: Vec<String> = gone.collect();
        let ended = gone.into_iter().filter_map(|job| {
            let last = self.groups.remove(&job)?;
            let ends: Said = last.series.into_iter().map(|one| (one, stale_marker())).collect();
            (!ends.is_empty()).then(|| self.numbered(job, ends, at_ms))
        });
        ended.collect()
    }

    /// To be called when a report was not stored: the next ones attach their schemas again.
    pub fn forget_schemas(&mut self) {
        self.groups.values_mut().for_each(|last| last.schema = None);
    }

    fn numbered(&mut self, job: String, readings: Said, timestamp_ms: Millis) -> Report {
        self.sequence += 1;
        let key = ReportKey { epoch: self.epoch, stream: Stream::Metrics, sequence: self.sequence };
        let mut report = Report::empty(self.host.clone(), key, timestamp_ms);
        let (series, values): (Vec<Labels>, Vec<f64>) = readings.into_iter().unzip();
        let known = self.groups.get(&job).and_then(|last| last.schema.as_ref());
        let known = known.filter(|(last, _)| *last == series).map(|(_, id)| *id);
        let schema = known.unwrap_or_else(|| {
            let base = vec![0.0; values.len()];
            let schema = Schema { job: job.clone(), instance: String::new(), series, base };
            let id = schema.id();
            if let Some(last) = self.groups.get_mut(&job) {
                last.schema = Some((schema.series.clone(), id));
            }
            report.schemas.push(schema);
            id
        });
        report.columns.push(Column { schema, timestamp_ms, values });
        report
    }
}

/// The series in which Prometheus shows open alerts.
pub fn alert_series(alerts: &[OpenAlert]) -> impl Iterator<Item = (Labels, f64)> {
    alerts.iter().flat_map(|alert| {
        let state = if alert.firing { "firing" } else { "pending" };
        let shown = alert.labels.with(Labels::NAME, "ALERTS").with("alertstate", state);
        let since = alert.labels.with(Labels::NAME, "ALERTS_FOR_STATE");
        let since_seconds = (alert.active_since_ms / 1_000) as f64;
        [(stored(shown), 1.0), (stored(since), since_seconds)]
    })
}

/// A series of a host is stored without what the inventory adds at every select; one that is about no single host, such
/// as a sum by site, keeps it.
pub fn stored(labels: Labels) -> Labels {
    match labels.get("host") {
        Some(_) => labels.without(&INVENTORY_LABELS),
        None => labels,
    }
}

fn job_of(group: &RuleGroup) -> String {
    format!("{RECORDED_JOB}/{}/{}", group.file.display(), group.name)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use agent_model::is_stale;

    use super::*;

    fn group(text: &str) -> RuleGroup {
        let (rules, problems) = rules::load_rule_text(Path::new("a.yml"), text);
        assert_eq!(problems.to_string(), "");
        rules.groups.into_iter().next().unwrap()
    }

    fn said(hosts: &[(&str, f64)]) -> Said {
        let series =
            hosts.iter().map(|(host, value)| (Labels::metric("a:b", [("host", *host)]), *value));
        series.collect()
    }

    #[test]
    fn what_ends_is_marked_and_what_stays_is_told_at_its_interval() {
        let group =
            group("groups: [{name: g, query_offset: 1s, rules: [{record: 'a:b', expr: up}]}]");
        let mut recorder = Recorder::new(5).unwrap();
        let mut told = |hosts: &[(&str, f64)], at_ms| {
            let report = recorder.report(&group, said(hosts), at_ms, 15_000)?;
            let column = report.columns[0].clone();
            let values = column.values.iter().map(|value| match is_stale(*value) {
                true => "stale".to_owned(),
                false => value.to_string(),
            });
            let values: Vec<String> = values.collect();
            Some((column.timestamp_ms, report.schemas.len(), values.join(" ")))
        };
        assert_eq!(told(&[], 10_000), None);
        assert_eq!(told(&[("a", 1.0), ("b", 2.0)], 20_000), Some((19_000, 1, "1 2".to_owned())));
        assert_eq!(told(&[("a", 9.0), ("b", 9.0)], 20_200), None);
        assert_eq!(told(&[("a", 3.0), ("b", 4.0)], 35_000), Some((34_000, 0, "3 4".to_owned())));
        assert_eq!(told(&[("b", 5.0)], 35_200), Some((34_200, 0, "stale 5".to_owned())));
        assert_eq!(told(&[("b", 6.0)], 50_200), Some((49_200, 1, "6".to_owned())));
        assert_eq!(told(&[], 50_400), Some((49_400, 0, "stale".to_owned())));
    }

    #[test]
    fn a_group_that_is_gone_ends_its_series_and_only_its_own() {
        let one = group("groups: [{name: one, rules: [{record: 'a:b', expr: up}]}]");
        let two = group("groups: [{name: two, rules: [{record: 'a:b', expr: up}]}]");
        let mut recorder = Recorder::new(5).unwrap();
        let first = recorder.report(&one, said(&[("a", 1.0)]), 1_000, 15_000).unwrap();
        let second = recorder.report(&two, said(&[("b", 1.0)]), 1_000, 15_000).unwrap();
        assert_ne!(first.schemas[0].job, second.schemas[0].job);
        let ends = recorder.retain(&[two], 2_000);
        assert_eq!(ends.len(), 1);
        assert!(ends[0].schemas.len() == 1 && is_stale(ends[0].columns[0].values[0]));
    }

    #[test]
    fn alerts_are_shown_as_prometheus_shows_them() {
        let labels = [("alertname", "Down"), ("host", "a"), ("site", "x")];
        let alert =
            OpenAlert { labels: Labels::new(labels), firing: false, active_since_ms: 61_500 };
        let shown: Vec<String> =
            alert_series(&[alert]).map(|(labels, value)| format!("{labels} {value}")).collect();
        assert_eq!(
            shown,
            [
                r#"ALERTS{alertname="Down",alertstate="pending",host="a"} 1"#,
                r#"ALERTS_FOR_STATE{alertname="Down",host="a"} 61"#,
            ]
        );
        let by_site = Labels::metric("site:up:sum", [("site", "x")]);
        assert_eq!(stored(by_site.clone()), by_site);
    }
}
