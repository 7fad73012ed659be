//! `ExportMetricsServiceRequest` in JSON (opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding): lower camel case, 64-bit
//! integers as texts or numbers, unknown keys ignored. How deep it may nest is bounded by `serde_json`.

use std::borrow::Cow;
use std::fmt::{Display, Formatter};
use std::marker::PhantomData;
use std::str::FromStr;

use base64::Engine;
use serde::de::{self, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};

use crate::model::{self, Attribute, Common, Data, Value};
use crate::{OtlpError, limits, protobuf};

pub(crate) fn read(message: &[u8]) -> Result<Vec<model::Resource<'_>>, OtlpError> {
    // Every message of the request begins with a brace; those within texts count too, which does no harm.
    let parts = message.iter().filter(|byte| **byte == b'{').count();
    if parts > limits::PARTS_MAX {
        return Err(OtlpError::TooMany { what: "objects", max: limits::PARTS_MAX });
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
    unit: Text<'a>,
    #[serde(borrow, default)]
    gauge: Option<Points<NumberPoint<'a>>>,
    #[serde(borrow, default)]
    sum: Option<Points<NumberPoint<'a>>>,
    #[serde(borrow, default)]
    histogram: Option<Points<HistogramPoint<'a>>>,
    #[serde(default)]
    exponential_histogram: Option<Points<de::IgnoredAny>>,
    #[serde(borrow, default)]
    summary: Option<Points<SummaryPoint<'a>>>,
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

type Unsigned = Number<u64>;
type Signed = Number<i64>;
type Double = Number<f64>;

/// A number, or a number in a text. Nothing else is read, let alone kept, to find that out.
#[derive(Default)]
struct Number<N>(N);

trait Written: FromStr<Err: Display> {
    fn unsigned(number: u64) -> Option<Self>;
    fn signed(number: i64) -> Option<Self>;
    fn double(number: f64) -> Option<Self>;
}

impl Written for u64 {
    fn unsigned(number: u64) -> Option<Self> {
        Some(number)
    }

    fn signed(number: i64) -> Option<Self> {
        number.try_into().ok()
    }

    fn double(_: f64) -> Option<Self> {
        None
    }
}

impl Written for i64 {
    fn unsigned(number: u64) -> Option<Self> {
        number.try_into().ok()
    }

    fn signed(number: i64) -> Option<Self> {
        Some(number)
    }

    fn double(_: f64) -> Option<Self> {
        None
    }
}

impl Written for f64 {
    fn unsigned(number: u64) -> Option<Self> {
        Some(number as f64)
    }

    fn signed(number: i64) -> Option<Self> {
        Some(number as f64)
    }

    fn double(number: f64) -> Option<Self> {
        Some(number)
    }
}

struct NumberVisitor<N>(PhantomData<N>);

impl<N: Written> Visitor<'_> for NumberVisitor<N> {
    type Value = Number<N>;

    fn expecting(&self, formatter: &mut Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}, or one in a text", std::any::type_name::<N>())
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Number<N>, E> {
        let wrong = || E::invalid_value(Unexpected::Unsigned(number), &self);
        N::unsigned(number).map(Number).ok_or_else(wrong)
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Number<N>, E> {
        let wrong = || E::invalid_value(Unexpected::Signed(number), &self);
        N::signed(number).map(Number).ok_or_else(wrong)
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Number<N>, E> {
        let wrong = || E::invalid_value(Unexpected::Float(number), &self);
        N::double(number).map(Number).ok_or_else(wrong)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Number<N>, E> {
        text.parse().map(Number).map_err(E::custom)
    }
}

impl<'de, N: Written> Deserialize<'de> for Number<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NumberVisitor(PhantomData))
    }
}

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
        Ok(model::Metric { name: self.name.0, unit: self.unit.0, data })
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
