//! Questions of pages: history, notifications, detections.

use agent_model::{Matcher, Millis};
use sqlx::sqlite::SqliteRow;

use crate::AlertingError;
use crate::alert::{Alert, fingerprint_text};
use crate::detection::DetectionRecord;
use crate::notification::{NotificationRecord, OutboxState};
use crate::silence::Silence;

use super::encode::{annotations_from, damaged, id_from, id_text, labels_from};
use super::load::{alert_from, column, fingerprint_column, silence_from};
use super::{Store, failed};

/// One line of an alert's history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryEntry {
    pub fingerprint: u64,
    pub at_ms: Millis,
    /// The name of a [`crate::ChangeKind`].
    pub state: String,
    pub detail: String,
}

/// One attempt to send a notification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptRecord {
    pub number: u32,
    pub at_ms: Millis,
    pub delivered: bool,
    /// Why it failed; empty when it was delivered.
    pub detail: String,
}

impl Store {
    pub(crate) async fn progress(&self) -> Result<(u64, Option<Vec<u8>>), AlertingError> {
        let rows = self.rows("SELECT * FROM detections_progress WHERE id = 1").await?;
        let Some(row) = rows.first() else { return Ok((0, None)) };
        let position: i64 = column(row, "journal_position")?;
        Ok((position.cast_unsigned(), column(row, "correlation_state")?))
    }

    pub(crate) async fn knows_detection(&self, id: [u8; 16]) -> Result<bool, AlertingError> {
        let found = sqlx::query("SELECT 1 FROM detections WHERE id = $1")
            .bind(id_text(id))
            .fetch_optional(&self.pool)
            .await
            .map_err(failed("looking a detection up"))?;
        Ok(found.is_some())
    }

    /// The newest row of an alert, open or not.
    pub(crate) async fn alert(&self, fingerprint: u64) -> Result<Option<Alert>, AlertingError> {
        let row = sqlx::query("SELECT * FROM alerts WHERE fingerprint = $1")
            .bind(fingerprint_text(fingerprint))
            .fetch_optional(&self.pool)
            .await
            .map_err(failed("looking an alert up"))?;
        row.as_ref().map(alert_from).transpose()
    }

    /// Alerts with these labels that resolved after `since_ms`, newest first, and how many more there are.
    pub(crate) async fn resolved(
        &self,
        since_ms: Millis,
        matchers: &[Matcher],
        limit: usize,
    ) -> Result<(Vec<Alert>, usize), AlertingError> {
        let all = matchers.is_empty();
        // Labels lie in a text: for who sees a part of the alerts every row is read.
        let read = if all { i64::try_from(limit).unwrap_or(i64::MAX) } else { i64::MAX };
        let rows = sqlx::query(
            "SELECT * FROM alerts WHERE state = 'resolved' AND resolved_ms > $1
             ORDER BY resolved_ms DESC LIMIT $2",
        )
        .bind(since_ms)
        .bind(read)
        .fetch_all(&self.pool)
        .await
        .map_err(failed("reading resolved alerts"))?;
        let alerts: Result<Vec<Alert>, AlertingError> = rows.iter().map(alert_from).collect();
        let mut alerts = alerts?;
        alerts.retain(|alert| matchers.iter().all(|one| one.matches_labels(&alert.labels)));
        let found = if all { self.resolved_count(since_ms).await? } else { alerts.len() };
        alerts.truncate(limit);
        let more = found.saturating_sub(alerts.len());
        Ok((alerts, more))
    }

    async fn resolved_count(&self, since_ms: Millis) -> Result<usize, AlertingError> {
        let count: i64 = sqlx::query_scalar(
            "SELECT COUNT(*) FROM alerts WHERE state = 'resolved' AND resolved_ms > $1",
        )
        .bind(since_ms)
        .fetch_one(&self.pool)
        .await
        .map_err(failed("counting resolved alerts"))?;
        Ok(usize::try_from(count).unwrap_or(usize::MAX))
    }

    pub(crate) async fn history(
        &self,
        fingerprint: u64,
        limit: u32,
    ) -> Result<Vec<HistoryEntry>, AlertingError> {
        let rows = sqlx::query(
            "SELECT * FROM transitions WHERE fingerprint = $1 ORDER BY at_ms DESC LIMIT $2",
        )
        .bind(fingerprint_text(fingerprint))
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await
        .map_err(failed("reading an alert's history"))?;
        rows.iter().map(entry_from).collect()
    }

    /// Notifications whose words are still kept, newest first.
    pub(crate) async fn notifications(
        &self,
        limit: u32,
    ) -> Result<Vec<NotificationRecord>, AlertingError> {
        let rows = sqlx::query(
            "SELECT id, group_key, receiver, integration, state, created_ms, next_attempt_ms, attempts, \
             finished_ms, last_error, alerts_firing, alerts_resolved FROM outbox WHERE content <> '' \
             ORDER BY created_ms DESC, sequence DESC LIMIT $1",
        )
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await
        .map_err(failed("reading notifications"))?;
        rows.iter().map(notification_from).collect()
    }

    /// The attempts of one notification that are kept, newest first.
    pub(crate) async fn attempts(&self, id: &str) -> Result<Vec<AttemptRecord>, AlertingError> {
        let rows = sqlx::query("SELECT * FROM attempts WHERE outbox_id = $1 ORDER BY number DESC")
            .bind(id)
            .fetch_all(&self.pool)
            .await
            .map_err(failed("reading attempts"))?;
        let record = |row: &SqliteRow| {
            let number: i64 = column(row, "number")?;
            Ok(AttemptRecord {
                number: u32::try_from(number).unwrap_or(u32::MAX),
                at_ms: column(row, "at_ms")?,
                delivered: column::<i64>(row, "delivered")? != 0,
                detail: column(row, "detail")?,
            })
        };
        rows.iter().map(record).collect()
    }

    /// Detections, newest first.
    pub(crate) async fn detections(
        &self,
        limit: u32,
    ) -> Result<Vec<DetectionRecord>, AlertingError> {
        let rows = sqlx::query("SELECT * FROM detections ORDER BY time_ms DESC, id LIMIT $1")
            .bind(i64::from(limit))
            .fetch_all(&self.pool)
            .await
            .map_err(failed("reading detections"))?;
        let record = |row: &SqliteRow| {
            Ok(DetectionRecord {
                id: id_from(column(row, "id")?)?,
                fingerprint: fingerprint_column(row)?,
                labels: labels_from(column(row, "labels")?)?,
                annotations: annotations_from(column(row, "annotations")?)?,
                time_ms: column(row, "time_ms")?,
                recorded_ms: column(row, "recorded_ms")?,
            })
        };
        rows.iter().map(record).collect()
    }

    /// One silence, also one that has ended.
    pub(crate) async fn silence(&self, id: &str) -> Result<Option<Silence>, AlertingError> {
        let row = sqlx::query("SELECT * FROM silences WHERE id = $1")
            .bind(id)
            .fetch_optional(&self.pool)
            .await
            .map_err(failed("looking a silence up"))?;
        row.as_ref().map(silence_from).transpose()
    }

    /// The silences that end after `since_ms`, ended ones too, the one that ends last first.
    pub(crate) async fn silences(
        &self,
        since_ms: Millis,
        limit: usize,
    ) -> Result<Vec<Silence>, AlertingError> {
        let rows = sqlx::query(
            "SELECT * FROM silences WHERE ends_ms > $1 ORDER BY ends_ms DESC, id LIMIT $2",
        )
        .bind(since_ms)
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(&self.pool)
        .await
        .map_err(failed("reading silences"))?;
        rows.iter().map(silence_from).collect()
    }
}

pub(super) fn entry_from(row: &SqliteRow) -> Result<HistoryEntry, AlertingError> {
    Ok(HistoryEntry {
        fingerprint: fingerprint_column(row)?,
        at_ms: column(row, "at_ms")?,
        state: column(row, "state")?,
        detail: column(row, "detail")?,
    })
}

pub(super) fn notification_from(row: &SqliteRow) -> Result<NotificationRecord, AlertingError> {
    let state: &str = column(row, "state")?;
    let state = OutboxState::ALL.into_iter().find(|known| known.name() == state);
    let attempts: i64 = column(row, "attempts")?;
    let count = |name| column::<i64>(row, name).map(|count| usize::try_from(count).unwrap_or(0));
    Ok(NotificationRecord {
        id: column(row, "id")?,
        group_key: column(row, "group_key")?,
        receiver: column(row, "receiver")?,
        integration: column(row, "integration")?,
        state: state.ok_or_else(|| damaged("a notification's state", "another word"))?,
        alerts_firing: count("alerts_firing")?,
        alerts_resolved: count("alerts_resolved")?,
        created_ms: column(row, "created_ms")?,
        finished_ms: column(row, "finished_ms")?,
        next_attempt_ms: column(row, "next_attempt_ms")?,
        attempts: u32::try_from(attempts).unwrap_or(u32::MAX),
        last_error: column(row, "last_error")?,
    })
}

#[cfg(test)]
mod tests {
    use agent_model::Matcher;

    use crate::{Alerting, AlertingConfig, NewSilence, Routing};

    #[tokio::test]
    async fn a_list_of_silences_leaves_out_what_ended_long_ago_and_beyond_its_bound_what_ends_first()
     {
        let directory = tempfile::tempdir().unwrap();
        let database = directory.path().join("alerting.db");
        let config = AlertingConfig { database, external_url: String::new(), answers_links: false };
        let alerting = Alerting::open(config, Routing::nobody(), 0).await.unwrap();
        for ends_ms in [10, 20, 30, 40] {
            let wish = NewSilence {
                matchers: vec![Matcher::equal("host", "a")],
                starts_ms: 0,
                ends_ms,
                created_by: "lan".to_owned(),
                comment: String::new(),
                is_wide: false,
            };
            alerting.add_silence(wish, 0).await.unwrap();
        }
        let ends = async |since_ms, limit| {
            let listed = alerting.inner.store.silences(since_ms, limit).await.unwrap();
            listed.iter().map(|silence| silence.ends_ms).collect::<Vec<_>>()
        };
        assert_eq!(ends(0, 4).await, [40, 30, 20, 10]);
        assert_eq!(ends(10, 4).await, [40, 30, 20]);
        assert_eq!(ends(0, 3).await, [40, 30, 20]);
    }
}
