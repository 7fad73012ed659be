//! Passwords: hashed with Argon2id (RFC 9106), checked without telling whether the name or the password was wrong.

use std::sync::LazyLock;

use argon2::Argon2;
use argon2::password_hash::rand_core::OsRng;
use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use tokio::sync::Semaphore;

/// Each check takes 19 MiB and tens of milliseconds: more at once would be a way to stop a small machine.
const CHECKS_MAX: usize = 2;

/// A password that people can remember and no script guesses in a working day.
pub(super) const PASSWORD_CHARS_MIN: usize = 10;

/// Hashing takes time in proportion; nobody types more.
const PASSWORD_BYTES_MAX: usize = 1_024;

/// Checks that wait for their turn: some ten seconds. Beyond it somebody floods, and is told to come back.
const WAITING_MAX: usize = 64;

static QUEUE: Semaphore = Semaphore::const_new(CHECKS_MAX + WAITING_MAX);

static PLACES: Semaphore = Semaphore::const_new(CHECKS_MAX);

/// Stands in for a user that does not exist, so that both answers take the same time.
static NOBODY: LazyLock<Option<String>> = LazyLock::new(|| hash_now("nobody has this password"));

/// What is wrong with a new password, in words.
pub(super) fn problem_with(password: &str) -> Option<String> {
    if password.chars().count() < PASSWORD_CHARS_MIN {
        return Some(format!("a password has at least {PASSWORD_CHARS_MIN} characters"));
    }
    (password.len() > PASSWORD_BYTES_MAX)
        .then(|| format!("a password has at most {PASSWORD_BYTES_MAX} bytes"))
}

/// The PHC string of a password; `None` when the system gives no random bytes.
pub(super) async fn hash(password: String) -> Option<String> {
    let _place = PLACES.acquire().await.ok()?;
    tokio::task::spawn_blocking(move || hash_now(&password)).await.ok().flatten()
}

/// There are as many checks as may wait.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Busy;

/// Whether the password belongs to the hash; without a hash it takes as long and is false.
pub(super) async fn verify(password: String, hash: Option<String>) -> Result<bool, Busy> {
    let _turn = QUEUE.try_acquire().map_err(|_| Busy)?;
    let _place = PLACES.acquire().await.map_err(|_| Busy)?;
    let known = hash.is_some();
    let verified = tokio::task::spawn_blocking(move || {
        let hash = hash.or_else(|| NOBODY.clone());
        if password.len() > PASSWORD_BYTES_MAX {
            return false;
        }
        hash.as_deref().and_then(|hash| PasswordHash::new(hash).ok()).is_some_and(|hash| {
            Argon2::default().verify_password(password.as_bytes(), &hash).is_ok()
        })
    });
    Ok(verified.await.unwrap_or(false) && known)
}

fn hash_now(password: &str) -> Option<String> {
    let salt = SaltString::generate(&mut OsRng);
    let hash = Argon2::default().hash_password(password.as_bytes(), &salt).ok()?;
    Some(hash.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_right_password_of_a_known_user_is_let_in() {
        let stored = hash("mật khẩu dài".to_owned()).await;
        assert!(stored.as_deref().is_some_and(|hash| hash.starts_with("$argon2id$")));
        assert_eq!(verify("mật khẩu dài".to_owned(), stored.clone()).await, Ok(true));
        assert_eq!(verify("mật khẩu sai".to_owned(), stored).await, Ok(false));
        assert_eq!(verify("nobody has this password".to_owned(), None).await, Ok(false));
    }

    #[tokio::test]
    async fn beyond_as_many_as_may_wait_nobody_is_kept_waiting() {
        let all =
            QUEUE.try_acquire_many(u32::try_from(QUEUE.available_permits()).unwrap()).unwrap();
        assert_eq!(verify("mật khẩu dài".to_owned(), None).await, Err(Busy));
        drop(all);
        assert_eq!(verify("mật khẩu dài".to_owned(), None).await, Ok(false));
    }

    #[test]
    fn short_and_endless_passwords_are_refused() {
        assert!(problem_with("ngắn").is_some());
        assert!(problem_with(&"a".repeat(PASSWORD_BYTES_MAX + 1)).is_some());
        assert!(problem_with(&"ạ".repeat(PASSWORD_CHARS_MIN)).is_none());
    }
}
