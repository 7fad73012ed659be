//! From the raw file to the checked one: ids, references, periods, cycles. Nothing stops at the first problem.

use std::collections::{BTreeMap, BTreeSet};

use agent_model::{HostId, Millis, Problem, Problems};
use agent_yaml::{At, Document, Duration};
use jiff::civil::Date;
use jiff::tz::{Offset, TimeZone};

use super::raw::{RawHost, RawInventory, RawService, RawSite, RawUnit};
use super::{HostPlace, InventoryConfig, Period, Service, Site, Unit};

/// Vietnam keeps one time all year.
const VIETNAM: Offset = Offset::constant(7);

struct Checker<'a> {
    document: &'a Document,
    problems: Vec<Problem>,
}

pub(super) fn check(document: &Document, raw: RawInventory) -> Result<InventoryConfig, Problems> {
    let mut checker = Checker { document, problems: Vec::new() };
    let known = Known {
        sites: raw.sites.iter().map(|site| site.id.value.clone()).collect(),
        units: raw.units.iter().map(|unit| unit.id.value.clone()).collect(),
        hosts: raw.hosts.iter().map(|host| host.id.value.clone()).collect(),
        services: raw.services.iter().map(|service| service.id.value.clone()).collect(),
    };
    checker.cycles("parents", raw.sites.iter().map(|site| (&site.id, one(&site.parent))));
    checker.cycles("parents", raw.units.iter().map(|unit| (&unit.id, one(&unit.parent))));
    checker.cycles(
        "dependencies",
        raw.services.iter().map(|service| (&service.id, service.depends_on.iter().collect())),
    );
    let mut config = InventoryConfig::default();
    for site in raw.sites {
        checker.unique("site", &site.id, config.sites.contains_key(&site.id.value));
        let (id, site) = checker.site(site, &known);
        config.sites.insert(id, site);
    }
    for unit in raw.units {
        checker.unique("unit", &unit.id, config.units.contains_key(&unit.id.value));
        let (id, unit) = checker.unit(unit, &known);
        config.units.insert(id, unit);
    }
    for host in raw.hosts {
        let at = host.id.clone();
        if let Some(place) = checker.host(host, &known) {
            checker.places_apart(&at, &config.hosts, &place);
            config.hosts.push(place);
        }
    }
    for service in raw.services {
        checker.unique("service", &service.id, config.services.contains_key(&service.id.value));
        let (id, service) = checker.service(service, &known);
        config.services.insert(id, service);
    }
    let mut problems = checker.problems;
    // In the order of the file, whatever found them.
    problems.sort_by_key(|problem| problem.line);
    if problems.is_empty() { Ok(config) } else { Err(Problems(problems)) }
}

/// The ids a reference may name.
struct Known {
    sites: BTreeSet<String>,
    units: BTreeSet<String>,
    hosts: BTreeSet<String>,
    services: BTreeSet<String>,
}

fn one(reference: &Option<At<String>>) -> Vec<&At<String>> {
    reference.iter().collect()
}

impl Checker<'_> {
    fn say<T>(&mut self, at: &At<T>, message: String) {
        self.problems.push(self.document.problem(&at.place, message));
    }

    fn unique(&mut self, what: &str, id: &At<String>, taken: bool) {
        if taken {
            self.say(id, format!("{what} {:?} is given twice", id.value));
        }
        if id.value.trim().is_empty() {
            self.say(id, format!("a {what} needs an id that is not empty"));
        }
    }

    fn refer(&mut self, what: &str, to: &At<String>, known: &BTreeSet<String>) -> String {
        if !known.contains(&to.value) {
            let message = match nearest(&to.value, known) {
                Some(near) => format!("there is no {what} {:?}; did you mean {near:?}?", to.value),
                None => format!("there is no {what} {:?}; add it to this file", to.value),
            };
            self.say(to, message);
        }
        to.value.clone()
    }

    fn refer_opt(
        &mut self,
        what: &str,
        to: &Option<At<String>>,
        known: &BTreeSet<String>,
    ) -> Option<String> {
        to.as_ref().map(|to| self.refer(what, to, known))
    }

    fn level(&mut self, level: Option<At<u8>>) -> Option<u8> {
        let level = level?;
        if !(1..=5).contains(&level.value) {
            self.say(&level, format!("a security level is 1 to 5, not {}", level.value));
        }
        Some(level.value)
    }

    fn period(&mut self, from: Option<At<String>>, to: Option<At<String>>) -> Period {
        let from_ms = from.and_then(|from| self.day_start(&from, 0));
        // `to` is the last day.
        let until_ms = to.as_ref().and_then(|to| self.day_start(to, 1));
        if let (Some(from_ms), Some(until_ms), Some(to)) = (from_ms, until_ms, &to)
            && until_ms <= from_ms
        {
            self.say(to, "`to` lies before `from`".to_owned());
        }
        Period { from_ms, until_ms }
    }

    fn day_start(&mut self, text: &At<String>, days_later: i64) -> Option<Millis> {
        let parse = || {
            let date: Date = text.value.parse().ok()?;
            let date = date.checked_add(jiff::Span::new().days(days_later)).ok()?;
            let start = date.to_zoned(TimeZone::fixed(VIETNAM)).ok()?;
            Some(start.timestamp().as_millisecond())
        };
        let start = parse();
        if start.is_none() {
            let message = format!("{:?} is not a day; write for example 2025-07-01", text.value);
            self.say(text, message);
        }
        start
    }

    fn site(&mut self, raw: RawSite, known: &Known) -> (String, Site) {
        let site = Site {
            name: raw.name,
            site_type: raw.site_type,
            state: raw.state,
            parent: self.refer_opt("site", &raw.parent, &known.sites),
            period: self.period(raw.from, raw.to),
        };
        (raw.id.value, site)
    }

    fn unit(&mut self, raw: RawUnit, known: &Known) -> (String, Unit) {
        let unit = Unit {
            name: raw.name,
            parent: self.refer_opt("unit", &raw.parent, &known.units),
            period: self.period(raw.from, raw.to),
        };
        (raw.id.value, unit)
    }

    fn host_id(&mut self, id: &At<String>) -> Option<HostId> {
        HostId::new(&id.value).map_err(|error| self.say(id, error.to_string())).ok()
    }

    fn host(&mut self, raw: RawHost, known: &Known) -> Option<HostPlace> {
        let host = self.host_id(&raw.id);
        let site = self.refer("site", &raw.site, &known.sites);
        let unit = self.refer_opt("unit", &raw.unit, &known.units);
        let level = self.level(raw.level);
        let period = self.period(raw.from, raw.to);
        Some(HostPlace { host: host?, site, unit, level, role: raw.role, period })
    }

    fn places_apart(&mut self, at: &At<String>, before: &[HostPlace], place: &HostPlace) {
        let clash =
            |other: &&HostPlace| other.host == place.host && other.period.overlaps(&place.period);
        if before.iter().any(|other| clash(&other)) {
            let host = &place.host;
            let message = format!(
                "host {host} stands at two places at once; give `to` where it was and `from` where it moved"
            );
            self.say(at, message);
        }
    }

    fn service(&mut self, raw: RawService, known: &Known) -> (String, Service) {
        let mut hosts = Vec::new();
        for host in &raw.hosts {
            self.refer("host", host, &known.hosts);
            hosts.extend(HostId::new(&host.value));
        }
        let depends = raw.depends_on.iter();
        let depends_on = depends.map(|on| self.refer("service", on, &known.services)).collect();
        let service = Service {
            name: raw.name,
            level: self.level(raw.level),
            unit: self.refer_opt("unit", &raw.unit, &known.units),
            hosts,
            probes: raw.probes,
            depends_on,
            rpo_ms: raw.rpo.map(Duration::as_millis),
            rto_ms: raw.rto.map(Duration::as_millis),
        };
        (raw.id.value, service)
    }

    /// Says each cycle once, at the first of its members in the file.
    fn cycles<'r>(
        &mut self,
        what: &str,
        edges: impl Iterator<Item = (&'r At<String>, Vec<&'r At<String>>)>,
    ) {
        let edges: Vec<_> = edges.collect();
        let mut to: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (from, onward) in &edges {
            // An id given twice by mistake keeps the edges of both.
            let onward = onward.iter().map(|to| to.value.as_str());
            to.entry(from.value.as_str()).or_default().extend(onward);
        }
        let mut told: BTreeSet<&str> = BTreeSet::new();
        for (from, _) in &edges {
            if told.contains(from.value.as_str()) {
                continue;
            }
            if let Some(path) = way_back(&from.value, &to) {
                let shown = path.join(" → ");
                self.say(from, format!("its {what} lead back to itself: {shown}"));
                told.extend(path);
            }
        }
    }
}

/// A shortest way from a node to itself.
fn way_back<'a>(start: &'a str, to: &BTreeMap<&'a str, Vec<&'a str>>) -> Option<Vec<&'a str>> {
    let mut came_from: BTreeMap<&str, &str> = BTreeMap::new();
    let mut queue = std::collections::VecDeque::from([start]);
    while let Some(node) = queue.pop_front() {
        for &next in to.get(node).map_or(&[][..], Vec::as_slice) {
            if next == start {
                let mut path = vec![start];
                let mut at = node;
                while at != start {
                    path.push(at);
                    at = came_from[at];
                }
                path.push(start);
                path.reverse();
                return Some(path);
            }
            if next != start && !came_from.contains_key(next) {
                came_from.insert(next, node);
                queue.push_back(next);
            }
        }
    }
    None
}

/// The known id that differs from a mistyped one by a letter or two.
fn nearest<'k>(wrong: &str, known: &'k BTreeSet<String>) -> Option<&'k str> {
    let distance = |id: &String| edit_distance(wrong, id);
    let near = known.iter().min_by_key(|id| distance(id))?;
    (distance(near) <= 2).then_some(near.as_str())
}

/// Levenshtein's distance in characters.
fn edit_distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, char) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = at + 1;
        for column in 0..other.len() {
            let replaced = diagonal + usize::from(other[column] != char);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[other.len()]
}
