//! Lasting tokens of programs, as a request shows them: `hda1.<id, hex>.<secret, base64url>`.
//!
//! Promises: only the secret's hash is kept, compared in constant time; a revocation is in force when its call returns; an
//! expired token does nothing; the last use is known to the minute. Leaves to others: what a role may do.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::sync::{Arc, PoisonError, RwLock};

use agent_model::Millis;
use collector_inventory::{Access, ApiToken, Inventory, InventoryError, NewApiToken};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::push::Owner;
use crate::token::{self, RandomError};

const PREFIX: &str = "hda1";

/// The last use is noted to this step only, so that a program that asks often does not write each time.
const USED_STEP_MS: Millis = 60_000;

/// Tokens in force at once: a person must be able to look through them.
pub const TOKENS_MAX: usize = 1_000;

/// The tokens that are in force, and those that were.
pub struct ApiTokens {
    inventory: Inventory,
    by_id: RwLock<HashMap<String, Arc<Held>>>,
}

/// A token in force, as a request that showed it may use it.
pub struct Held {
    pub token: ApiToken,
    /// Of a token that writes.
    pub owner: Option<Arc<Owner>>,
    hash: [u8; 32],
    used_ms: AtomicI64,
}

/// Why a token does nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    #[error("the token is not valid")]
    Unknown,
    #[error("the token has expired; make a new one with `haidang api-token create`")]
    Expired,
}

#[derive(Debug, thiserror::Error)]
pub enum ApiTokensError {
    #[error(transparent)]
    Inventory(#[from] InventoryError),
    #[error(transparent)]
    Random(#[from] RandomError),
    #[error("a token of this name is in force; revoke it first, or choose another name")]
    NameTaken,
    #[error("{TOKENS_MAX} tokens are in force; revoke some first")]
    TooMany,
}

impl ApiTokens {
    pub async fn open(inventory: Inventory) -> Result<Self, InventoryError> {
        let stored = inventory.api_tokens().await?;
        let in_force = stored.into_iter().filter(|token| token.revoked_ms.is_none());
        let by_id = in_force.map(|token| (token.id.clone(), Arc::new(Held::new(token)))).collect();
        Ok(Self { inventory, by_id: RwLock::new(by_id) })
    }

    /// Makes a token; its text is known to the caller only.
    pub async fn create(
        &self,
        name: String,
        access: Access,
        lifetime_ms: Millis,
        created_by: String,
        now_ms: Millis,
    ) -> Result<String, ApiTokensError> {
        if self.by_id.read().unwrap_or_else(PoisonError::into_inner).len() >= TOKENS_MAX {
            return Err(ApiTokensError::TooMany);
        }
        let id = hex::encode(token::random_bytes::<8>()?);
        let secret = token::random_secret()?;
        let expires_ms = now_ms.saturating_add(lifetime_ms);
        let new = NewApiToken { id, name, access, expires_ms, created_by };
        let made = self.inventory.api_token_create(&new, &secret, now_ms).await?;
        let token = made.ok_or(ApiTokensError::NameTaken)?;
        let mut by_id = self.by_id.write().unwrap_or_else(PoisonError::into_inner);
        by_id.insert(new.id.clone(), Arc::new(Held::new(token)));
        Ok(format!("{PREFIX}.{}.{secret}", new.id))
    }

    /// `false` when no token of this name is in force.
    pub async fn revoke(&self, name: &str, now_ms: Millis) -> Result<bool, InventoryError> {
        let Some(id) = self.inventory.api_token_revoke(name, now_ms).await? else {
            return Ok(false);
        };
        self.by_id.write().unwrap_or_else(PoisonError::into_inner).remove(&id);
        Ok(true)
    }

    /// The token of this text, if it is in force now.
    pub async fn find(&self, text: &str, now_ms: Millis) -> Result<Arc<Held>, Invalid> {
        let held = self.held(text).ok_or(Invalid::Unknown)?;
        if held.token.expires_ms <= now_ms {
            return Err(Invalid::Expired);
        }
        let before = held.used_ms.load(Relaxed);
        let due = now_ms.saturating_sub(before) >= USED_STEP_MS;
        // Of requests that come at once, one writes.
        if due && held.used_ms.compare_exchange(before, now_ms, Relaxed, Relaxed).is_ok() {
            let noted = self.inventory.api_token_used(&held.token.id, now_ms).await;
            if let Err(error) = noted {
                let error = crate::describe(&error);
                tracing::warn!(token = held.token.name, error, "the use of a token is not noted");
            }
        }
        Ok(held)
    }

    fn held(&self, text: &str) -> Option<Arc<Held>> {
        let mut parts = text.trim().splitn(3, '.');
        let (prefix, id, secret) = (parts.next()?, parts.next()?, parts.next()?);
        let held = {
            let by_id = self.by_id.read().unwrap_or_else(PoisonError::into_inner);
            by_id.get(id).filter(|_| prefix == PREFIX).map(Arc::clone)
        }?;
        let given: [u8; 32] = Sha256::digest(secret).into();
        bool::from(given.ct_eq(&held.hash)).then_some(held)
    }
}

impl Held {
    fn new(token: ApiToken) -> Self {
        let owner = match &token.access {
            Access::Write { labels } => {
                let (name, labels) = (token.name.clone(), labels.clone());
                Some(Arc::new(Owner { name, labels }))
            }
            Access::Read { .. } => None,
        };
        let mut hash = [0; 32];
        // A damaged hash is one that no secret has.
        if hex::decode_to_slice(&token.hash, &mut hash).is_err() {
            tracing::error!(token = token.name, "the stored hash of a token cannot be read");
        }
        let used_ms = AtomicI64::new(token.last_used_ms.unwrap_or(i64::MIN));
        Self { token, owner, hash, used_ms }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_token_is_known_by_its_secret_until_it_expires_or_is_revoked() {
        let directory = tempfile::tempdir().unwrap();
        let inventory = Inventory::open(&directory.path().join("inventory.db")).await.unwrap();
        let tokens = ApiTokens::open(inventory.clone()).await.unwrap();
        let viewer = || Access::Read { role: "viewer".to_owned(), scope: String::new() };
        let make = |name: &str, at_ms| {
            tokens.create(name.to_owned(), viewer(), 1_000, "admin".to_owned(), at_ms)
        };
        let text = make("grafana", 100_000).await.unwrap();
        assert!(matches!(make("grafana", 5).await, Err(ApiTokensError::NameTaken)));
        assert_eq!(
            tokens.find(&text, 100_500).await.map(|held| held.token.name.clone()),
            Ok("grafana".into())
        );
        assert_eq!(inventory.api_tokens().await.unwrap()[0].last_used_ms, Some(100_500));
        for wrong in
            ["", "x", &text[..text.len() - 1], &format!("{text}x"), &text.replace("hda1", "hd1")]
        {
            assert_eq!(
                tokens.find(wrong, 100_500).await.err(),
                Some(Invalid::Unknown),
                "{wrong:?}"
            );
        }
        assert_eq!(tokens.find(&text, 101_000).await.err(), Some(Invalid::Expired));
        // After a restart it is still known, and what is stored does not open anything.
        let again = ApiTokens::open(inventory.clone()).await.unwrap();
        assert!(again.find(&text, 100_999).await.is_ok());
        let hash = inventory.api_tokens().await.unwrap()[0].hash.clone();
        let id = text.split('.').nth(1).unwrap();
        assert!(again.find(&format!("hda1.{id}.{hash}"), 100_999).await.is_err());
        assert!(again.revoke("grafana", 100_999).await.unwrap());
        assert_eq!(again.find(&text, 100_999).await.err(), Some(Invalid::Unknown));
    }
}
