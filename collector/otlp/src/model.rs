//! A request as both encodings give it: what of `ExportMetricsServiceRequest` means something here, texts borrowed.

use std::borrow::Cow;

/// `AggregationTemporality::AGGREGATION_TEMPORALITY_CUMULATIVE`
pub(crate) const CUMULATIVE: i64 = 2;

/// `DataPointFlags::DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK`
pub(crate) const NO_RECORDED_VALUE: u32 = 1;

#[derive(Debug, Default, PartialEq)]
pub(crate) struct Resource<'a> {
    pub(crate) attributes: Vec<Attribute<'a>>,
    /// Of all scopes: Prometheus' default does not tell them apart.
    pub(crate) metrics: Vec<Metric<'a>>,
}

#[derive(Debug, Default, PartialEq)]
pub(crate) struct Metric<'a> {
    pub(crate) name: Cow<'a, str>,
    pub(crate) description: Cow<'a, str>,
    pub(crate) unit: Cow<'a, str>,
    pub(crate) data: Data<'a>,
}

#[derive(Debug, Default, PartialEq)]
pub(crate) enum Data<'a> {
    /// None, or one from after this program.
    #[default]
    Unknown,
    Gauge(Vec<Number<'a>>),
    Sum {
        points: Vec<Number<'a>>,
        temporality: i64,
        monotonic: bool,
    },
    Histogram {
        points: Vec<Histogram<'a>>,
        temporality: i64,
    },
    /// How many points there were.
    ExponentialHistogram(u64),
    Summary(Vec<Summary<'a>>),
}

/// What every kind of point has.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Common<'a> {
    pub(crate) attributes: Vec<Attribute<'a>>,
    pub(crate) time_ns: u64,
    pub(crate) flags: u32,
    pub(crate) exemplars: u64,
}

#[derive(Debug, Default, PartialEq)]
pub(crate) struct Number<'a> {
    pub(crate) common: Common<'a>,
    pub(crate) value: Option<f64>,
}

#[derive(Debug, Default, PartialEq)]
pub(crate) struct Histogram<'a> {
    pub(crate) common: Common<'a>,
    pub(crate) count: u64,
    pub(crate) sum: Option<f64>,
    pub(crate) buckets: Vec<u64>,
    pub(crate) bounds: Vec<f64>,
}

#[derive(Debug, Default, PartialEq)]
pub(crate) struct Summary<'a> {
    pub(crate) common: Common<'a>,
    pub(crate) count: u64,
    pub(crate) sum: f64,
    /// Each with its value.
    pub(crate) quantiles: Vec<(f64, f64)>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Attribute<'a> {
    pub(crate) key: Cow<'a, str>,
    pub(crate) value: Value<'a>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Value<'a> {
    #[default]
    None,
    Text(Cow<'a, str>),
    Bool(bool),
    Int(i64),
    Double(f64),
    Bytes(Cow<'a, [u8]>),
    List(Vec<Value<'a>>),
    Map(Vec<Attribute<'a>>),
}

impl Common<'_> {
    /// The series ends here, as far as its sender knows.
    pub(crate) fn is_stale(&self) -> bool {
        self.flags & NO_RECORDED_VALUE != 0
    }
}
