//! Why a whole request is refused. None of it will be better when it is sent again.

use collector_remote_write::RemoteWriteError;

use crate::limits;

#[derive(Debug, thiserror::Error)]
pub enum OtlpError {
    #[error("the body is not compressed with gzip, or says a wrong size")]
    Gzip(#[source] Option<std::io::Error>),
    #[error(
        "the body unpacks to {bytes} bytes, at most {} are taken: send smaller requests",
        limits::MESSAGE_BYTES_MAX
    )]
    MessageBytes { bytes: usize },
    #[error("the request cannot be read")]
    Protobuf(#[source] RemoteWriteError),
    #[error("the request cannot be read: {0}")]
    Malformed(&'static str),
    #[error("the request is no OTLP in JSON")]
    Json(#[source] serde_json::Error),
    #[error("the request has more than {max} {what}: send smaller requests")]
    TooMany { what: &'static str, max: usize },
    #[error("the request takes more memory than there is for one: send smaller requests")]
    Memory,
    #[error("the samples are too many for one request")]
    Samples(#[source] RemoteWriteError),
}

impl OtlpError {
    /// The name under which it is counted.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Gzip(_) => "gzip",
            Self::MessageBytes { .. } | Self::TooMany { .. } | Self::Memory | Self::Samples(_) => {
                "too_large"
            }
            Self::Protobuf(_) | Self::Malformed(_) | Self::Json(_) => "malformed",
        }
    }

    /// The same request may do with more memory.
    pub fn needs_memory(&self) -> bool {
        matches!(self, Self::Memory | Self::Samples(RemoteWriteError::Memory))
    }

    /// A smaller request may do.
    pub fn is_too_large(&self) -> bool {
        self.name() == "too_large"
    }
}
