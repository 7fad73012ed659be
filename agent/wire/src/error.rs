//! What can be wrong with bytes from the other side.

use agent_model::SchemaId;

#[derive(Debug, thiserror::Error)]
pub enum WireError {
    #[error("the body does not unpack as zstd within {max} bytes")]
    Unpack {
        max: usize,
        #[source]
        source: std::io::Error,
    },
    #[error(
        "wire version {got} is not spoken here (versions {min} to {max} are); upgrade the older side"
    )]
    Version { got: u32, min: u32, max: u32 },
    #[error("the bytes of the {what} are not the protobuf they should be")]
    Protobuf {
        what: &'static str,
        #[source]
        source: prost::DecodeError,
    },
    #[error("{what}: {got} is over the limit of {max}")]
    Limit { what: &'static str, got: usize, max: usize },
    #[error("{what} is not valid: {reason}")]
    Invalid { what: &'static str, reason: String },
    #[error("schema {0} is not known here; attach it to the report")]
    SchemaUnknown(SchemaId),
}

/// Refuses `got` over `max`.
pub(crate) fn limit(what: &'static str, got: usize, max: usize) -> Result<(), WireError> {
    if got > max { Err(WireError::Limit { what, got, max }) } else { Ok(()) }
}

pub(crate) fn invalid(what: &'static str, reason: impl Into<String>) -> WireError {
    WireError::Invalid { what, reason: reason.into() }
}
