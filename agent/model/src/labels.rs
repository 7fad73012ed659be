//! Label sets: what names a series, an alert or a target.
//! Promises: sorted by name, no name twice, no empty value (an empty value means "absent", as in Prometheus),
//! cheap to clone. Limits on count and length are checked at the edges, not here.

use std::fmt;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::name::{escaped, is_plain_label_name, is_plain_metric_name, written_metric_name};

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Label {
    pub name: Arc<str>,
    pub value: Arc<str>,
}

/// A label set. Equality and order are those of the sorted pairs.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Labels(Arc<[Label]>);

impl Labels {
    /// The label that holds the metric's name.
    pub const NAME: &'static str = "__name__";

    /// Sorts the pairs and drops empty values; where a name stands twice the last one counts.
    pub fn new<N: Into<Arc<str>>, V: Into<Arc<str>>>(
        pairs: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let mut labels: Vec<Label> = pairs
            .into_iter()
            .map(|(name, value)| Label { name: name.into(), value: value.into() })
            .collect();
        // A stable sort keeps the order of equal names; the reversal makes the last of them the first.
        labels.reverse();
        labels.sort_by(|one, other| one.name.cmp(&other.name));
        labels.dedup_by(|later, kept| later.name == kept.name);
        labels.retain(|label| !label.value.is_empty());
        Self(labels.into())
    }

    /// As [`Labels::new`], and without its work when the pairs already are what it promises.
    pub fn sorted(pairs: impl ExactSizeIterator<Item = (Arc<str>, Arc<str>)>) -> Self {
        let labels: Arc<[Label]> = pairs.map(|(name, value)| Label { name, value }).collect();
        let in_order = labels.is_sorted_by(|one, next| one.name < next.name);
        if in_order && labels.iter().all(|label| !label.value.is_empty()) {
            return Self(labels);
        }
        Self::new(labels.iter().map(|label| (label.name.clone(), label.value.clone())))
    }

    pub fn empty() -> Self {
        Self(Arc::new([]))
    }

    /// A metric name and its labels.
    pub fn metric<N: Into<Arc<str>>, V: Into<Arc<str>>>(
        metric_name: impl Into<Arc<str>>,
        pairs: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let named = std::iter::once((Arc::from(Self::NAME), metric_name.into()));
        Self::new(named.chain(pairs.into_iter().map(|(name, value)| (name.into(), value.into()))))
    }

    /// The value of a label; an absent label has none.
    pub fn get(&self, name: &str) -> Option<&str> {
        let at = self.0.binary_search_by(|label| label.name.as_ref().cmp(name)).ok()?;
        Some(&self.0[at].value)
    }

    /// The metric's name, empty when there is none.
    pub fn metric_name(&self) -> &str {
        self.get(Self::NAME).unwrap_or("")
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Label> + Clone {
        self.0.iter()
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// This set with one label set (or, with an empty value, removed).
    pub fn with(&self, name: impl Into<Arc<str>>, value: impl Into<Arc<str>>) -> Self {
        let pairs = self.pairs();
        Self::new(pairs.chain(std::iter::once((name.into(), value.into()))))
    }

    /// This set with every label of `others` set.
    pub fn with_all<'a>(&'a self, others: impl IntoIterator<Item = &'a Label>) -> Self {
        let others = others.into_iter().map(|label| (label.name.clone(), label.value.clone()));
        Self::new(self.pairs().chain(others))
    }

    /// The labels for which `keep(name)` holds.
    pub fn filtered(&self, keep: impl Fn(&str) -> bool) -> Self {
        Self(self.0.iter().filter(|label| keep(&label.name)).cloned().collect())
    }

    pub fn without(&self, names: &[&str]) -> Self {
        self.filtered(|name| !names.contains(&name))
    }

    pub fn without_metric_name(&self) -> Self {
        self.without(&[Self::NAME])
    }

    /// The first 8 bytes of SHA-256 over the pairs: the same on every machine and in every version, so it may be
    /// stored and compared. Not a secret, not a proof.
    pub fn fingerprint(&self) -> u64 {
        let mut hash = Sha256::new();
        for label in self.0.iter() {
            hash.update(label.name.as_bytes());
            hash.update([0xff]);
            hash.update(label.value.as_bytes());
            hash.update([0xff]);
        }
        let digest = hash.finalize();
        u64::from_be_bytes(digest[..8].try_into().unwrap_or_default())
    }

    /// The number by which Prometheus and Alertmanager name a label set: 64-bit FNV-1a over the sorted pairs, each text
    /// followed by 0xff (prometheus/common, model/signature.go). Two sets of one number are easily made: it names things to
    /// other programs, and nothing is found by it.
    pub fn fnv_fingerprint(&self) -> u64 {
        let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
        for label in self.0.iter() {
            for text in [&label.name, &label.value] {
                for byte in text.bytes().chain([0xff]) {
                    hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
                }
            }
        }
        hash
    }

    fn pairs(&self) -> impl Iterator<Item = (Arc<str>, Arc<str>)> + '_ {
        self.0.iter().map(|label| (label.name.clone(), label.value.clone()))
    }
}

impl Default for Labels {
    fn default() -> Self {
        Self::empty()
    }
}

/// Prometheus' text form: `name{a="b",c="d"}`, with `\`, `"` and line feeds escaped. A name that is not plain stands in
/// quotes, the metric's then in the braces: `{"a.b","c.d"="e"}`.
impl fmt::Display for Labels {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let metric = self.metric_name();
        let plain = metric.is_empty() || is_plain_metric_name(metric);
        let mut opened = !plain;
        if plain {
            formatter.write_str(metric)?;
        } else {
            write!(formatter, "{{{}", written_metric_name(metric))?;
        }
        for label in self.0.iter().filter(|label| label.name.as_ref() != Self::NAME) {
            formatter.write_str(if opened { "," } else { "{" })?;
            opened = true;
            let value = escaped(&label.value);
            match is_plain_label_name(&label.name) {
                true => write!(formatter, "{}=\"{value}\"", label.name)?,
                false => write!(formatter, "\"{}\"=\"{value}\"", escaped(&label.name))?,
            }
        }
        match (opened, metric.is_empty()) {
            (true, _) => formatter.write_str("}"),
            (false, true) => formatter.write_str("{}"),
            (false, false) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorts_and_keeps_the_last_of_a_repeated_name() {
        let labels = Labels::new([("b", "1"), ("a", "2"), ("b", "3"), ("c", "")]);
        assert_eq!(labels.to_string(), r#"{a="2",b="3"}"#);
        assert_eq!(labels.get("c"), None);
    }

    #[test]
    fn sorted_pairs_make_the_same_set() {
        for pairs in [vec![("a", "1"), ("b", "2")], vec![("b", "2"), ("a", "1")], vec![("a", "")]] {
            let shared = pairs.iter().map(|(name, value)| (Arc::from(*name), Arc::from(*value)));
            assert_eq!(Labels::sorted(shared.collect::<Vec<_>>().into_iter()), Labels::new(pairs));
        }
    }

    #[test]
    fn prints_as_prometheus_does() {
        let labels = Labels::metric("up", [("path", "C:\\ \"x\"\n")]);
        assert_eq!(labels.to_string(), r#"up{path="C:\\ \"x\"\n"}"#);
        assert_eq!(Labels::metric("up", [("", ""); 0]).to_string(), "up");
        assert_eq!(Labels::empty().to_string(), "{}");
        let dotted = Labels::metric("nhiệt.độ", [("phòng máy", "1"), ("site", "a")]);
        assert_eq!(dotted.to_string(), r#"{"nhiệt.độ","phòng máy"="1",site="a"}"#);
        assert_eq!(Labels::metric("a\"b", [("", ""); 0]).to_string(), r#"{"a\"b"}"#);
    }

    #[test]
    fn setting_an_empty_value_removes_the_label() {
        let labels = Labels::metric("up", [("host", "a")]);
        assert_eq!(labels.with("host", "").to_string(), "up");
        assert_eq!(labels.with("host", "b").get("host"), Some("b"));
    }

    #[test]
    fn alertmanager_names_a_label_set_by_the_same_number() {
        let fingerprint = Labels::new([("alertname", "A"), ("x", "")]).fnv_fingerprint();
        assert_eq!(format!("{fingerprint:016x}"), "d2c6efc389df0927");
    }

    #[test]
    fn fingerprints_are_stable_and_unambiguous() {
        let fingerprint = Labels::new([("a", "b")]).fingerprint();
        assert_eq!(fingerprint, Labels::empty().with("a", "b").fingerprint());
        assert_ne!(fingerprint, Labels::new([("ab", "")]).fingerprint());
        assert_eq!(Labels::new([("a", "b")]).fingerprint(), 0x8872_fa7b_26b0_c523);
    }
}
