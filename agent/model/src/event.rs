//! Security events: what happened on a host, in OCSF's classes, with a flat view in Sigma's field names.
//! Rules read `fields`; people read `message`, which is the raw line as the host wrote it.

use std::collections::BTreeMap;
use std::fmt;

use sha2::{Digest, Sha256};

use crate::{Epoch, HostId, Millis, ReportKey};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When it happened, by the host's clock.
    pub time_ms: Millis,
    pub class: EventClass,
    pub severity: Severity,
    /// The source that saw it: `auth_log`, `journald`, `file_integrity` …
    pub source: String,
    /// The raw line or a one-line description; never shortened silently.
    pub message: String,
    /// Field name (Sigma's, such as `User`, `SourceIp`, `TargetFilename`) to value.
    pub fields: BTreeMap<String, String>,
}

/// The classes of the Open Cybersecurity Schema Framework 1.x that our sources produce; the number is `class_uid`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EventClass {
    Base = 0,
    FileSystemActivity = 1001,
    ProcessActivity = 1007,
    DetectionFinding = 2004,
    AccountChange = 3001,
    Authentication = 3002,
    NetworkActivity = 4001,
    DeviceConfigChange = 5019,
}

/// OCSF `severity_id`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    Informational = 1,
    Low = 2,
    Medium = 3,
    High = 4,
    Critical = 5,
}

/// Names one event for ever: made from the report that brought it, so a repeated report yields the same id.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventId(pub [u8; 16]);

/// An event as the collector keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostEvent {
    pub id: EventId,
    pub host: HostId,
    pub received_ms: Millis,
    pub event: Event,
}

impl EventId {
    /// `index` is the event's place in its report.
    pub fn new(host: &HostId, key: ReportKey, index: usize) -> Self {
        let mut hash = Sha256::new();
        hash.update(host.as_str().as_bytes());
        hash.update([0xff, key.stream as u8]);
        let Epoch(epoch) = key.epoch;
        hash.update(epoch.to_be_bytes());
        hash.update(key.sequence.to_be_bytes());
        hash.update((index as u64).to_be_bytes());
        let digest: [u8; 32] = hash.finalize().into();
        Self(std::array::from_fn(|at| digest[at]))
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl fmt::Debug for EventId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "EventId({self})")
    }
}

impl EventClass {
    pub const ALL: [Self; 8] = [
        Self::Base,
        Self::FileSystemActivity,
        Self::ProcessActivity,
        Self::DetectionFinding,
        Self::AccountChange,
        Self::Authentication,
        Self::NetworkActivity,
        Self::DeviceConfigChange,
    ];

    /// OCSF's `class_uid`.
    pub fn uid(self) -> u32 {
        self as u32
    }

    /// A class we do not know is kept as the base class: the event is never lost for its number.
    pub fn from_uid(uid: u32) -> Self {
        Self::ALL.into_iter().find(|class| class.uid() == uid).unwrap_or(Self::Base)
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Base => "base_event",
            Self::FileSystemActivity => "file_system_activity",
            Self::ProcessActivity => "process_activity",
            Self::DetectionFinding => "detection_finding",
            Self::AccountChange => "account_change",
            Self::Authentication => "authentication",
            Self::NetworkActivity => "network_activity",
            Self::DeviceConfigChange => "device_config_change",
        }
    }
}

impl Severity {
    pub const ALL: [Self; 5] =
        [Self::Informational, Self::Low, Self::Medium, Self::High, Self::Critical];

    pub fn id(self) -> u32 {
        self as u32
    }

    /// Unknown numbers count as informational.
    pub fn from_id(id: u32) -> Self {
        Self::ALL.into_iter().find(|severity| severity.id() == id).unwrap_or(Self::Informational)
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Informational => "informational",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}
