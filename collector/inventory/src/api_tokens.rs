//! Lasting tokens of programs: one reads as a role, or writes series that all carry its labels.
//! Only the secret's SHA-256 is stored. Of the tokens in force each name stands once; a revoked one stays listed until
//! the audit log forgets it too. What a role may do, and what a token looks like, is the collector's business.

use agent_model::{Labels, Millis};

use crate::error::sql;
use crate::values::secret_hash;
use crate::{Inventory, InventoryError};

/// A token to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewApiToken {
    /// Public, the first part of the token's text.
    pub id: String,
    pub name: String,
    pub access: Access,
    pub expires_ms: Millis,
    pub created_by: String,
}

/// What a token is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// It reads and acts as a user of this role and scope would.
    Read { role: String, scope: String },
    /// It writes series, and nothing else; every series carries these labels.
    Write { labels: Labels },
}

/// A token as it is listed; the secret is known only to who received it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiToken {
    pub id: String,
    pub name: String,
    /// Hexadecimal SHA-256 of the secret.
    pub hash: String,
    pub access: Access,
    pub created_ms: Millis,
    pub created_by: String,
    pub expires_ms: Millis,
    pub revoked_ms: Option<Millis>,
    pub last_used_ms: Option<Millis>,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    name: String,
    hash: String,
    role: String,
    scope: String,
    created_ms: i64,
    created_by: String,
    expires_ms: i64,
    revoked_ms: Option<i64>,
    last_used_ms: Option<i64>,
}

impl Inventory {
    /// Stores a token; `None` when another one in force has its name.
    pub async fn api_token_create(
        &self,
        new: &NewApiToken,
        secret: &str,
        now_ms: Millis,
    ) -> Result<Option<ApiToken>, InventoryError> {
        let failed = || sql("store an API token");
        let mut transaction = self.writer.begin().await.map_err(failed())?;
        let (role, scope, labels) = match &new.access {
            Access::Read { role, scope } => (role.as_str(), scope.as_str(), Labels::empty()),
            Access::Write { labels } => ("", "", labels.clone()),
        };
        let hash = secret_hash(secret);
        let done = sqlx::query(
            "INSERT INTO api_tokens (id, name, hash, role, created_ms, created_by, expires_ms, scope)
             SELECT $1, $2, $3, $4, $5, $6, $7, $8 WHERE NOT EXISTS
                 (SELECT 1 FROM api_tokens WHERE name = $2 AND revoked_ms IS NULL)",
        )
        .bind(&new.id)
        .bind(&new.name)
        .bind(&hash)
        .bind(role)
        .bind(now_ms)
        .bind(&new.created_by)
        .bind(new.expires_ms)
        .bind(scope)
        .execute(&mut *transaction)
        .await
        .map_err(failed())?;
        if done.rows_affected() != 1 {
            return Ok(None);
        }
        for label in labels.iter() {
            sqlx::query("INSERT INTO api_token_labels (id, name, value) VALUES ($1, $2, $3)")
                .bind(&new.id)
                .bind(label.name.as_ref())
                .bind(label.value.as_ref())
                .execute(&mut *transaction)
                .await
                .map_err(failed())?;
        }
        transaction.commit().await.map_err(failed())?;
        let NewApiToken { id, name, access, expires_ms, created_by } = new.clone();
        let (created_ms, revoked_ms, last_used_ms) = (now_ms, None, None);
        Ok(Some(ApiToken {
            id,
            name,
            hash,
            access,
            created_ms,
            created_by,
            expires_ms,
            revoked_ms,
            last_used_ms,
        }))
    }

    /// Every token, revoked and expired ones too, the newest first.
    pub async fn api_tokens(&self) -> Result<Vec<ApiToken>, InventoryError> {
        let failed = || sql("list API tokens");
        let rows: Vec<Row> =
            sqlx::query_as("SELECT * FROM api_tokens ORDER BY created_ms DESC, id")
                .fetch_all(&self.readers)
                .await
                .map_err(failed())?;
        let labels: Vec<(String, String, String)> =
            sqlx::query_as("SELECT id, name, value FROM api_token_labels")
                .fetch_all(&self.readers)
                .await
                .map_err(failed())?;
        Ok(rows.into_iter().map(|row| row.ready(&labels)).collect())
    }

    /// Ends the token of this name; its id, or `None` when there is none in force.
    pub async fn api_token_revoke(
        &self,
        name: &str,
        now_ms: Millis,
    ) -> Result<Option<String>, InventoryError> {
        sqlx::query_scalar(
            "UPDATE api_tokens SET revoked_ms = $1 WHERE name = $2 AND revoked_ms IS NULL
             RETURNING id",
        )
        .bind(now_ms)
        .bind(name)
        .fetch_optional(&self.writer)
        .await
        .map_err(sql("revoke an API token"))
    }

    pub async fn api_token_used(&self, id: &str, now_ms: Millis) -> Result<(), InventoryError> {
        sqlx::query("UPDATE api_tokens SET last_used_ms = $1 WHERE id = $2")
            .bind(now_ms)
            .bind(id)
            .execute(&self.writer)
            .await
            .map_err(sql("note the use of an API token"))?;
        Ok(())
    }
}

impl Row {
    fn ready(self, labels: &[(String, String, String)]) -> ApiToken {
        let own = labels.iter().filter(|(id, ..)| *id == self.id);
        let labels = Labels::new(own.map(|(_, name, value)| (name.as_str(), value.as_str())));
        let access = match self.role.as_str() {
            "" => Access::Write { labels },
            role => Access::Read { role: role.to_owned(), scope: self.scope },
        };
        ApiToken {
            id: self.id,
            name: self.name,
            hash: self.hash,
            access,
            created_ms: self.created_ms,
            created_by: self.created_by,
            expires_ms: self.expires_ms,
            revoked_ms: self.revoked_ms,
            last_used_ms: self.last_used_ms,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new(id: &str, name: &str, access: Access) -> NewApiToken {
        let (name, created_by) = (name.to_owned(), "admin".to_owned());
        NewApiToken { id: id.to_owned(), name, access, expires_ms: 900, created_by }
    }

    #[tokio::test]
    async fn tokens_are_listed_by_what_they_may_do_and_a_name_is_free_again_after_its_revocation() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("inventory.sqlite");
        let inventory = Inventory::open(&path).await.unwrap();
        let labels = Labels::new([("origin", "dc2"), ("team", "network")]);
        let write = new("1", "dc2", Access::Write { labels });
        let read = new(
            "2",
            "grafana",
            Access::Read { role: "vendor".to_owned(), scope: "a=\"b\"".to_owned() },
        );
        let made = inventory.api_token_create(&write, "secret", 5).await.unwrap().unwrap();
        inventory.api_token_create(&read, "other", 6).await.unwrap().unwrap();
        inventory.api_token_used("1", 70).await.unwrap();
        let listed = inventory.api_tokens().await.unwrap();
        assert_eq!(listed[1], ApiToken { last_used_ms: Some(70), ..made });
        assert_eq!(listed[0].access, read.access);
        // The name is taken until its token is revoked.
        let again = new("3", "dc2", read.access.clone());
        assert_eq!(inventory.api_token_create(&again, "third", 8).await.unwrap(), None);
        assert_eq!(inventory.api_token_revoke("dc2", 9).await.unwrap().as_deref(), Some("1"));
        assert_eq!(inventory.api_token_revoke("dc2", 9).await.unwrap(), None);
        assert!(inventory.api_token_create(&again, "third", 10).await.unwrap().is_some());
        let revoked: Vec<_> =
            inventory.api_tokens().await.unwrap().into_iter().map(|one| one.revoked_ms).collect();
        assert_eq!(revoked, [None, None, Some(9)]);
    }
}
