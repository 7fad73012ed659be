//! Identities: which certificate speaks for which host, until when, and whether it was revoked.
//! Certificates themselves are made and verified by the collector.

use agent_model::{HostId, Millis};

use crate::error::sql;
use crate::values::host_from_sql;
use crate::{Inventory, InventoryError};

/// A certificate as it was issued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Hex, unique for the issuing CA.
    pub serial: String,
    /// SHA-256 of the certificate's DER, hex.
    pub fingerprint: String,
    pub host: HostId,
    pub not_before_ms: Millis,
    pub not_after_ms: Millis,
    /// SHA-256 of the public key it was asked with, hex; empty when it was issued under format 1.
    pub public_key: String,
    /// What the host was given; empty when it was issued under format 1.
    pub certificate_pem: String,
}

/// How a host's wish for a certificate is met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grant {
    /// With a new one.
    New,
    /// With this one (PEM): the same key had asked for the same before, and the answer was lost on the line.
    Again(String),
}

/// An identity and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostIdentity {
    pub identity: Identity,
    pub revoked: Option<Revocation>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    pub time_ms: Millis,
    pub reason: String,
}

#[derive(sqlx::FromRow)]
struct Row {
    serial: String,
    fingerprint: String,
    host: String,
    not_before_ms: i64,
    not_after_ms: i64,
    revoked_ms: Option<i64>,
    revoked_reason: Option<String>,
    public_key: String,
    certificate_pem: String,
}

impl Row {
    fn ready(self) -> Result<HostIdentity, InventoryError> {
        let reason = self.revoked_reason.unwrap_or_default();
        Ok(HostIdentity {
            identity: Identity {
                serial: self.serial,
                fingerprint: self.fingerprint,
                host: host_from_sql(&self.host)?,
                not_before_ms: self.not_before_ms,
                not_after_ms: self.not_after_ms,
                public_key: self.public_key,
                certificate_pem: self.certificate_pem,
            },
            revoked: self.revoked_ms.map(|time_ms| Revocation { time_ms, reason }),
        })
    }
}

pub(crate) async fn insert(
    connection: &mut sqlx::SqliteConnection,
    identity: &Identity,
    granted_for: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO identities (serial, fingerprint, host, not_before_ms, not_after_ms,
             public_key, certificate_pem, granted_for)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(&identity.serial)
    .bind(&identity.fingerprint)
    .bind(identity.host.as_str())
    .bind(identity.not_before_ms)
    .bind(identity.not_after_ms)
    .bind(&identity.public_key)
    .bind(&identity.certificate_pem)
    .bind(granted_for)
    .execute(connection)
    .await?;
    Ok(())
}

/// The live certificate that this key got for the same before: for a token (its hash) or for the renewal of a
/// certificate (its fingerprint).
pub(crate) async fn granted(
    connection: &mut sqlx::SqliteConnection,
    granted_for: &str,
    host: &HostId,
    public_key: &str,
    now_ms: Millis,
) -> Result<Option<String>, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT certificate_pem FROM identities
         WHERE granted_for = $1 AND host = $2 AND public_key = $3 AND certificate_pem <> ''
             AND revoked_ms IS NULL AND not_after_ms > $4",
    )
    .bind(granted_for)
    .bind(host.as_str())
    .bind(public_key)
    .bind(now_ms)
    .fetch_optional(connection)
    .await
}

impl Inventory {
    /// The identity of a certificate, by the fingerprint of its DER.
    pub async fn identity(
        &self,
        fingerprint: &str,
    ) -> Result<Option<HostIdentity>, InventoryError> {
        let row: Option<Row> = sqlx::query_as("SELECT * FROM identities WHERE fingerprint = $1")
            .bind(fingerprint)
            .fetch_optional(&self.readers)
            .await
            .map_err(sql("look up an identity"))?;
        row.map(Row::ready).transpose()
    }

    /// Every identity that has not expired: what the collector keeps at hand to answer at once.
    pub async fn identities(&self, now_ms: Millis) -> Result<Vec<HostIdentity>, InventoryError> {
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT * FROM identities WHERE not_after_ms > $1 ORDER BY host, not_before_ms",
        )
        .bind(now_ms)
        .fetch_all(&self.readers)
        .await
        .map_err(sql("list identities"))?;
        rows.into_iter().map(Row::ready).collect()
    }

    pub(crate) async fn identities_of(
        &self,
        host: &HostId,
    ) -> Result<Vec<HostIdentity>, InventoryError> {
        let rows: Vec<Row> =
            sqlx::query_as("SELECT * FROM identities WHERE host = $1 ORDER BY not_before_ms DESC")
                .bind(host.as_str())
                .fetch_all(&self.readers)
                .await
                .map_err(sql("list identities"))?;
        rows.into_iter().map(Row::ready).collect()
    }

    /// Stores the successor of a live certificate of the same host, unless the same key has one already. `None`: the
    /// old one is unknown, revoked, expired, or another host's, and nothing was stored.
    pub async fn identity_renew(
        &self,
        old_fingerprint: &str,
        new: &Identity,
        now_ms: Millis,
    ) -> Result<Option<Grant>, InventoryError> {
        let mut transaction = self.writer.begin().await.map_err(sql("renew an identity"))?;
        let live: Option<i64> = sqlx::query_scalar(
            "SELECT not_after_ms FROM identities
             WHERE fingerprint = $1 AND host = $2 AND revoked_ms IS NULL AND not_after_ms > $3",
        )
        .bind(old_fingerprint)
        .bind(new.host.as_str())
        .bind(now_ms)
        .fetch_optional(&mut *transaction)
        .await
        .map_err(sql("renew an identity"))?;
        if live.is_none() {
            return Ok(None);
        }
        let key = &new.public_key;
        let before = granted(&mut transaction, old_fingerprint, &new.host, key, now_ms).await;
        if let Some(pem) = before.map_err(sql("renew an identity"))? {
            return Ok(Some(Grant::Again(pem)));
        }
        let stored = insert(&mut transaction, new, old_fingerprint).await;
        stored.map_err(sql("renew an identity"))?;
        transaction.commit().await.map_err(sql("renew an identity"))?;
        Ok(Some(Grant::New))
    }

    /// Revokes every certificate of a host; returns the fingerprints that were live until now.
    pub async fn revoke(
        &self,
        host: &HostId,
        reason: &str,
        now_ms: Millis,
    ) -> Result<Vec<String>, InventoryError> {
        let mut transaction = self.writer.begin().await.map_err(sql("revoke a host"))?;
        let fingerprints: Vec<String> = sqlx::query_scalar(
            "UPDATE identities SET revoked_ms = $1, revoked_reason = $2
             WHERE host = $3 AND revoked_ms IS NULL RETURNING fingerprint",
        )
        .bind(now_ms)
        .bind(reason)
        .bind(host.as_str())
        .fetch_all(&mut *transaction)
        .await
        .map_err(sql("revoke a host"))?;
        sqlx::query("UPDATE hosts SET revoked = TRUE WHERE host = $1")
            .bind(host.as_str())
            .execute(&mut *transaction)
            .await
            .map_err(sql("revoke a host"))?;
        transaction.commit().await.map_err(sql("revoke a host"))?;
        Ok(fingerprints)
    }
}
