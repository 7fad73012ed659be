//! Label sets as they came, and the rules for them.
//! Order is not asked for and empty values are absent labels, as in Prometheus; a name that stands twice is refused,
//! because nobody can say which value was meant. A name may be any text but the empty one, as in Prometheus 3.

use agent_model::Labels;

use crate::Refusal;

/// Appends one label to a run of them.
pub(crate) fn write(run: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    for text in [name, value] {
        // Both are within the limits, which fit.
        run.extend_from_slice(&u16::try_from(text.len()).unwrap_or(u16::MAX).to_le_bytes());
        run.extend_from_slice(text);
    }
}

/// Reads a run of labels; at least a metric name is there.
pub fn labels(run: &[u8]) -> Result<Labels, Refusal> {
    let mut pairs = Vec::with_capacity(16);
    let mut rest = run;
    while !rest.is_empty() {
        let (name, after) = text(rest)?;
        let (value, after) = text(after)?;
        if name.is_empty() {
            return Err(Refusal::LabelName);
        }
        pairs.push((name, value));
        rest = after;
    }
    pairs.sort_unstable_by_key(|(name, _)| *name);
    if pairs.windows(2).any(|pair| pair[0].0 == pair[1].0) {
        return Err(Refusal::LabelRepeated);
    }
    let labels = Labels::new(pairs);
    if labels.metric_name().is_empty() { Err(Refusal::MetricName) } else { Ok(labels) }
}

fn text(rest: &[u8]) -> Result<(&str, &[u8]), Refusal> {
    let (length, rest) = rest.split_first_chunk().ok_or(Refusal::LabelLimits)?;
    let length = usize::from(u16::from_le_bytes(*length));
    let (text, rest) = rest.split_at_checked(length).ok_or(Refusal::LabelLimits)?;
    Ok((std::str::from_utf8(text).map_err(|_| Refusal::NotUtf8)?, rest))
}

/// For a message: the set if it is one, else what can be read of it.
pub(crate) fn shown(run: &[u8]) -> String {
    match labels(run) {
        Ok(labels) => labels.to_string(),
        Err(_) => {
            let text = String::from_utf8_lossy(run);
            text.chars().filter(|letter| !letter.is_control()).take(200).collect()
        }
    }
}
