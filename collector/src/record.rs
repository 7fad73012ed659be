//! One record of the journal: a report or a push as it arrived, with what only the collector knows about it.
//! The journal does not look inside; a record must be readable for as long as a segment may lie on disk, so
//! field numbers are for ever.

use std::sync::Arc;

use agent_model::{HostId, Labels, MetricKind, MetricMetadata, Millis};
use bytes::Bytes;
use collector_remote_write::{Push, RemoteWriteError};
use prost::Message;

use crate::push::Owner;

/// The formats of a record; an unknown one stops the collector instead of being misread. A push has a number of its own,
/// so that a program from before it does not take it for a report.
const REPORT_VERSION: u32 = 1;
const PUSH_VERSION: u32 = 2;

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
    #[prost(message, optional, tag = "8")]
    push: Option<StoredPush>,
}

#[derive(Clone, PartialEq, Message)]
struct StoredPush {
    /// The owner's name and labels as they were: a replay after the token is gone stores the same series.
    #[prost(string, tag = "1")]
    owner: String,
    #[prost(message, repeated, tag = "2")]
    labels: Vec<StoredLabel>,
    /// Packed by `collector-remote-write`.
    #[prost(bytes = "bytes", tag = "3")]
    packed: Bytes,
    #[prost(message, repeated, tag = "4")]
    described: Vec<StoredMetric>,
}

#[derive(Clone, PartialEq, Message)]
struct StoredMetric {
    #[prost(string, tag = "1")]
    metric: String,
    #[prost(uint32, tag = "2")]
    kind: u32,
    #[prost(string, tag = "3")]
    help: String,
    #[prost(string, tag = "4")]
    unit: String,
}

#[derive(Clone, PartialEq, Message)]
struct StoredLabel {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}

/// What a record holds.
#[derive(Clone, Debug)]
pub enum Entry {
    Report(Record),
    Push(Box<PushRecord>),
}

/// Samples that somebody other than an agent pushed, and the circumstances of their arrival.
#[derive(Clone, Debug)]
pub struct PushRecord {
    pub owner: Arc<Owner>,
    pub received_ms: Millis,
    /// What was taken, its labels still as they came.
    pub push: Push,
    /// What its owner says of metrics, as far as that is new.
    pub described: Vec<MetricMetadata>,
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
    #[error("a push in the journal is not readable")]
    Push(#[from] RemoteWriteError),
    #[error(
        "a record has format {0}; this program reads up to {PUSH_VERSION}: start the newer program again"
    )]
    Version(u32),
    #[error("a record names no valid host")]
    Host(#[from] agent_model::HostIdError),
}

impl Record {
    pub fn encode(&self) -> Bytes {
        let stored = Stored {
            version: REPORT_VERSION,
            host: self.host.to_string(),
            received_ms: self.received_ms,
            clock_offset_ms: self.clock_offset_ms,
            agent_version: self.agent_version.clone(),
            derived: self.derived,
            report: self.report.clone(),
            push: None,
        };
        stored.encode_to_vec().into()
    }
}

impl StoredMetric {
    fn of(MetricMetadata { metric, kind, help, unit }: &MetricMetadata) -> Self {
        let (metric, help, unit) = (metric.clone(), help.clone(), unit.clone());
        Self { metric, kind: *kind as u32, help, unit }
    }

    fn ready(self) -> MetricMetadata {
        let Self { metric, kind, help, unit } = self;
        MetricMetadata { metric, kind: MetricKind::from_number(kind.into()), help, unit }
    }
}

impl PushRecord {
    pub fn is_empty(&self) -> bool {
        self.push.is_empty() && self.described.is_empty()
    }

    /// Bytes that it takes in memory.
    pub fn bytes(&self) -> usize {
        let described: usize = self.described.iter().map(MetricMetadata::bytes).sum();
        self.push.bytes() + described
    }

    pub fn encode(&self) -> Result<Bytes, RemoteWriteError> {
        let label = |label: &agent_model::Label| StoredLabel {
            name: label.name.to_string(),
            value: label.value.to_string(),
        };
        let push = StoredPush {
            owner: self.owner.name.clone(),
            labels: self.owner.labels.iter().map(label).collect(),
            packed: self.push.pack()?.into(),
            described: self.described.iter().map(StoredMetric::of).collect(),
        };
        let (version, received_ms) = (PUSH_VERSION, self.received_ms);
        let stored = Stored { version, received_ms, push: Some(push), ..Stored::default() };
        Ok(stored.encode_to_vec().into())
    }
}

impl Entry {
    pub fn decode(bytes: Bytes) -> Result<Self, RecordError> {
        let stored = Stored::decode(bytes)?;
        match stored.version {
            REPORT_VERSION => Ok(Self::Report(Record {
                host: HostId::new(&stored.host)?,
                received_ms: stored.received_ms,
                clock_offset_ms: stored.clock_offset_ms,
                agent_version: stored.agent_version,
                derived: stored.derived,
                report: stored.report,
            })),
            PUSH_VERSION => {
                let push = stored.push.unwrap_or_default();
                let labels = push.labels.into_iter().map(|label| (label.name, label.value));
                let owner = Owner { name: push.owner, labels: Labels::new(labels) };
                Ok(Self::Push(Box::new(PushRecord {
                    owner: Arc::new(owner),
                    received_ms: stored.received_ms,
                    push: Push::unpack(&push.packed)?,
                    described: push.described.into_iter().map(StoredMetric::ready).collect(),
                })))
            }
            other => Err(RecordError::Version(other)),
        }
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
        let Entry::Report(back) = Entry::decode(record.encode()).unwrap() else { panic!() };
        assert_eq!(back, record);
        let newer = Stored { version: 3, ..Stored::default() }.encode_to_vec();
        assert!(matches!(Entry::decode(newer.into()), Err(RecordError::Version(3))));
        assert!(matches!(
            Entry::decode(Bytes::from_static(b"\xff")),
            Err(RecordError::Protobuf(_))
        ));
    }

    #[test]
    fn a_record_that_was_written_before_there_were_pushes_is_read() {
        let written = b"\x08\x01\x12\x01a\x18\x0a\x20\x05\x2a\x010\x30\x01\x3a\x01x";
        let Entry::Report(record) = Entry::decode(Bytes::from_static(written)).unwrap() else {
            panic!()
        };
        assert_eq!(
            (record.host.as_str(), record.received_ms, record.clock_offset_ms),
            ("a", 5, -3)
        );
        assert_eq!((record.derived, &record.report[..]), (true, &b"x"[..]));
    }

    #[test]
    fn a_push_comes_back_with_the_labels_of_its_owner() {
        let owner = Arc::new(crate::push::tests::owner());
        let push = crate::push::tests::push(&["a", "b"]);
        let described = MetricMetadata::bounded("a", MetricKind::Info, "Chữ.", "s").unwrap().0;
        let record = PushRecord { owner, received_ms: 7, push, described: vec![described] };
        let Entry::Push(back) = Entry::decode(record.encode().unwrap()).unwrap() else { panic!() };
        assert_eq!((&back.owner, back.received_ms), (&record.owner, 7));
        assert_eq!(back.described, record.described);
        let labels = |record: &PushRecord| -> Vec<Vec<u8>> {
            record.push.series().map(|series| series.labels.to_vec()).collect()
        };
        assert_eq!(labels(&back), labels(&record));
        assert_eq!(back.push.sample_count(), 2);
    }
}
