//! Reading everything back into memory, at the start and after a write that failed.

use std::sync::Arc;

use agent_model::Millis;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::alert::{Acknowledgement, Alert, AlertSource, AlertState};
use crate::duty::Swap;
use crate::group::Group;
use crate::notification::Notification;
use crate::outbox::Waiting;
use crate::routing::Routing;
use crate::silence::{Confirmation, Silence};
use crate::state::State;
use crate::{AlertingError, matchers_from_text};

use super::encode::{
    Content, annotations_from, content_from, damaged, fingerprint_from, labels_from, told_from,
    waits_from,
};
use super::{Store, failed};

impl Store {
    /// Everything that is open, with the groups as `routing` forms them.
    pub(crate) async fn load(
        &self,
        routing: Routing,
        now_ms: Millis,
    ) -> Result<State, AlertingError> {
        let holding = routing.intervals_holding(now_ms);
        let mut state = State::new(routing);
        for row in self.rows("SELECT * FROM alerts WHERE is_open = 1").await? {
            let mut alert = alert_from(&row)?;
            alert.labels = state.routing.rated(&alert.given, &holding);
            state.own(&alert);
            state.alerts.insert(alert.fingerprint, alert);
        }
        for row in self.rows("SELECT * FROM alert_groups").await? {
            let group = group_from(&row, &state)?;
            state.groups.insert(group.id.clone(), group);
        }
        for row in self.rows("SELECT * FROM silences").await? {
            let silence = silence_from(&row)?;
            if silence.ends_ms > now_ms {
                state.silences.insert(silence.id.clone(), silence);
            }
        }
        for row in self.rows("SELECT * FROM swaps").await? {
            let swap = swap_from(&row)?;
            if swap.until_ms > now_ms {
                state.swaps.insert(swap.id.clone(), swap);
            }
        }
        for row in self.rows("SELECT * FROM outbox WHERE state = 'waiting'").await? {
            let waiting = waiting_from(&row)?;
            state.outbox.insert(waiting.id.clone(), waiting);
        }
        state.channels = self.channels().await?;
        state.checkpoint_ms = now_ms;
        state.regroup(now_ms);
        Ok(state)
    }

    pub(super) async fn rows(
        &self,
        statement: &'static str,
    ) -> Result<Vec<SqliteRow>, AlertingError> {
        sqlx::query(statement).fetch_all(&self.pool).await.map_err(failed("reading alerts back"))
    }
}

pub(super) fn column<'r, T>(row: &'r SqliteRow, name: &'static str) -> Result<T, AlertingError>
where
    T: sqlx::Decode<'r, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite>,
{
    row.try_get(name).map_err(failed("reading a column"))
}

pub(super) fn alert_from(row: &SqliteRow) -> Result<Alert, AlertingError> {
    let state: &str = column(row, "state")?;
    let state = AlertState::ALL.into_iter().find(|known| known.name() == state);
    let source = source_from(row)?;
    let acknowledged_ms: Option<Millis> = column(row, "acknowledged_ms")?;
    let by: Option<String> = column(row, "acknowledged_by")?;
    let until_ms: Option<Millis> = column(row, "acknowledged_until_ms")?;
    let comments: i64 = column(row, "comments")?;
    let note: Option<String> = column(row, "acknowledged_note")?;
    let given = labels_from(column(row, "labels")?)?;
    let value: Option<f64> = column(row, "value")?;
    Ok(Alert {
        fingerprint: given.fingerprint(),
        labels: given.clone(),
        given,
        annotations: Arc::new(annotations_from(column(row, "annotations")?)?),
        source,
        state: state.ok_or_else(|| damaged("an alert's state", "another word"))?,
        value: value.unwrap_or(f64::NAN),
        active_since_ms: column(row, "active_since_ms")?,
        firing_since_ms: column(row, "firing_since_ms")?,
        last_true_ms: column(row, "last_true_ms")?,
        absent_since_ms: column(row, "absent_since_ms")?,
        ends_ms: column(row, "ends_ms")?,
        resolved_ms: column(row, "resolved_ms")?,
        acknowledgement: acknowledged_ms.map(|at_ms| Acknowledgement {
            by: by.unwrap_or_default(),
            note: note.unwrap_or_default(),
            at_ms,
            until_ms,
        }),
        assignee: column(row, "assignee")?,
        comments: u32::try_from(comments).unwrap_or(u32::MAX),
    })
}

fn source_from(row: &SqliteRow) -> Result<AlertSource, AlertingError> {
    if let Some(rule) = column(row, "rule")? {
        return Ok(AlertSource::Rule(rule));
    }
    let generator_url: Option<&str> = column(row, "generator_url")?;
    let by_timeout = column::<i64>(row, "ends_by_timeout")? != 0;
    Ok(generator_url.map_or(AlertSource::Detection, |url| AlertSource::Posted {
        generator_url: Arc::from(url),
        by_timeout,
    }))
}

/// A group with what it knows; timing and members come from the routing, in `State::regroup`.
fn group_from(row: &SqliteRow, state: &State) -> Result<Group, AlertingError> {
    let is_detection = column::<i64>(row, "is_detection")? != 0;
    let root = state.routing.routes.first();
    let timing = root.map(|root| root.timing_of(is_detection).clone());
    Ok(Group {
        id: column(row, "id")?,
        key: column(row, "group_key")?,
        receiver: Arc::from(""),
        labels: labels_from(column(row, "labels")?)?,
        is_detection,
        timing: timing.ok_or_else(|| damaged("the routing", "no route"))?,
        created_ms: column(row, "created_ms")?,
        last_flush_ms: column(row, "last_flush_ms")?,
        members: std::collections::BTreeSet::new(),
        left: std::collections::BTreeSet::new(),
        changed: true,
        stirred: false,
        turn_ms: None,
        looked_ms: None,
        repeat_due_ms: None,
        told: told_from(column(row, "told")?)?,
        // Its level comes from the routing too.
        escalating: Some(waits_from(column(row, "waits")?)?),
    })
}

pub(super) fn silence_from(row: &SqliteRow) -> Result<Silence, AlertingError> {
    let matchers: &str = column(row, "matchers")?;
    Ok(Silence {
        id: column(row, "id")?,
        matchers: matchers_from_text(matchers).map_err(|reason| AlertingError::Damaged {
            what: "the matchers of a silence",
            reason,
        })?,
        starts_ms: column(row, "starts_ms")?,
        ends_ms: column(row, "ends_ms")?,
        created_by: column(row, "created_by")?,
        comment: column(row, "comment")?,
        updated_ms: column(row, "updated_ms")?,
        confirmation: match (
            column(row, "awaits_confirmation")?,
            column::<&str>(row, "confirmed_by")?,
        ) {
            (true, _) => Confirmation::Awaited,
            (false, "") => Confirmation::NotNeeded,
            (false, name) => Confirmation::By(name.to_owned()),
        },
    })
}

fn swap_from(row: &SqliteRow) -> Result<Swap, AlertingError> {
    Ok(Swap {
        id: column(row, "id")?,
        roster: Arc::from(column::<&str>(row, "roster")?),
        person: Arc::from(column::<&str>(row, "person")?),
        from_ms: column(row, "from_ms")?,
        until_ms: column(row, "until_ms")?,
        made_by: column(row, "made_by")?,
        made_ms: column(row, "made_ms")?,
        note: column(row, "note")?,
    })
}

pub(super) fn waiting_from(row: &SqliteRow) -> Result<Waiting, AlertingError> {
    let Content { group_labels, alerts, escalation } = content_from(column(row, "content")?)?;
    let id: String = column(row, "id")?;
    let attempts: i64 = column(row, "attempts")?;
    let receiver: &str = column(row, "receiver")?;
    let integration: &str = column(row, "integration")?;
    Ok(Waiting {
        notification: Arc::new(Notification {
            idempotency_key: id.clone(),
            receiver: Arc::from(receiver),
            group_key: column(row, "group_key")?,
            group_labels,
            alerts,
            created_ms: column(row, "created_ms")?,
            escalation,
        }),
        id,
        group_id: column(row, "group_id")?,
        integration: Arc::from(integration),
        sequence: column::<i64>(row, "sequence")?.cast_unsigned(),
        next_attempt_ms: column(row, "next_attempt_ms")?,
        attempts: u32::try_from(attempts).unwrap_or(u32::MAX),
        tried_ms: column(row, "tried_ms")?,
        tried_at_ms: column(row, "tried_at_ms")?,
    })
}

/// Checks a fingerprint column; used by the history.
pub(super) fn fingerprint_column(row: &SqliteRow) -> Result<u64, AlertingError> {
    fingerprint_from(column(row, "fingerprint")?)
}
