//! Prometheus remote write 1.0 and 2.0: from a request's body to samples by series, and the form in which they are kept.
//!
//! Promises: no text of a series is copied to the heap by itself, so series cost a few allocations whatever they hold; what is said of
//! a metric is copied once a request; every limit is checked before memory is taken; a bad series is left out and counted by reason, its neighbours are taken; every bit
//! of a value survives. Leaves to others: who may write what (the collector), and HTTP.
//!
//! Map: `protobuf` reads fields · `version_1`, `version_2` the two messages · `push` what both become · `labels` the rules
//! for label sets · `packed` the durable form · `encode` a request to another system · `messages` the messages as others make them.

mod encode;
mod error;
mod labels;
pub mod limits;
pub mod messages;
mod packed;
pub mod protobuf;
mod push;
mod refusal;
mod version_1;
mod version_2;

#[cfg(test)]
mod tests;

pub use encode::{EncodeError, OutwardSeries, encode};
pub use error::RemoteWriteError;
pub use labels::labels;
pub use push::{Begun, LeftOut, Push, PushedSeries};
pub use refusal::{Refusal, Refusals};

/// Which message a request carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// `prometheus.WriteRequest`
    One,
    /// `io.prometheus.write.v2.Request`
    Two,
}

impl Version {
    /// What a sender says of its body (prometheus.io/docs/specs/prw).
    pub fn content_type(self) -> &'static str {
        match self {
            Self::One => "application/x-protobuf",
            Self::Two => "application/x-protobuf;proto=io.prometheus.write.v2.Request",
        }
    }

    /// The value of `X-Prometheus-Remote-Write-Version`.
    pub fn header(self) -> &'static str {
        match self {
            Self::One => "0.1.0",
            Self::Two => "2.0.0",
        }
    }
}

/// Decodes a body: snappy's block format around a protobuf message. An error is about the whole request; what is wrong
/// with single series stands in [`Push::refusals`].
pub fn decode(body: &[u8], version: Version) -> Result<Push, RemoteWriteError> {
    decode_into(Push::default(), body, version)
}

/// The same into an empty push, which may know what it may take in memory ([`Push::within`]); then
/// [`RemoteWriteError::Memory`] says that more may do.
pub fn decode_into(push: Push, body: &[u8], version: Version) -> Result<Push, RemoteWriteError> {
    let bytes = snap::raw::decompress_len(body).map_err(RemoteWriteError::Snappy)?;
    if bytes > limits::MESSAGE_BYTES_MAX {
        return Err(RemoteWriteError::MessageBytes { bytes });
    }
    let message = snap::raw::Decoder::new().decompress_vec(body);
    let message = message.map_err(RemoteWriteError::Snappy)?;
    match version {
        Version::One => version_1::read(push, &message),
        Version::Two => version_2::read(push, &message),
    }
}
