//! Binary operators with at least one vector.

mod matched;
mod set;

pub(crate) use matched::matched;
pub(crate) use set::set;

use crate::plan::{Operator, WithScalar};
use crate::track::{Track, absent, drop_names, is_present};

/// Every value of a vector with the scalar of its step. A comparison keeps the vector's value on whichever side.
pub(crate) fn with_scalar(plan: &WithScalar, mut tracks: Vec<Track>, scalar: &[f64]) -> Vec<Track> {
    let filters = matches!(plan.operator, Operator::Comparison(_, false));
    for track in &mut tracks {
        for (value, scalar) in track.values.iter_mut().zip(scalar) {
            if !is_present(*value) {
                continue;
            }
            let (left, right) =
                if plan.scalar_is_left { (*scalar, *value) } else { (*value, *scalar) };
            *value = match plan.operator.apply(left, right) {
                Some(_) if filters => *value,
                Some(result) => result,
                None => absent(),
            };
        }
    }
    if plan.operator.drops_name() { drop_names(tracks) } else { tracks }
}
