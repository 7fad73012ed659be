//! What a request brings: label sets and samples, each kind in one piece of memory.
//! A label set is a run of bytes in which it came (length, name, length, value …), so that a known series is found by the
//! hash of that run; [`mod@crate::labels`] reads it when it is met for the first time.

use agent_model::{MetricKind, MetricMetadata, Sample};

use crate::refusal::{Refusal, Refusals};
use crate::{RemoteWriteError, labels, limits};

/// A request, or what of it is taken.
#[derive(Clone, Debug, Default)]
pub struct Push {
    pub(crate) labels: Vec<u8>,
    pub(crate) samples: Vec<Sample>,
    /// Where each series' labels and samples end.
    pub(crate) ends: Vec<(usize, usize)>,
    /// What it may take in memory while it is made, when somebody said so.
    bytes_max: Option<usize>,
    pub refusals: Refusals,
    pub left_out: LeftOut,
    /// What it says of metrics, by name. Not part of what is packed.
    pub described: Vec<MetricMetadata>,
    /// Bytes of what is described, while it is made.
    described_bytes: usize,
}

const SAMPLE_BYTES: usize = size_of::<Sample>();
const SERIES_BYTES: usize = size_of::<(usize, usize)>();

/// What came along and has no place here; the sender loses nothing that it was promised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    pub exemplars: u64,
    /// Descriptions without a name that can be kept, not in UTF-8, or beyond a limit.
    pub metadata: u64,
    /// Help texts and units that were cut.
    pub texts_cut: u64,
}

#[derive(Clone, Copy, Debug)]
pub struct PushedSeries<'a> {
    /// Found again by these bytes; read by [`mod@crate::labels`].
    pub labels: &'a [u8],
    pub samples: &'a [Sample],
}

/// What one series of a request has brought so far.
#[derive(Debug, Default)]
pub struct Begun {
    labels_from: usize,
    samples_from: usize,
    labels: usize,
    refusal: Option<Refusal>,
    pub(crate) histograms: u64,
}

impl Push {
    /// An empty one that will not take more bytes of memory.
    pub fn within(bytes_max: usize) -> Self {
        Self { bytes_max: Some(bytes_max), ..Self::default() }
    }

    pub fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }

    pub fn sample_count(&self) -> usize {
        self.samples.len()
    }

    pub fn series_count(&self) -> usize {
        self.ends.len()
    }

    /// Bytes that it takes in memory.
    pub fn bytes(&self) -> usize {
        let described: usize = self.described.iter().map(MetricMetadata::bytes).sum();
        self.sample_bytes() + described
    }

    fn sample_bytes(&self) -> usize {
        self.labels.len() + SAMPLE_BYTES * self.samples.len() + SERIES_BYTES * self.ends.len()
    }

    /// Whether so much more for the series that is begun fits.
    fn keep_within(&self, more: usize) -> Result<(), RemoteWriteError> {
        match self.bytes_max {
            Some(max) if self.sample_bytes() + self.described_bytes + SERIES_BYTES + more > max => {
                Err(RemoteWriteError::Memory)
            }
            _ => Ok(()),
        }
    }

    pub fn series(&self) -> impl Iterator<Item = PushedSeries<'_>> {
        let mut from = (0, 0);
        self.ends.iter().map(move |&(labels, samples)| {
            let series = PushedSeries {
                labels: &self.labels[from.0..labels],
                samples: &self.samples[from.1..samples],
            };
            from = (labels, samples);
            series
        })
    }

    /// The samples that `judge` (the place of their series, and a sample) does not refuse; the others are counted.
    pub fn without(mut self, mut judge: impl FnMut(usize, &Sample) -> Option<Refusal>) -> Self {
        let mut kept = Self {
            refusals: self.refusals.clone(),
            left_out: self.left_out,
            described: std::mem::take(&mut self.described),
            ..Self::default()
        };
        for (at, series) in self.series().enumerate() {
            let before = kept.samples.len();
            for sample in series.samples {
                match judge(at, sample) {
                    None => kept.samples.push(*sample),
                    Some(refusal) => {
                        kept.refusals.note(refusal, 1, || labels::shown(series.labels));
                    }
                }
            }
            if kept.samples.len() > before {
                kept.labels.extend_from_slice(series.labels);
                kept.ends.push((kept.labels.len(), kept.samples.len()));
            }
        }
        kept
    }

    /// Begins a series; to be ended.
    pub fn begin(&self) -> Result<Begun, RemoteWriteError> {
        if self.ends.len() >= limits::SERIES_MAX {
            return Err(RemoteWriteError::TooMany { what: "series", max: limits::SERIES_MAX });
        }
        let (labels_from, samples_from) = (self.labels.len(), self.samples.len());
        Ok(Begun { labels_from, samples_from, ..Begun::default() })
    }

    /// Adds a label; beyond the limits of one the series is refused when it ends.
    pub fn add_label(
        &mut self,
        begun: &mut Begun,
        name: &[u8],
        value: &[u8],
    ) -> Result<(), RemoteWriteError> {
        begun.labels += 1;
        if begun.labels > limits::LABELS_MAX
            || name.len() > limits::LABEL_NAME_BYTES_MAX
            || value.len() > limits::LABEL_VALUE_BYTES_MAX
        {
            begun.refusal = Some(Refusal::LabelLimits);
            return Ok(());
        }
        let bytes = self.labels.len() + name.len() + value.len() + 4;
        if bytes > limits::LABEL_SETS_BYTES_MAX {
            let (what, max) = ("bytes of label sets", limits::LABEL_SETS_BYTES_MAX);
            return Err(RemoteWriteError::TooMany { what, max });
        }
        self.keep_within(name.len() + value.len() + 4)?;
        labels::write(&mut self.labels, name, value);
        Ok(())
    }

    /// Adds a sample to the series that was begun last.
    pub fn add_sample(&mut self, sample: Sample) -> Result<(), RemoteWriteError> {
        if self.samples.len() >= limits::SAMPLES_MAX {
            return Err(RemoteWriteError::TooMany { what: "samples", max: limits::SAMPLES_MAX });
        }
        self.keep_within(SAMPLE_BYTES)?;
        self.samples.push(sample);
        Ok(())
    }

    /// Takes what is said of a metric, or counts it as left out.
    pub fn describe(
        &mut self,
        metric: &[u8],
        kind: u64,
        help: &[u8],
        unit: &[u8],
    ) -> Result<(), RemoteWriteError> {
        let text = |bytes| std::str::from_utf8(bytes).ok();
        let texts = (text(metric), text(help), text(unit));
        let described = match texts {
            (Some(metric), Some(help), Some(unit)) => {
                MetricMetadata::bounded(metric, MetricKind::from_number(kind), help, unit)
            }
            _ => None,
        };
        let Some((described, was_cut)) =
            described.filter(|_| self.described.len() < limits::DESCRIBED_MAX)
        else {
            self.left_out.metadata += 1;
            return Ok(());
        };
        self.described_bytes += described.bytes();
        let bytes = self.sample_bytes() + self.described_bytes;
        if self.bytes_max.is_some_and(|max| bytes > max) {
            return Err(RemoteWriteError::Memory);
        }
        self.described.push(described);
        self.left_out.texts_cut += u64::from(was_cut);
        Ok(())
    }

    /// Closes a series; one that is refused, or has no float sample, leaves only its count.
    pub fn end(&mut self, begun: &Begun) {
        let Begun { labels_from, samples_from, refusal, histograms, .. } = *begun;
        let samples = (self.samples.len() - samples_from) as u64;
        let shown = |labels: &[u8]| labels::shown(&labels[labels_from..]);
        if histograms > 0 {
            self.refusals.note(Refusal::NativeHistogram, histograms, || shown(&self.labels));
        }
        if let Some(refusal) = refusal {
            self.refusals.note(refusal, samples, || shown(&self.labels));
        }
        if refusal.is_some() || samples == 0 {
            self.labels.truncate(labels_from);
            self.samples.truncate(samples_from);
        } else {
            self.ends.push((self.labels.len(), self.samples.len()));
        }
    }
}
