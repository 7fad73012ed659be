//! `limit_ratio`: a share of the series, picked by the hash of their labels, so always the same ones and the same as
//! Prometheus picks; a negative share picks exactly those that its complement leaves out.

use std::hash::Hasher;

use agent_model::Labels;
use twox_hash::XxHash64;

use crate::PromqlError;
use crate::annotations::Annotations;
use crate::parse::places::Place;
use crate::track::{Track, absent};

/// Shares within -1 and 1.
pub(super) fn checked(
    mut ratios: Vec<f64>,
    annotations: &Annotations,
    place: Option<Place>,
) -> Result<Vec<f64>, PromqlError> {
    for ratio in &mut ratios {
        if ratio.is_nan() {
            return Err(PromqlError::Parameter("Ratio value is NaN".to_owned()));
        }
        let used = ratio.clamp(-1.0, 1.0);
        if used != *ratio {
            annotations.invalid_ratio(*ratio, used, place);
        }
        *ratio = used;
    }
    Ok(ratios)
}

/// Groups make no difference: every series is picked or not by itself.
pub(super) fn sample(mut tracks: Vec<Track>, ratios: &[f64]) -> Vec<Track> {
    for track in &mut tracks {
        let offset = offset(&track.labels);
        for (value, ratio) in track.values.iter_mut().zip(ratios) {
            let picked = if *ratio >= 0.0 { offset < *ratio } else { offset >= 1.0 + *ratio };
            if !picked {
                *value = absent();
            }
        }
    }
    tracks.retain(|track| !track.is_empty());
    tracks
}

/// Where a series lies between 0 and 1 (prometheus, promql/engine.go, `HashRatioSampler`; model/labels,
/// `labels_stringlabels.go`: the hash is over names and values, each behind its length).
fn offset(labels: &Labels) -> f64 {
    let mut hash = XxHash64::with_seed(0);
    for label in labels.iter() {
        for text in [&label.name, &label.value] {
            match u8::try_from(text.len()) {
                Ok(length) if length < u8::MAX => hash.write(&[length]),
                _ => {
                    let length = text.len().to_le_bytes();
                    hash.write(&[u8::MAX, length[0], length[1], length[2]]);
                }
            }
            hash.write(text.as_bytes());
        }
    }
    hash.finish() as f64 / u64::MAX as f64
}
