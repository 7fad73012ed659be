//! What people do about firing alerts, by whichever of an alert's names.

use agent_model::Millis;

use crate::alert::fingerprint_text;
use crate::group::flush_due;
use crate::handling::{Deed, act};
use crate::{Alerting, AlertingError};

impl Alerting {
    /// Does something about a firing alert in somebody's name. The alert's other name, the fingerprint that webhooks carry,
    /// will do where only one firing alert has it. Answers with the fingerprint it is kept by.
    pub async fn act(
        &self,
        fingerprint: u64,
        by: &str,
        deed: Deed,
        now_ms: Millis,
    ) -> Result<u64, AlertingError> {
        self.change(now_ms, |state, in_flight| {
            let found = state.firing_by_any_name(fingerprint);
            let unknown = || AlertingError::AlertUnknown(fingerprint_text(fingerprint));
            let fingerprint = found.ok_or_else(unknown)?;
            act(state, fingerprint, by, deed, now_ms)?;
            flush_due(state, in_flight, now_ms);
            Ok(fingerprint)
        })
        .await?
    }
}
