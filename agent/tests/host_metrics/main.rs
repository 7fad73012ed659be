//! The host's metrics against captured and hand-made hosts, and against a real node_exporter.

#[cfg(test)]
mod exposition;
#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod node_exporter;
