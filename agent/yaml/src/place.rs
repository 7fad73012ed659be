//! A place in a document: the keys and list positions that lead to a value.

use deserr::ValuePointerRef;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Key(String),
    Index(usize),
}

/// Where a value stood; [`crate::Document::problem`] turns it into a line.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Place(pub(crate) Vec<Step>);

impl From<ValuePointerRef<'_>> for Place {
    fn from(pointer: ValuePointerRef<'_>) -> Self {
        let mut steps = Vec::new();
        let mut rest = pointer;
        loop {
            match rest {
                ValuePointerRef::Origin => break,
                ValuePointerRef::Key { key, prev } => {
                    steps.push(Step::Key(key.to_owned()));
                    rest = *prev;
                }
                ValuePointerRef::Index { index, prev } => {
                    steps.push(Step::Index(index));
                    rest = *prev;
                }
            }
        }
        steps.reverse();
        Self(steps)
    }
}
