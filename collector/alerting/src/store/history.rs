//! The history as the lives of alerts are made from it.

use agent_model::{Labels, Millis};

use crate::AlertingError;
use crate::lives::Step;

use super::encode::labels_from;
use super::load::{column, fingerprint_column};
use super::{Store, failed};

impl Store {
    /// What happened from this time on, alert by alert in the order of time.
    pub(crate) async fn steps(&self, from_ms: Millis) -> Result<Vec<Step>, AlertingError> {
        let rows = sqlx::query(
            "SELECT t.fingerprint AS fingerprint, t.at_ms AS at_ms, t.state AS state, \
             a.labels AS labels FROM transitions t \
             LEFT JOIN alerts a ON a.fingerprint = t.fingerprint \
             WHERE t.at_ms >= $1 AND t.state IN ('firing', 'acknowledged', 'resolved') \
             ORDER BY t.fingerprint, t.at_ms, t.rowid",
        )
        .bind(from_ms)
        .fetch_all(&self.pool)
        .await
        .map_err(failed("reading the lives of alerts"))?;
        let mut steps = Vec::with_capacity(rows.len());
        for row in rows {
            let labels: Option<&str> = column(&row, "labels")?;
            steps.push(Step {
                fingerprint: fingerprint_column(&row)?,
                labels: labels.map_or_else(|| Ok(Labels::empty()), labels_from)?,
                at_ms: column(&row, "at_ms")?,
                state: column(&row, "state")?,
            });
        }
        Ok(steps)
    }
}
