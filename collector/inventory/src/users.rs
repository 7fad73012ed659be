//! Users: who may sign in. Passwords arrive here as finished hashes; what a role may do is the collector's business.

use agent_model::Millis;

use crate::error::sql;
use crate::{Inventory, InventoryError};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewUser {
    /// What the person types to sign in; unique.
    pub name: String,
    pub display_name: String,
    pub role: String,
    /// What of everything they may see; empty for all of it.
    pub scope: String,
    /// In PHC string format.
    pub password_hash: String,
}

#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct User {
    pub name: String,
    pub display_name: String,
    pub role: String,
    pub scope: String,
    pub password_hash: String,
    pub disabled: bool,
    pub created_ms: Millis,
    pub password_changed_ms: Millis,
}

/// What an administrator changes about a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UserChange {
    Disable,
    Enable,
    Role { role: String, scope: String },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum UserChanged {
    Done,
    /// There is no such user.
    Unknown,
    /// The last with the role that is kept; nothing was changed.
    LastOne,
}

impl Inventory {
    /// Whether nobody can sign in yet: the one time that a user is made without one.
    pub async fn has_no_users(&self) -> Result<bool, InventoryError> {
        let count: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM users")
            .fetch_one(&self.readers)
            .await
            .map_err(sql("count users"))?;
        Ok(count == 0)
    }

    /// `false` when the name is taken.
    pub async fn user_create(
        &self,
        user: &NewUser,
        now_ms: Millis,
    ) -> Result<bool, InventoryError> {
        self.insert_user(
            "INSERT INTO users (name, display_name, role, scope, password_hash, created_ms,
                 password_changed_ms)
             VALUES ($1, $2, $3, $4, $5, $6, $6) ON CONFLICT (name) DO NOTHING",
            user,
            now_ms,
        )
        .await
    }

    /// Makes the first user; `false` when there is one already, even when two ask at once.
    pub async fn user_create_first(
        &self,
        user: &NewUser,
        now_ms: Millis,
    ) -> Result<bool, InventoryError> {
        self.insert_user(
            "INSERT INTO users (name, display_name, role, scope, password_hash, created_ms,
                 password_changed_ms)
             SELECT $1, $2, $3, $4, $5, $6, $6 WHERE NOT EXISTS (SELECT 1 FROM users)",
            user,
            now_ms,
        )
        .await
    }

    async fn insert_user(
        &self,
        statement: &'static str,
        user: &NewUser,
        now_ms: Millis,
    ) -> Result<bool, InventoryError> {
        let done = sqlx::query(statement)
            .bind(&user.name)
            .bind(&user.display_name)
            .bind(&user.role)
            .bind(&user.scope)
            .bind(&user.password_hash)
            .bind(now_ms)
            .execute(&self.writer)
            .await
            .map_err(sql("store a user"))?;
        Ok(done.rows_affected() == 1)
    }

    pub async fn user(&self, name: &str) -> Result<Option<User>, InventoryError> {
        sqlx::query_as("SELECT * FROM users WHERE name = $1")
            .bind(name)
            .fetch_optional(&self.readers)
            .await
            .map_err(sql("look up a user"))
    }

    pub async fn users(&self) -> Result<Vec<User>, InventoryError> {
        sqlx::query_as("SELECT * FROM users ORDER BY name")
            .fetch_all(&self.readers)
            .await
            .map_err(sql("list users"))
    }

    /// Sets a new password and ends every session of the user; `false` when there is no such user.
    pub async fn user_set_password(
        &self,
        name: &str,
        password_hash: &str,
        now_ms: Millis,
    ) -> Result<bool, InventoryError> {
        let failed = || sql("set a password");
        let mut transaction = self.writer.begin().await.map_err(failed())?;
        let done = sqlx::query(
            "UPDATE users SET password_hash = $1, password_changed_ms = $2 WHERE name = $3",
        )
        .bind(password_hash)
        .bind(now_ms)
        .bind(name)
        .execute(&mut *transaction)
        .await
        .map_err(failed())?;
        end_sessions(&mut transaction, name).await?;
        transaction.commit().await.map_err(failed())?;
        Ok(done.rows_affected() == 1)
    }

    /// Changes what a user may do, unless nobody who may sign in would be left with the `kept` role: two who shut each
    /// other out at once come one after the other. Whoever is shut out has no session left.
    pub async fn user_change(
        &self,
        name: &str,
        change: &UserChange,
        kept: &str,
    ) -> Result<UserChanged, InventoryError> {
        let failed = || sql("change a user");
        let mut transaction = self.writer.begin().await.map_err(failed())?;
        let update = match change {
            UserChange::Disable | UserChange::Enable => {
                sqlx::query("UPDATE users SET disabled = $2 WHERE name = $1")
                    .bind(name)
                    .bind(*change == UserChange::Disable)
            }
            UserChange::Role { role, scope } => {
                sqlx::query("UPDATE users SET role = $2, scope = $3 WHERE name = $1")
                    .bind(name)
                    .bind(role)
                    .bind(scope)
            }
        };
        let done = update.execute(&mut *transaction).await.map_err(failed())?;
        if done.rows_affected() == 0 {
            return Ok(UserChanged::Unknown);
        }
        let left: i64 =
            sqlx::query_scalar("SELECT COUNT(*) FROM users WHERE role = $1 AND NOT disabled")
                .bind(kept)
                .fetch_one(&mut *transaction)
                .await
                .map_err(failed())?;
        if left == 0 && *change != UserChange::Enable {
            return Ok(UserChanged::LastOne);
        }
        if *change == UserChange::Disable {
            end_sessions(&mut transaction, name).await?;
        }
        transaction.commit().await.map_err(failed())?;
        Ok(UserChanged::Done)
    }
}

async fn end_sessions(
    connection: &mut sqlx::SqliteConnection,
    user: &str,
) -> Result<(), InventoryError> {
    sqlx::query("DELETE FROM sessions WHERE user_name = $1")
        .bind(user)
        .execute(connection)
        .await
        .map_err(sql("end the sessions of a user"))?;
    Ok(())
}

#[cfg(test)]
mod tests;
