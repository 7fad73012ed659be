//! Who pushes series and posts alerts, and what they may say.
//!
//! Promises: every series carries its owner's labels, whatever it brought; nobody speaks for a host that is enrolled, or for
//! the collector. A label that gives way is kept as `exported_NAME`, as Prometheus does when it scrapes, so that two series
//! never become one.

use std::collections::HashSet;

use agent_model::Labels;
use collector_remote_write::Refusal;

use crate::authority::COLLECTOR_NAME;
use crate::query::INVENTORY_LABELS;

/// What the collector says of itself, of backups and of services: rules trust it.
const RESERVED_METRICS: &str = "haidang_";

/// The job of what the collector says.
const RESERVED_JOB: &str = "collector";

/// Labels by which people and rules know a host.
const HOST_LABELS: [&str; 2] = ["host", "instance"];

/// Labels that one owner may force on its series: who they are of, not what they measure.
const OWNER_LABELS_MAX: usize = 10;

/// Bytes of a forced label's value.
const OWNER_VALUE_BYTES_MAX: usize = 256;

/// The holder of a token that writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The token's name.
    pub name: String,
    /// Forced on every series.
    pub labels: Labels,
}

impl Owner {
    /// A series as it is stored, or why it is not.
    pub fn series(&self, run: &[u8], enrolled: &HashSet<String>) -> Result<Labels, Refusal> {
        let brought = collector_remote_write::labels(run)?;
        let labels = self.own(&brought);
        let reserved = labels.metric_name().starts_with(RESERVED_METRICS);
        let others = reserved || self.speaks_for_others(&labels, enrolled);
        if others { Err(Refusal::Owner) } else { Ok(labels) }
    }

    /// Whether these are labels of an enrolled host that is not the owner's, or of the collector.
    pub fn speaks_for_others(&self, labels: &Labels, enrolled: &HashSet<String>) -> bool {
        let of_other = |value: &str| {
            value.starts_with(COLLECTOR_NAME)
                || enrolled.contains(value) && self.labels.get("host") != Some(value)
        };
        labels.get("job") == Some(RESERVED_JOB)
            || HOST_LABELS.iter().filter_map(|name| labels.get(name)).any(of_other)
    }

    /// Whether it may say what a metric is.
    pub fn may_describe(&self, metric: &str) -> bool {
        !metric.starts_with(RESERVED_METRICS)
    }

    /// The labels with this owner's, and those that give way under another name.
    pub fn own(&self, brought: &Labels) -> Labels {
        let gives_way = |name: &str, value: &str| match self.labels.get(name) {
            Some(forced) => forced != value,
            // The inventory says it of a host; a stored one would hide behind that.
            None => INVENTORY_LABELS.contains(&name),
        };
        let mut labels = brought.with_all(self.labels.iter());
        for label in brought.iter().filter(|label| gives_way(&label.name, &label.value)) {
            let mut name = format!("exported_{}", label.name);
            while labels.get(&name).is_some() {
                name = format!("exported_{name}");
            }
            if self.labels.get(&label.name).is_none() {
                labels = labels.without(&[&label.name]);
            }
            labels = labels.with(name, label.value.as_ref());
        }
        labels
    }
}

/// Labels that a token may force, or what is wrong with them.
pub fn owner_labels(pairs: &[(String, String)]) -> Result<Labels, String> {
    if pairs.is_empty() || pairs.len() > OWNER_LABELS_MAX {
        return Err(format!(
            "a token that writes has 1 to {OWNER_LABELS_MAX} labels that all its series carry, for \
             example origin=dc2-prometheus"
        ));
    }
    for (name, value) in pairs {
        let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            && name.bytes().next().is_some_and(|first| !first.is_ascii_digit())
            && !name.starts_with("__");
        if !is_name {
            return Err(format!("{name:?} is no name of a label"));
        }
        if value.is_empty()
            || value.len() > OWNER_VALUE_BYTES_MAX
            || value.chars().any(char::is_control)
        {
            return Err(format!(
                "the label {name} has 1 to {OWNER_VALUE_BYTES_MAX} printable bytes"
            ));
        }
        if INVENTORY_LABELS.contains(&name.as_str()) {
            return Err(format!("{name} comes from the inventory; choose another label"));
        }
        if (name == "job" && value == RESERVED_JOB) || value.starts_with(COLLECTOR_NAME) {
            return Err(format!("{name}={value} is the collector's own"));
        }
    }
    let labels = Labels::new(pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    if labels.len() == pairs.len() { Ok(labels) } else { Err("a label stands twice".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(labels: &[(&str, &str)]) -> Owner {
        Owner { name: "dc2".to_owned(), labels: Labels::new(labels.iter().copied()) }
    }

    fn own(owner: &Owner, labels: &[(&str, &str)]) -> String {
        owner.own(&Labels::metric("m", labels.iter().copied())).to_string()
    }

    #[test]
    fn the_owners_labels_win_and_what_gives_way_is_kept_under_another_name() {
        let owner = owner(&[("origin", "dc2")]);
        assert_eq!(own(&owner, &[("job", "a")]), r#"m{job="a",origin="dc2"}"#);
        assert_eq!(own(&owner, &[("origin", "dc2")]), r#"m{origin="dc2"}"#);
        assert_eq!(
            own(&owner, &[("origin", "x"), ("exported_origin", "y"), ("site", "z")]),
            r#"m{exported_exported_origin="x",exported_origin="y",exported_site="z",origin="dc2"}"#
        );
    }

    #[test]
    fn nobody_speaks_for_an_enrolled_host_or_for_the_collector() {
        let enrolled = HashSet::from(["dc1-srv01".to_owned()]);
        let may = |owner: &Owner, name: &str, labels: &[(&str, &str)]| {
            let mut pairs = vec![("__name__", name)];
            pairs.extend(labels);
            owner.series(&run(&pairs), &enrolled).map(|_| ()).map_err(Refusal::name)
        };
        let other = owner(&[("origin", "dc2")]);
        assert_eq!(may(&other, "up", &[("host", "dc2-srv09"), ("job", "node")]), Ok(()));
        assert_eq!(may(&other, "up", &[("instance", "dc1-srv01:9100")]), Ok(()));
        assert_eq!(may(&other, "up", &[("host", "dc1-srv01")]), Err("owner"));
        assert_eq!(may(&other, "up", &[("instance", "dc1-srv01")]), Err("owner"));
        assert_eq!(may(&other, "up", &[("instance", "haidang-collector.recorded")]), Err("owner"));
        assert_eq!(may(&other, "up", &[("job", "collector")]), Err("owner"));
        assert_eq!(may(&other, "haidang_service_up", &[("service", "portal")]), Err("owner"));
        let own = owner(&[("host", "dc1-srv01")]);
        assert_eq!(may(&own, "mysql_up", &[("host", "dc9")]), Ok(()), "it is the host's own token");
        assert_eq!(may(&own, "mysql_up", &[("instance", "dc1-srv01")]), Ok(()));
    }

    /// A request's labels, as its decoder keeps them.
    fn run(labels: &[(&str, &str)]) -> Vec<u8> {
        let mut run = Vec::new();
        for text in labels.iter().flat_map(|(name, value)| [name, value]) {
            run.extend(u16::try_from(text.len()).unwrap().to_le_bytes());
            run.extend(text.bytes());
        }
        run
    }

    #[test]
    fn a_token_forces_labels_that_say_whose_series_they_are() {
        let check = |pairs: &[(&str, &str)]| {
            let pairs: Vec<_> =
                pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
            owner_labels(&pairs).is_ok()
        };
        assert!(check(&[("origin", "dc2"), ("host", "dc1-srv01")]));
        let many: Vec<_> = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k"]
            .map(|name| (name, "x"))
            .to_vec();
        assert!(check(&many[..OWNER_LABELS_MAX]) && !check(&many));
        for wrong in [
            &[][..],
            &[("__name__", "up")],
            &[("site", "dc2")],
            &[("job", "collector")],
            &[("host", "haidang-collector")],
            &[("a", "")],
            &[("a b", "c")],
            &[("a", "1"), ("a", "2")],
        ] {
            assert!(!check(wrong), "{wrong:?}");
        }
    }
}
