//! OTLP metrics (opentelemetry.io/docs/specs/otlp): from a request's body to samples by series, named as Prometheus 3 names
//! them by default (`UnderscoreEscapingWithSuffixes`), and the answer in the request's encoding.
//!
//! Promises: every limit is checked before memory is taken, nesting is bounded; a point is taken whole or left out and counted
//! by reason; what would be a wrong number here (deltas, exponential histograms, buckets that do not add up) is left out.
//! Leaves to others: who may write what (the collector), and HTTP.
//!
//! Map: `protobuf`, `json` the two encodings · `model` what both become · `names` metric and label names · `labels` the label
//! sets of a resource's points · `translate` points to samples · `answer` what the sender is told.

pub mod answer;
mod error;
mod json;
mod labels;
pub mod limits;
mod model;
mod names;
mod protobuf;
mod translate;
mod unpack;

#[cfg(test)]
mod tests;

use std::ops::RangeInclusive;

use agent_model::Millis;

pub use error::OtlpError;
pub use translate::{Point, Translated};
pub use unpack::message_bytes;

/// How a request is written, and its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    Protobuf,
    Json,
}

/// What a request may bring and take.
#[derive(Clone, Debug)]
pub struct Allowed {
    /// Points of other times are refused.
    pub times: RangeInclusive<Millis>,
    /// Bytes of memory for its messages as they are read, beside the body itself.
    pub parts_bytes: usize,
    /// Bytes of memory for what it becomes.
    pub push_bytes: usize,
}

/// Decodes and translates a body. An error is about the whole request; what is wrong with
/// single points stands in the refusals of [`Translated::push`].
pub fn decode(
    body: &[u8],
    encoding: Encoding,
    gzip: bool,
    allowed: &Allowed,
) -> Result<Translated, OtlpError> {
    let unpacked;
    let message = if gzip {
        unpacked = unpack::gzip(body)?;
        &unpacked
    } else {
        message_bytes(body, false)?;
        body
    };
    let request = match encoding {
        Encoding::Protobuf => protobuf::read(message, allowed.parts_bytes)?,
        Encoding::Json => json::read(message, allowed.parts_bytes)?,
    };
    let translated = translate::translate(&request, allowed)?;
    drop(request);
    Ok(translate::without_contradictions(translated))
}
