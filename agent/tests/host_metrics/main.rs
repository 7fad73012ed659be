//! The host's metrics against captured and hand-made hosts, and against a real node_exporter.

mod exposition;
mod fixtures;
mod golden;
mod node_exporter;
