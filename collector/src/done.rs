//! What a request that changed something leaves in its answer, for whoever keeps an audit log (`http/audited`).

use std::convert::Infallible;

use axum::response::{IntoResponseParts, ResponseParts};

/// Goes before the rest of an answer: `(Done::to("host.revoke", id), Json(…))`.
#[derive(Clone, Debug)]
pub(crate) enum Done {
    Deed {
        /// For example `silence.create`.
        action: &'static str,
        /// What it was done to.
        object: String,
        /// What came of it, also of a try that was refused.
        outcome: String,
    },
    /// Nothing has changed, or who changed it has written the entry.
    Nothing,
}

impl Done {
    pub(crate) fn to(action: &'static str, object: impl Into<String>) -> Self {
        Self::with_outcome(action, object, "done")
    }

    pub(crate) fn with_outcome(
        action: &'static str,
        object: impl Into<String>,
        outcome: impl Into<String>,
    ) -> Self {
        Self::Deed { action, object: object.into(), outcome: outcome.into() }
    }
}

impl IntoResponseParts for Done {
    type Error = Infallible;

    fn into_response_parts(self, mut parts: ResponseParts) -> Result<ResponseParts, Infallible> {
        parts.extensions_mut().insert(self);
        Ok(parts)
    }
}
