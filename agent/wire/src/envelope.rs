//! The request body: a version, the sender's clock, and encoded reports, packed with zstd.

use std::io::Read;

use agent_model::Millis;
use bytes::Bytes;
use prost::Message;

use crate::error::{WireError, limit};
use crate::limits::{BODY_BYTES_MAX, ENVELOPE_BYTES_MAX, REPORT_BYTES_MAX, REPORTS_MAX};
use crate::{WIRE_VERSION, WIRE_VERSION_MIN, proto};

/// zstd's level 3: a tenth smaller than level 1 on our columns, and still far below a millisecond a tick.
const COMPRESSION_LEVEL: i32 = 3;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    pub agent_version: String,
    /// The agent's clock when it sent.
    pub sent_ms: Millis,
    /// Encoded reports; see [`crate::encode_report`] and [`crate::RawReport`].
    pub reports: Vec<Bytes>,
}

pub fn encode_envelope(envelope: &Envelope) -> Result<Vec<u8>, WireError> {
    let message = proto::Envelope {
        version: WIRE_VERSION,
        agent_version: envelope.agent_version.clone(),
        sent_ms: envelope.sent_ms,
        reports: envelope.reports.clone(),
    };
    zstd::bulk::compress(&message.encode_to_vec(), COMPRESSION_LEVEL)
        .map_err(|source| WireError::Unpack { max: ENVELOPE_BYTES_MAX, source })
}

pub fn decode_envelope(body: &[u8]) -> Result<Envelope, WireError> {
    limit("bytes of the body", body.len(), BODY_BYTES_MAX)?;
    let unpack = |source| WireError::Unpack { max: ENVELOPE_BYTES_MAX, source };
    let mut unpacked = Vec::new();
    let decoder = zstd::stream::read::Decoder::with_buffer(body).map_err(unpack)?;
    let bound = ENVELOPE_BYTES_MAX as u64 + 1;
    decoder.take(bound).read_to_end(&mut unpacked).map_err(unpack)?;
    limit("bytes of the unpacked body", unpacked.len(), ENVELOPE_BYTES_MAX)?;
    let message = proto::Envelope::decode(Bytes::from(unpacked))
        .map_err(|source| WireError::Protobuf { what: "envelope", source })?;
    check_version(message.version)?;
    limit("reports of an envelope", message.reports.len(), REPORTS_MAX)?;
    for report in &message.reports {
        limit("bytes of a report", report.len(), REPORT_BYTES_MAX)?;
    }
    Ok(Envelope {
        agent_version: message.agent_version.chars().take(64).collect(),
        sent_ms: message.sent_ms,
        reports: message.reports,
    })
}

pub(crate) fn check_version(got: u32) -> Result<(), WireError> {
    if (WIRE_VERSION_MIN..=WIRE_VERSION).contains(&got) {
        Ok(())
    } else {
        Err(WireError::Version { got, min: WIRE_VERSION_MIN, max: WIRE_VERSION })
    }
}
