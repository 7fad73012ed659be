//! The messages as a sender makes them, generated from `proto/`; receiving does not go through them.

/// `prometheus.WriteRequest` and what it holds.
pub mod version_1 {
    #![allow(clippy::allow_attributes_without_reason, reason = "generated code")]
    include!(concat!(env!("OUT_DIR"), "/prometheus.rs"));
}

/// `io.prometheus.write.v2.Request` and what it holds.
pub mod version_2 {
    #![allow(clippy::allow_attributes_without_reason, reason = "generated code")]
    include!(concat!(env!("OUT_DIR"), "/io.prometheus.write.v2.rs"));
}
