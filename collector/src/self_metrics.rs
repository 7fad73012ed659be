//! The collector's own metrics: what it took, refused, stored and sent, served at `/metrics`.
//! A counter lives in the part that counts; this file only makes and registers them, each name once.

use crate::budget_figures::BudgetFigures;
use crate::channel_figures::ChannelFigures;
use crate::heartbeat::HeartbeatFigures;
use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Registry};

use crate::registering::Make;
use crate::rule_figures::RuleFigures;
use crate::rule_health::RuleHealth;

/// Every counter of the collector, registered in one registry.
#[derive(Clone, Debug)]
pub struct SelfMetrics {
    pub registry: Registry,
    pub ingest: IngestMetrics,
    pub push: PushMetrics,
    /// The same of OTLP.
    pub otlp: PushMetrics,
    /// Connections that ended before a request was read, by listener and reason.
    pub connections_refused: IntCounterVec,
    pub enrolments: IntCounterVec,
    /// Records of the journal that a view has still to take.
    pub view_lag: IntGaugeVec,
    pub view_failures: IntCounterVec,
    /// Descriptions of metrics beyond the bounds of what is kept.
    pub descriptions_dropped: IntCounter,
    /// Scrape targets of hosts beyond their bound.
    pub targets_dropped: IntCounter,
    pub(crate) rules: RuleFigures,
    /// Acknowledged records that the last start could not read, in ranges.
    pub journal_damaged: IntGauge,
    pub sign_ins: IntCounterVec,
    /// What a role may not do, and somebody tried.
    pub requests_refused: IntCounterVec,
    pub links: IntCounterVec,
    pub reload: ReloadMetrics,
    /// Queries that were refused or cut, by reason.
    pub queries_cut: IntCounterVec,
    /// How the last evaluation of each rule went.
    pub rule_health: RuleHealth,
    pub heartbeat: HeartbeatFigures,
    parts: PartFigures,
}

/// What parts of the collector count by themselves, taken over from time to time.
#[derive(Clone, Debug)]
struct PartFigures {
    /// Entry at which the audit log does not hold; 0 while all of it does.
    audit_broken: IntGauge,
    alerting: IntGaugeVec,
    journal: IntGaugeVec,
    metric_store: IntGaugeVec,
    notifications_failed: IntCounterVec,
    channels: ChannelFigures,
    budget: BudgetFigures,
}

/// What came in.
#[derive(Clone, Debug)]
pub struct IngestMetrics {
    pub reports: IntCounterVec,
    pub samples: IntCounter,
    pub events: IntCounter,
    pub duplicates: IntCounter,
    /// Reports and requests refused, by reason.
    pub refused: IntCounterVec,
    pub body_bytes: IntCounter,
}

/// What others pushed, by remote write or OTLP.
#[derive(Clone, Debug)]
pub struct PushMetrics {
    /// Requests that were answered, by version of the message (of OTLP its encoding) and status.
    pub requests: IntCounterVec,
    pub body_bytes: IntCounter,
    pub samples: IntCounter,
    /// Samples that were not taken, by reason.
    pub samples_refused: IntCounterVec,
    /// Whole requests that were not taken, by reason.
    pub requests_refused: IntCounterVec,
    /// Exemplars, which have no place here; metadata that cannot be kept, and texts of it that were cut.
    pub left_out: IntCounterVec,
}

impl PushMetrics {
    /// `way` stands in the names, `words` in what is said of them.
    fn new(make: &Make<'_>, way: &str, words: &str) -> Result<Self, prometheus::Error> {
        Ok(Self {
            requests: make.counters(
                &format!("{way}_requests_total"),
                &format!("Requests of {words} that were answered."),
                &["version", "status"],
            )?,
            body_bytes: make.counter(
                &format!("{way}_body_bytes_total"),
                &format!("Bytes of {words} requests, as they came."),
            )?,
            samples: make.counter(
                &format!("{way}_samples_total"),
                &format!("Samples stored that came by {words}."),
            )?,
            samples_refused: make.counters(
                &format!("{way}_samples_refused_total"),
                &format!("Samples of {words} that were not taken, by reason."),
                &["reason"],
            )?,
            requests_refused: make.counters(
                &format!("{way}_requests_refused_total"),
                &format!("Requests of {words} of which nothing was taken, by reason."),
                &["reason"],
            )?,
            left_out: make.counters(
                &format!("{way}_left_out_total"),
                &format!("Exemplars and metadata that came by {words} and are not kept, and texts that were cut."),
                &["kind"],
            )?,
        })
    }
}

/// What came of the last reload, or of the start, by group of files.
#[derive(Clone, Debug)]
pub struct ReloadMetrics {
    /// 1 when the files as they lay on disk were taken.
    pub successful: IntGaugeVec,
    pub success_timestamp: IntGaugeVec,
}

impl ReloadMetrics {
    fn new(make: &Make<'_>) -> Result<Self, prometheus::Error> {
        Ok(Self {
            successful: make.gauges(
                "last_reload_successful",
                "Whether the files as they lay on disk at the last reload are in force.",
                &["files"],
            )?,
            success_timestamp: make.gauges(
                "last_reload_success_timestamp_seconds",
                "When the files were last taken into force.",
                &["files"],
            )?,
        })
    }
}

impl IngestMetrics {
    fn new(make: &Make<'_>) -> Result<Self, prometheus::Error> {
        Ok(Self {
            reports: make.counters("reports_total", "Reports stored.", &["stream"])?,
            samples: make.counter("samples_total", "Samples stored.")?,
            events: make.counter("events_total", "Security events stored.")?,
            duplicates: make.counter(
                "duplicate_reports_total",
                "Reports that were already stored and only acknowledged again.",
            )?,
            refused: make.counters(
                "refused_total",
                "Reports and requests that were refused, by reason.",
                &["reason"],
            )?,
            body_bytes: make.counter("body_bytes_total", "Bytes of request bodies of agents.")?,
        })
    }
}

impl PartFigures {
    fn new(make: &Make<'_>) -> Result<Self, prometheus::Error> {
        Ok(Self {
            audit_broken: make.gauge(
                "audit_broken_entry",
                "Number of the first entry at which the audit log does not hold, 0 while it holds.",
            )?,
            channels: ChannelFigures::new(make)?,
            budget: BudgetFigures::new(&Make { prefix: "haidang_", ..*make })?,
            notifications_failed: make.counters(
                "notifications_failed_total",
                "Attempts to notify a receiver that failed; each is tried again.",
                &["receiver"],
            )?,
            alerting: make.gauges("alerting", ALERTING_HELP, &["what"])?,
            journal: make.gauges(
                "journal",
                "The journal: what it holds and what it did, refused or could not read since the start.",
                &["what"],
            )?,
            metric_store: make.gauges(
                "metric_store",
                "The metric store: what it holds and what it did, refused or could not read since the start.",
                &["what"],
            )?,
        })
    }
}

impl SelfMetrics {
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let make = Make { registry: &registry, prefix: "haidang_collector_" };
        Ok(Self {
            ingest: IngestMetrics::new(&make)?,
            push: PushMetrics::new(&make, "remote_write", "remote write")?,
            otlp: PushMetrics::new(&make, "otlp", "OTLP")?,
            connections_refused: make.counters(
                "connections_refused_total",
                "Connections that ended before a request was read.",
                &["reason"],
            )?,
            enrolments: make.counters(
                "enrolments_total",
                "Enrolments by outcome.",
                &["outcome"],
            )?,
            view_lag: make.gauges(
                "view_lag_records",
                "Records of the journal that a view has still to take.",
                &["view"],
            )?,
            view_failures: make.counters(
                "view_failures_total",
                "Batches that a view could not store and tries again.",
                &["view"],
            )?,
            targets_dropped: make.counter(
                "scrape_targets_dropped_total",
                "Scrape targets of hosts that found no room among those that are kept.",
            )?,
            descriptions_dropped: make.counter(
                "metric_descriptions_dropped_total",
                "Descriptions of metrics that found no room among those that are kept.",
            )?,
            rules: RuleFigures::new(&make)?,
            queries_cut: make.counters(
                "queries_cut_total",
                "Queries that were refused for want of places, or cut at their deadline.",
                &["reason"],
            )?,
            rule_health: RuleHealth::default(),
            journal_damaged: make.gauge(
                "journal_damaged_ranges",
                "Ranges of acknowledged records that the last start could not read.",
            )?,
            sign_ins: make.counters("sign_ins_total", "Sign-ins by outcome.", &["outcome"])?,
            requests_refused: make.counters(
                "requests_refused_total",
                "Requests refused because the role may not do it.",
                &["role", "action"],
            )?,
            links: make.counters("acknowledge_links_total", "Links by outcome.", &["outcome"])?,
            reload: ReloadMetrics::new(&Make { prefix: "haidang_config_", ..make })?,
            heartbeat: HeartbeatFigures::new(&make)?,
            parts: PartFigures::new(&make)?,
            registry,
        })
    }
}

impl SelfMetrics {
    /// Takes over the failures that alerting counts by receiver.
    pub fn note_failures(&self, failed: &std::collections::BTreeMap<std::sync::Arc<str>, u64>) {
        for (receiver, count) in failed {
            let counter = self.parts.notifications_failed.with_label_values(&[receiver.as_ref()]);
            counter.inc_by(count.saturating_sub(counter.get()));
        }
    }

    /// Takes over what alerting knows of each channel.
    pub fn note_channels(&self, channels: &[collector_alerting::ChannelStatus], now_ms: i64) {
        self.parts.channels.note(channels, now_ms);
    }

    /// Takes over the week's alerts and their budget.
    pub fn note_budget(&self, week: &collector_alerting::BudgetWeek) {
        self.parts.budget.note(week);
    }

    /// The number of the first entry at which the audit log does not hold; none while it holds.
    pub fn note_audit(&self, broken: Option<u64>) {
        self.parts.audit_broken.set(broken.map_or(0, |at| i64::try_from(at).unwrap_or(i64::MAX)));
    }

    /// Takes over the figures that the journal keeps by itself.
    pub fn note_journal(&self, stats: &collector_journal::JournalStats) {
        let figures = [
            ("appended_records", stats.appended_records),
            ("appended_bytes", stats.appended_bytes),
            ("syncs", stats.syncs),
            ("sync_failures", stats.sync_failures),
            ("no_space_refusals", stats.no_space_refusals),
            ("full_refusals", stats.full_refusals),
            ("full", u64::from(stats.full)),
            ("torn_bytes", stats.torn_bytes),
            ("gaps_read", stats.gaps_read),
            ("segments", stats.segments),
            ("bytes", stats.disk_bytes),
        ];
        set_all(&self.parts.journal, figures);
    }

    /// Takes over the figures that the metric store keeps by itself.
    pub fn note_metric_store(&self, stats: &collector_metric_store::MetricStoreStats) {
        let figures = [
            ("series", stats.series),
            ("series_refused", stats.refused_series),
            ("samples_dropped", stats.dropped_samples),
            ("head_samples", stats.head_samples),
            ("parts", stats.parts),
            ("part_samples", stats.part_samples),
            ("part_bytes", stats.part_bytes),
            ("merges", stats.merges),
            ("parts_expired", stats.expired_parts),
            ("parts_damaged", stats.damaged_parts),
            ("blocks_damaged", stats.damaged_blocks),
            ("parts_too_late", stats.too_late_parts),
            ("deletions", stats.deletions),
            ("deletions_damaged", stats.damaged_deletions),
            ("series_deleted", stats.deleted_series),
            ("files_cleaned", stats.cleaned_files),
            ("rollup_parts", stats.rollup_parts),
            ("rollups", stats.rollups),
            ("rollup_bytes", stats.rollup_bytes),
            ("rollup_days", stats.rolled_up_days),
            ("rollup_days_rewritten", stats.rewritten_days),
            ("rollup_merges", stats.rollup_merges),
            ("rollup_failures", stats.rollup_failures),
            ("rollup_parts_expired", stats.expired_rollup_parts),
            ("rollup_parts_damaged", stats.damaged_rollup_parts),
            ("rollup_blocks_damaged", stats.damaged_rollup_blocks),
        ];
        set_all(&self.parts.metric_store, figures);
    }

    /// Takes over the counters that alerting keeps by itself.
    pub fn note_alerting(&self, stats: &collector_alerting::Stats) {
        set_all(&self.parts.alerting, alerting_figures(stats));
    }
}

pub(crate) const ALERTING_HELP: &str =
    "Alerts and notifications: what was sent, failed, retried or replaced, and what waits.";

/// What alerting counts of itself, each figure under its name; also for alerting that runs alone.
pub(crate) fn alerting_figures(
    stats: &collector_alerting::Stats,
) -> impl IntoIterator<Item = (&'static str, u64)> + use<> {
    let length = |length: usize| u64::try_from(length).unwrap_or(u64::MAX);
    [
        ("notifications_sent", stats.sent),
        ("notifications_failed", stats.failed),
        ("notifications_retried", stats.retried),
        ("notifications_superseded", stats.superseded),
        ("notifications_undeliverable", stats.undeliverable),
        ("notifications_given_up", stats.dead),
        ("notifications_limited", stats.limited),
        ("alerts_refused", stats.alerts_refused),
        ("findings_disputed", stats.findings_disputed),
        ("posts_invalid", stats.posts_invalid),
        ("silences_refused", stats.silences_refused),
        ("detections_grouped", stats.detections_grouped),
        ("template_failures", stats.template_failures),
        ("bodies_waited", stats.bodies_waited),
        ("outbox_full", stats.outbox_full),
        ("outbox_length", length(stats.outbox_length)),
        ("outbox_oldest_seconds", stats.oldest_unsent_seconds),
        ("alerts_firing", length(stats.alerts_firing)),
        ("alerts_pending", length(stats.alerts_pending)),
        ("nobody_is_notified", u64::from(stats.nobody_is_notified)),
    ]
}

/// What a store counts by itself, each figure under its name.
pub(crate) fn set_all<'a>(gauges: &IntGaugeVec, figures: impl IntoIterator<Item = (&'a str, u64)>) {
    for (what, value) in figures {
        gauges.with_label_values(&[what]).set(i64::try_from(value).unwrap_or(i64::MAX));
    }
}
