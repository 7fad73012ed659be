//! `ExportMetricsServiceRequest` in JSON (opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding): lower camel case, 64-bit
//! integers as texts or numbers, unknown keys ignored. How deep it may nest is bounded by `serde_json`.

mod number;

use std::borrow::Cow;

use base64::Engine;
use serde::{Deserialize, de};

use number::{Double, Signed, Unsigned};

use crate::model::{self, Attribute, Common, Data, Value};
use crate::{OtlpError, limits, protobuf};

/// What an object takes, here and in the model, in lists with places to spare.
const OBJECT_BYTES: usize = 640;

/// What a number takes in a list, which may be its only one.
const NUMBER_BYTES: usize = 32;

pub(crate) fn read(
    message: &[u8],
    parts_bytes: usize,
) -> Result<Vec<model::Resource<'_>>, OtlpError> {
    // Every message of the request begins with a brace, every number of a list stands behind a comma or a bracket; those
    // within texts count too, which does no harm.
    let (mut objects, mut numbers) = (0, 0);
    for byte in message {
        objects += usize::from(*byte == b'{');
        numbers += usize::from(matches!(byte, b',' | b'['));
    }
    if objects > limits::PARTS_MAX {
        return Err(OtlpError::TooMany { what: "objects", max: limits::PARTS_MAX });
    }
    // Texts with escaped letters are copied, bytes in base64 once more.
    if OBJECT_BYTES * objects + NUMBER_BYTES * numbers + 2 * message.len() > parts_bytes {
        return Err(OtlpError::Memory);
    }
    let request: Request<'_> = serde_json::from_slice(message).map_err(OtlpError::Json)?;
    request.resource_metrics.into_iter().map(ResourceMetrics::read).collect()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request<'a> {
    #[serde(borrow, default)]
    resource_metrics: Vec<ResourceMetrics<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ResourceMetrics<'a> {
    #[serde(borrow, default)]
    resource: Described<'a>,
    #[serde(borrow, default)]
    scope_metrics: Vec<ScopeMetrics<'a>>,
}

#[derive(Default, Deserialize)]
struct Described<'a> {
    #[serde(borrow, default)]
    attributes: Vec<KeyValue<'a>>,
}

#[derive(Deserialize)]
struct ScopeMetrics<'a> {
    #[serde(borrow, default)]
    metrics: Vec<Metric<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metric<'a> {
    #[serde(borrow, default)]
    name: Text<'a>,
    #[serde(borrow, default)]
    description: Text<'a>,
    #[serde(borrow, default)]
    unit: Text<'a>,
    #[serde(borrow, default)]
    gauge: Option<Box<Points<NumberPoint<'a>>>>,
    #[serde(borrow, default)]
    sum: Option<Box<Points<NumberPoint<'a>>>>,
    #[serde(borrow, default)]
    histogram: Option<Box<Points<HistogramPoint<'a>>>>,
    #[serde(default)]
    exponential_histogram: Option<Box<Points<de::IgnoredAny>>>,
    #[serde(borrow, default)]
    summary: Option<Box<Points<SummaryPoint<'a>>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Points<P> {
    #[serde(default = "Vec::new")]
    data_points: Vec<P>,
    #[serde(default)]
    aggregation_temporality: i64,
    #[serde(default)]
    is_monotonic: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NumberPoint<'a> {
    #[serde(borrow, default)]
    attributes: Vec<KeyValue<'a>>,
    #[serde(default)]
    time_unix_nano: Unsigned,
    #[serde(default)]
    as_double: Option<Double>,
    #[serde(default)]
    as_int: Option<Signed>,
    #[serde(default)]
    exemplars: Vec<de::IgnoredAny>,
    #[serde(default)]
    flags: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct HistogramPoint<'a> {
    #[serde(borrow, default)]
    attributes: Vec<KeyValue<'a>>,
    #[serde(default)]
    time_unix_nano: Unsigned,
    #[serde(default)]
    count: Unsigned,
    #[serde(default)]
    sum: Option<Double>,
    #[serde(default)]
    bucket_counts: Vec<Unsigned>,
    #[serde(default)]
    explicit_bounds: Vec<Double>,
    #[serde(default)]
    exemplars: Vec<de::IgnoredAny>,
    #[serde(default)]
    flags: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SummaryPoint<'a> {
    #[serde(borrow, default)]
    attributes: Vec<KeyValue<'a>>,
    #[serde(default)]
    time_unix_nano: Unsigned,
    #[serde(default)]
    count: Unsigned,
    #[serde(default)]
    sum: Double,
    #[serde(default)]
    quantile_values: Vec<QuantileValue>,
    #[serde(default)]
    flags: u32,
}

#[derive(Deserialize)]
struct QuantileValue {
    #[serde(default)]
    quantile: Double,
    #[serde(default)]
    value: Double,
}

#[derive(Deserialize)]
struct KeyValue<'a> {
    #[serde(borrow, default)]
    key: Text<'a>,
    #[serde(borrow, default)]
    value: AnyValue<'a>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct AnyValue<'a> {
    #[serde(borrow, default)]
    string_value: Option<Text<'a>>,
    #[serde(default)]
    bool_value: Option<bool>,
    #[serde(default)]
    int_value: Option<Signed>,
    #[serde(default)]
    double_value: Option<Double>,
    #[serde(borrow, default)]
    array_value: Option<Box<Values<AnyValue<'a>>>>,
    #[serde(borrow, default)]
    kvlist_value: Option<Box<Values<KeyValue<'a>>>>,
    #[serde(borrow, default)]
    bytes_value: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct Values<V> {
    #[serde(default = "Vec::new")]
    values: Vec<V>,
}

/// A text that is borrowed when nothing in it is escaped.
#[derive(Default, Deserialize)]
#[serde(transparent)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'a> ResourceMetrics<'a> {
    fn read(self) -> Result<model::Resource<'a>, OtlpError> {
        let metrics = self.scope_metrics.into_iter().flat_map(|scope| scope.metrics);
        Ok(model::Resource {
            attributes: attributes(self.resource.attributes, 0)?,
            metrics: metrics.map(Metric::read).collect::<Result<_, _>>()?,
        })
    }
}

impl<'a> Metric<'a> {
    fn read(self) -> Result<model::Metric<'a>, OtlpError> {
        let data = if let Some(gauge) = self.gauge {
            Data::Gauge(all(gauge.data_points, NumberPoint::read)?)
        } else if let Some(sum) = self.sum {
            let (temporality, monotonic) = (sum.aggregation_temporality, sum.is_monotonic);
            Data::Sum { points: all(sum.data_points, NumberPoint::read)?, temporality, monotonic }
        } else if let Some(histogram) = self.histogram {
            let temporality = histogram.aggregation_temporality;
            Data::Histogram {
                points: all(histogram.data_points, HistogramPoint::read)?,
                temporality,
            }
        } else if let Some(histogram) = self.exponential_histogram {
            Data::ExponentialHistogram(histogram.data_points.len() as u64)
        } else if let Some(summary) = self.summary {
            Data::Summary(all(summary.data_points, SummaryPoint::read)?)
        } else {
            Data::Unknown
        };
        let (name, description, unit) = (self.name.0, self.description.0, self.unit.0);
        Ok(model::Metric { name, description, unit, data })
    }
}

fn all<A, B>(from: Vec<A>, read: fn(A) -> Result<B, OtlpError>) -> Result<Vec<B>, OtlpError> {
    from.into_iter().map(read).collect()
}

impl<'a> NumberPoint<'a> {
    fn read(self) -> Result<model::Number<'a>, OtlpError> {
        let int = self.as_int.map(|int| protobuf::of_int(int.0));
        let common = Common {
            attributes: attributes(self.attributes, 0)?,
            time_ns: self.time_unix_nano.0,
            flags: self.flags,
            exemplars: self.exemplars.len() as u64,
        };
        Ok(model::Number { common, value: self.as_double.map(|double| double.0).or(int) })
    }
}

impl<'a> HistogramPoint<'a> {
    fn read(self) -> Result<model::Histogram<'a>, OtlpError> {
        let common = Common {
            attributes: attributes(self.attributes, 0)?,
            time_ns: self.time_unix_nano.0,
            flags: self.flags,
            exemplars: self.exemplars.len() as u64,
        };
        Ok(model::Histogram {
            common,
            count: self.count.0,
            sum: self.sum.map(|sum| sum.0),
            buckets: self.bucket_counts.into_iter().map(|count| count.0).collect(),
            bounds: self.explicit_bounds.into_iter().map(|bound| bound.0).collect(),
        })
    }
}

impl<'a> SummaryPoint<'a> {
    fn read(self) -> Result<model::Summary<'a>, OtlpError> {
        let common = Common {
            attributes: attributes(self.attributes, 0)?,
            time_ns: self.time_unix_nano.0,
            flags: self.flags,
            exemplars: 0,
        };
        let quantiles = self.quantile_values.into_iter();
        Ok(model::Summary {
            common,
            count: self.count.0,
            sum: self.sum.0,
            quantiles: quantiles.map(|one| (one.quantile.0, one.value.0)).collect(),
        })
    }
}

fn attributes<'a>(pairs: Vec<KeyValue<'a>>, depth: usize) -> Result<Vec<Attribute<'a>>, OtlpError> {
    let read =
        |pair: KeyValue<'a>| Ok(Attribute { key: pair.key.0, value: value(pair.value, depth)? });
    pairs.into_iter().map(read).collect()
}

fn value(any: AnyValue<'_>, depth: usize) -> Result<Value<'_>, OtlpError> {
    if depth > limits::VALUE_DEPTH_MAX {
        return Err(OtlpError::Malformed("an attribute's value is nested too deeply"));
    }
    Ok(if let Some(text) = any.string_value {
        Value::Text(text.0)
    } else if let Some(bool) = any.bool_value {
        Value::Bool(bool)
    } else if let Some(int) = any.int_value {
        Value::Int(int.0)
    } else if let Some(double) = any.double_value {
        Value::Double(double.0)
    } else if let Some(list) = any.array_value {
        let values = list.values.into_iter().map(|one| value(one, depth + 1));
        Value::List(values.collect::<Result<_, _>>()?)
    } else if let Some(map) = any.kvlist_value {
        Value::Map(attributes(map.values, depth + 1)?)
    } else if let Some(text) = any.bytes_value {
        let bytes = base64::engine::general_purpose::STANDARD.decode(text.0.as_bytes());
        Value::Bytes(Cow::Owned(bytes.map_err(|_| OtlpError::Malformed("bytes are no base64"))?))
    } else {
        Value::None
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is written with the fewest objects for its memory.
    #[test]
    fn no_object_takes_more_memory_than_is_reckoned_with() {
        fn both<A, B>() -> usize {
            size_of::<A>() + size_of::<B>()
        }
        // A list has up to twice the places that it needs, and four for one element.
        let attribute = both::<KeyValue<'_>, Attribute<'_>>();
        let metric = both::<Metric<'_>, model::Metric<'_>>();
        let point = both::<HistogramPoint<'_>, model::Histogram<'_>>();
        let points = size_of::<Points<HistogramPoint<'_>>>();
        assert!(2 * metric <= OBJECT_BYTES, "{metric}");
        assert!(2 * point <= OBJECT_BYTES, "{point}");
        assert!(2 * attribute <= OBJECT_BYTES, "{attribute}");
        assert!(2 * point + 4 * attribute <= 2 * OBJECT_BYTES, "{point} {attribute}");
        assert!(2 * metric + points + 4 * point <= 3 * OBJECT_BYTES, "{metric} {points} {point}");
        let resource = both::<ResourceMetrics<'_>, model::Resource<'_>>();
        let scope = size_of::<ScopeMetrics<'_>>();
        assert!(2 * resource + 4 * scope + 4 * metric <= 3 * OBJECT_BYTES, "{resource} {metric}");
        assert!(4 * both::<AnyValue<'_>, Value<'_>>() <= 2 * OBJECT_BYTES);
        assert!(4 * size_of::<Unsigned>() <= NUMBER_BYTES);
    }
}
