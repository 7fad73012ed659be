//! Sessions: a signed-in browser. The token is random text that the collector made; only its SHA-256 is stored.

use agent_model::Millis;

use crate::error::sql;
use crate::values::secret_hash;
use crate::{Inventory, InventoryError, User};

/// Browsers of one person at once; a further one ends the session that was used longest ago.
pub const SESSIONS_PER_USER_MAX: i64 = 20;

/// The last use is noted to this step only, so that a page that polls does not write each time.
const SEEN_STEP_MS: Millis = 60_000;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    pub user: User,
    pub created_ms: Millis,
    pub expires_ms: Millis,
    /// To the minute.
    pub last_seen_ms: Millis,
}

#[derive(sqlx::FromRow)]
struct Row {
    #[sqlx(flatten)]
    user: User,
    session_created_ms: i64,
    expires_ms: i64,
    last_seen_ms: i64,
}

impl Inventory {
    pub async fn session_create(
        &self,
        token: &str,
        user: &str,
        lifetime_ms: Millis,
        now_ms: Millis,
    ) -> Result<(), InventoryError> {
        let failed = || sql("store a session");
        let mut transaction = self.writer.begin().await.map_err(failed())?;
        sqlx::query(
            "INSERT INTO sessions (token_hash, user_name, created_ms, expires_ms, last_seen_ms)
             VALUES ($1, $2, $3, $4, $3)",
        )
        .bind(secret_hash(token))
        .bind(user)
        .bind(now_ms)
        .bind(now_ms.saturating_add(lifetime_ms))
        .execute(&mut *transaction)
        .await
        .map_err(failed())?;
        sqlx::query(
            "DELETE FROM sessions WHERE user_name = $1 AND token_hash NOT IN
                 (SELECT token_hash FROM sessions WHERE user_name = $1
                  ORDER BY last_seen_ms DESC, created_ms DESC LIMIT $2)",
        )
        .bind(user)
        .bind(SESSIONS_PER_USER_MAX)
        .execute(&mut *transaction)
        .await
        .map_err(failed())?;
        transaction.commit().await.map_err(failed())
    }

    /// The session of a token, unless it has expired or its user is disabled; notes that it was seen.
    pub async fn session(
        &self,
        token: &str,
        now_ms: Millis,
    ) -> Result<Option<Session>, InventoryError> {
        let hash = secret_hash(token);
        let row: Option<Row> = sqlx::query_as(
            "SELECT users.*, sessions.created_ms AS session_created_ms, expires_ms, last_seen_ms
             FROM sessions JOIN users ON users.name = sessions.user_name
             WHERE token_hash = $1 AND expires_ms > $2 AND NOT users.disabled",
        )
        .bind(&hash)
        .bind(now_ms)
        .fetch_optional(&self.readers)
        .await
        .map_err(sql("look up a session"))?;
        let Some(row) = row else { return Ok(None) };
        if row.last_seen_ms.saturating_add(SEEN_STEP_MS) <= now_ms {
            sqlx::query("UPDATE sessions SET last_seen_ms = $1 WHERE token_hash = $2")
                .bind(now_ms)
                .bind(&hash)
                .execute(&self.writer)
                .await
                .map_err(sql("note the use of a session"))?;
        }
        Ok(Some(Session {
            user: row.user,
            created_ms: row.session_created_ms,
            expires_ms: row.expires_ms,
            last_seen_ms: row.last_seen_ms,
        }))
    }

    /// Signs out; an unknown token is signed out already.
    pub async fn session_end(&self, token: &str) -> Result<(), InventoryError> {
        sqlx::query("DELETE FROM sessions WHERE token_hash = $1")
            .bind(secret_hash(token))
            .execute(&self.writer)
            .await
            .map_err(sql("end a session"))?;
        Ok(())
    }
}
