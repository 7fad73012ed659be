//! Bytes to model and back: the format of `POST /v1/reports`.
//!
//! Promises: nothing is decoded past a limit of [`limits`]; every error says what is wrong; unknown fields are
//! ignored and unknown versions refused. A report keeps its bytes as it was sent, so spool, wire and
//! journal hold the same ones and its hash identifies it.
//! Leaves to others: sockets, disks, and who may speak for which host.

mod acknowledgement;
mod column;
mod envelope;
mod error;
pub mod limits;
mod records;
mod report;
mod schema;
mod targets;

mod proto {
    #![allow(
        unreachable_pub,
        clippy::all,
        missing_docs,
        reason = "generated from report.proto by prost"
    )]
    include!(concat!(env!("OUT_DIR"), "/haidang.v1.rs"));
}

pub use acknowledgement::{Acknowledgement, ReportOutcome};
pub use envelope::{Envelope, decode_envelope, encode_envelope};
pub use error::WireError;
pub use report::{RawReport, SchemaSource, encode_report};
pub use schema::{decode_schema, encode_schema};

/// The version this build speaks.
pub const WIRE_VERSION: u32 = 1;

/// The oldest version it still understands.
pub const WIRE_VERSION_MIN: u32 = 1;

#[cfg(test)]
mod tests;
