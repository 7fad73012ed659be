//! What a metric is: its kind, a sentence and a unit, by the name of its family, as exporters and senders describe it.
//! Promises: texts keep within bounds, cut where a letter ends. Leaves to others: who said it, and for how long it holds.

/// Bytes of a described metric's name; the longest of known exporters have under 100.
pub const METRIC_NAME_BYTES_MAX: usize = 512;

/// Bytes of a help text: a paragraph; what is longer is cut.
pub const HELP_BYTES_MAX: usize = 1_024;

/// Bytes of a unit; what is longer is cut.
pub const UNIT_BYTES_MAX: usize = 64;

/// The kinds that Prometheus and OpenMetrics know, under remote write's numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MetricKind {
    #[default]
    Unknown = 0,
    Counter = 1,
    Gauge = 2,
    Histogram = 3,
    GaugeHistogram = 4,
    Summary = 5,
    Info = 6,
    StateSet = 7,
}

/// What somebody says of a metric.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MetricMetadata {
    /// Of the family: a histogram's without `_bucket`.
    pub metric: String,
    pub kind: MetricKind,
    pub help: String,
    pub unit: String,
}

impl MetricKind {
    pub const ALL: [Self; 8] = [
        Self::Unknown,
        Self::Counter,
        Self::Gauge,
        Self::Histogram,
        Self::GaugeHistogram,
        Self::Summary,
        Self::Info,
        Self::StateSet,
    ];

    /// As Prometheus' API names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::GaugeHistogram => "gaugehistogram",
            Self::Summary => "summary",
            Self::Info => "info",
            Self::StateSet => "stateset",
        }
    }

    /// A number that this version does not know says nothing.
    pub fn from_number(number: u64) -> Self {
        Self::ALL.into_iter().find(|kind| *kind as u64 == number).unwrap_or_default()
    }

    /// As an exporter writes it behind `# TYPE`; `untyped` is the text format's word for what is not known.
    pub fn from_name(name: &str) -> Option<Self> {
        let name = if name == "untyped" { "unknown" } else { name };
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

impl MetricMetadata {
    /// What is said, within the bounds, and whether a text was cut; none without a name that can be kept.
    pub fn bounded(metric: &str, kind: MetricKind, help: &str, unit: &str) -> Option<(Self, bool)> {
        if metric.is_empty() || metric.len() > METRIC_NAME_BYTES_MAX {
            return None;
        }
        let (short_help, short_unit) = (cut(help, HELP_BYTES_MAX), cut(unit, UNIT_BYTES_MAX));
        let was_cut = short_help.len() < help.len() || short_unit.len() < unit.len();
        let (metric, help, unit) =
            (metric.to_owned(), short_help.to_owned(), short_unit.to_owned());
        Some((Self { metric, kind, help, unit }, was_cut))
    }

    /// Bytes that it takes in memory.
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + self.metric.len() + self.help.len() + self.unit.len()
    }
}

fn cut(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut_where_a_letter_ends_and_told_and_long_names_are_no_names() {
        let of = |metric: &str, help: &str, unit: &str| {
            MetricMetadata::bounded(metric, MetricKind::Gauge, help, unit)
        };
        let (whole, was_cut) = of("m", &"h".repeat(HELP_BYTES_MAX), "bytes").unwrap();
        assert_eq!((whole.help.len(), whole.unit.as_str(), was_cut), (1_024, "bytes", false));
        // Three bytes a letter: the last one that fits whole ends at 1,023.
        let (short, was_cut) = of("m", &"ạ".repeat(400), &"u".repeat(65)).unwrap();
        assert_eq!((short.help.len(), short.unit.len(), was_cut), (1_023, UNIT_BYTES_MAX, true));
        assert!(of(&"m".repeat(METRIC_NAME_BYTES_MAX), "", "").is_some());
        assert!(of(&"m".repeat(METRIC_NAME_BYTES_MAX + 1), "", "").is_none());
        assert!(of("", "help", "").is_none());
    }

    #[test]
    fn kinds_keep_their_numbers_and_names() {
        for (number, kind) in MetricKind::ALL.into_iter().enumerate() {
            assert_eq!(MetricKind::from_number(number as u64), kind);
            assert_eq!(MetricKind::from_name(kind.name()), Some(kind));
        }
        assert_eq!(MetricKind::from_number(8), MetricKind::Unknown);
        assert_eq!(MetricKind::from_name("untyped"), Some(MetricKind::Unknown));
        assert_eq!(MetricKind::from_name("Counter"), None);
    }
}
