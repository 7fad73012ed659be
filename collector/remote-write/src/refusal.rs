//! Why a sample is not taken, and how many were not. The sender is told; sending it again would not help.

/// Why a sample is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    MetricName,
    LabelName,
    LabelRepeated,
    LabelLimits,
    NotUtf8,
    NativeHistogram,
    /// What a point of OTLP tells since its last one cannot be added up here.
    Temporality,
    ExponentialHistogram,
    MetricKind,
    Point,
    PointRepeated,
    /// The series speaks for a host, or as a part of the collector, that is not its writer's.
    Owner,
    Time,
    TooManySeries,
}

impl Refusal {
    pub const ALL: [Self; 14] = [
        Self::MetricName,
        Self::LabelName,
        Self::LabelRepeated,
        Self::LabelLimits,
        Self::NotUtf8,
        Self::NativeHistogram,
        Self::Temporality,
        Self::ExponentialHistogram,
        Self::MetricKind,
        Self::Point,
        Self::PointRepeated,
        Self::Owner,
        Self::Time,
        Self::TooManySeries,
    ];

    /// The name under which it is counted.
    pub fn name(self) -> &'static str {
        match self {
            Self::MetricName => "metric_name",
            Self::LabelName => "label_name",
            Self::LabelRepeated => "label_repeated",
            Self::LabelLimits => "label_limits",
            Self::NotUtf8 => "not_utf8",
            Self::NativeHistogram => "native_histogram",
            Self::Temporality => "temporality",
            Self::ExponentialHistogram => "exponential_histogram",
            Self::MetricKind => "metric_kind",
            Self::Point => "point",
            Self::PointRepeated => "point_repeated",
            Self::Owner => "owner",
            Self::Time => "time",
            Self::TooManySeries => "too_many_series",
        }
    }

    /// In words, for the sender's log.
    pub fn text(self) -> &'static str {
        match self {
            Self::MetricName => "a series has no metric name",
            Self::LabelName => "a label has no name",
            Self::LabelRepeated => "a series has one label twice",
            Self::LabelLimits => "a series has too many labels, or too long ones",
            Self::NotUtf8 => "a label is not UTF-8",
            Self::NativeHistogram => "native histograms are not supported",
            Self::Temporality => {
                "only cumulative temporality is taken: set the exporter's temporality preference"
            }
            Self::ExponentialHistogram => {
                "exponential histograms are not supported: choose explicit buckets"
            }
            Self::MetricKind => "a metric is of no known kind",
            Self::Point => "a point has no value, or its buckets or quantiles do not fit together",
            Self::PointRepeated => {
                "two points say different things of one series at one time (of two scopes?)"
            }
            Self::Owner => {
                "the series speaks for a host or a part of the collector that is not this token's"
            }
            Self::Time => {
                "the time lies too far ahead or too far back (agents.future_max, agents.past_max)"
            }
            Self::TooManySeries => {
                "the limit of series is reached (remote_write.series_per_token_max)"
            }
        }
    }
}

/// Samples that were not taken, by reason, with the first of the series they belong to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refusals {
    by_reason: [u64; Refusal::ALL.len()],
    first: Option<String>,
}

impl Refusals {
    /// `series` names one series the way a person can find it.
    pub fn note(&mut self, refusal: Refusal, samples: u64, series: impl FnOnce() -> String) {
        self.by_reason[refusal as usize] += samples;
        if self.first.is_none() && samples > 0 {
            self.first = Some(format!("{}: {}", refusal.text(), series()));
        }
    }

    /// Each reason that occurred and its samples.
    pub fn iter(&self) -> impl Iterator<Item = (Refusal, u64)> + '_ {
        let counted = Refusal::ALL.into_iter().zip(self.by_reason);
        counted.filter(|(_, samples)| *samples > 0)
    }

    pub fn samples(&self) -> u64 {
        self.by_reason.iter().sum()
    }

    /// One line that names the reasons, their samples and a series.
    pub fn text(&self) -> String {
        let counted = self.iter().map(|(refusal, samples)| format!("{} {samples}", refusal.name()));
        let counted = counted.collect::<Vec<_>>().join(", ");
        let first = self.first.as_deref().unwrap_or_default();
        format!("{} samples are not taken ({counted}); the first: {first}", self.samples())
    }
}
