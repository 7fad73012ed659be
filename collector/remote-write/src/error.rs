//! Why a whole request is refused. None of it will be better when it is sent again.

use crate::limits;

#[derive(Debug, thiserror::Error)]
pub enum RemoteWriteError {
    #[error("the body is not compressed with snappy's block format")]
    Snappy(#[source] snap::Error),
    #[error(
        "the body unpacks to {bytes} bytes, at most {} are taken: send smaller requests",
        limits::MESSAGE_BYTES_MAX
    )]
    MessageBytes { bytes: usize },
    #[error("the message is no valid protobuf: {0}")]
    Malformed(&'static str),
    #[error("the request has more than {max} {what}: send smaller requests")]
    TooMany { what: &'static str, max: usize },
    #[error("the request takes more memory than there is for one: send smaller requests")]
    Memory,
    #[error("a stored push cannot be unpacked: {0}")]
    Packed(&'static str),
    #[error("a push cannot be packed or unpacked")]
    Zstd(#[from] std::io::Error),
}

impl RemoteWriteError {
    /// The name under which it is counted.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Snappy(_) => "snappy",
            Self::MessageBytes { .. } | Self::TooMany { .. } | Self::Memory => "too_large",
            Self::Malformed(_) => "malformed",
            Self::Packed(_) | Self::Zstd(_) => "packed",
        }
    }
}
