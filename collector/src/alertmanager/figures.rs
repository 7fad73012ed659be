//! `/metrics` of an Alertmanager, under its names, as far as we have the figure.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use agent_model::Millis;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use collector_alerting::{
    AlertFilter, AlertState, AlertingError, PostOutcome, Sendings, SilenceState,
};
use prometheus::{IntCounterVec, IntGauge, IntGaugeVec, Registry};

use super::Manager;
use super::answer::Refusal;
use crate::clock;
use crate::registering::Make;
use crate::self_metrics::{ALERTING_HELP, alerting_figures, set_all};

#[derive(Clone)]
pub struct Figures {
    registry: Registry,
    received: IntCounterVec,
    invalid: IntCounterVec,
    alerts: IntGaugeVec,
    silences: IntGaugeVec,
    groups: IntGauge,
    receivers: IntGauge,
    integrations: IntGauge,
    /// Notifications, those that failed, requests, and requests that failed.
    sendings: [IntCounterVec; 4],
    /// Ours: what alerting counts of itself, as a collector shows it.
    own: IntGaugeVec,
    /// Ours: connections that ended before a request was read.
    pub(super) connections_refused: IntCounterVec,
    /// Two who look at once must not both add what is new.
    turn: Arc<Mutex<()>>,
    reload_successful: IntGauge,
    reload_success_seconds: IntGauge,
}

impl Figures {
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let make = Make { registry: &registry, prefix: "alertmanager_" };
        let sent = |name: &str, help: &str| make.counters(name, help, &["integration"]);
        let build = make.gauges("build_info", "What runs here.", &["version"])?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        let started = Make { registry: &registry, prefix: "process_" };
        let started =
            started.gauge("start_time_seconds", "Start time of the process since unix epoch.")?;
        started.set(clock::now_ms() / 1_000);
        let ours = Make { registry: &registry, prefix: "haidang_collector_" };
        let figures = Self {
            received: make.counters(
                "alerts_received_total",
                "The total number of received alerts.",
                &["status", "version"],
            )?,
            invalid: make.counters(
                "alerts_invalid_total",
                "The total number of received alerts that were invalid.",
                &["version"],
            )?,
            alerts: make.gauges("alerts", "How many alerts by state.", &["state"])?,
            silences: make.gauges("silences", "How many silences by state.", &["state"])?,
            groups: make
                .gauge("dispatcher_aggregation_groups", "Number of active aggregation groups.")?,
            receivers: make.gauge("receivers", "Number of configured receivers.")?,
            integrations: make.gauge("integrations", "Number of configured integrations.")?,
            sendings: [
                sent("notifications_total", "The total number of attempted notifications.")?,
                sent("notifications_failed_total", "The total number of failed notifications.")?,
                sent(
                    "notification_requests_total",
                    "The total number of attempted notification requests.",
                )?,
                sent(
                    "notification_requests_failed_total",
                    "The total number of failed notification requests.",
                )?,
            ],
            own: ours.gauges("alerting", ALERTING_HELP, &["what"])?,
            connections_refused: make.counters(
                "connections_refused_total",
                "Connections that ended before a request was read.",
                &["reason"],
            )?,
            reload_successful: make.gauge(
                "config_last_reload_successful",
                "Whether the last configuration reload attempt was successful.",
            )?,
            reload_success_seconds: make.gauge(
                "config_last_reload_success_timestamp_seconds",
                "Timestamp of the last successful configuration reload.",
            )?,
            turn: Arc::default(),
            registry,
        };
        // A counter that is not there yet looks like one that is missing.
        for status in ["firing", "resolved"] {
            figures.received.with_label_values(&[status, "v2"]);
        }
        figures.invalid.with_label_values(&["v2"]);
        Ok(figures)
    }

    pub(super) fn note_post(&self, outcome: &PostOutcome) {
        for (status, count) in [("firing", outcome.firing), ("resolved", outcome.resolved)] {
            self.received.with_label_values(&[status, "v2"]).inc_by(count as u64);
        }
        self.invalid.with_label_values(&["v2"]).inc_by(outcome.invalid.len() as u64);
    }

    pub(super) fn note_reload(&self, successful: bool, now_ms: Millis) {
        self.reload_successful.set(i64::from(successful));
        if successful {
            self.reload_success_seconds.set(now_ms / 1_000);
        }
    }

    /// Takes over what alerting counts; a kind that has sent nothing yet has 0.
    fn note_sendings<'a>(
        &self,
        kinds: impl Iterator<Item = &'a str>,
        counted: &'a BTreeMap<String, Sendings>,
    ) {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        for kind in kinds.chain(counted.keys().map(String::as_str)) {
            let Sendings { notifications, failed, requests, requests_failed } =
                counted.get(kind).copied().unwrap_or_default();
            let now = [notifications, failed, requests, requests_failed];
            for (counters, now) in self.sendings.iter().zip(now) {
                let counter = counters.with_label_values(&[kind]);
                counter.inc_by(now.saturating_sub(counter.get()));
            }
        }
    }

    async fn look(&self, manager: &Manager) -> Result<(), AlertingError> {
        let now_ms = clock::now_ms();
        let filter = AlertFilter { states: vec![AlertState::Firing], ..AlertFilter::default() };
        let alerts = manager.alerting.alerts(&filter, now_ms).await?;
        let muted = alerts
            .iter()
            .filter(|status| !(status.silenced_by.is_empty() && status.inhibited_by.is_empty()))
            .count();
        set(&self.alerts, "active", alerts.len() - muted);
        set(&self.alerts, "suppressed", muted);
        set(&self.alerts, "unprocessed", 0);
        let silences = manager.alerting.silences(now_ms - manager.silences_kept_ms).await?;
        for state in [SilenceState::Active, SilenceState::Pending, SilenceState::Expired] {
            let so = silences.iter().filter(|one| one.state(now_ms) == state);
            set(&self.silences, state.name(), so.count());
        }
        self.groups.set(number(manager.alerting.groups(now_ms).await?.len()));
        let routing = manager.alerting.routing(now_ms).await?;
        self.receivers.set(number(routing.receivers().len()));
        let integrations = routing.receivers().iter().map(|one| one.integrations.len()).sum();
        self.integrations.set(number(integrations));
        let names = routing.receivers().iter().flat_map(|receiver| &receiver.integrations);
        let kinds = names.filter_map(|integration| integration.name.split('/').next());
        self.note_sendings(kinds, &manager.alerting.sendings_by_kind());
        set_all(&self.own, alerting_figures(&manager.alerting.stats(now_ms).await?));
        Ok(())
    }
}

pub(super) async fn show(State(manager): State<Arc<Manager>>) -> Result<Response, Refusal> {
    manager.figures.look(&manager).await?;
    let families = manager.figures.registry.gather();
    let text = prometheus::TextEncoder::new().encode_to_string(&families);
    let text = text.map_err(|error| Refusal::bad(error.to_string()))?;
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response())
}

fn set(gauges: &IntGaugeVec, state: &str, count: usize) {
    gauges.with_label_values(&[state]).set(number(count));
}

fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
