//! What is sent, read by our own decoder and by the generated messages.

use agent_model::stale_marker;
use proptest::prelude::*;
use prost::Message;

use super::*;
use crate::messages::{version_1, version_2};
use crate::{decode, labels};

fn message(body: &[u8]) -> Vec<u8> {
    snap::raw::Decoder::new().decompress_vec(body).unwrap()
}

/// Labels in text, times and bits of values.
fn shown(series: &[OutwardSeries]) -> Vec<(String, Vec<(i64, u64)>)> {
    let bits = |sample: &Sample| (sample.timestamp_ms, sample.value.to_bits());
    let one = |one: &OutwardSeries| {
        (one.labels.to_string(), one.samples.iter().map(bits).collect::<Vec<_>>())
    };
    series.iter().map(one).collect()
}

fn decoded(series: &[OutwardSeries], version: Version) -> Vec<OutwardSeries> {
    let push = decode(&encode(series, version).unwrap(), version).unwrap();
    assert_eq!(push.refusals.samples(), 0, "{}", push.refusals.text());
    let read = push.series().map(|one| OutwardSeries {
        labels: labels(one.labels).unwrap(),
        samples: one.samples.to_vec(),
    });
    read.collect()
}

#[test]
fn a_text_stands_once_in_version_2_and_stale_markers_keep_their_bits() {
    let sample = |timestamp_ms, value| Sample { timestamp_ms, value };
    let series = |host: &str, samples| OutwardSeries {
        labels: Labels::metric("up", [("host", host), ("instance", host)]),
        samples,
    };
    let sent = [
        series("a", vec![sample(-1, 0.0), sample(2, stale_marker())]),
        series("b", vec![sample(1, 1.5)]),
    ];
    let read = version_2::Request::decode(&*message(&encode(&sent, Version::Two).unwrap()));
    let read = read.unwrap();
    assert_eq!(read.symbols, ["", "__name__", "up", "host", "a", "instance", "b"]);
    assert_eq!(read.timeseries[1].labels_refs, [1, 2, 3, 6, 5, 6]);
    assert_eq!(read.timeseries[0].samples[1].value.to_bits(), stale_marker().to_bits());
    let read = version_1::WriteRequest::decode(&*message(&encode(&sent, Version::One).unwrap()));
    let read = read.unwrap();
    let names: Vec<_> = read.timeseries[0].labels.iter().map(|label| &*label.name).collect();
    assert_eq!(names, ["__name__", "host", "instance"]);
    assert_eq!(read.timeseries[0].samples[0], version_1::Sample { value: 0.0, timestamp: -1 });
}

fn any_series() -> impl Strategy<Value = OutwardSeries> {
    let label = ("[a-zA-Z][a-zA-Z0-9_]{0,8}", "\\PC{0,20}");
    let sample = (any::<i64>(), any::<u64>());
    let sample = sample.prop_map(|(timestamp_ms, bits)| {
        let value = f64::from_bits(bits);
        Sample { timestamp_ms, value }
    });
    let labels = ("[a-z:_]{1,12}", prop::collection::vec(label, 0..8));
    (labels, prop::collection::vec(sample, 1..8)).prop_map(|((name, labels), samples)| {
        OutwardSeries { labels: Labels::metric(name, labels), samples }
    })
}

proptest! {
    #[test]
    fn what_is_encoded_is_decoded_bit_for_bit_in_both_versions(
        sent in prop::collection::vec(any_series(), 0..12),
    ) {
        for version in [Version::One, Version::Two] {
            prop_assert_eq!(shown(&decoded(&sent, version)), shown(&sent));
        }
    }
}
