//! The two ways in which series are pushed: remote write and OTLP. Behind the decoder both are the same.

use std::ops::RangeInclusive;

use agent_model::Millis;
use collector_otlp::{Encoding, Translated};
use collector_remote_write::{RemoteWriteError, Version, limits};

use super::PushError;

/// A point of OTLP becomes a series for each bucket, with all its labels: what it takes in memory, decoded and translated, for
/// each byte of the message. A largest message takes all the room there is.
const OTLP_MEMORY_FACTOR: usize = 4;

/// A request's body, as it came.
#[derive(Clone, Debug)]
pub enum Body {
    RemoteWrite(bytes::Bytes, Version),
    Otlp { bytes: bytes::Bytes, encoding: Encoding, gzip: bool },
}

impl Body {
    pub(super) fn is_otlp(&self) -> bool {
        matches!(self, Self::Otlp { .. })
    }

    /// Bytes of memory that it will take, as far as can be said before it is decoded.
    pub(super) fn room(&self) -> Result<usize, PushError> {
        match self {
            Self::RemoteWrite(bytes, _) => {
                let bytes = snap::raw::decompress_len(bytes).map_err(RemoteWriteError::Snappy)?;
                // What is larger is refused by its decoder.
                Ok(bytes.min(limits::MESSAGE_BYTES_MAX))
            }
            Self::Otlp { bytes, gzip, .. } => {
                Ok(OTLP_MEMORY_FACTOR * collector_otlp::message_bytes(bytes, *gzip)?)
            }
        }
    }

    /// Series and samples; those of remote write belong to no points. Points of other times are refused already.
    pub(super) fn decode(&self, times: &RangeInclusive<Millis>) -> Result<Translated, PushError> {
        match self {
            Self::RemoteWrite(bytes, version) => {
                let push = collector_remote_write::decode(bytes, *version)?;
                Ok(Translated { push, ..Translated::default() })
            }
            Self::Otlp { bytes, encoding, gzip } => {
                Ok(collector_otlp::decode(bytes, *encoding, *gzip, times)?)
            }
        }
    }
}
