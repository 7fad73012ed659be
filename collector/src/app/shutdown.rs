//! The end: when it comes, and how long the parts may take for it.
//! Promises: every part may finish what it holds; what it cannot is in the journal.

use std::time::Duration;

use super::{AppError, Parts};

/// How long the parts may take to finish what they hold.
const STOP_TIME_MAX: Duration = Duration::from_secs(8);

impl Parts {
    /// Waits for the stop signal or for the first part that fails; then for every part to finish what it holds.
    pub(super) async fn until_the_end(mut self) -> Result<(), AppError> {
        let failed = loop {
            tokio::select! {
                _ = self.stop.wait_for(|stop| *stop) => break None,
                ended = self.tasks.join_next() => match ended {
                    Some(Ok(Ok(()))) => {}
                    Some(Ok(Err(error))) => break Some(AppError::from(error)),
                    Some(Err(error)) => break Some(AppError::from(error)),
                    None => break None,
                },
            }
        };
        tracing::info!("stopping");
        let finishing = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(STOP_TIME_MAX, finishing).await.is_err() {
            tracing::warn!(parts = self.tasks.len(), "parts were cut at the stop");
            self.tasks.shutdown().await;
        }
        failed.map_or(Ok(()), Err)
    }
}
