//! One reading of the series of a source. The label sets of the last reading are kept and compared in place, so
//! a tick in which no series came or went makes no label set and takes no memory.

use agent_model::Labels;

use super::texts::Texts;

/// Series of one source in one reading: twenty times what a large host has. A source gone wild is cut off here.
const SERIES_MAX: usize = 20_000;

/// Series and values in the order in which the sources added them.
#[derive(Debug, Default)]
pub struct Reading {
    series: Vec<Labels>,
    values: Vec<f64>,
    /// Whether the series differ from those of the reading before.
    changed: bool,
    /// Samples beyond the bound that nobody has counted yet.
    surplus: u64,
    /// Names and values that were seen, so that equal texts share their memory.
    texts: Texts,
}

/// A place in a reading to which a failed source is taken back.
#[derive(Clone, Copy, Debug)]
pub struct Mark(usize);

impl Reading {
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins the next reading; the series of the last one are expected to come again.
    pub fn begin(&mut self) {
        self.values.clear();
        self.changed = false;
    }

    /// Adds one sample. `labels` are without `host`, `job` and `instance`; empty values count as absent.
    pub fn add(&mut self, metric_name: &str, labels: &[(&str, &str)], value: f64) {
        let at = self.values.len();
        if at == SERIES_MAX {
            self.surplus += 1;
            return;
        }
        let expected = self.series.get(at).is_some_and(|series| same(series, metric_name, labels));
        if !expected {
            self.changed = true;
            let made = self.make(metric_name, labels);
            match self.series.get_mut(at) {
                Some(place) => *place = made,
                None => self.series.push(made),
            }
        }
        self.values.push(value);
    }

    /// Where the next sample will stand.
    pub fn mark(&self) -> Mark {
        Mark(self.values.len())
    }

    /// Takes back everything that was added since `mark`.
    pub fn take_back(&mut self, mark: Mark) {
        self.values.truncate(mark.0);
    }

    /// Ends the reading; tells whether its series are other than those of the reading before.
    pub fn finish(&mut self) -> bool {
        if self.series.len() != self.values.len() {
            self.series.truncate(self.values.len());
            self.changed = true;
        }
        if self.changed {
            self.texts.forget_unused();
        }
        self.changed
    }

    /// The series, one per value once the reading is finished.
    pub fn series(&self) -> &[Labels] {
        &self.series
    }

    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// How many samples were cut off because a reading was full, since this was last asked.
    pub fn take_surplus(&mut self) -> u64 {
        std::mem::take(&mut self.surplus)
    }

    /// The samples that were added so far.
    pub fn samples(&self) -> impl Iterator<Item = (&Labels, f64)> {
        self.series.iter().zip(self.values.iter().copied())
    }

    fn make(&mut self, metric_name: &str, labels: &[(&str, &str)]) -> Labels {
        let name = self.texts.share(metric_name);
        let pairs: Vec<_> = labels
            .iter()
            .map(|(name, value)| (self.texts.share(name), self.texts.share(value)))
            .collect();
        let key = self.texts.share(Labels::NAME);
        Labels::new(std::iter::once((key, name)).chain(pairs))
    }
}

fn same(series: &Labels, metric_name: &str, labels: &[(&str, &str)]) -> bool {
    let present = labels.iter().filter(|(_, value)| !value.is_empty()).count();
    series.len() == present + 1
        && series.metric_name() == metric_name
        && labels.iter().all(|(name, value)| series.get(name).unwrap_or("") == *value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(reading: &mut Reading, series: &[(&str, &[(&str, &str)])]) -> bool {
        reading.begin();
        for (name, labels) in series {
            reading.add(name, labels, 1.0);
        }
        reading.finish()
    }

    #[test]
    fn only_a_change_of_series_is_a_change() {
        let mut reading = Reading::new();
        assert!(read(&mut reading, &[("a", &[("x", "1")]), ("b", &[])]));
        assert!(!read(&mut reading, &[("a", &[("x", "1")]), ("b", &[("y", "")])]));
        assert!(read(&mut reading, &[("b", &[])]));
        assert_eq!(reading.series().len(), 1);
        assert_eq!(reading.samples().next().unwrap().0.to_string(), "b");
        assert!(read(&mut reading, &[("b", &[("x", "2")])]));
    }

    #[test]
    fn a_failed_source_leaves_nothing() {
        let mut reading = Reading::new();
        reading.begin();
        reading.add("kept", &[], 1.0);
        let mark = reading.mark();
        reading.add("half", &[], 2.0);
        reading.take_back(mark);
        reading.add("next", &[], 3.0);
        assert!(reading.finish());
        let names: Vec<_> = reading.samples().map(|(labels, _)| labels.to_string()).collect();
        assert_eq!(names, ["kept", "next"]);
    }

    #[test]
    fn equal_texts_share_their_memory_and_gone_ones_are_forgotten() {
        let mut reading = Reading::new();
        read(&mut reading, &[("a", &[("x", "1")]), ("a", &[("x", "2")])]);
        assert_eq!(reading.texts.len(), 5);
        read(&mut reading, &[("b", &[])]);
        assert_eq!(reading.texts.len(), 2);
    }

    #[test]
    fn a_source_gone_wild_is_cut_off_and_counted() {
        let mut reading = Reading::new();
        reading.begin();
        for number in 0..SERIES_MAX + 3 {
            reading.add("wild", &[("n", &number.to_string())], 1.0);
        }
        reading.finish();
        assert_eq!((reading.series().len(), reading.take_surplus()), (SERIES_MAX, 3));
    }
}
