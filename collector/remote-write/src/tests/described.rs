//! What requests say of metrics, in both versions and at their bounds.

use agent_model::{HELP_BYTES_MAX, METRIC_NAME_BYTES_MAX, MetricMetadata};
use prost::Message;

use super::{series, snappy, write_2};
use crate::limits::DESCRIBED_MAX;
use crate::messages::{version_1, version_2};
use crate::{LeftOut, Push, Version, decode};

fn one(kind: i32, metric: &str, help: &str) -> version_1::MetricMetadata {
    let (metric_family_name, help, unit) = (metric.into(), help.into(), "seconds".into());
    version_1::MetricMetadata { r#type: kind, metric_family_name, help, unit }
}

fn first(metadata: Vec<version_1::MetricMetadata>) -> Push {
    let message = version_1::WriteRequest { timeseries: vec![], metadata };
    decode(&snappy(&message.encode_to_vec()), Version::One).unwrap()
}

fn shown(push: &Push) -> Vec<String> {
    let line = |MetricMetadata { metric, kind, help, unit }: &MetricMetadata| {
        format!("{metric} {} {help:?} {unit}", kind.name())
    };
    push.described.iter().map(line).collect()
}

#[test]
fn the_first_version_describes_metrics_beside_series() {
    let push = first(vec![one(3, "latency", "How long."), one(99, "odd", ""), one(1, "", "x")]);
    assert_eq!(
        shown(&push),
        [r#"latency histogram "How long." seconds"#, r#"odd unknown "" seconds"#]
    );
    assert_eq!(push.left_out, LeftOut { metadata: 1, ..LeftOut::default() });
    assert_eq!(push.series_count(), 0);
}

#[test]
fn the_second_version_describes_the_family_of_each_series_once() {
    let names = ["latency_bucket", "latency_count", "latency_sum", "load", "plain"];
    let all: Vec<_> = names.iter().map(|name| series(&[("__name__", name)], &[(1.0, 1)])).collect();
    let mut request = write_2(&all);
    let place = |text: &str, request: &mut version_2::Request| {
        request.symbols.push(text.to_owned());
        u32::try_from(request.symbols.len() - 1).unwrap()
    };
    let (help_ref, unit_ref) = (place("How long.", &mut request), place("seconds", &mut request));
    for series in &mut request.timeseries[..3] {
        series.metadata = Some(version_2::Metadata { r#type: 3, help_ref, unit_ref });
    }
    request.timeseries[3].metadata =
        Some(version_2::Metadata { r#type: 2, help_ref: 0, unit_ref: 0 });
    request.timeseries[4].metadata = Some(version_2::Metadata::default());
    let push = decode(&snappy(&request.encode_to_vec()), Version::Two).unwrap();
    assert_eq!(shown(&push), [r#"latency histogram "How long." seconds"#, r#"load gauge "" "#]);
    assert_eq!(push.series_count(), 5);
    request.timeseries[0].metadata.as_mut().unwrap().help_ref = 1_000;
    assert!(decode(&snappy(&request.encode_to_vec()), Version::Two).is_err());
}

#[test]
fn what_is_too_much_is_cut_or_left_out_and_counted() {
    let long = "h".repeat(HELP_BYTES_MAX + 1);
    let push = first(vec![one(1, "m", &long), one(1, &"m".repeat(METRIC_NAME_BYTES_MAX + 1), "")]);
    assert_eq!((push.described.len(), push.described[0].help.len()), (1, HELP_BYTES_MAX));
    assert_eq!(push.left_out, LeftOut { metadata: 1, texts_cut: 1, ..LeftOut::default() });
    let many = |count: usize| first((0..count).map(|at| one(1, &format!("m{at}"), "")).collect());
    assert_eq!(many(DESCRIBED_MAX).left_out.metadata, 0);
    let push = many(DESCRIBED_MAX + 1);
    assert_eq!((push.described.len(), push.left_out.metadata), (DESCRIBED_MAX, 1));
    assert!(push.bytes() >= DESCRIBED_MAX * size_of::<MetricMetadata>());
}
