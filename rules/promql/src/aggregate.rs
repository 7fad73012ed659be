//! Aggregations: the series of a vector in groups, each group folded or thinned out step by step.

mod count_values;
mod fold;
mod limit_ratio;
mod ranked;

use std::collections::HashMap;

use agent_model::Labels;

use crate::PromqlError;
use crate::evaluate::Evaluation;
use crate::number;
use crate::plan::{AggregatePlan, Aggregation, Grouping};
use crate::steps::Steps;
use crate::track::{Track, absent, is_present};

/// The places of the series of one group.
pub(crate) struct Group {
    pub(crate) labels: Labels,
    pub(crate) members: Vec<usize>,
    /// As the first of its series.
    pub(crate) drops_name: bool,
}

impl Group {
    pub(crate) fn track(&self, values: Vec<f64>) -> Track {
        Track { labels: self.labels.clone(), values, drops_name: self.drops_name }
    }
}

impl Evaluation<'_> {
    pub(crate) fn aggregate(
        &self,
        plan: &AggregatePlan,
        steps: Steps,
    ) -> Result<Vec<Track>, PromqlError> {
        // The parameter is checked even where the vector turns out empty.
        let parameter = match &plan.operation {
            Aggregation::Quantile(scalar, place) => {
                let quantiles = self.scalar(scalar, steps)?;
                for quantile in quantiles.iter().filter(|one| !(0.0..=1.0).contains(*one)) {
                    self.annotations.invalid_quantile(*quantile, *place);
                }
                quantiles
            }
            Aggregation::Top(scalar) | Aggregation::Bottom(scalar) | Aggregation::Limit(scalar) => {
                ranked::checked_counts(self.scalar(scalar, steps)?)?
            }
            Aggregation::LimitRatio(scalar, place) => {
                limit_ratio::checked(self.scalar(scalar, steps)?, &self.annotations, *place)?
            }
            Aggregation::Sum | Aggregation::Fold(_) | Aggregation::CountValues(_) => Vec::new(),
        };
        let tracks = self.vector(&plan.vector, steps)?;
        let groups = groups(&tracks, &plan.grouping);
        self.spend(groups.len().saturating_mul(steps.count))?;
        match &plan.operation {
            Aggregation::Sum => Ok(fold::sum(&tracks, groups, steps.count)),
            Aggregation::Fold(kind) => Ok(fold::fold(*kind, &tracks, groups, steps.count)),
            Aggregation::Quantile(..) => Ok(quantile(&parameter, &tracks, groups, steps.count)),
            Aggregation::Top(_) => Ok(ranked::top(tracks, &groups, &parameter, true)),
            Aggregation::Bottom(_) => Ok(ranked::top(tracks, &groups, &parameter, false)),
            Aggregation::Limit(_) => Ok(ranked::limit(tracks, &groups, &parameter)),
            Aggregation::LimitRatio(..) => Ok(limit_ratio::sample(tracks, &parameter)),
            Aggregation::CountValues(label) => {
                count_values::count_values(self, label, &tracks, &groups, steps.count)
            }
        }
    }
}

/// In the order in which the groups first appear.
fn groups(tracks: &[Track], grouping: &Grouping) -> Vec<Group> {
    let mut places: HashMap<Labels, usize> = HashMap::new();
    let mut groups: Vec<Group> = Vec::new();
    for (place, track) in tracks.iter().enumerate() {
        let labels = grouping.group(&track.labels);
        let group = *places.entry(labels.clone()).or_insert_with(|| {
            groups.push(Group { labels, members: Vec::new(), drops_name: track.drops_name });
            groups.len() - 1
        });
        groups[group].members.push(place);
    }
    groups
}

fn quantile(parameter: &[f64], tracks: &[Track], groups: Vec<Group>, steps: usize) -> Vec<Track> {
    let mut values: Vec<f64> = Vec::new();
    let of_group = |group: Group| {
        let at = |step: usize| {
            values.clear();
            let members = group.members.iter().map(|member| tracks[*member].values[step]);
            values.extend(members.filter(|value| is_present(*value)));
            match values.is_empty() {
                true => absent(),
                false => number::quantile(parameter[step], &mut values),
            }
        };
        let column = (0..steps).map(at).collect();
        group.track(column)
    };
    groups.into_iter().map(of_group).collect()
}
