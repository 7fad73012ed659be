//! Every code gives back every bit, and foreign bytes are refused without a panic.

use proptest::prelude::*;

use super::{timestamps, values};

fn any_value() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<u64>().prop_map(f64::from_bits),
        (-1000i64..1000).prop_map(|whole| f64::from(i32::try_from(whole).unwrap())),
        (0i32..10_000).prop_map(|cents| f64::from(cents) / 100.0),
        Just(agent_model::stale_marker()),
        (0i32..1_000_000).prop_map(|at| f64::from(at) / 1e6 - 0.3),
        (0i32..1_000_000).prop_map(|at| f64::from(at) / 1e6),
        Just(-0.0),
        Just(9_007_199_254_740_992.0),
    ]
}

fn assert_values(values: &[f64]) {
    let mut back = vec![0.0; values.len()];
    values::decode(&values::encode(values).unwrap(), &mut back).unwrap();
    let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(&back), bits(values));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn values_come_back_to_the_bit(values in proptest::collection::vec(any_value(), 1..700)) {
        assert_values(&values);
    }

    #[test]
    fn decimals_come_back(
        places in 1i32..9,
        numbers in proptest::collection::vec(-10_000_000_000i64..10_000_000_000, 1..700),
    ) {
        let power = 10f64.powi(places);
        let values: Vec<f64> = numbers.iter().map(|number| *number as f64 / power).collect();
        assert_values(&values);
    }

    #[test]
    fn counters_come_back(steps in proptest::collection::vec(0u32..5000, 1..700)) {
        let mut total = 0.0;
        let values: Vec<f64> = steps.iter().map(|step| { total += f64::from(*step); total }).collect();
        assert_values(&values);
    }

    #[test]
    fn times_come_back(
        start in any::<i64>(),
        steps in proptest::collection::vec(prop_oneof![Just(15_000i64), 1i64..40_000, Just(i64::MAX)], 0..700),
    ) {
        let mut time = start;
        let later = steps.into_iter().map(|step| { time = time.saturating_add(step); time });
        let times: Vec<i64> = std::iter::once(start).chain(later).collect();
        let coded = timestamps::encode(&times).unwrap();
        let mut back = vec![0; times.len()];
        timestamps::decode(&coded, &mut back).unwrap();
        prop_assert_eq!(&back, &times);
        // Neither more nor less than there are.
        prop_assert!(timestamps::decode(&coded, &mut vec![0; times.len() + 1]).is_err());
        prop_assert!(timestamps::decode(&coded, &mut back[1..]).is_err());
    }

    #[test]
    fn foreign_bytes_do_not_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64), count in 0usize..2000) {
        // The CRC keeps such bytes away from pco; the byte codes must stand them alone.
        if !bytes.first().is_some_and(|code| (3..=4).contains(code)) {
            values::decode(&bytes, &mut vec![0.0; count]).ok();
        }
        if bytes.first() != Some(&1) {
            timestamps::decode(&bytes, &mut vec![0; count]).ok();
        }
    }
}

#[test]
fn decimals_of_few_places_cost_what_whole_numbers_cost() {
    let tenths: Vec<f64> = (0..100u32).map(|at| f64::from(at * 7919 % 1000) / 10.0).collect();
    assert!(values::encode(&tenths).unwrap().len() <= 2 + 2 * 100);
    assert_values(&tenths);
    // Places may differ; a value that has more than are looked for, or a marker, keeps all bits as well.
    let mixed: Vec<f64> = (0..100u32).map(|at| f64::from(at) / 8.0 + 1e9).collect();
    assert!(values::encode(&mixed).unwrap().len() <= 2 + 5 + 2 * 100);
    assert_values(&mixed);
    for odd in [1.0 / 3.0, -0.0, f64::INFINITY, 1e300, agent_model::stale_marker(), 5e-324] {
        assert_values(&[0.1, odd, 0.2]);
        assert_values(&[odd, 0.1]);
    }
}

#[test]
fn numbers_take_the_bits_that_they_need_and_an_outlier_does_not_widen_the_others() {
    let steady: Vec<f64> = (0..100u32).map(|at| f64::from(at) * 1_000_000.0 + 0.5).collect();
    assert!(values::encode(&steady).unwrap().len() <= 12);
    assert_values(&steady);
    // Of 100 numbers below 1,000: ten bits each.
    let tenths: Vec<f64> = (0..100u32).map(|at| f64::from(at * 7919 % 1000) / 10.0).collect();
    assert!(values::encode(&tenths).unwrap().len() <= 6 + 125);
    let mut outlier: Vec<f64> = (0..100u32).map(|at| f64::from(at * 37 % 60)).collect();
    outlier[50] = 9_007_199_254_740_992.0;
    assert!(values::encode(&outlier).unwrap().len() <= 100 + 20);
    assert_values(&outlier);
    assert_values(&[-9_007_199_254_740_992.0, 9_007_199_254_740_992.0, 0.0]);
    assert_values(&[1.0, 2.0]);
}

#[test]
fn a_regular_series_costs_a_few_bytes() {
    let times: Vec<i64> = (0..1000).map(|at| 1_700_000_000_000 + at * 15_000).collect();
    assert!(timestamps::encode(&times).unwrap().len() <= 20);
    assert_eq!(values::encode(&[7.5; 1000]).unwrap().len(), 9);
}
