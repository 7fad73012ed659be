//! Pushes for the tests of what takes them.

use agent_model::Labels;
use collector_remote_write::messages::version_1::{Label, Sample, TimeSeries, WriteRequest};
use collector_remote_write::{Push, Version, decode};
use prost::Message;

use super::*;

pub(crate) fn owner() -> Owner {
    Owner { name: "dc2".to_owned(), labels: Labels::new([("origin", "dc2")]) }
}

fn series(labels: &[(&str, &str)]) -> TimeSeries {
    let label = |&(name, value): &(&str, &str)| Label { name: name.into(), value: value.into() };
    TimeSeries {
        labels: labels.iter().map(label).collect(),
        samples: vec![Sample { value: 1.5, timestamp: 1_000 }],
        ..TimeSeries::default()
    }
}

pub(crate) fn body(timeseries: Vec<TimeSeries>) -> bytes::Bytes {
    let message = WriteRequest { timeseries, metadata: vec![] }.encode_to_vec();
    snap::raw::Encoder::new().compress_vec(&message).unwrap().into()
}

/// One sample, 1.5 at 1,000, of each name.
pub(crate) fn push(names: &[&str]) -> Push {
    let timeseries = names.iter().map(|name| series(&[("__name__", name)])).collect();
    decode(&body(timeseries), Version::One).unwrap()
}

pub(crate) fn push_of_host(name: &str, host: &str) -> Push {
    decode(&body(vec![series(&[("__name__", name), ("host", host)])]), Version::One).unwrap()
}
