//! What is too much, broken off, damaged or nobody's meaning: each is answered, and before memory is taken.

use std::io::Write;

use collector_remote_write::labels;
use flate2::Compression;
use flate2::write::GzEncoder;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::{Gauge, Metric, NumberDataPoint, ScopeMetrics};
use opentelemetry_proto::tonic::metrics::v1::{ResourceMetrics, metric::Data};
use proptest::prelude::*;
use prost::Message;

use super::{allowed, attribute, decode, gauge, in_protobuf, request, service};
use crate::{Allowed, Encoding, OtlpError, limits};

#[test]
fn labels_and_bounds_are_taken_up_to_their_limits() {
    let refused = |metrics: &str| {
        let translated = decode(request("", metrics).as_bytes(), Encoding::Json, false).unwrap();
        translated.points_refused
    };
    let labels = |count: usize| {
        let all: Vec<String> = (0..count).map(|at| attribute(&format!("l{at}"), "x")).collect();
        gauge(&all.join(","))
    };
    // The name is a label too.
    let most = collector_remote_write::limits::LABELS_MAX - 1;
    assert_eq!((refused(&labels(most)), refused(&labels(most + 1))), (0, 1));
    let longest = collector_remote_write::limits::LABEL_VALUE_BYTES_MAX;
    let long = |bytes: usize| gauge(&attribute("l", &"x".repeat(bytes)));
    assert_eq!((refused(&long(longest)), refused(&long(longest + 1))), (0, 1));
    let bounds = |count: usize| {
        let bounds: Vec<String> = (0..count).map(|at| at.to_string()).collect();
        let counts = vec!["0"; count + 1].join(",");
        format!(
            r#"{{"name": "h", "histogram": {{"aggregationTemporality": 2, "dataPoints": [
            {{"timeUnixNano": "1000000", "bucketCounts": [{counts}], "explicitBounds": [{}]}}]}}}}"#,
            bounds.join(",")
        )
    };
    assert_eq!(refused(&bounds(limits::BOUNDS_MAX)), 0);
    assert_eq!(refused(&bounds(limits::BOUNDS_MAX + 1)), 1);
}

/// Copied for each, they would take minutes.
#[test]
fn a_hundred_thousand_attributes_of_one_name_are_one_label_that_is_too_long() {
    let all = vec![attribute("a.b", &"x".repeat(130)); 100_000].join(",");
    let translated = decode(&in_protobuf(&request("", &gauge(&all))), Encoding::Protobuf, false);
    let translated = translated.unwrap();
    let reasons: Vec<_> = translated.push.refusals.iter().collect();
    assert_eq!(reasons, [(collector_remote_write::Refusal::LabelLimits, 1)]);
}

#[test]
fn values_nest_up_to_their_limit_in_both_encodings() {
    let nested = |depth: usize| {
        let (mut value, end) = (String::new(), "]}}".repeat(depth));
        for _ in 0..depth {
            value += r#"{"arrayValue": {"values": ["#;
        }
        request("", &gauge(&format!(r#"{{"key": "a", "value": {value}{{"intValue": 1}}{end}}}"#)))
    };
    let read = |json: &str| {
        let protobuf = in_protobuf(json);
        [
            decode(json.as_bytes(), Encoding::Json, false).is_ok(),
            decode(&protobuf, Encoding::Protobuf, false).is_ok(),
        ]
    };
    assert_eq!(read(&nested(limits::VALUE_DEPTH_MAX)), [true, true]);
    assert_eq!(read(&nested(limits::VALUE_DEPTH_MAX + 1)), [false, false]);
    // Far beyond, in an encoding that has no bytes for it: no stack is used up.
    let deep = nested(100_000);
    assert!(matches!(decode(deep.as_bytes(), Encoding::Json, false), Err(OtlpError::Json(_))));
}

#[test]
fn messages_within_a_request_are_taken_up_to_their_limit_before_memory_is() {
    // An empty point takes two bytes here and more than a hundred in memory.
    let points = |count: usize| {
        let gauge = Gauge { data_points: vec![NumberDataPoint::default(); count] };
        let metric = Metric { data: Some(Data::Gauge(gauge)), ..Metric::default() };
        let scope = ScopeMetrics { metrics: vec![metric], ..ScopeMetrics::default() };
        let resource = ResourceMetrics { scope_metrics: vec![scope], ..ResourceMetrics::default() };
        ExportMetricsServiceRequest { resource_metrics: vec![resource] }.encode_to_vec()
    };
    // A resource, a scope and a metric are around them.
    let most = limits::PARTS_MAX - 3;
    assert!(decode(&points(most), Encoding::Protobuf, false).is_ok());
    let refused = decode(&points(most + 1), Encoding::Protobuf, false).unwrap_err();
    assert!(refused.is_too_large(), "{refused}");
    let objects = |count: usize| {
        let all = vec!["{}"; count].join(",");
        format!(r#"{{"resourceMetrics": [{all}]}}"#)
    };
    assert!(decode(objects(limits::PARTS_MAX - 1).as_bytes(), Encoding::Json, false).is_ok());
    let refused = decode(objects(limits::PARTS_MAX).as_bytes(), Encoding::Json, false);
    assert!(refused.unwrap_err().is_too_large());
}

/// Bytes that suffice, by halving what is unknown; one less is refused, and another request may do with more.
fn memory_needed(body: &[u8], encoding: Encoding, allowed: impl Fn(usize) -> Allowed) -> usize {
    let (mut too_little, mut enough) = (0, 1 << 30);
    while enough - too_little > 1 {
        let tried = (too_little + enough) / 2;
        match crate::decode(body, encoding, false, &allowed(tried)) {
            Ok(_) => enough = tried,
            Err(error) => {
                assert!(error.needs_memory() && error.is_too_large(), "{error}");
                too_little = tried;
            }
        }
    }
    enough
}

#[test]
fn a_request_stops_where_its_memory_ends() {
    let most = usize::MAX;
    let parts = |bytes| Allowed { parts_bytes: bytes, ..allowed(most) };
    let push = |bytes| Allowed { push_bytes: bytes, ..allowed(most) };
    // A histogram's labels come once and are kept for each of its buckets.
    let bounds = |count: usize| (0..count).map(|at| at.to_string()).collect::<Vec<_>>().join(",");
    let histogram = |count: usize| {
        let label = attribute("l", &"x".repeat(1_000));
        request(
            "",
            &format!(
                r#"{{"name": "h", "histogram": {{"aggregationTemporality": 2, "dataPoints": [
                {{"timeUnixNano": "1000000", "attributes": [{label}], "bucketCounts": [{}], "explicitBounds": [{}]}}]}}}}"#,
                vec!["0"; count + 1].join(","),
                bounds(count)
            ),
        )
    };
    for (count, expected) in [(1, 3 * 1_000), (500, 502 * 1_000)] {
        let body = in_protobuf(&histogram(count));
        let needed = memory_needed(&body, Encoding::Protobuf, push);
        let translated = decode(&body, Encoding::Protobuf, false).unwrap();
        assert_eq!(needed, translated.push.bytes());
        assert!((expected..2 * expected).contains(&needed), "{needed}");
    }
    // Empty points take two bytes each on the way.
    let gauge = Gauge { data_points: vec![NumberDataPoint::default(); 1_000] };
    let metric = Metric { data: Some(Data::Gauge(gauge)), ..Metric::default() };
    let scope = ScopeMetrics { metrics: vec![metric], ..ScopeMetrics::default() };
    let resource = ResourceMetrics { scope_metrics: vec![scope], ..ResourceMetrics::default() };
    let body = ExportMetricsServiceRequest { resource_metrics: vec![resource] }.encode_to_vec();
    let point = size_of::<crate::model::Number<'_>>();
    let needed = memory_needed(&body, Encoding::Protobuf, parts);
    assert!((1_000 * point..1_100 * point).contains(&needed), "{needed}");
    let objects = format!(r#"{{"resourceMetrics": [{}]}}"#, vec!["{}"; 1_000].join(","));
    let needed = memory_needed(objects.as_bytes(), Encoding::Json, parts);
    assert!((640_000..700_000).contains(&needed), "{needed}");
}

#[test]
fn a_value_that_is_longer_than_any_label_is_refused_before_it_is_written_out() {
    let refused = |value: &str| {
        let json = request("", &gauge(&format!(r#"{{"key": "a", "value": {value}}}"#)));
        decode(&in_protobuf(&json), Encoding::Protobuf, false).unwrap().points_refused
    };
    let longest = collector_remote_write::limits::LABEL_VALUE_BYTES_MAX;
    // In brackets, with commas between them.
    let list = |count: usize| {
        let all = vec![r#"{"intValue": "1"}"#; count].join(",");
        format!(r#"{{"arrayValue": {{"values": [{all}]}}}}"#)
    };
    let most = (longest - 1) / 2;
    assert_eq!((refused(&list(most)), refused(&list(most + 1))), (0, 1));
    assert_eq!(refused(&list(100_000)), 1);
    let pair = |bytes: usize| {
        let value = format!(r#"{{"stringValue": "{}"}}"#, "x".repeat(bytes));
        format!(r#"{{"kvlistValue": {{"values": [{{"key": "k", "value": {value}}}]}}}}"#)
    };
    let around = r#"{"k":""}"#.len();
    assert_eq!((refused(&pair(longest - around)), refused(&pair(longest - around + 1))), (0, 1));
    let named = |value: &str| {
        let resource = format!(r#"{{"key": "service.name", "value": {value}}}"#);
        let json = request(&resource, &gauge(""));
        decode(&in_protobuf(&json), Encoding::Protobuf, false).unwrap().points_refused
    };
    assert_eq!((named(&list(most)), named(&list(most + 1)), named(&list(10_000))), (0, 1, 1));
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

#[test]
fn a_body_unpacks_to_its_limit_and_one_that_lies_about_its_size_is_refused() {
    let json = request("", &gauge(""));
    assert!(decode(&gzip(json.as_bytes()), Encoding::Json, true).is_ok());
    // Spaces are no JSON, yet as long as can be.
    let of = |bytes: usize| decode(&gzip(&vec![b' '; bytes]), Encoding::Json, true).unwrap_err();
    assert_eq!(of(limits::MESSAGE_BYTES_MAX).name(), "malformed");
    assert_eq!(of(limits::MESSAGE_BYTES_MAX + 1).name(), "too_large");
    let plain = vec![b' '; limits::MESSAGE_BYTES_MAX + 1];
    assert_eq!(decode(&plain, Encoding::Json, false).unwrap_err().name(), "too_large");
    let mut lies = gzip(&vec![0; 1 << 20]);
    let end = lies.len();
    lies[end - 4..].copy_from_slice(&10_u32.to_le_bytes());
    assert_eq!(decode(&lies, Encoding::Protobuf, true).unwrap_err().name(), "gzip");
    let twice = [gzip(json.as_bytes()), gzip(json.as_bytes())].concat();
    assert_eq!(decode(&twice, Encoding::Json, true).unwrap_err().name(), "gzip");
    assert_eq!(decode(b"no gzip", Encoding::Json, true).unwrap_err().name(), "too_large");
    assert_eq!(decode(b"", Encoding::Json, true).unwrap_err().name(), "gzip");
}

/// One of everything.
fn everything() -> String {
    let metrics = [
        gauge(&[attribute("a", "b"), attribute("c", "d")].join(",")),
        r#"{"name": "s", "unit": "By", "sum": {"aggregationTemporality": 2, "isMonotonic": true, "dataPoints": [
            {"timeUnixNano": "1000000", "asDouble": 1.5, "exemplars": [{"asInt": "1"}]}]}}"#
            .to_owned(),
        r#"{"name": "h", "histogram": {"aggregationTemporality": 2, "dataPoints": [
            {"timeUnixNano": "1000000", "count": "3", "sum": 1, "bucketCounts": ["1", "2"], "explicitBounds": [5]}]}}"#
            .to_owned(),
        r#"{"name": "q", "summary": {"dataPoints": [
            {"timeUnixNano": "1000000", "count": "1", "sum": 1, "quantileValues": [{"quantile": 0.5, "value": 2}]}]}}"#
            .to_owned(),
    ];
    request(&service(), &metrics.join(","))
}

#[test]
fn a_request_that_breaks_off_anywhere_is_refused() {
    let json = everything();
    for end in 0..json.len() {
        assert!(decode(&json.as_bytes()[..end], Encoding::Json, false).is_err(), "{end}");
    }
    // Cut anywhere, a message of one field is shorter than it says; cut at nothing, it is an empty one.
    let protobuf = in_protobuf(&json);
    assert_eq!(decode(&protobuf[..0], Encoding::Protobuf, false).unwrap().push.series_count(), 0);
    for end in 1..protobuf.len() {
        assert!(decode(&protobuf[..end], Encoding::Protobuf, false).is_err(), "{end}");
    }
    let packed = gzip(&protobuf);
    for end in 0..packed.len() {
        assert!(decode(&packed[..end], Encoding::Protobuf, true).is_err(), "{end}");
    }
}

proptest! {
    /// Bytes that nobody meant: an answer, never a panic.
    #[test]
    fn any_bytes_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        for encoding in [Encoding::Protobuf, Encoding::Json] {
            drop(decode(&bytes, encoding, false));
            drop(decode(&bytes, encoding, true));
            drop(decode(&gzip(&bytes), encoding, true));
        }
    }

    /// A good request with some bytes changed is answered, and what is taken of it are series.
    #[test]
    fn damaged_requests_are_answered(
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let json = everything();
        for (mut bytes, encoding) in
            [(in_protobuf(&json), Encoding::Protobuf), (json.into_bytes(), Encoding::Json)]
        {
            for (place, byte) in &damage {
                let at = place.index(bytes.len());
                bytes[at] = *byte;
            }
            if let Ok(translated) = decode(&bytes, encoding, false) {
                for series in translated.push.series() {
                    prop_assert!(labels(series.labels).is_ok());
                }
                let series = translated.push.series_count();
                prop_assert!(translated.points.iter().all(|point| point.end <= series));
            }
        }
    }
}
