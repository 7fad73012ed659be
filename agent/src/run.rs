//! The loop of the agent: ticks and events into the spool, the spool to the collectors.

use tokio_util::sync::CancellationToken;

use crate::Config;

/// Why the agent could not start or go on.
#[derive(Debug, thiserror::Error)]
pub enum RunError {}

/// Runs the agent until `shutdown` is cancelled, then leaves the spool clean on the disk.
pub async fn run(config: Config, shutdown: CancellationToken) -> Result<(), RunError> {
    tracing::info!(state_dir = %config.state_dir.display(), "agent starts");
    shutdown.cancelled().await;
    Ok(())
}
