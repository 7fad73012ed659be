//! The key that signs links, and which of them were used.

use agent_model::Millis;
use sqlx::Row;

use crate::AlertingError;
use crate::link::KEY_BYTES;
use crate::notification::Notification;
use crate::state::LinkUse;

use super::commit::Sql;
use super::encode::damaged;
use super::load::{column, waiting_from};
use super::{Store, failed};

/// The message that a link came with.
pub(crate) struct LinkedMessage {
    pub(crate) id: String,
    pub(crate) integration: std::sync::Arc<str>,
    pub(crate) notification: std::sync::Arc<Notification>,
    /// As whom its link was used, and when.
    pub(crate) used: Option<(String, Millis)>,
}

impl Store {
    /// Made when it is asked for first, and the same from then on.
    pub(crate) async fn link_key(&self) -> Result<Vec<u8>, AlertingError> {
        let mut fresh = [0; KEY_BYTES];
        let filled = aws_lc_rs::rand::fill(&mut fresh);
        filled.map_err(|_| damaged("the key of links", "no random bytes of the system"))?;
        sqlx::query("INSERT INTO link_key (id, link_key) VALUES (1, $1) ON CONFLICT DO NOTHING")
            .bind(fresh.as_slice())
            .execute(&self.pool)
            .await
            .map_err(failed("making the key of links"))?;
        let row = sqlx::query("SELECT link_key FROM link_key").fetch_one(&self.pool).await;
        let key: Vec<u8> = row
            .and_then(|row| row.try_get("link_key"))
            .map_err(failed("reading the key of links"))?;
        Some(key)
            .filter(|key| key.len() == KEY_BYTES)
            .ok_or_else(|| damaged("the key of links", "another length"))
    }

    pub(crate) async fn linked_message(
        &self,
        id: &str,
    ) -> Result<Option<LinkedMessage>, AlertingError> {
        let row = sqlx::query("SELECT * FROM outbox WHERE id = $1")
            .bind(id)
            .fetch_optional(&self.pool)
            .await
            .map_err(failed("looking the message of a link up"))?;
        let Some(row) = row else { return Ok(None) };
        let by: Option<String> = column(&row, "link_used_by")?;
        let used_ms: Option<Millis> = column(&row, "link_used_ms")?;
        let message = waiting_from(&row)?;
        Ok(Some(LinkedMessage {
            id: message.id,
            integration: message.integration,
            notification: message.notification,
            used: by.zip(used_ms),
        }))
    }
}

pub(super) async fn write_link_use(sql: Sql<'_>, used: &LinkUse) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE outbox SET link_used_ms = $2, link_used_by = $3 WHERE id = $1")
        .bind(&used.id)
        .bind(used.at_ms)
        .bind(&used.by)
        .execute(sql)
        .await?;
    Ok(())
}
