//! Writing: one batch of changes, whole or not at all.

use agent_model::Millis;
use sqlx::{Sqlite, SqliteConnection, Transaction};

use crate::AlertingError;
use crate::alert::{Alert, AlertSource, Change, ChangeKind, fingerprint_text};
use crate::detection::DetectionAlert;
use crate::duty::Swap;
use crate::group::Group;
use crate::limits::ATTEMPTS_KEPT_MAX;
use crate::matchers_text;
use crate::outbox::Waiting;
use crate::silence::{Confirmation, Silence};
use crate::state::{Batch, Outcome, State};

use super::channels::{write_beat, write_channel};
use super::encode::{annotations_json, content_json, id_text, labels_json, told_json, waits_json};
use super::history::{write_life, write_tellings};
use super::links::write_link_use;
use super::prune::prune;
use super::{Store, failed};

pub(super) type Sql<'a> = &'a mut SqliteConnection;

impl Store {
    /// Writes the batch; when this returns it is on disk.
    pub(crate) async fn commit(&self, state: &State, batch: &Batch) -> Result<(), AlertingError> {
        // IMMEDIATE: the lock is taken at the start, so a commit never fails half way for another's lock.
        let mut transaction: Transaction<'_, Sqlite> = self
            .pool
            .begin_with("BEGIN IMMEDIATE")
            .await
            .map_err(failed("beginning a transaction"))?;
        write(&mut transaction, state, batch).await.map_err(failed("writing changes of alerts"))?;
        transaction.commit().await.map_err(failed("committing changes of alerts"))
    }
}

async fn write(sql: Sql<'_>, state: &State, batch: &Batch) -> Result<(), sqlx::Error> {
    for alert in batch.alerts.iter().filter_map(|alert| state.alerts.get(alert)) {
        write_alert(sql, alert, true).await?;
    }
    for alert in batch.closed.values() {
        write_alert(sql, alert, false).await?;
    }
    for fingerprint in &batch.cleared {
        clear(sql, *fingerprint).await?;
    }
    // That something was pending and went away is not history: a nervous rule would fill the table.
    let told = |change: &&Change| !matches!(change.kind, ChangeKind::Pending | ChangeKind::Cleared);
    for change in batch.changes.iter().filter(told) {
        write_change(sql, change).await?;
        let of = change.fingerprint;
        if let Some(alert) = state.alerts.get(&of).or_else(|| batch.closed.get(&of)) {
            write_life(sql, change, alert).await?;
        }
    }
    for (detection, recorded_ms) in &batch.detections {
        write_detection(sql, detection, *recorded_ms).await?;
    }
    if let Some((position, correlation_state)) = &batch.progress {
        write_progress(sql, *position, correlation_state).await?;
    }
    for group in batch.groups.iter().filter_map(|id| state.groups.get(id)) {
        write_group(sql, group).await?;
    }
    for id in &batch.groups_removed {
        let query = sqlx::query("DELETE FROM alert_groups WHERE id = $1").bind(id);
        query.execute(&mut *sql).await?;
    }
    for silence in batch.silences.iter().filter_map(|id| state.silences.get(id)) {
        write_silence(sql, silence).await?;
    }
    for swap in batch.swaps.iter().filter_map(|id| state.swaps.get(id)) {
        write_swap(sql, swap).await?;
    }
    write_outbox(sql, state, batch).await?;
    if let Some(used) = &batch.link_used {
        write_link_use(sql, used).await?;
    }
    if let Some(at_ms) = batch.beat {
        write_beat(sql, at_ms).await?;
    }
    match batch.prune_at {
        Some(now_ms) => prune(sql, now_ms).await,
        None => Ok(()),
    }
}

async fn write_outbox(sql: Sql<'_>, state: &State, batch: &Batch) -> Result<(), sqlx::Error> {
    for row in batch.outbox.iter().filter_map(|id| state.outbox.get(id)) {
        insert_notification(sql, row).await?;
    }
    for (id, at_ms) in &batch.superseded {
        finish(sql, id, "superseded", *at_ms).await?;
    }
    for (id, at_ms) in &batch.undeliverable {
        finish(sql, id, "undeliverable", *at_ms).await?;
    }
    for (id, at_ms) in &batch.dismissed {
        finish(sql, id, "dismissed", *at_ms).await?;
    }
    for outcome in &batch.outcomes {
        write_outcome(sql, outcome).await?;
    }
    for key in &batch.channels {
        if let Some(channel) = state.channels.get(key) {
            write_channel(sql, key, channel).await?;
        }
    }
    Ok(())
}

/// What was only pending goes; what had an earlier episode is that again.
async fn clear(sql: Sql<'_>, fingerprint: u64) -> Result<(), sqlx::Error> {
    for statement in [
        "UPDATE alerts SET state = 'resolved', is_open = 0 \
         WHERE fingerprint = $1 AND state = 'pending' AND resolved_ms IS NOT NULL",
        "DELETE FROM alerts WHERE fingerprint = $1 AND state = 'pending'",
    ] {
        let fingerprint = fingerprint_text(fingerprint);
        sqlx::query(statement).bind(fingerprint).execute(&mut *sql).await?;
    }
    Ok(())
}

/// A pending alert takes nothing from the row of its earlier episode that it does not know itself.
async fn write_alert(sql: Sql<'_>, alert: &Alert, is_open: bool) -> Result<(), sqlx::Error> {
    let (rule, by_timeout) = match &alert.source {
        AlertSource::Rule(rule) => (Some(rule.as_str()), false),
        AlertSource::Detection => (None, false),
        AlertSource::Posted { by_timeout, .. } => (None, *by_timeout),
    };
    let acknowledgement = alert.acknowledgement.as_ref();
    sqlx::query(
        "INSERT INTO alerts (fingerprint, labels, annotations, rule, state, value, active_since_ms, \
         firing_since_ms, last_true_ms, absent_since_ms, ends_ms, resolved_ms, acknowledged_ms, \
         acknowledged_by, acknowledged_note, is_open, generator_url, ends_by_timeout, \
         acknowledged_until_ms, assignee, comments) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21) \
         ON CONFLICT (fingerprint) DO UPDATE SET labels = excluded.labels, \
         annotations = excluded.annotations, rule = excluded.rule, state = excluded.state, \
         value = excluded.value, active_since_ms = excluded.active_since_ms, \
         firing_since_ms = CASE WHEN excluded.state = 'pending' \
         THEN COALESCE(excluded.firing_since_ms, alerts.firing_since_ms) \
         ELSE excluded.firing_since_ms END, last_true_ms = excluded.last_true_ms, \
         absent_since_ms = excluded.absent_since_ms, ends_ms = excluded.ends_ms, \
         resolved_ms = CASE WHEN excluded.state = 'pending' \
         THEN COALESCE(excluded.resolved_ms, alerts.resolved_ms) \
         ELSE excluded.resolved_ms END, acknowledged_ms = excluded.acknowledged_ms, \
         acknowledged_by = excluded.acknowledged_by, acknowledged_note = excluded.acknowledged_note, \
         is_open = excluded.is_open, generator_url = excluded.generator_url, \
         ends_by_timeout = excluded.ends_by_timeout, \
         acknowledged_until_ms = excluded.acknowledged_until_ms, assignee = excluded.assignee, \
         comments = excluded.comments",
    )
    .bind(fingerprint_text(alert.fingerprint))
    .bind(labels_json(&alert.given))
    .bind(annotations_json(&alert.annotations))
    .bind(rule)
    .bind(alert.state.name())
    .bind(Some(alert.value).filter(|value| !value.is_nan()))
    .bind(alert.active_since_ms)
    .bind(alert.firing_since_ms)
    .bind(alert.last_true_ms)
    .bind(alert.absent_since_ms)
    .bind(alert.ends_ms)
    .bind(alert.resolved_ms)
    .bind(acknowledgement.map(|ack| ack.at_ms))
    .bind(acknowledgement.map(|ack| ack.by.as_str()))
    .bind(acknowledgement.map(|ack| ack.note.as_str()))
    .bind(i64::from(is_open))
    .bind(alert.generator_url().map(AsRef::as_ref))
    .bind(i64::from(by_timeout))
    .bind(acknowledgement.and_then(|ack| ack.until_ms))
    .bind(alert.assignee.as_deref())
    .bind(i64::from(alert.comments))
    .execute(sql)
    .await?;
    Ok(())
}

async fn write_change(sql: Sql<'_>, change: &Change) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO transitions (fingerprint, at_ms, state, detail) VALUES ($1, $2, $3, $4)",
    )
    .bind(fingerprint_text(change.fingerprint))
    .bind(change.at_ms)
    .bind(change.kind.name())
    .bind(&change.detail)
    .execute(sql)
    .await?;
    Ok(())
}

async fn write_detection(
    sql: Sql<'_>,
    detection: &DetectionAlert,
    recorded_ms: Millis,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO detections (id, fingerprint, time_ms, recorded_ms, labels, annotations) \
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(id_text(detection.id))
    .bind(fingerprint_text(detection.labels.fingerprint()))
    .bind(detection.time_ms)
    .bind(recorded_ms)
    .bind(labels_json(&detection.labels))
    .bind(annotations_json(&detection.annotations))
    .execute(sql)
    .await?;
    Ok(())
}

async fn write_progress(
    sql: Sql<'_>,
    position: u64,
    correlation_state: &[u8],
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO detections_progress (id, journal_position, correlation_state) \
         VALUES (1, $1, $2) ON CONFLICT (id) DO UPDATE SET \
         journal_position = excluded.journal_position, \
         correlation_state = excluded.correlation_state",
    )
    .bind(position.cast_signed())
    .bind(correlation_state)
    .execute(sql)
    .await?;
    Ok(())
}

async fn write_group(sql: Sql<'_>, group: &Group) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO alert_groups (id, group_key, labels, is_detection, created_ms, last_flush_ms, \
         told, waits) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (id) DO UPDATE SET \
         group_key = excluded.group_key, labels = excluded.labels, \
         is_detection = excluded.is_detection, created_ms = excluded.created_ms, \
         last_flush_ms = excluded.last_flush_ms, told = excluded.told, waits = excluded.waits",
    )
    .bind(&group.id)
    .bind(&group.key)
    .bind(labels_json(&group.labels))
    .bind(i64::from(group.is_detection))
    .bind(group.created_ms)
    .bind(group.last_flush_ms)
    .bind(told_json(&group.told))
    .bind(waits_json(group.escalating.as_ref()))
    .execute(sql)
    .await?;
    Ok(())
}

async fn write_silence(sql: Sql<'_>, silence: &Silence) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO silences (id, matchers, starts_ms, ends_ms, created_by, comment, updated_ms, \
         awaits_confirmation, confirmed_by) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (id) DO UPDATE SET \
         matchers = excluded.matchers, starts_ms = excluded.starts_ms, \
         ends_ms = excluded.ends_ms, created_by = excluded.created_by, \
         comment = excluded.comment, updated_ms = excluded.updated_ms, \
         awaits_confirmation = excluded.awaits_confirmation, confirmed_by = excluded.confirmed_by",
    )
    .bind(&silence.id)
    .bind(matchers_text(&silence.matchers))
    .bind(silence.starts_ms)
    .bind(silence.ends_ms)
    .bind(&silence.created_by)
    .bind(&silence.comment)
    .bind(silence.updated_ms)
    .bind(silence.awaits_confirmation())
    .bind(if let Confirmation::By(name) = &silence.confirmation { name } else { "" })
    .execute(sql)
    .await?;
    Ok(())
}

async fn write_swap(sql: Sql<'_>, swap: &Swap) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO swaps (id, roster, person, from_ms, until_ms, made_by, made_ms, note) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
         ON CONFLICT (id) DO UPDATE SET until_ms = excluded.until_ms",
    )
    .bind(&swap.id)
    .bind(swap.roster.as_ref())
    .bind(swap.person.as_ref())
    .bind(swap.from_ms)
    .bind(swap.until_ms)
    .bind(&swap.made_by)
    .bind(swap.made_ms)
    .bind(&swap.note)
    .execute(sql)
    .await?;
    Ok(())
}

async fn insert_notification(sql: Sql<'_>, row: &Waiting) -> Result<(), sqlx::Error> {
    let alerts = &row.notification.alerts;
    let resolved = alerts.iter().filter(|alert| alert.resolved_ms.is_some()).count();
    let firing = alerts.len() - resolved;
    sqlx::query(
        "INSERT INTO outbox (id, group_id, group_key, receiver, integration, sequence, content, \
         state, created_ms, next_attempt_ms, attempts, last_error, tried_ms, tried_at_ms, \
         alerts_firing, alerts_resolved) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, 'waiting', $8, $9, 0, '', $10, $11, $12, $13)",
    )
    .bind(&row.id)
    .bind(&row.group_id)
    .bind(&row.notification.group_key)
    .bind(row.notification.receiver.as_ref())
    .bind(row.integration.as_ref())
    .bind(row.sequence.cast_signed())
    .bind(content_json(&row.notification))
    .bind(row.notification.created_ms)
    .bind(row.next_attempt_ms)
    .bind(row.tried_ms)
    .bind(row.tried_at_ms)
    .bind(i64::try_from(firing).unwrap_or(i64::MAX))
    .bind(i64::try_from(resolved).unwrap_or(i64::MAX))
    .execute(&mut *sql)
    .await?;
    write_tellings(sql, &row.id, &row.notification).await
}

async fn finish(
    sql: Sql<'_>,
    id: &str,
    state: &'static str,
    at_ms: Millis,
) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE outbox SET state = $2, finished_ms = $3 WHERE id = $1")
        .bind(id)
        .bind(state)
        .bind(at_ms)
        .execute(sql)
        .await?;
    Ok(())
}

async fn write_outcome(sql: Sql<'_>, outcome: &Outcome) -> Result<(), sqlx::Error> {
    let detail = outcome.failure.as_deref().unwrap_or("");
    sqlx::query(
        "INSERT INTO attempts (outbox_id, number, at_ms, delivered, detail) \
         VALUES ($1, $2, $3, $4, $5) ON CONFLICT (outbox_id, number) DO UPDATE SET \
         at_ms = excluded.at_ms, delivered = excluded.delivered, detail = excluded.detail",
    )
    .bind(&outcome.id)
    .bind(i64::from(outcome.number))
    .bind(outcome.at_ms)
    .bind(i64::from(outcome.failure.is_none()))
    .bind(detail)
    .execute(&mut *sql)
    .await?;
    sqlx::query("DELETE FROM attempts WHERE outbox_id = $1 AND number <= $2")
        .bind(&outcome.id)
        .bind(i64::from(outcome.number) - ATTEMPTS_KEPT_MAX)
        .execute(&mut *sql)
        .await?;
    sqlx::query(
        "UPDATE outbox SET attempts = $2, last_error = $3, next_attempt_ms = $4, tried_ms = $5, \
         tried_at_ms = $6 WHERE id = $1",
    )
    .bind(&outcome.id)
    .bind(i64::from(outcome.number))
    .bind(detail)
    .bind(outcome.next_attempt_ms)
    .bind(outcome.tried_ms)
    .bind(outcome.at_ms)
    .execute(&mut *sql)
    .await?;
    if outcome.failure.is_none() {
        finish(sql, &outcome.id, "sent", outcome.at_ms).await?;
    } else if outcome.dead {
        finish(sql, &outcome.id, "dead", outcome.at_ms).await?;
    }
    Ok(())
}
