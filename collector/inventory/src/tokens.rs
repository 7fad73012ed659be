//! Enrolment tokens: a secret that enrols one host once, before it expires.
//! Only the secret's SHA-256 is stored. Using a token and storing the identity it buys is one transaction, so of two
//! that come at once one is refused, and a crash never leaves a used token without its identity. The key that has
//! used a token gets the same certificate again while the token lives: its answer may have been lost on the line.

use agent_model::{HostId, Millis};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::error::sql;
use crate::identities::{self, Grant, Identity};
use crate::values::{host_from_sql, secret_hash};
use crate::{Inventory, InventoryError};

/// Random bytes of a secret: 43 characters of base64url.
const SECRET_BYTES: usize = 32;

/// Why a token does not enrol this host.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    #[error("the enrolment token is unknown; make a new one with `haidang token create`")]
    Unknown,
    #[error(
        "the enrolment token was used before; make a new one with `haidang token create`, and find out who used it if this host did not"
    )]
    Used,
    #[error("the enrolment token has expired; make a new one with `haidang token create`")]
    Expired,
    #[error("the enrolment token was made for another host")]
    OtherHost,
    #[error(
        "the host holds a valid certificate already; if it was set up anew, revoke it first with `haidang host revoke`"
    )]
    HostEnrolled,
    #[error(transparent)]
    Store(#[from] InventoryError),
}

/// A token as it is listed; the secret is known only to who received it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    pub host: Option<HostId>,
    pub created_ms: Millis,
    pub created_by: String,
    pub expires_ms: Millis,
    pub used: Option<(Millis, HostId)>,
}

#[derive(sqlx::FromRow)]
struct Row {
    host: Option<String>,
    created_ms: i64,
    created_by: String,
    expires_ms: i64,
    used_ms: Option<i64>,
    used_by: Option<String>,
}

impl Inventory {
    /// Makes a token and returns its secret: 43 characters, shown once. With a host it serves that host only.
    pub async fn token_create(
        &self,
        host: Option<&HostId>,
        lifetime_ms: Millis,
        by: &str,
        now_ms: Millis,
    ) -> Result<String, InventoryError> {
        let mut random = [0_u8; SECRET_BYTES];
        getrandom::fill(&mut random).map_err(InventoryError::Random)?;
        let secret = URL_SAFE_NO_PAD.encode(random);
        sqlx::query(
            "INSERT INTO tokens (hash, host, created_ms, created_by, expires_ms)
             VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(secret_hash(&secret))
        .bind(host.map(HostId::as_str))
        .bind(now_ms)
        .bind(by)
        .bind(now_ms.saturating_add(lifetime_ms))
        .execute(&self.writer)
        .await
        .map_err(sql("store a token"))?;
        Ok(secret)
    }

    /// What the token would bring this key of this host now, without using it: ask before a certificate is signed.
    pub async fn token_check(
        &self,
        secret: &str,
        host: &HostId,
        public_key: &str,
        now_ms: Millis,
    ) -> Result<Grant, TokenError> {
        let mut connection = self.readers.acquire().await.map_err(sql("check a token"))?;
        usable(&mut connection, &secret_hash(secret), host, public_key, now_ms).await
    }

    /// Uses the token up and stores the identity made for it, both or neither; nothing when the key has got its
    /// certificate before.
    pub async fn token_redeem(
        &self,
        secret: &str,
        identity: &Identity,
        now_ms: Millis,
    ) -> Result<Grant, TokenError> {
        let hash = secret_hash(secret);
        let failed = || sql("redeem a token");
        // The one writer connection is what makes this check and the update below one step.
        let mut transaction = self.writer.begin().await.map_err(failed())?;
        let Identity { host, public_key, .. } = identity;
        let grant = usable(&mut transaction, &hash, host, public_key, now_ms).await?;
        if matches!(grant, Grant::Again(_)) {
            return Ok(grant);
        }
        let used = sqlx::query(
            "UPDATE tokens SET used_ms = $1, used_by = $2 WHERE hash = $3 AND used_ms IS NULL",
        )
        .bind(now_ms)
        .bind(host.as_str())
        .bind(&hash)
        .execute(&mut *transaction)
        .await
        .map_err(failed())?;
        if used.rows_affected() != 1 {
            return Err(TokenError::Used);
        }
        identities::insert(&mut transaction, identity, &hash).await.map_err(failed())?;
        sqlx::query(
            "INSERT INTO hosts (host) VALUES ($1) ON CONFLICT (host) DO UPDATE SET revoked = FALSE",
        )
        .bind(host.as_str())
        .execute(&mut *transaction)
        .await
        .map_err(failed())?;
        transaction.commit().await.map_err(failed())?;
        Ok(Grant::New)
    }

    /// The newest tokens, used and expired ones too.
    pub async fn tokens(&self, limit: u32) -> Result<Vec<Token>, InventoryError> {
        let rows: Vec<Row> =
            sqlx::query_as("SELECT * FROM tokens ORDER BY created_ms DESC LIMIT $1")
                .bind(limit)
                .fetch_all(&self.readers)
                .await
                .map_err(sql("list tokens"))?;
        rows.into_iter().map(Row::ready).collect()
    }
}

impl Row {
    fn ready(self) -> Result<Token, InventoryError> {
        let used = match (self.used_ms, self.used_by) {
            (Some(time_ms), Some(host)) => Some((time_ms, host_from_sql(&host)?)),
            _ => None,
        };
        Ok(Token {
            host: self.host.map(|host| host_from_sql(&host)).transpose()?,
            created_ms: self.created_ms,
            created_by: self.created_by,
            expires_ms: self.expires_ms,
            used,
        })
    }
}

async fn usable(
    connection: &mut sqlx::SqliteConnection,
    hash: &str,
    host: &HostId,
    public_key: &str,
    now_ms: Millis,
) -> Result<Grant, TokenError> {
    let failed = || sql("check a token");
    let row: Option<Row> = sqlx::query_as("SELECT * FROM tokens WHERE hash = $1")
        .bind(hash)
        .fetch_optional(&mut *connection)
        .await
        .map_err(failed())?;
    let token = row.ok_or(TokenError::Unknown)?;
    let expired = token.expires_ms <= now_ms;
    if token.used_ms.is_some() {
        let before = identities::granted(connection, hash, host, public_key, now_ms).await;
        let before = before.map_err(failed())?.filter(|_| !expired);
        return before.map(Grant::Again).ok_or(TokenError::Used);
    }
    if expired {
        return Err(TokenError::Expired);
    }
    if token.host.as_deref().is_some_and(|bound| bound != host.as_str()) {
        return Err(TokenError::OtherHost);
    }
    // Who holds the key of the certificate that is there is no second machine, only one that lost its answer and
    // comes with a new token.
    let others: i64 = sqlx::query_scalar(
        "SELECT COUNT(*) FROM identities
         WHERE host = $1 AND revoked_ms IS NULL AND not_after_ms > $2 AND public_key <> $3",
    )
    .bind(host.as_str())
    .bind(now_ms)
    .bind(public_key)
    .fetch_one(connection)
    .await
    .map_err(failed())?;
    if others > 0 { Err(TokenError::HostEnrolled) } else { Ok(Grant::New) }
}

#[cfg(test)]
mod tests;
