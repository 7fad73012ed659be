//! Series that come and go, beside a plain list of what was last said of each.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn labels(number: u32) -> Labels {
    Labels::metric("m", [("n", number.to_string())])
}

fn parts() -> Parts {
    Parts::new("job".to_owned(), "instance".to_owned())
}

/// One body with these series, as the layout gives it.
fn body(parts: &mut Parts, numbers: &[u32]) -> Placed {
    let slots = parts.by_labels();
    let mut values = vec![stale_marker(); parts.slots()];
    let mut fresh = Vec::new();
    for &number in numbers {
        match slots.get(&labels(number)) {
            Some(&slot) => values[slot as usize] = f64::from(number),
            None => {
                fresh.push(labels(number));
                values.push(f64::from(number));
            }
        }
    }
    parts.place(&values, fresh)
}

#[test]
fn the_same_series_need_no_new_schema() {
    let mut parts = parts();
    let first = body(&mut parts, &[1, 2, 3]);
    assert_eq!((first.described, first.added, first.columns.len()), (3, 3, 1));
    let second = body(&mut parts, &[3, 2, 1]);
    assert_eq!((second.described, second.added), (0, 0));
    assert_eq!(second.columns[0].0, first.columns[0].0);
}

#[test]
fn a_series_that_goes_is_ended_once_and_may_come_back() {
    let mut parts = parts();
    body(&mut parts, &[1, 2, 3, 4]);
    let gone = body(&mut parts, &[1, 2, 3]);
    assert!(is_stale(gone.columns[0].2[3]));
    assert_eq!(body(&mut parts, &[1, 2, 3]).described, 0);
    let back = body(&mut parts, &[1, 2, 3, 4]);
    assert_eq!((back.described, back.added), (0, 1));
}

#[test]
fn an_exporter_that_fails_ends_everything_once() {
    let mut parts = parts();
    body(&mut parts, &[1, 2]);
    let ended = parts.end();
    assert!(ended[0].2.iter().all(|value| is_stale(*value)));
    assert!(parts.end().is_empty());
    let back = body(&mut parts, &[1, 2]);
    assert_eq!((back.described, back.added, back.columns.len()), (0, 2, 1));
}

#[test]
fn new_series_in_every_body_cost_what_they_are_and_not_what_all_are() {
    let mut parts = parts();
    let steady: Vec<u32> = (0..4_000).collect();
    body(&mut parts, &steady);
    let (mut described, bodies) = (0, 1_000);
    for at in 0..bodies {
        let churning = (0..3).map(|one| 10_000 + at * 3 + one);
        let numbers: Vec<u32> = steady.iter().copied().chain(churning).collect();
        described += body(&mut parts, &numbers).described;
        assert!(parts.len() <= 13, "{} parts", parts.len());
    }
    // Sending everything anew would be 4,003,000.
    assert!(described < 40_000, "{described} series in new schemas");
    assert!(parts.slots() < 4_100, "{} slots", parts.slots());
}

proptest! {
    #[test]
    fn whatever_comes_and_goes_every_series_says_its_last_and_parts_stay_few(
        bodies in prop::collection::vec((prop::collection::btree_set(0_u32..60, 0..40), any::<bool>()), 1..30),
    ) {
        let mut parts = parts();
        let mut last: BTreeMap<String, f64> = BTreeMap::new();
        for (numbers, fails) in bodies {
            let numbers: Vec<u32> = if fails { Vec::new() } else { numbers.into_iter().collect() };
            let columns = if fails { parts.end() } else { body(&mut parts, &numbers).columns };
            let mut said = BTreeMap::new();
            for (id, schema, values) in columns {
                prop_assert_eq!(id, schema.id());
                prop_assert_eq!(values.len(), schema.series.len());
                for (series, value) in schema.series.iter().zip(values) {
                    prop_assert!(said.insert(series.to_string(), value).is_none(), "{} twice", series);
                }
            }
            for number in &numbers {
                prop_assert_eq!(said.get(&labels(*number).to_string()), Some(&f64::from(*number)));
            }
            // What is not in the body is ended, by a marker now or before.
            for (series, before) in &last {
                let now = said.get(series).copied();
                let here = numbers.iter().any(|number| labels(*number).to_string() == *series);
                if !here && !is_stale(*before) {
                    prop_assert!(now.is_some_and(is_stale), "{} goes on", series);
                }
            }
            last.extend(said);
            prop_assert!(parts.len() <= 8, "{} parts", parts.len());
        }
    }
}
