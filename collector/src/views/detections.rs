//! The detections view: every security event is judged by the Sigma rules when it arrives.
//!
//! Promises: detections, the state of correlations and the journal position are committed in one transaction, so a crash
//! neither loses a detection nor tells it twice; an event is judged milliseconds after it is on disk.

use std::sync::Arc;
use std::time::Duration;

use collector_alerting::{Alerting, AlertingError, DetectionAlert};
use rules_sigma::{CorrelationState, Detection};
use tokio::sync::watch;

use crate::clock;
use crate::feed::{Decoded, FeedError, Follower};
use crate::rulebook::Rulebook;
use crate::self_metrics::SelfMetrics;
use crate::views::events::host_events;
use crate::views::wait_after_failure;

/// Records that changed nothing here are committed together at this interval: their position is all there is to store.
const QUIET_COMMIT_INTERVAL: Duration = Duration::from_secs(5);

/// Follows the feed into alerting.
pub struct DetectionsView {
    pub alerting: Alerting,
    pub rules: watch::Receiver<Arc<Rulebook>>,
    pub state: CorrelationState,
    pub metrics: SelfMetrics,
}

impl DetectionsView {
    pub async fn run(mut self, mut follower: Follower) -> Result<(), FeedError> {
        let mut committed = clock::instant();
        let mut saved = self.state.revision();
        while let Some(batch) = follower.next_batch().await? {
            let Some(last) = batch.last() else { continue };
            let detections = self.judge(&batch);
            let quiet = detections.is_empty() && self.state.revision() == saved;
            if quiet && committed.elapsed() < QUIET_COMMIT_INTERVAL {
                continue;
            }
            self.commit(last.position.0, detections).await;
            committed = clock::instant();
            saved = self.state.revision();
        }
        Ok(())
    }

    fn judge(&mut self, batch: &[Arc<Decoded>]) -> Vec<DetectionAlert> {
        let events = batch.iter().flat_map(|decoded| host_events(decoded));
        let rules = Arc::clone(&self.rules.borrow().detections);
        let mut found = Vec::new();
        for event in events {
            found.extend(rules.evaluate(&event, &mut self.state).into_iter().map(alert));
        }
        found
    }

    async fn commit(&self, position: u64, detections: Vec<DetectionAlert>) {
        let state = self.state.to_bytes();
        for detection in &detections {
            tracing::info!(labels = %detection.labels, "detected");
        }
        loop {
            let now_ms = clock::now_ms();
            let done =
                self.alerting.commit_detections(position, &state, detections.clone(), now_ms);
            match done.await {
                Ok(_) => return,
                // The position was committed by an earlier try whose answer was lost.
                Err(AlertingError::PositionBehind { .. }) => return,
                Err(error) => wait_after_failure("detections", &self.metrics, &error).await,
            }
        }
    }
}

fn alert(detection: Detection) -> DetectionAlert {
    DetectionAlert {
        id: detection.id.0,
        labels: detection.labels,
        annotations: detection.annotations,
        time_ms: detection.time_ms,
        hold_ms: detection.hold_ms,
    }
}
