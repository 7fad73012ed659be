//! From what is written to what is meant, with every problem told by its line.

use std::collections::BTreeSet;

use agent_model::{HostId, Millis, Problem, Problems, VerificationDepth};
use agent_yaml::{At, Document, Duration};
use glob::Pattern;

use super::raw::{RawDefaults, RawJob, RawNotNeeded, RawPlace, RawPolicy, RawVerify};
use super::{BackupPolicy, CopiesRule, NotNeeded, Place, PlannedBackup};

pub(super) fn check(document: &Document) -> Result<BackupPolicy, Problems> {
    let raw: RawPolicy = document.read()?;
    let mut checking = Checking { document, problems: Vec::new() };
    let places = checking.places(raw.places);
    let defaults = checking.defaults(raw.defaults);
    let mut seen = BTreeSet::new();
    let mut jobs = Vec::new();
    for job in raw.jobs {
        if !seen.insert((job.host.value.clone(), job.backup.value.clone())) {
            let (backup, host) = (&job.backup.value, &job.host.value);
            let message = format!("backup {backup:?} of host {host} is planned twice");
            checking.wrong(&job.backup, message);
        }
        jobs.extend(checking.job(job, &defaults));
    }
    let not_needed = checking.not_needed(raw.not_needed);
    if checking.problems.is_empty() {
        Ok(BackupPolicy { places, jobs, not_needed })
    } else {
        Err(Problems(checking.problems))
    }
}

struct Defaults {
    rule: Option<CopiesRule>,
    verify: Vec<(VerificationDepth, Millis)>,
    copy_lag_ms: Option<Millis>,
}

struct Checking<'a> {
    document: &'a Document,
    problems: Vec<Problem>,
}

impl Checking<'_> {
    fn wrong<T>(&mut self, at: &At<T>, message: impl Into<String>) {
        self.problems.push(self.document.problem(&at.place, message));
    }

    fn places(&mut self, raw: Vec<RawPlace>) -> Vec<Place> {
        let mut seen = BTreeSet::new();
        let mut places = Vec::new();
        for place in raw {
            if place.id.value.trim().is_empty() {
                self.wrong(&place.id, "a place needs an id");
            }
            if !seen.insert(place.id.value.clone()) {
                self.wrong(&place.id, format!("place {:?} is given twice", place.id.value));
            }
            if place.locations.is_empty() {
                self.wrong(
                    &place.id,
                    "a place without locations holds nothing; write them as the agents report them",
                );
            }
            let mut locations = Vec::new();
            for location in &place.locations {
                match Pattern::new(&location.value) {
                    Ok(pattern) => locations.push(pattern),
                    Err(error) => {
                        let text = &location.value;
                        self.wrong(location, format!("{text:?} is not a pattern: {error}"));
                    }
                }
            }
            let max_age_ms = place.max_age.as_ref().and_then(|age| self.length("max_age", age));
            places.push(Place {
                id: place.id.value,
                locations,
                site: place.site.map(|site| site.value),
                medium: place.medium,
                offline: place.offline,
                immutable: place.immutable,
                copied: place.copied,
                max_age_ms,
            });
        }
        places
    }

    fn defaults(&mut self, raw: RawDefaults) -> Defaults {
        Defaults {
            rule: raw.rule,
            verify: raw.verify.map_or_else(Vec::new, |verify| self.verify(verify)),
            copy_lag_ms: raw.copy_lag.and_then(|lag| self.length("copy_lag", &lag)),
        }
    }

    fn not_needed(&mut self, raw: Vec<RawNotNeeded>) -> NotNeeded {
        let mut not_needed = NotNeeded::default();
        for one in raw {
            if one.reason.value.trim().is_empty() {
                self.wrong(&one.reason, "say why no backup is needed");
            }
            match (one.host, one.service) {
                (Some(host), None) => not_needed.hosts.extend(self.host(&host)),
                (None, Some(service)) => {
                    not_needed.services.insert(service.value);
                }
                _ => self.wrong(&one.reason, "name either a host or a service"),
            }
        }
        not_needed
    }

    fn verify(&mut self, raw: RawVerify) -> Vec<(VerificationDepth, Millis)> {
        let depths = [
            (VerificationDepth::Checked, "checked", raw.checked),
            (VerificationDepth::DataRead, "data_read", raw.data_read),
            (VerificationDepth::Restored, "restored", raw.restored),
        ];
        let asked = depths.into_iter().filter_map(|(depth, key, age)| {
            let age_ms = self.length(key, &age?)?;
            Some((depth, age_ms))
        });
        asked.collect()
    }

    /// A length that is not 0.
    fn length(&mut self, key: &str, length: &At<Duration>) -> Option<Millis> {
        let ms = length.value.as_millis();
        if ms == 0 {
            self.wrong(length, format!("a {key} of 0 is never kept; write for example 1d"));
            return None;
        }
        Some(ms)
    }

    fn host(&mut self, written: &At<String>) -> Option<HostId> {
        let host = HostId::new(&written.value);
        if let Err(error) = &host {
            self.wrong(written, error.to_string());
        }
        host.ok()
    }

    fn job(&mut self, job: RawJob, defaults: &Defaults) -> Option<PlannedBackup> {
        let before = self.problems.len();
        let host = self.host(&job.host);
        if job.backup.value.trim().is_empty() {
            self.wrong(&job.backup, "a backup needs a name");
        }
        let interval_ms = self.length("interval", &job.interval).unwrap_or_default();
        let rpo_ms = job.rpo.as_ref().map_or(interval_ms, |rpo| rpo.value.as_millis());
        if let Some(rpo) = &job.rpo
            && rpo_ms < interval_ms
        {
            self.wrong(rpo, "an rpo shorter than the interval cannot be kept; back up more often");
        }
        if let Some(keep) = &job.keep
            && keep.value == 0
        {
            self.wrong(keep, "keep at least 1 copy");
        }
        let seen_by = job.seen_by.iter().filter_map(|host| self.host(host)).collect();
        let verify = job.verify.map(|verify| self.verify(verify));
        let copy_lag_ms = job.copy_lag.and_then(|lag| self.length("copy_lag", &lag));
        let planned = PlannedBackup {
            host: host?,
            backup: job.backup.value,
            interval_ms,
            rpo_ms,
            keep: job.keep.map(|keep| keep.value),
            services: job.services.into_iter().map(|service| service.value).collect(),
            seen_by,
            rule: job.rule.or(defaults.rule),
            verify: verify.unwrap_or_else(|| defaults.verify.clone()),
            copy_lag_ms: copy_lag_ms.or(defaults.copy_lag_ms).unwrap_or(interval_ms),
        };
        (self.problems.len() == before).then_some(planned)
    }
}
