//! The two ways in which series are pushed: remote write and OTLP. Behind the decoder both are the same.
//!
//! Promises: decoding takes no more memory than was reserved for it: it stops there, and may begin anew with more.

use std::ops::RangeInclusive;

use agent_model::Millis;
use collector_otlp::{Allowed, Encoding, Translated};
use collector_remote_write::{Push, RemoteWriteError, Version, limits};

use super::PushError;

/// A push, and three times as much while it is packed for the journal: what is packed, the same compressed, the record.
pub(super) const PACKING: usize = 4;

/// What every request may take, however small it is.
const BYTES_MIN: usize = 1 << 20;

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

    /// Bytes of memory that suffice for a request as senders make them: for each byte of its message so many. Labels are
    /// written out in the first version of remote write, symbols in the second, and OTLP has a histogram's labels once for
    /// all its buckets. What takes more is tried again.
    pub(super) fn memory_expected(&self) -> Result<usize, PushError> {
        let factor = match self {
            Self::RemoteWrite(_, Version::One) => 6,
            Self::Otlp { encoding: Encoding::Protobuf, .. } => 28,
            Self::RemoteWrite(_, Version::Two) | Self::Otlp { .. } => 40,
        };
        Ok(BYTES_MIN + factor * self.message_bytes()?)
    }

    fn message_bytes(&self) -> Result<usize, PushError> {
        match self {
            Self::RemoteWrite(bytes, _) => {
                let bytes = snap::raw::decompress_len(bytes).map_err(RemoteWriteError::Snappy)?;
                // What is larger is refused by its decoder.
                Ok(bytes.min(limits::MESSAGE_BYTES_MAX))
            }
            Self::Otlp { bytes, gzip, .. } => Ok(collector_otlp::message_bytes(bytes, *gzip)?),
        }
    }

    /// Series and samples; those of remote write belong to no points. Points of other times are refused already.
    pub(super) fn decode(
        &self,
        times: RangeInclusive<Millis>,
        memory: usize,
    ) -> Result<Translated, PushError> {
        // The message is gone when the push is packed.
        let push_bytes = memory / PACKING;
        match self {
            Self::RemoteWrite(bytes, version) => {
                let push = Push::within(push_bytes);
                let push = collector_remote_write::decode_into(push, bytes, *version)?;
                Ok(Translated { push, ..Translated::default() })
            }
            Self::Otlp { bytes, encoding, gzip } => {
                let parts_bytes = memory.saturating_sub(push_bytes + self.message_bytes()?);
                let allowed = Allowed { times, parts_bytes, push_bytes };
                Ok(collector_otlp::decode(bytes, *encoding, *gzip, &allowed)?)
            }
        }
    }
}
