//! Requests as senders make them, requests at each limit, and bytes that are no request.

use agent_model::STALE_NAN_BITS;
use expect_test::{Expect, expect};
use proptest::prelude::*;
use prost::Message;

use crate::limits::{LABEL_NAME_BYTES_MAX, LABEL_VALUE_BYTES_MAX, LABELS_MAX, MESSAGE_BYTES_MAX};
use crate::limits::{SAMPLES_MAX, SERIES_MAX, SYMBOLS_MAX};
use crate::messages::{version_1, version_2};
use crate::{LeftOut, Push, RemoteWriteError, Version, decode, decode_into, labels};

fn label(name: &str, value: &str) -> version_1::Label {
    version_1::Label { name: name.to_owned(), value: value.to_owned() }
}

fn series(labels: &[(&str, &str)], samples: &[(f64, i64)]) -> version_1::TimeSeries {
    let sample = |&(value, timestamp)| version_1::Sample { value, timestamp };
    version_1::TimeSeries {
        labels: labels.iter().map(|(name, value)| label(name, value)).collect(),
        samples: samples.iter().map(sample).collect(),
        ..version_1::TimeSeries::default()
    }
}

fn write(timeseries: Vec<version_1::TimeSeries>) -> Vec<u8> {
    snappy(&version_1::WriteRequest { timeseries, metadata: vec![] }.encode_to_vec())
}

fn snappy(message: &[u8]) -> Vec<u8> {
    snap::raw::Encoder::new().compress_vec(message).unwrap()
}

/// The same series as version 2 writes them.
fn write_2(timeseries: &[version_1::TimeSeries]) -> version_2::Request {
    let mut request =
        version_2::Request { symbols: vec![String::new()], ..version_2::Request::default() };
    for one in timeseries {
        let mut made = version_2::TimeSeries::default();
        for text in one.labels.iter().flat_map(|label| [&label.name, &label.value]) {
            let known = request.symbols.iter().position(|symbol| symbol == text);
            let place = known.unwrap_or_else(|| {
                request.symbols.push(text.clone());
                request.symbols.len() - 1
            });
            made.labels_refs.push(u32::try_from(place).unwrap());
        }
        let samples = one.samples.iter().map(|sample| version_2::Sample {
            value: sample.value,
            timestamp: sample.timestamp,
            start_timestamp: 0,
        });
        made.samples = samples.collect();
        request.timeseries.push(made);
    }
    request
}

/// Series and samples, one line each, values by their bits.
fn shown(push: &Push) -> String {
    let mut out = String::new();
    for series in push.series() {
        let labels =
            labels(series.labels).map_or_else(|why| why.name().into(), |it| it.to_string());
        let samples: Vec<String> = series
            .samples
            .iter()
            .map(|one| format!("{:x}@{}", one.value.to_bits(), one.timestamp_ms))
            .collect();
        out += &format!("{labels} {}\n", samples.join(" "));
    }
    if push.refusals.samples() > 0 {
        out += &format!("{}\n", push.refusals.text());
    }
    out
}

fn check(push: &Push, expected: Expect) {
    expected.assert_eq(&shown(push));
}

fn usual() -> Vec<version_1::TimeSeries> {
    vec![
        series(
            &[("__name__", "up"), ("job", "node")],
            &[(1.0, 1_000), (f64::from_bits(STALE_NAN_BITS), 2_000)],
        ),
        // Unsorted, and with a value that means absence.
        series(&[("job", "node"), ("zone", ""), ("__name__", "temperature")], &[(-1.5, -5)]),
    ]
}

#[test]
fn both_versions_bring_the_same_series_with_every_bit_of_their_values() {
    let first = decode(&write(usual()), Version::One).unwrap();
    let second = decode(&snappy(&write_2(&usual()).encode_to_vec()), Version::Two).unwrap();
    assert_eq!(shown(&first), shown(&second));
    check(
        &first,
        expect![[r#"
            up{job="node"} 3ff0000000000000@1000 7ff0000000000002@2000
            temperature{job="node"} bff8000000000000@-5
        "#]],
    );
}

#[test]
fn a_bad_series_is_left_out_and_counted_by_reason_and_its_neighbours_stay() {
    let long = "x".repeat(LABEL_VALUE_BYTES_MAX + 1);
    let mut histogram = series(&[("__name__", "h")], &[]);
    histogram.histograms = vec![vec![1, 2, 3]];
    histogram.exemplars = vec![version_1::Exemplar::default()];
    let body = write(vec![
        series(&[("__name__", "m"), ("long", &long)], &[(1.0, 1), (2.0, 2)]),
        histogram,
        series(&[("__name__", "good")], &[(1.0, 1)]),
        series(&[("__name__", "nothing")], &[]),
    ]);
    let push = decode(&body, Version::One).unwrap();
    assert_eq!(push.left_out, LeftOut { exemplars: 1, ..LeftOut::default() });
    let reasons: Vec<_> = push.refusals.iter().map(|(why, count)| (why.name(), count)).collect();
    assert_eq!(reasons, [("label_limits", 2), ("native_histogram", 1)]);
    assert_eq!(push.series_count(), 1);
}

#[test]
fn label_sets_that_name_no_series_are_known_by_their_reason() {
    let read = |pairs: &[(&str, &str)]| {
        let push = decode(&write(vec![series(pairs, &[(1.0, 1)])]), Version::One).unwrap();
        let read = push.series().next().map(|series| labels(series.labels)).unwrap();
        read.map_or_else(|why| why.name().to_owned(), |labels| labels.to_string())
    };
    let name = ("__name__", "m");
    assert_eq!(read(&[("job", "a")]), "metric_name");
    assert_eq!(read(&[("__name__", "")]), "metric_name");
    assert_eq!(read(&[("__name__", "nhiệt.độ")]), "{\"nhiệt.độ\"}");
    assert_eq!(read(&[("__name__", "job:m:rate")]), "job:m:rate");
    assert_eq!(read(&[name, ("a:b", "1")]), "m{\"a:b\"=\"1\"}");
    assert_eq!(read(&[name, ("", "1")]), "label_name");
    assert_eq!(read(&[name, ("1a", "1")]), "m{\"1a\"=\"1\"}");
    assert_eq!(read(&[name, ("a", "1"), ("a", "2")]), "label_repeated");
    assert_eq!(read(&[name, ("a", "đèn")]), "m{a=\"đèn\"}");
    // What is not UTF-8 cannot be made with the generated message.
    let mut run = Vec::new();
    crate::labels::write(&mut run, b"__name__", b"m");
    crate::labels::write(&mut run, b"a", b"\xff");
    assert_eq!(labels(&run).unwrap_err().name(), "not_utf8");
}

#[test]
fn labels_are_taken_up_to_their_limits() {
    let names: Vec<String> = (1..=LABELS_MAX).map(|at| format!("l{at}")).collect();
    let (name, value) = ("n".repeat(LABEL_NAME_BYTES_MAX), "v".repeat(LABEL_VALUE_BYTES_MAX));
    let taken = |count: usize, name: &str, value: &str| {
        let mut pairs = vec![("__name__", "m"), (name, value)];
        pairs.extend(names[..count - 2].iter().map(|name| (name.as_str(), "x")));
        decode(&write(vec![series(&pairs, &[(1.0, 1)])]), Version::One).unwrap().series_count()
    };
    assert_eq!(taken(LABELS_MAX, &name, &value), 1);
    assert_eq!(taken(LABELS_MAX + 1, &name, &value), 0);
    assert_eq!(taken(3, &format!("{name}n"), &value), 0);
    assert_eq!(taken(3, &name, &format!("{value}v")), 0);
}

#[test]
fn samples_series_and_symbols_are_taken_up_to_their_limits() {
    let too_many = |body: &[u8], version| match decode(body, version) {
        Err(RemoteWriteError::TooMany { what, .. }) => what,
        Err(error) => panic!("{error}"),
        Ok(_) => "taken",
    };
    let samples = |count| write(vec![series(&[("__name__", "m")], &vec![(1.0, 1); count])]);
    assert_eq!(too_many(&samples(SAMPLES_MAX), Version::One), "taken");
    assert_eq!(too_many(&samples(SAMPLES_MAX + 1), Version::One), "samples");
    let many = |count| write(vec![series(&[("__name__", "m")], &[(1.0, 1)]); count]);
    assert_eq!(too_many(&many(SERIES_MAX), Version::One), "taken");
    assert_eq!(too_many(&many(SERIES_MAX + 1), Version::One), "series");
    let symbols = |count| {
        let request =
            version_2::Request { symbols: vec![String::new(); count], timeseries: vec![] };
        snappy(&request.encode_to_vec())
    };
    assert_eq!(too_many(&symbols(SYMBOLS_MAX), Version::Two), "taken");
    assert_eq!(too_many(&symbols(SYMBOLS_MAX + 1), Version::Two), "symbols");
}

#[test]
fn references_cannot_stand_for_more_bytes_than_a_request_may_bring() {
    let long = series(&[("__name__", "m"), ("a", &"v".repeat(LABEL_VALUE_BYTES_MAX))], &[(1.0, 1)]);
    let mut request = write_2(&[long]);
    request.timeseries = vec![request.timeseries[0].clone(); 10_000];
    let body = snappy(&request.encode_to_vec());
    assert!(body.len() < 100_000);
    let refused = decode(&body, Version::Two).unwrap_err();
    assert_eq!(refused.name(), "too_large");
}

#[test]
fn a_body_that_unpacks_to_more_than_the_limit_is_refused_before_it_is_unpacked() {
    let at_limit = snappy(&vec![0; MESSAGE_BYTES_MAX]);
    assert_eq!(decode(&at_limit, Version::One).unwrap_err().name(), "malformed");
    let over = snappy(&vec![0; MESSAGE_BYTES_MAX + 1]);
    assert!(matches!(
        decode(&over, Version::One),
        Err(RemoteWriteError::MessageBytes { bytes }) if bytes == MESSAGE_BYTES_MAX + 1
    ));
}

#[test]
fn places_that_are_no_symbols_and_labels_without_a_value_are_malformed() {
    let refused = |change: fn(&mut version_2::Request)| {
        let mut request = write_2(&usual());
        change(&mut request);
        decode(&snappy(&request.encode_to_vec()), Version::Two).unwrap_err().to_string()
    };
    expect!["the message is no valid protobuf: a series refers to a symbol that is not there"]
        .assert_eq(&refused(|request| request.timeseries[0].labels_refs[1] = 99));
    expect!["the message is no valid protobuf: a label has a name and no value"]
        .assert_eq(&refused(|request| request.timeseries[0].labels_refs.truncate(3)));
    expect!["the message is no valid protobuf: the first symbol is not the empty text"]
        .assert_eq(&refused(|request| request.symbols[0] = "x".to_owned()));
    assert_eq!(decode(b"no snappy", Version::Two).unwrap_err().name(), "snappy");
}

#[test]
fn what_is_refused_later_leaves_the_rest_as_it_was() {
    let push = decode(&write(usual()), Version::One).unwrap();
    let late = |_: usize, sample: &agent_model::Sample| {
        (sample.timestamp_ms == 1_000).then_some(crate::Refusal::Time)
    };
    check(
        &push.without(late),
        expect![[r#"
            up{job="node"} 7ff0000000000002@2000
            temperature{job="node"} bff8000000000000@-5
            1 samples are not taken (time 1); the first: the time lies too far ahead or too far back (agents.future_max, agents.past_max): up{job="node"}
        "#]],
    );
}

fn any_series() -> impl Strategy<Value = version_1::TimeSeries> {
    let label = ("[a-z_]{1,8}", "[a-zđ]{0,8}").prop_map(|(name, value)| label(&name, &value));
    let sample = (any::<f64>(), any::<i64>());
    let sample = sample.prop_map(|(value, timestamp)| version_1::Sample { value, timestamp });
    let (labels, samples) =
        (prop::collection::vec(label, 0..6), prop::collection::vec(sample, 0..6));
    (labels, samples).prop_map(|(labels, samples)| version_1::TimeSeries {
        labels,
        samples,
        ..version_1::TimeSeries::default()
    })
}

#[test]
fn a_request_stops_where_its_memory_ends_and_does_with_what_it_becomes() {
    let first = write(usual());
    let second = snappy(&write_2(&usual()).encode_to_vec());
    for (body, version) in [(first, Version::One), (second, Version::Two)] {
        let needed = decode(&body, version).unwrap().bytes();
        let push = decode_into(Push::within(needed), &body, version).unwrap();
        assert_eq!(push.bytes(), needed);
        let refused = decode_into(Push::within(needed - 1), &body, version);
        assert!(matches!(refused, Err(RemoteWriteError::Memory)));
    }
}

proptest! {
    #[test]
    fn a_push_comes_back_from_its_durable_form_bit_for_bit(
        timeseries in prop::collection::vec(any_series(), 0..8),
    ) {
        let push = decode(&write(timeseries), Version::One).unwrap();
        let back = Push::unpack(&push.pack().unwrap()).unwrap();
        prop_assert_eq!(shown(&push), shown(&back));
    }

    #[test]
    fn both_versions_agree(timeseries in prop::collection::vec(any_series(), 0..8)) {
        let second = write_2(&timeseries).encode_to_vec();
        let first = decode(&write(timeseries), Version::One).unwrap();
        prop_assert_eq!(shown(&first), shown(&decode(&snappy(&second), Version::Two).unwrap()));
    }

    /// Bytes that nobody meant, and good requests with a few bytes changed: an answer, never a panic.
    #[test]
    fn any_bytes_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        for version in [Version::One, Version::Two] {
            drop(decode(&bytes, version));
            drop(decode(&snappy(&bytes), version));
        }
        drop(Push::unpack(&bytes));
        drop(Push::unpack(&zstd::bulk::compress(&bytes, 1).unwrap()));
        drop(labels(&bytes));
    }

    #[test]
    fn damaged_requests_are_answered(
        timeseries in prop::collection::vec(any_series(), 1..5),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let first = version_1::WriteRequest { timeseries: timeseries.clone(), metadata: vec![] };
        for (mut bytes, version) in [
            (first.encode_to_vec(), Version::One),
            (write_2(&timeseries).encode_to_vec(), Version::Two),
        ] {
            for (place, byte) in &damage {
                if !bytes.is_empty() {
                    let at = place.index(bytes.len());
                    bytes[at] = *byte;
                }
            }
            if let Ok(push) = decode(&snappy(&bytes), version) {
                drop(push.series().map(|series| labels(series.labels)).collect::<Vec<_>>());
            }
        }
    }
}

mod described;
