//! One record of the journal: a report as it arrived, with what only the collector knows about it.
//! The journal does not look inside; a record must be readable for as long as a segment may lie on disk, so
//! field numbers are for ever.

use agent_model::{HostId, Millis};
use bytes::Bytes;
use prost::Message;

/// The format of a record; an unknown one stops the collector instead of being misread.
const RECORD_VERSION: u32 = 1;

/// What is written.
#[derive(Clone, PartialEq, Message)]
struct Stored {
    #[prost(uint32, tag = "1")]
    version: u32,
    #[prost(string, tag = "2")]
    host: String,
    #[prost(sint64, tag = "3")]
    received_ms: i64,
    #[prost(sint64, tag = "4")]
    clock_offset_ms: i64,
    #[prost(string, tag = "5")]
    agent_version: String,
    #[prost(bool, tag = "6")]
    derived: bool,
    #[prost(bytes = "bytes", tag = "7")]
    report: Bytes,
}

/// A report and the circumstances of its arrival.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub host: HostId,
    pub received_ms: Millis,
    /// The agent's clock minus the collector's, when it sent.
    pub clock_offset_ms: Millis,
    pub agent_version: String,
    /// Made by the collector itself: its series carry complete labels.
    pub derived: bool,
    /// Encoded by `agent-wire`.
    pub report: Bytes,
}

#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    #[error("a record of the journal is not readable")]
    Protobuf(#[from] prost::DecodeError),
    #[error(
        "a record has format {0}; this program reads {RECORD_VERSION}: start the newer program again"
    )]
    Version(u32),
    #[error("a record names no valid host")]
    Host(#[from] agent_model::HostIdError),
}

impl Record {
    pub fn encode(&self) -> Bytes {
        let stored = Stored {
            version: RECORD_VERSION,
            host: self.host.to_string(),
            received_ms: self.received_ms,
            clock_offset_ms: self.clock_offset_ms,
            agent_version: self.agent_version.clone(),
            derived: self.derived,
            report: self.report.clone(),
        };
        stored.encode_to_vec().into()
    }

    pub fn decode(bytes: Bytes) -> Result<Self, RecordError> {
        let stored = Stored::decode(bytes)?;
        if stored.version != RECORD_VERSION {
            return Err(RecordError::Version(stored.version));
        }
        Ok(Self {
            host: HostId::new(&stored.host)?,
            received_ms: stored.received_ms,
            clock_offset_ms: stored.clock_offset_ms,
            agent_version: stored.agent_version,
            derived: stored.derived,
            report: stored.report,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_comes_back_and_a_newer_one_is_refused() {
        let record = Record {
            host: HostId::new("dc1-srv01").unwrap(),
            received_ms: 5,
            clock_offset_ms: -3,
            agent_version: "0.1.0".into(),
            derived: true,
            report: Bytes::from_static(b"report"),
        };
        assert_eq!(Record::decode(record.encode()).unwrap(), record);
        let newer = Stored { version: 2, ..Stored::default() }.encode_to_vec();
        assert!(matches!(Record::decode(newer.into()), Err(RecordError::Version(2))));
        assert!(matches!(
            Record::decode(Bytes::from_static(b"\xff")),
            Err(RecordError::Protobuf(_))
        ));
    }
}
