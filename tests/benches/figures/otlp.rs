//! A request of OTLP with the same samples as one of remote write: a gauge for each name, all labels as attributes of its
//! points, gzip as the OpenTelemetry Collector sends it.

use std::io::Write;

use agent_model::{Labels, Millis};
use flate2::Compression;
use flate2::write::GzEncoder;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::{
    Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric, number_data_point,
};
use prost::Message;

pub(crate) fn body(
    series: &[Labels],
    host: &str,
    columns: &[(Millis, Vec<f64>)],
) -> anyhow::Result<Vec<u8>> {
    // Series of one name stand side by side.
    let names = series.chunk_by(|one, other| one.metric_name() == other.metric_name());
    let mut place = 0;
    let metrics = names.map(|of_name| {
        let points = of_name.iter().enumerate().flat_map(|(at, labels)| {
            let attributes = attributes(labels, host);
            columns.iter().map(move |(timestamp_ms, values)| NumberDataPoint {
                attributes: attributes.clone(),
                time_unix_nano: timestamp_ms.cast_unsigned() * 1_000_000,
                value: Some(number_data_point::Value::AsDouble(values[place + at])),
                ..NumberDataPoint::default()
            })
        });
        let gauge = Gauge { data_points: points.collect() };
        place += of_name.len();
        let name = of_name.first().map_or_else(String::new, |one| one.metric_name().to_owned());
        Metric { name, data: Some(metric::Data::Gauge(gauge)), ..Metric::default() }
    });
    let metrics = metrics.collect();
    let scope = ScopeMetrics { metrics, ..ScopeMetrics::default() };
    let resource = ResourceMetrics { scope_metrics: vec![scope], ..ResourceMetrics::default() };
    let message = ExportMetricsServiceRequest { resource_metrics: vec![resource] }.encode_to_vec();
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(&message)?;
    Ok(packed.finish()?)
}

fn attributes(labels: &Labels, host: &str) -> Vec<KeyValue> {
    let labels = labels.with("host", host).with("instance", host).with("job", "bench");
    let others = labels.iter().filter(|label| &*label.name != Labels::NAME);
    let one = |label: &agent_model::Label| KeyValue {
        key: label.name.to_string(),
        value: Some(AnyValue {
            value: Some(any_value::Value::StringValue(label.value.to_string())),
        }),
        ..KeyValue::default()
    };
    others.map(one).collect()
}
