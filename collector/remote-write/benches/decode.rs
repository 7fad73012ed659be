//! Measures what a request costs a processor before it is stored: decoding either version, packing, unpacking.
//! Prints one figure a line, `name value unit`, for `cargo xtask bench`.

#![allow(clippy::print_stdout, reason = "the figures are the output")]
#![allow(clippy::unwrap_used, reason = "a measurement that fails has nothing to say")]
#![allow(clippy::disallowed_methods, reason = "it measures time")]

use std::time::{Duration, Instant};

use collector_remote_write::messages::version_1::{Label, Sample, TimeSeries, WriteRequest};
use collector_remote_write::{Push, Version, decode};
use prost::Message;

/// Long enough that a figure does not move.
const TIME: Duration = Duration::from_secs(2);

fn figure(name: &str, samples: usize, mut work: impl FnMut()) {
    let (started, mut rounds) = (Instant::now(), 0_usize);
    while started.elapsed() < TIME {
        work();
        rounds += 1;
    }
    let rate = (samples * rounds) as f64 / started.elapsed().as_secs_f64() / 1e6;
    println!("remote_write_{name} {rate:.2} M samples/s");
}

/// Series of a node exporter, six labels each, readings 15 s apart.
fn body(series: u32, samples: u32) -> Vec<u8> {
    let label = |name: &str, value: String| Label { name: name.to_owned(), value };
    let one = |at: u32| TimeSeries {
        labels: vec![
            label("__name__", format!("node_network_receive_bytes_total_{}", at % 40)),
            label("device", format!("eth{}", at % 7)),
            label("host", format!("bench-{:05}", at / 500)),
            label("instance", format!("bench-{:05}:9100", at / 500)),
            label("job", "node".to_owned()),
            label("number", at.to_string()),
        ],
        samples: (0..samples)
            .map(|tick| Sample {
                value: f64::from(tick * 37 + at) * 1.25,
                timestamp: 1_700_000_000_000 + i64::from(tick) * 15_000,
            })
            .collect(),
        ..TimeSeries::default()
    };
    let message = WriteRequest { timeseries: (0..series).map(one).collect(), metadata: vec![] };
    snap::raw::Encoder::new().compress_vec(&message.encode_to_vec()).unwrap()
}

fn main() {
    for (name, series, samples) in [("500x20", 500, 20), ("2000x1", 2_000, 1)] {
        let body = body(series, samples);
        let push = decode(&body, Version::One).unwrap();
        let packed = push.pack().unwrap();
        let count = push.sample_count();
        figure(&format!("decode_{name}"), count, || drop(decode(&body, Version::One).unwrap()));
        figure(&format!("pack_{name}"), count, || drop(push.pack().unwrap()));
        figure(&format!("unpack_{name}"), count, || drop(Push::unpack(&packed).unwrap()));
        println!("remote_write_packed_{name} {:.2} B/sample", packed.len() as f64 / count as f64);
    }
}
