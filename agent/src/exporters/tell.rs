//! What is told of an exporter beside its samples: where it is, what its metrics are, and why it cannot be scraped.
//! Promises: each is told once and when it changes; errors that change all the time are told at most once a minute; nothing here
//! holds up a scrape. Leaves to others: whether it answers now, which `up` says.

use std::time::{Duration, Instant};

use agent_model::{Millis, ScrapeTarget, ScrapeTargets};
use tokio_util::sync::CancellationToken;

use super::config::Ready;
use super::described;
use super::exposition::Format;
use crate::source::{Evidence, Teller, Told};

/// How often another error is told.
const ERROR_INTERVAL: Duration = Duration::from_secs(60);

/// Bytes of an error: some sentences.
const ERROR_BYTES_MAX: usize = 1_024;

/// How often all targets are told, and soon again when there was no room.
const TARGETS_INTERVAL: Duration = Duration::from_secs(86_400);
const TARGETS_RETRY: Duration = Duration::from_secs(5);

/// What was told of one exporter.
pub(super) struct Telling {
    /// Nobody hears it where people look at a single scrape.
    teller: Option<Teller>,
    target: ScrapeTarget,
    told: Told,
    /// Of the lines about metrics that were told last.
    comments: Option<u32>,
    error_at: Option<Instant>,
}

impl Telling {
    pub(super) fn new(ready: &Ready) -> Self {
        let millis = |time: Duration| Millis::try_from(time.as_millis()).unwrap_or(Millis::MAX);
        let target = ScrapeTarget {
            job: ready.job.clone(),
            instance: ready.instance.clone(),
            url: ready.url.to_string(),
            interval_ms: millis(ready.interval),
            timeout_ms: millis(ready.timeout),
            last_error: String::new(),
        };
        Self { teller: None, target, told: Told::default(), comments: None, error_at: None }
    }

    pub(super) fn tell_to(&mut self, teller: Teller) {
        self.teller = Some(teller);
    }

    pub(super) fn target(&self) -> &ScrapeTarget {
        &self.target
    }

    /// Tells what a body says of metrics when it is not what the one before said; how much was left out or cut.
    pub(super) fn describe(
        &mut self,
        format: Format,
        body: &[u8],
        comments: u32,
        now: Instant,
    ) -> u64 {
        let Some(teller) = &self.teller else { return 0 };
        if self.comments == Some(comments) && !self.told.is_due(now) {
            return 0;
        }
        let Ok(body) = std::str::from_utf8(body) else { return 0 };
        let (metrics, left_out) = described::read(format, body);
        let target = (self.target.job.as_str(), self.target.instance.as_str());
        let is_told = self.told.tell(teller, target, metrics, now);
        self.comments = is_told.then_some(comments);
        left_out
    }

    /// Tells why a scrape failed, when it is another reason than the last one.
    pub(super) fn fail(&mut self, mut error: String, now: Instant) {
        error.truncate(error.floor_char_boundary(ERROR_BYTES_MAX));
        let recent =
            self.error_at.is_some_and(|at| now.saturating_duration_since(at) < ERROR_INTERVAL);
        let Some(teller) =
            self.teller.as_ref().filter(|_| !recent && self.target.last_error != error)
        else {
            return;
        };
        let target = ScrapeTarget { last_error: error, ..self.target.clone() };
        let targets = ScrapeTargets { complete: false, targets: vec![target.clone()] };
        if teller.tell(Evidence::Targets(targets)) {
            (self.target, self.error_at) = (target, Some(now));
        }
    }
}

/// Tells of all exporters at the start and once a day; no exporters too, for there may have been some.
pub(super) async fn targets(
    targets: Vec<ScrapeTarget>,
    teller: Teller,
    shutdown: CancellationToken,
) {
    loop {
        let targets = ScrapeTargets { complete: true, targets: targets.clone() };
        let is_told = teller.tell(Evidence::Targets(targets));
        let pause = if is_told { TARGETS_INTERVAL } else { TARGETS_RETRY };
        if shutdown.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    fn telling() -> (Telling, tokio::sync::mpsc::Receiver<Evidence>) {
        let (teller, told) = Teller::channel();
        let target = ScrapeTarget {
            job: "db".to_owned(),
            instance: "a".to_owned(),
            url: "http://a/".to_owned(),
            interval_ms: 15_000,
            timeout_ms: 10_000,
            last_error: String::new(),
        };
        let (told_metrics, comments, error_at) = (Told::default(), None, None);
        (Telling { teller: Some(teller), target, told: told_metrics, comments, error_at }, told)
    }

    #[test]
    fn an_error_is_told_when_it_is_another_one_and_at_most_once_a_minute() {
        let (mut telling, mut told) = telling();
        let start = Clock.instant();
        let mut fail = |error: &str, seconds: u64| {
            telling.fail(error.to_owned(), start + Duration::from_secs(seconds));
            match told.try_recv() {
                Ok(Evidence::Targets(one)) => one.targets[0].last_error.clone(),
                _ => "-".to_owned(),
            }
        };
        assert_eq!(fail("no answer", 0), "no answer");
        assert_eq!(fail("no answer", 100), "-");
        assert_eq!(fail("status 500", 101), "status 500");
        assert_eq!(fail("no answer", 160), "-");
        assert_eq!(fail("no answer", 161), "no answer");
        assert_eq!(fail(&"ạ".repeat(400), 300).len(), 1_023);
    }

    #[test]
    fn a_body_is_read_for_its_metrics_only_when_its_comments_change() {
        let (mut telling, mut told) = telling();
        let now = Clock.instant();
        let mut describe = |body: &str, comments| {
            telling.describe(Format::Text, body.as_bytes(), comments, now);
            match told.try_recv() {
                Ok(Evidence::Metadata(one)) => one.metrics.len(),
                _ => 0,
            }
        };
        assert_eq!(describe("# TYPE a counter\n# TYPE b gauge\n", 1), 2);
        assert_eq!(describe("# TYPE c counter\n", 1), 0, "nobody looks");
        assert_eq!(describe("# TYPE a counter\n# TYPE b counter\n", 2), 1);
    }
}
