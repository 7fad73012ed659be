//! A request to another system: series and samples to the body that is sent.
//! Promises: labels in their order, every bit of a value, and what [`crate::decode`] reads is what was given.
//! Leaves to others: how much goes into one request, and HTTP.

use std::collections::HashMap;

use agent_model::{Labels, Sample};

use crate::Version;
use crate::packed::varint;

/// A request that nobody would take: more than 4 GiB.
#[derive(Debug, thiserror::Error)]
#[error("a request cannot be compressed; make it of fewer series")]
pub struct EncodeError(#[source] snap::Error);

/// A series and the samples of it that are sent.
#[derive(Clone, Debug)]
pub struct OutwardSeries {
    pub labels: Labels,
    pub samples: Vec<Sample>,
}

/// The body of a request: the version's message in snappy's block format.
pub fn encode(series: &[OutwardSeries], version: Version) -> Result<Vec<u8>, EncodeError> {
    let message = match version {
        Version::One => first(series),
        Version::Two => second(series),
    };
    snap::raw::Encoder::new().compress_vec(&message).map_err(EncodeError)
}

/// `prometheus.WriteRequest`.
fn first(series: &[OutwardSeries]) -> Vec<u8> {
    let (mut message, mut one, mut label) = (Vec::new(), Vec::new(), Vec::new());
    for OutwardSeries { labels, samples } in series {
        one.clear();
        for pair in labels.iter() {
            label.clear();
            bytes(&mut label, 1, pair.name.as_bytes());
            bytes(&mut label, 2, pair.value.as_bytes());
            bytes(&mut one, 1, &label);
        }
        write_samples(&mut one, samples);
        bytes(&mut message, 1, &one);
    }
    message
}

/// `io.prometheus.write.v2.Request`.
fn second(series: &[OutwardSeries]) -> Vec<u8> {
    let mut symbols = Symbols::default();
    let (mut message, mut one, mut places) = (Vec::new(), Vec::new(), Vec::new());
    // The empty text comes first by definition.
    bytes(&mut message, 4, b"");
    for OutwardSeries { labels, samples } in series {
        one.clear();
        places.clear();
        for text in labels.iter().flat_map(|pair| [&*pair.name, &*pair.value]) {
            varint(&mut places, symbols.place(text, &mut message));
        }
        bytes(&mut one, 1, &places);
        write_samples(&mut one, samples);
        bytes(&mut message, 5, &one);
    }
    message
}

/// Texts that the message holds already, by their place.
#[derive(Default)]
struct Symbols<'a>(HashMap<&'a str, u64>);

impl<'a> Symbols<'a> {
    fn place(&mut self, text: &'a str, message: &mut Vec<u8>) -> u64 {
        let next = self.0.len() as u64 + 1;
        *self.0.entry(text).or_insert_with(|| {
            bytes(message, 4, text.as_bytes());
            next
        })
    }
}

/// Field 2 of a series in both versions: its value is field 1, its time field 2.
fn write_samples(out: &mut Vec<u8>, samples: &[Sample]) {
    let mut one = Vec::with_capacity(20);
    for sample in samples {
        one.clear();
        one.push(1 << 3 | 1);
        one.extend_from_slice(&sample.value.to_bits().to_le_bytes());
        one.push(2 << 3);
        varint(&mut one, sample.timestamp_ms.cast_unsigned());
        bytes(out, 2, &one);
    }
}

/// A field that has a length.
fn bytes(out: &mut Vec<u8>, field: u8, bytes: &[u8]) {
    out.push(field << 3 | 2);
    varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests;
