//! Collectors: counting matches by step of time and by value of a field, without reading the events themselves.

use std::collections::HashMap;
use std::ops::Bound;
use std::sync::Arc;

use agent_model::Millis;
use tantivy::collector::{Collector, SegmentCollector};
use tantivy::columnar::{ColumnValues, StrColumn};
use tantivy::{DocId, Score, SegmentOrdinal, SegmentReader};

use crate::document::{PAIRS, WHEN};

/// Counts matches into `steps` steps of `step_ms` from `start_ms` on.
pub(crate) struct Histogram {
    pub(crate) start_ms: Millis,
    pub(crate) step_ms: Millis,
    pub(crate) steps: usize,
}

pub(crate) struct SegmentHistogram {
    when_ms: Arc<dyn ColumnValues<i64>>,
    start_ms: Millis,
    step_ms: Millis,
    counts: Vec<u64>,
}

impl Collector for Histogram {
    type Fruit = Vec<u64>;
    type Child = SegmentHistogram;

    fn for_segment(
        &self,
        _segment: SegmentOrdinal,
        reader: &SegmentReader,
    ) -> tantivy::Result<SegmentHistogram> {
        Ok(SegmentHistogram {
            when_ms: reader.fast_fields().i64(WHEN)?.first_or_default_col(0),
            start_ms: self.start_ms,
            step_ms: self.step_ms,
            counts: vec![0; self.steps],
        })
    }

    fn requires_scoring(&self) -> bool {
        false
    }

    fn merge_fruits(&self, segments: Vec<Vec<u64>>) -> tantivy::Result<Vec<u64>> {
        let mut counts = vec![0; self.steps];
        for segment in segments {
            counts.iter_mut().zip(segment).for_each(|(count, more)| *count += more);
        }
        Ok(counts)
    }
}

impl SegmentCollector for SegmentHistogram {
    type Fruit = Vec<u64>;

    fn collect(&mut self, doc: DocId, _score: Score) {
        let since_ms = self.when_ms.get_val(doc).saturating_sub(self.start_ms);
        let step = usize::try_from(since_ms.div_euclid(self.step_ms)).ok();
        if let Some(count) = step.and_then(|step| self.counts.get_mut(step)) {
            *count += 1;
        }
    }

    fn harvest(self) -> Vec<u64> {
        self.counts
    }
}

/// Counts matches by the values of one name among the pairs.
pub(crate) struct Values {
    /// `name=`.
    pub(crate) prefix: String,
}

pub(crate) struct SegmentValues {
    column: Option<StrColumn>,
    prefix_bytes: usize,
    /// The pairs of the name lie together in the sorted dictionary.
    first: u64,
    end: u64,
    counts: HashMap<u64, u64>,
}

impl Collector for Values {
    type Fruit = HashMap<String, u64>;
    type Child = SegmentValues;

    fn for_segment(
        &self,
        _segment: SegmentOrdinal,
        reader: &SegmentReader,
    ) -> tantivy::Result<SegmentValues> {
        let column = reader.fast_fields().str(PAIRS)?;
        let (mut first, mut end) = (0, 0);
        if let Some(column) = &column {
            // `>` is the byte after `=`.
            let name = self.prefix.strip_suffix('=').unwrap_or(&self.prefix);
            let after = format!("{name}>");
            let dictionary = column.dictionary();
            let bounds = dictionary.term_bounds_to_ord(
                Bound::Included(self.prefix.as_bytes()),
                Bound::Excluded(after.as_bytes()),
            )?;
            first = match bounds.0 {
                Bound::Included(ord) => ord,
                Bound::Excluded(ord) => ord + 1,
                Bound::Unbounded => 0,
            };
            end = match bounds.1 {
                Bound::Included(ord) => ord + 1,
                Bound::Excluded(ord) => ord,
                Bound::Unbounded => u64::MAX,
            };
        }
        let prefix_bytes = self.prefix.len();
        Ok(SegmentValues { column, prefix_bytes, first, end, counts: HashMap::new() })
    }

    fn requires_scoring(&self) -> bool {
        false
    }

    fn merge_fruits(
        &self,
        segments: Vec<tantivy::Result<HashMap<String, u64>>>,
    ) -> tantivy::Result<HashMap<String, u64>> {
        let mut counts = HashMap::new();
        for segment in segments {
            for (value, more) in segment? {
                *counts.entry(value).or_insert(0) += more;
            }
        }
        Ok(counts)
    }
}

impl SegmentCollector for SegmentValues {
    type Fruit = tantivy::Result<HashMap<String, u64>>;

    fn collect(&mut self, doc: DocId, _score: Score) {
        let Some(column) = &self.column else { return };
        for ord in column.term_ords(doc) {
            if (self.first..self.end).contains(&ord) {
                *self.counts.entry(ord).or_insert(0) += 1;
            }
        }
    }

    fn harvest(self) -> Self::Fruit {
        let Some(column) = &self.column else { return Ok(HashMap::new()) };
        let mut values = HashMap::with_capacity(self.counts.len());
        for (ord, count) in self.counts {
            let mut pair = String::new();
            if column.ord_to_str(ord, &mut pair)? {
                values.insert(pair[self.prefix_bytes..].to_owned(), count);
            }
        }
        Ok(values)
    }
}
