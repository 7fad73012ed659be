//! The answer to an envelope: what became of each report, in its order.

use agent_model::{Millis, SchemaId};
use prost::Message;

use crate::envelope::check_version;
use crate::error::{WireError, invalid, limit};
use crate::limits::{BODY_BYTES_MAX, REPORTS_MAX};
use crate::{WIRE_VERSION, proto};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acknowledgement {
    /// The collector's clock.
    pub received_ms: Millis,
    pub results: Vec<ReportOutcome>,
    /// Attach these when the reports marked `SchemaNeeded` are sent again.
    pub schemas_needed: Vec<SchemaId>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReportOutcome {
    /// On the collector's disk: the agent may forget it.
    Stored,
    /// It was already there: the agent may forget it.
    Duplicate,
    /// Send it again with the schema.
    SchemaNeeded,
    /// It will never be taken; sending it again is useless.
    Refused { reason: String },
}

impl Acknowledgement {
    pub fn encode(&self) -> Vec<u8> {
        let results = self.results.iter().map(|outcome| {
            let (outcome, reason) = match outcome {
                ReportOutcome::Stored => (1, String::new()),
                ReportOutcome::Duplicate => (2, String::new()),
                ReportOutcome::SchemaNeeded => (3, String::new()),
                ReportOutcome::Refused { reason } => (4, reason.clone()),
            };
            proto::ReportResult { outcome, reason }
        });
        let needed = self.schemas_needed.iter().map(|id| id.0.to_vec().into());
        let message = proto::Acknowledgement {
            version: WIRE_VERSION,
            received_ms: self.received_ms,
            results: results.collect(),
            schemas_needed: needed.collect(),
        };
        message.encode_to_vec()
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        limit("bytes of an acknowledgement", bytes.len(), BODY_BYTES_MAX)?;
        let message = proto::Acknowledgement::decode(bytes)
            .map_err(|source| WireError::Protobuf { what: "acknowledgement", source })?;
        check_version(message.version)?;
        limit("results of an acknowledgement", message.results.len(), REPORTS_MAX)?;
        let results = message.results.into_iter().map(|result| match result.outcome {
            1 => Ok(ReportOutcome::Stored),
            2 => Ok(ReportOutcome::Duplicate),
            3 => Ok(ReportOutcome::SchemaNeeded),
            4 => Ok(ReportOutcome::Refused { reason: result.reason }),
            other => Err(invalid("a report's outcome", other.to_string())),
        });
        let needed = message.schemas_needed.iter().map(|id| {
            let id = id.as_ref().try_into().map(SchemaId);
            id.map_err(|_| invalid("a needed schema", "its id has not 32 bytes"))
        });
        Ok(Self {
            received_ms: message.received_ms,
            results: results.collect::<Result<_, _>>()?,
            schemas_needed: needed.collect::<Result<_, _>>()?,
        })
    }
}
