//! Which hosts a matcher on inventory labels means. A host is at its site and at every site above it, belongs to its
//! unit and every unit above, and to each service that names it.

use std::collections::BTreeSet;

use agent_model::{HostId, MatchOp, Matcher, Millis};

use super::{HostPlace, InventoryConfig};

impl InventoryConfig {
    /// The labels that are resolved to hosts instead of being stored in series.
    pub const LABELS: [&'static str; 5] = ["site", "unit", "service", "level", "role"];

    /// Where a host stands at a time.
    pub fn place(&self, host: &HostId, at_ms: Millis) -> Option<&HostPlace> {
        self.hosts.iter().find(|place| place.host == *host && place.period.holds(at_ms))
    }

    /// The hosts of the file for which every matcher holds. Hosts outside the file are asked with `host_matches`.
    pub fn hosts_where(&self, matchers: &[Matcher], at_ms: Millis) -> BTreeSet<HostId> {
        let standing = self.hosts.iter().filter(|place| place.period.holds(at_ms));
        standing
            .filter(|place| self.host_matches(&place.host, matchers, at_ms))
            .map(|place| place.host.clone())
            .collect()
    }

    /// Whether every matcher on an inventory label holds for a host; matchers on other labels are passed over.
    pub fn host_matches(&self, host: &HostId, matchers: &[Matcher], at_ms: Millis) -> bool {
        matchers.iter().all(|matcher| {
            let Some(values) = self.label_values(host, &matcher.name, at_ms) else { return true };
            holds(matcher, &values)
        })
    }

    /// The values of an inventory label, the host's own first; `None` when it is not one of `LABELS`.
    pub fn label_values(&self, host: &HostId, label: &str, at_ms: Millis) -> Option<Vec<String>> {
        let place = self.place(host, at_ms);
        let values = match label {
            "site" => self.above(place.map(|place| place.site.as_str()), |site| {
                self.sites.get(site)?.parent.as_deref()
            }),
            "unit" => self.above(place.and_then(|place| place.unit.as_deref()), |unit| {
                self.units.get(unit)?.parent.as_deref()
            }),
            "service" => {
                let named =
                    self.services.iter().filter(|(_, service)| service.hosts.contains(host));
                named.map(|(id, _)| id.clone()).collect()
            }
            "level" => {
                place.and_then(|place| place.level).iter().map(ToString::to_string).collect()
            }
            "role" => place
                .map(|place| place.role.clone())
                .filter(|role| !role.is_empty())
                .into_iter()
                .collect(),
            _ => return None,
        };
        Some(values)
    }

    fn above<'a>(
        &'a self,
        start: Option<&'a str>,
        parent: impl Fn(&'a str) -> Option<&'a str>,
    ) -> Vec<String> {
        // No cycle gets past the check, so this ends.
        std::iter::successors(start, |at| parent(at)).map(str::to_owned).collect()
    }
}

/// A positive matcher wants one of the values, a negative one all of them.
fn holds(matcher: &Matcher, values: &[String]) -> bool {
    if values.is_empty() {
        return matcher.matches("");
    }
    match matcher.op {
        MatchOp::Equal | MatchOp::Matches => values.iter().any(|value| matcher.matches(value)),
        MatchOp::NotEqual | MatchOp::MatchesNot => {
            values.iter().all(|value| matcher.matches(value))
        }
    }
}
