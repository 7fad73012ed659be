//! Waiting for something to come true: by asking again, until a deadline, never by a plain sleep.

use std::future::Future;
use std::time::{Duration, Instant};

/// Generous: the machine may be busy with other builds. A story measures nothing by it.
pub const PATIENCE: Duration = Duration::from_secs(150);

/// Asks until `look` gives something; fails at the deadline, naming `what` and the last answer.
pub async fn eventually<T, F>(what: &str, mut look: impl FnMut() -> F) -> anyhow::Result<T>
where
    F: Future<Output = anyhow::Result<T>>,
{
    let deadline = now() + PATIENCE;
    loop {
        match look().await {
            Ok(found) => return Ok(found),
            Err(error) if now() >= deadline => {
                return Err(error.context(format!("not within {PATIENCE:?}: {what}")));
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

#[allow(clippy::disallowed_methods, reason = "a deadline needs a clock")]
pub fn now() -> Instant {
    Instant::now()
}
