//! Exporters: programs on this host or near it that speak Prometheus' text format or OpenMetrics.
//! Promises: each is scraped by a task of its own within its own time, so a slow one delays nobody; a scrape is whole or
//! refused, with a reason that is counted; what `up`, the `scrape_…` series and stale markers say is what Prometheus
//! would say. Leaves to others: the way to the collector.

mod config;
mod described;
mod exposition;
mod fetch;
mod health;
mod layout;
mod lines;
mod parts;
mod tell;

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use agent_model::{HostId, Labels, Schema, SchemaId};
use rustls::RootCertStore;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

pub use config::Config;
pub(crate) use config::check;

use self::config::{Ready, is_loopback};
use self::fetch::{Fetch, FetchError, Link};
use self::health::{Health, Metrics};
use self::layout::{BodyError, Layout, Taken};
use self::parts::Column;
use self::tell::Telling;
use crate::clock::Clock;
use crate::probe::certificate::Terms;
use crate::source::{SourceGroup, Stopping, Teller};
use crate::spool::MetricsReading;
use crate::text_format::Value;

/// Set by the collector on every series; rules may read and not change them.
const TARGET_LABELS: [&str; 3] = ["host", "job", "instance"];

/// Scrapes at once: each may hold a body in memory.
const SCRAPES_MAX: usize = 16;

/// Readings waiting for the spool: a disk that is slow makes scrapes wait.
const READINGS_MAX: usize = 16;

/// What the exporters are given to work with.
pub(crate) struct Context {
    pub(crate) host: HostId,
    /// The agent's own interval.
    pub(crate) tick: Duration,
    pub(crate) readings: mpsc::Sender<MetricsReading>,
    pub(crate) teller: Teller,
    pub(crate) shutdown: CancellationToken,
}

/// The way of readings to the spool.
pub(crate) fn readings() -> (mpsc::Sender<MetricsReading>, mpsc::Receiver<MetricsReading>) {
    mpsc::channel(READINGS_MAX)
}

/// Why a scrape gave nothing.
#[derive(Debug, thiserror::Error)]
enum ScrapeError {
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error(transparent)]
    Body(#[from] BodyError),
}

impl ScrapeError {
    const REASONS: [&'static str; 15] = [
        "secret",
        "timeout",
        "tls",
        "redirect",
        "connect",
        "broken",
        "status",
        "content_type",
        "encoding",
        "body_too_large",
        "malformed",
        "too_many_samples",
        "labels",
        "churn",
        "nameless",
    ];

    fn reason(&self) -> &'static str {
        match self {
            Self::Fetch(error) => match error {
                FetchError::Secret { .. } => "secret",
                FetchError::Timeout { .. } => "timeout",
                FetchError::Tls(_) => "tls",
                FetchError::Redirect(_) => "redirect",
                FetchError::Connect(_) => "connect",
                FetchError::Broken(_) => "broken",
                FetchError::Status(_) => "status",
                FetchError::ContentType(_) => "content_type",
                FetchError::Encoding(_) => "encoding",
                FetchError::TooLarge { .. } => "body_too_large",
            },
            Self::Body(error) => match error {
                BodyError::NotText | BodyError::Line { .. } | BodyError::NotWhole => "malformed",
                BodyError::Samples { .. } | BodyError::Lines { .. } => "too_many_samples",
                BodyError::Labels { .. } | BodyError::LabelBytes { .. } => "labels",
                BodyError::Churn { .. } => "churn",
                BodyError::Nameless { .. } => "nameless",
            },
        }
    }
}

/// Every exporter that is configured; one that cannot be made is told and left out.
pub(crate) fn sources(all: &[Config], context: &Context) -> SourceGroup {
    let mut group = SourceGroup::default();
    let permits = Arc::new(Semaphore::new(SCRAPES_MAX));
    let mut healths = Vec::new();
    let mut targets = Vec::new();
    for mut exporter in ready(all, context.tick, context.host.as_str()) {
        healths.push(Arc::clone(&exporter.health));
        targets.push(exporter.telling.target().clone());
        exporter.telling.tell_to(context.teller.clone());
        let (permits, readings) = (Arc::clone(&permits), context.readings.clone());
        let shutdown = context.shutdown.clone();
        group.tasks.push(Box::pin(async move {
            tokio::select! {
                () = shutdown.cancelled() => {}
                Stopping = exporter.repeat(&permits, &readings, Clock) => {}
            }
        }));
    }
    group.tasks.push(Box::pin(tell::targets(
        targets,
        context.teller.clone(),
        context.shutdown.clone(),
    )));
    if !healths.is_empty() {
        group.metrics.push(Box::new(Metrics(healths)));
    }
    group
}

/// One scrape of every exporter, for people.
pub(crate) async fn once(all: &[Config], tick: Duration, host: &str) -> String {
    let mut text = String::new();
    for mut exporter in ready(all, tick, host) {
        let reading = exporter.scrape(Clock).await;
        let target = format!("job {}, instance {}", exporter.health.job, exporter.health.instance);
        // Writing to a string cannot fail.
        writeln!(text, "# exporter {}: {target}", exporter.fetch.url).unwrap_or_default();
        let mut samples: Vec<_> = reading.samples().collect();
        samples.sort_by_key(|(labels, _)| *labels);
        for (labels, value) in samples {
            writeln!(text, "{labels} {}", Value(value)).unwrap_or_default();
        }
    }
    text
}

fn ready(all: &[Config], tick: Duration, host: &str) -> Vec<Exporter> {
    // Without TLS one client is enough.
    let mut plain = None;
    let mut exporters = Vec::new();
    for config in all {
        let made =
            config.ready(tick, host).and_then(|ready| Exporter::new(ready, host, &mut plain));
        match made {
            Ok(exporter) => exporters.push(exporter),
            Err(reason) => {
                let url = &config.url.value;
                tracing::error!(url, reason, "an exporter is left out");
            }
        }
    }
    exporters
}

/// One exporter, and what was scraped from it last.
struct Exporter {
    interval: Duration,
    fetch: Fetch,
    layout: Layout,
    /// The schema of what is told about the scrape itself.
    about: (SchemaId, Arc<Schema>),
    health: Arc<Health>,
    telling: Telling,
    /// Whether, and why, the last scrape failed; `None` before the first.
    failing: Option<Option<&'static str>>,
}

impl Exporter {
    fn new(ready: Ready, host: &str, plain: &mut Option<Link>) -> Result<Self, String> {
        let telling = Telling::new(&ready);
        let link = match (ready.tls, &plain) {
            (Some(terms), _) => Link::new(terms)?,
            (None, Some(link)) => link.clone(),
            (None, None) => {
                plain.insert(Link::new(Terms::of(Arc::new(RootCertStore::empty())))?).clone()
            }
        };
        let (job, instance) = (ready.job, ready.instance);
        let own = [("host", host), ("job", &job), ("instance", &instance)];
        let own = own.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let about = about(&job, &instance, &ready.labels);
        let target = own.into_iter().chain(ready.labels).collect();
        Ok(Self {
            interval: ready.interval,
            fetch: Fetch {
                packed: !is_loopback(&ready.url),
                url: ready.url,
                timeout: ready.timeout,
                credentials: ready.credentials,
                body_bytes_max: ready.body_bytes_max,
                link,
            },
            layout: Layout::new(ready.limits, ready.rules, target),
            about: (about.id(), Arc::new(about)),
            health: Arc::new(Health { job, instance, ..Health::default() }),
            telling,
            failing: None,
        })
    }

    async fn repeat(
        mut self,
        permits: &Semaphore,
        readings: &mpsc::Sender<MetricsReading>,
        clock: Clock,
    ) -> Stopping {
        let phase = crc32fast::hash(format!("{}{}", self.health.job, self.fetch.url).as_bytes());
        let part = f64::from(phase) / f64::from(u32::MAX);
        tokio::time::sleep(self.interval.mul_f64(part)).await;
        let mut ticks = tokio::time::interval(self.interval);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        loop {
            let before = tokio::time::Instant::now();
            let due = ticks.tick().await;
            if before > due + self.interval {
                self.health.skipped.fetch_add(1, Ordering::Relaxed);
            }
            let Ok(permit) = permits.acquire().await else { return Stopping };
            let reading = self.scrape(clock).await;
            drop(permit);
            if readings.send(reading).await.is_err() {
                return Stopping;
            }
        }
    }

    /// One scrape, whatever comes of it.
    async fn scrape(&mut self, clock: Clock) -> MetricsReading {
        let (timestamp_ms, started) = (clock.now_ms(), clock.instant());
        let fetched = self.fetch.run().await.map_err(ScrapeError::from);
        let taken = fetched.and_then(|(format, body)| {
            let taken = self.layout.take(format, &body, clock.instant())?;
            let left_out = self.telling.describe(format, &body, taken.comments, clock.instant());
            self.health.undescribed.fetch_add(left_out, Ordering::Relaxed);
            Ok(taken)
        });
        if let Err(error) = &taken {
            self.telling.fail(crate::chain(error), clock.instant());
        }
        let seconds = clock.instant().saturating_duration_since(started).as_secs_f64();
        self.note(&taken);
        let up = f64::from(u8::from(taken.is_ok()));
        let taken =
            taken.unwrap_or_else(|_| Taken { columns: self.layout.end(), ..Taken::default() });
        let count = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
        let about = vec![up, seconds, count(taken.scraped), count(taken.kept), count(taken.added)];
        let mut columns: Vec<Column> = vec![(self.about.0, Arc::clone(&self.about.1), about)];
        columns.extend(taken.columns);
        MetricsReading { timestamp_ms, columns }
    }

    /// Counts, and tells people when something has changed.
    fn note(&mut self, taken: &Result<Taken, ScrapeError>) {
        let health = &self.health;
        let add = |counter: &std::sync::atomic::AtomicU64, count: usize| {
            counter.fetch_add(count as u64, Ordering::Relaxed);
        };
        add(&health.scrapes, 1);
        let (job, instance, url) = (&health.job, &health.instance, self.fetch.url.as_str());
        let failing = match taken {
            Ok(taken) => {
                add(&health.duplicates, taken.duplicates);
                add(&health.timed, taken.timed);
                add(&health.described, taken.described);
                if let Some(Some(_)) = self.failing {
                    tracing::info!(job, instance, "the exporter can be scraped again");
                }
                None
            }
            Err(error) => {
                health.count(error);
                let reason = error.reason();
                if self.failing != Some(Some(reason)) {
                    let error = crate::chain(error);
                    tracing::warn!(job, instance, url, reason, error, "a scrape failed");
                }
                Some(reason)
            }
        };
        self.failing = Some(failing);
    }
}

/// What Prometheus writes about every scrape.
fn about(job: &str, instance: &str, labels: &[(String, String)]) -> Schema {
    let names = [
        "up",
        "scrape_duration_seconds",
        "scrape_samples_scraped",
        "scrape_samples_post_metric_relabeling",
        "scrape_series_added",
    ];
    let labels = || labels.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let series = names.map(|name| Labels::metric(name, labels())).into();
    let (job, instance, base) = (job.to_owned(), instance.to_owned(), vec![1.0; names.len()]);
    Schema { job, instance, series, base }
}

#[cfg(test)]
mod tests;
