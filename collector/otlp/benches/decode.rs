//! Measures what a request costs a processor until its samples stand by series: protobuf plain and packed, JSON, histograms.
//! Prints one figure a line, `name value unit`.

#![allow(clippy::print_stdout, reason = "the figures are the output")]
#![allow(clippy::unwrap_used, reason = "a measurement that fails has nothing to say")]
#![allow(clippy::disallowed_methods, reason = "it measures time")]

use std::io::Write;
use std::time::{Duration, Instant};

use collector_otlp::{Allowed, Encoding, decode};
use flate2::Compression;
use flate2::write::GzEncoder;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use prost::Message;
use serde_json::{Value, json};

/// Long enough that a figure does not move.
const TIME: Duration = Duration::from_secs(2);

fn figure(name: &str, body: &[u8], encoding: Encoding, gzip: bool) {
    let (times, most) = (i64::MIN..=i64::MAX, usize::MAX);
    let allowed = Allowed { times, parts_bytes: most, push_bytes: most };
    let samples = decode(body, encoding, gzip, &allowed).unwrap().push.sample_count();
    let (started, mut rounds) = (Instant::now(), 0_usize);
    while started.elapsed() < TIME {
        drop(decode(body, encoding, gzip, &allowed).unwrap());
        rounds += 1;
    }
    let rate = (samples * rounds) as f64 / started.elapsed().as_secs_f64() / 1e6;
    println!("otlp_decode_{name} {rate:.2} M samples/s");
}

fn attributes(at: u32) -> Value {
    let text = |key: &str, value: String| json!({ "key": key, "value": { "stringValue": value } });
    json!([
        text("device", format!("eth{}", at % 7)),
        text("host", format!("bench-{:05}", at / 500)),
        text("instance", format!("bench-{:05}:9100", at / 500)),
        text("job", "node".to_owned()),
        text("number", at.to_string()),
    ])
}

fn request(metrics: Value) -> Value {
    json!({ "resourceMetrics": [{ "resource": {}, "scopeMetrics": [{ "metrics": metrics }] }] })
}

/// Two thousand gauges of forty names.
fn gauges() -> Value {
    let point = |at: u32| {
        let time = "1700000000000000000";
        json!({ "timeUnixNano": time, "asDouble": f64::from(at) * 1.25, "attributes": attributes(at) })
    };
    let metric = |name: u32| {
        let points: Vec<Value> = (name * 50..(name + 1) * 50).map(point).collect();
        json!({ "name": format!("node_network_receive_bytes_{name}"), "gauge": { "dataPoints": points } })
    };
    request((0..40).map(metric).collect())
}

/// Two hundred histograms of fifteen bounds.
fn histograms() -> Value {
    let bounds: Vec<f64> = (0..15).map(|at| f64::from(at) * 0.25).collect();
    let point = |at: u32| {
        json!({
            "timeUnixNano": "1700000000000000000", "count": "16", "sum": 7.5, "attributes": attributes(at),
            "bucketCounts": vec!["1"; 16], "explicitBounds": bounds,
        })
    };
    let points: Vec<Value> = (0..200).map(point).collect();
    let data = json!({ "aggregationTemporality": 2, "dataPoints": points });
    request(json!([{ "name": "http.server.duration", "unit": "s", "histogram": data }]))
}

fn main() {
    for (name, request) in [("gauges", gauges()), ("histograms", histograms())] {
        let json = request.to_string();
        let message: ExportMetricsServiceRequest = serde_json::from_str(&json).unwrap();
        let message = message.encode_to_vec();
        let mut packed = GzEncoder::new(Vec::new(), Compression::default());
        packed.write_all(&message).unwrap();
        figure(name, &message, Encoding::Protobuf, false);
        figure(&format!("{name}_gzip"), &packed.finish().unwrap(), Encoding::Protobuf, true);
        figure(&format!("{name}_json"), json.as_bytes(), Encoding::Json, false);
    }
}
