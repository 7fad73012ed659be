//! Probe results: whether something answered, as seen from one host.
//! Every probe also yields metrics at each run; a result travels as evidence when the outcome changes.

use crate::Millis;

#[derive(Clone, Debug, PartialEq)]
pub struct ProbeResult {
    /// The probe's name in the agent's configuration.
    pub probe: String,
    pub kind: ProbeKind,
    /// URL or `host:port`.
    pub target: String,
    pub time_ms: Millis,
    pub success: bool,
    pub duration_seconds: f64,
    pub http_status: Option<u16>,
    /// When the first certificate of the served chain expires.
    pub certificate_expiry_ms: Option<Millis>,
    /// What failed, in a sentence; empty on success.
    pub failure: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ProbeKind {
    Http = 1,
    Tcp = 2,
}

impl ProbeKind {
    pub const ALL: [Self; 2] = [Self::Http, Self::Tcp];

    pub fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Tcp => "tcp",
        }
    }
}
