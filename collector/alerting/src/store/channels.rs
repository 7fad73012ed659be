//! What is known of each channel, and the dead letters.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::AlertingError;
use crate::channel::{ChannelKey, ChannelState};
use crate::notification::NotificationRecord;
use crate::outbox::Waiting;

use super::commit::Sql;
use super::load::{column, waiting_from};
use super::read::notification_from;
use super::{Store, failed};

impl Store {
    pub(super) async fn channels(
        &self,
    ) -> Result<BTreeMap<ChannelKey, ChannelState>, AlertingError> {
        let mut channels = BTreeMap::new();
        for row in self.rows("SELECT * FROM channels").await? {
            let (receiver, integration): (&str, &str) =
                (column(&row, "receiver")?, column(&row, "integration")?);
            let channel = ChannelState {
                last_attempt_ms: column(&row, "last_attempt_ms")?,
                last_success_ms: column(&row, "last_success_ms")?,
                failing_since_ms: column(&row, "failing_since_ms")?,
                last_error: column(&row, "last_error")?,
                tested_ms: column(&row, "tested_ms")?,
                held_until_ms: None,
            };
            channels.insert((Arc::from(receiver), Arc::from(integration)), channel);
        }
        Ok(channels)
    }

    /// Those that were given up, and those whose receiver is gone, newest first.
    pub(crate) async fn dead_letters(
        &self,
        limit: u32,
    ) -> Result<Vec<NotificationRecord>, AlertingError> {
        let rows = sqlx::query(
            "SELECT * FROM outbox WHERE state IN ('dead', 'undeliverable') \
             ORDER BY created_ms DESC, sequence DESC LIMIT $1",
        )
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await
        .map_err(failed("reading dead letters"))?;
        rows.iter().map(notification_from).collect()
    }

    pub(crate) async fn dead_letter(&self, id: &str) -> Result<Option<Waiting>, AlertingError> {
        let row = sqlx::query(
            "SELECT * FROM outbox WHERE id = $1 AND state IN ('dead', 'undeliverable')",
        )
        .bind(id)
        .fetch_optional(&self.pool)
        .await
        .map_err(failed("looking a dead letter up"))?;
        row.as_ref().map(waiting_from).transpose()
    }

    pub(crate) async fn dead_letter_counts(
        &self,
    ) -> Result<BTreeMap<(String, String), u64>, AlertingError> {
        let rows = self
            .rows(
                "SELECT receiver, integration, COUNT(*) AS letters FROM outbox \
                 WHERE state = 'dead' GROUP BY receiver, integration",
            )
            .await?;
        let mut counts = BTreeMap::new();
        for row in rows {
            let letters: i64 = column(&row, "letters")?;
            let key = (column(&row, "receiver")?, column(&row, "integration")?);
            counts.insert(key, letters.unsigned_abs());
        }
        Ok(counts)
    }
}

pub(super) async fn write_channel(
    sql: Sql<'_>,
    (receiver, integration): &ChannelKey,
    channel: &ChannelState,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO channels (receiver, integration, last_attempt_ms, last_success_ms, \
         failing_since_ms, last_error, tested_ms) VALUES ($1, $2, $3, $4, $5, $6, $7) \
         ON CONFLICT (receiver, integration) DO UPDATE SET \
         last_attempt_ms = excluded.last_attempt_ms, last_success_ms = excluded.last_success_ms, \
         failing_since_ms = excluded.failing_since_ms, last_error = excluded.last_error, \
         tested_ms = excluded.tested_ms",
    )
    .bind(receiver.as_ref())
    .bind(integration.as_ref())
    .bind(channel.last_attempt_ms)
    .bind(channel.last_success_ms)
    .bind(channel.failing_since_ms)
    .bind(&channel.last_error)
    .bind(channel.tested_ms)
    .execute(sql)
    .await?;
    Ok(())
}

pub(super) async fn write_beat(
    sql: Sql<'_>,
    at_ms: agent_model::Millis,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO beats (id, at_ms) VALUES (1, $1) \
         ON CONFLICT (id) DO UPDATE SET at_ms = excluded.at_ms",
    )
    .bind(at_ms)
    .execute(sql)
    .await?;
    Ok(())
}
