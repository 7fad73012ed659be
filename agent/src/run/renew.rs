//! Keeps the certificate for one collector alive: renewed at two thirds of its life, tried again until it ends.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use agent_model::Millis;
use hyper::StatusCode;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::enrol::{self, EnrolError};
use crate::identity::Identity;
use crate::send::{Collector, SendError};

/// The clock of a host may step, so the date is looked at again this often.
const LOOK_AGAIN: Duration = Duration::from_secs(600);

#[derive(Debug, thiserror::Error)]
enum RenewError {
    #[error(transparent)]
    Send(#[from] SendError),
    #[error(transparent)]
    Answer(#[from] EnrolError),
    #[error("the collector refuses the renewal: {0}")]
    Refused(String),
}

pub(crate) async fn run(
    collector: Arc<Collector>,
    state_dir: PathBuf,
    clock: Clock,
    shutdown: CancellationToken,
) {
    let keep = async {
        loop {
            if let Err(error) = renew_if_due(&collector, &state_dir, clock.now_ms()).await {
                tracing::error!(
                    collector = %collector.address(),
                    error = crate::chain(&error),
                    "the certificate could not be renewed; it is tried again"
                );
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    };
    shutdown.run_until_cancelled(keep).await;
}

async fn renew_if_due(
    collector: &Collector,
    state_dir: &std::path::Path,
    now_ms: Millis,
) -> Result<(), RenewError> {
    let address = collector.address();
    // A host that is not enrolled is told so by the senders, and a collector that was not met yet asks for nothing.
    let Some(authority) = collector.met().await else { return Ok(()) };
    let identity = Identity::load(state_dir, authority).map_err(EnrolError::from)?;
    let Some(identity) = identity else { return Ok(()) };
    let validity = identity.validity().map_err(EnrolError::from)?;
    if now_ms < validity.renew_at_ms() {
        return Ok(());
    }
    let made = enrol::renewal(state_dir, authority, &validity.host);
    let (made, body) = made.map_err(EnrolError::from)?;
    let answer = collector.post("/v1/renew", enrol::JSON, body, Some(authority)).await?;
    if answer.status != StatusCode::OK {
        return Err(RenewError::Refused(answer.error_text()));
    }
    let mut renewed = enrol::granted(address, &validity.host, &made, &answer.body)?;
    enrol::keep(&mut renewed, made, state_dir, address).map_err(EnrolError::from)?;
    collector.reconnect().await;
    tracing::info!(collector = %address, "the certificate was renewed");
    Ok(())
}
