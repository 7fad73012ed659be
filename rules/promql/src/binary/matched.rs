//! Arithmetic and comparisons between two vectors: one-to-one, many-to-one and one-to-many.

use std::collections::HashMap;

use agent_model::Labels;

use crate::PromqlError;
use crate::plan::{Matched, Matching, Sides};
use crate::track::{Track, absent, is_present, join_alike};

/// The series of both sides that share a signature, by their places.
#[derive(Default)]
struct Group {
    many: Vec<usize>,
    one: Vec<usize>,
}

/// One result series, and the pairs of series that write to it.
struct Written {
    track: Track,
    writers: Vec<(usize, usize)>,
}

struct Join<'a> {
    plan: &'a Matched,
    many: &'a [Track],
    one: &'a [Track],
    steps: usize,
}

pub(crate) fn matched(
    plan: &Matched,
    left: &[Track],
    right: &[Track],
    steps: usize,
) -> Result<Vec<Track>, PromqlError> {
    let (many, one) = match plan.sides {
        Sides::OneToOne | Sides::ManyLeft(_) => (left, right),
        Sides::ManyRight(_) => (right, left),
    };
    let join = Join { plan, many, one, steps };
    let mut results = Vec::new();
    for (signature, group) in join.groups() {
        if group.one.len() > 1 {
            join.check_one_side(&signature, &group)?;
        }
        if matches!(plan.sides, Sides::OneToOne) && group.many.len() > 1 {
            join.check_many_side(&signature, &group)?;
        }
        join.write(&group, &mut results)?;
    }
    results.retain(|track| !track.is_empty());
    join_alike(results)
}

impl Join<'_> {
    /// In the order of the many side, so that results keep its order.
    fn groups(&self) -> Vec<(Labels, Group)> {
        let mut places: HashMap<Labels, usize> = HashMap::new();
        let mut groups: Vec<(Labels, Group)> = Vec::new();
        let mut group_of = |track: &Track, groups: &mut Vec<(Labels, Group)>| {
            let signature = self.plan.matching.signature(&track.labels);
            *places.entry(signature.clone()).or_insert_with(|| {
                groups.push((signature, Group::default()));
                groups.len() - 1
            })
        };
        for (place, track) in self.many.iter().enumerate() {
            let group = group_of(track, &mut groups);
            groups[group].1.many.push(place);
        }
        for (place, track) in self.one.iter().enumerate() {
            let group = group_of(track, &mut groups);
            groups[group].1.one.push(place);
        }
        groups
    }

    /// Two series of the "one" side at one step. As in Prometheus, a step without any value on the many side is
    /// not looked at.
    fn check_one_side(&self, signature: &Labels, group: &Group) -> Result<(), PromqlError> {
        for step in 0..self.steps {
            let mut present = group.one.iter().filter(|one| self.one[**one].is_present_at(step));
            let (Some(first), Some(second)) = (present.next(), present.next()) else { continue };
            if !self.many.iter().any(|track| track.is_present_at(step)) {
                continue;
            }
            let mut shown = [*first, *second].map(|one| with_name_in_braces(&self.one[one].labels));
            shown.sort();
            let [one, other] = shown;
            let side =
                if matches!(self.plan.sides, Sides::ManyRight(_)) { "left" } else { "right" };
            let group = with_name_in_braces(signature);
            return Err(PromqlError::ManyToMany { group, side, one, other });
        }
        Ok(())
    }

    /// Two series of the left side with a partner at one step, though no `group_left` allows them.
    fn check_many_side(&self, signature: &Labels, group: &Group) -> Result<(), PromqlError> {
        for step in 0..self.steps {
            let partner = group.one.iter().any(|one| self.one[*one].is_present_at(step));
            let many = group.many.iter().filter(|many| self.many[**many].is_present_at(step));
            if partner && many.count() > 1 {
                return Err(PromqlError::ManyToOne(signature.clone()));
            }
        }
        Ok(())
    }

    fn write(&self, group: &Group, results: &mut Vec<Track>) -> Result<(), PromqlError> {
        let mut places: HashMap<Labels, usize> = HashMap::new();
        let mut written: Vec<Written> = Vec::new();
        for many in &group.many {
            for one in &group.one {
                let labels = self.result_labels(&self.many[*many].labels, &self.one[*one].labels);
                let place = *places.entry(labels.clone()).or_insert_with(|| {
                    let mut track = Track::new(labels, vec![absent(); self.steps]);
                    track.drops_name = self.many[*many].drops_name;
                    written.push(Written { track, writers: Vec::new() });
                    written.len() - 1
                });
                self.write_pair(*many, *one, &mut written[place])?;
            }
        }
        results.extend(written.into_iter().map(|written| written.track));
        Ok(())
    }

    fn write_pair(&self, many: usize, one: usize, to: &mut Written) -> Result<(), PromqlError> {
        let swapped = matches!(self.plan.sides, Sides::ManyRight(_));
        for step in 0..self.steps {
            if !self.both_present(many, one, step) {
                continue;
            }
            // Also a pair that a comparison filtered away stands in the way of another.
            if to.writers.iter().any(|(many, one)| self.both_present(*many, *one, step)) {
                return Err(PromqlError::GroupingNotUnique(to.track.labels.clone()));
            }
            let (many, one) = (self.many[many].values[step], self.one[one].values[step]);
            let (left, right) = if swapped { (one, many) } else { (many, one) };
            if let Some(value) = self.plan.operator.apply(left, right) {
                to.track.values[step] = value;
            }
        }
        to.writers.push((many, one));
        Ok(())
    }

    fn both_present(&self, many: usize, one: usize, step: usize) -> bool {
        is_present(self.many[many].values[step]) && is_present(self.one[one].values[step])
    }

    fn result_labels(&self, many: &Labels, one: &Labels) -> Labels {
        let named =
            if self.plan.operator.drops_name() { many.without_metric_name() } else { many.clone() };
        match (&self.plan.sides, &self.plan.matching) {
            (Sides::OneToOne, matching @ Matching::On(_)) => matching.signature(&named),
            (Sides::OneToOne, Matching::Ignoring(names)) => {
                named.filtered(|name| !names.iter().any(|ignored| ignored == name))
            }
            (Sides::ManyLeft(copied) | Sides::ManyRight(copied), _) if copied.is_empty() => named,
            (Sides::ManyLeft(copied) | Sides::ManyRight(copied), _) => {
                let copy =
                    |name: &String| (name.as_str().into(), one.get(name).unwrap_or("").into());
                let copied: Vec<agent_model::Label> = copied
                    .iter()
                    .map(copy)
                    .map(|(name, value)| agent_model::Label { name, value })
                    .collect();
                named.with_all(&copied)
            }
        }
    }
}

/// Prometheus' form in messages: `{__name__="up", job="node"}`.
fn with_name_in_braces(labels: &Labels) -> String {
    let pairs: Vec<String> =
        labels.iter().map(|label| format!("{}={:?}", label.name, label.value)).collect();
    format!("{{{}}}", pairs.join(", "))
}
