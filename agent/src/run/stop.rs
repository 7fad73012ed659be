//! How the parts of the agent end: their tasks first, the spool last.

use std::time::Duration;

use tokio::task::JoinSet;

use super::RunError;
use crate::spool::{SpoolHandle, SpoolThread};

/// How long the parts may take to stop; systemd's own patience is ninety seconds.
const STOP_TIME_MAX: Duration = Duration::from_secs(5);

/// Waits for tasks to end; those that do not are cut and named.
pub(super) async fn finish(what: &str, mut tasks: JoinSet<()>) {
    let all = async { while tasks.join_next().await.is_some() {} };
    if tokio::time::timeout(STOP_TIME_MAX, all).await.is_err() {
        tracing::warn!(what, "some tasks did not stop in time and are cut off");
        tasks.shutdown().await;
    }
}

pub(super) async fn close(spool: SpoolHandle, thread: SpoolThread) -> Result<(), RunError> {
    drop(spool);
    let joined = tokio::task::spawn_blocking(move || thread.join()).await;
    Ok(joined.map_err(RunError::Close)??)
}
