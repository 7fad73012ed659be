//! The state: saved, restored, bounded.

use super::{BRUTE_FORCE, failed, load};
use crate::{CorrelationState, EVENTS_MAX, EVENTS_PER_GROUP_MAX, GROUPS_MAX, StateError};

#[test]
fn foreign_and_damaged_bytes_are_refused() {
    assert_eq!(CorrelationState::from_bytes(&[]).unwrap_err(), StateError::Empty);
    assert_eq!(CorrelationState::from_bytes(&[9, 1]).unwrap_err(), StateError::Version(9));
    assert!(CorrelationState::from_bytes(&[1, 0xff]).is_err());
    let empty = CorrelationState::default();
    assert_eq!(CorrelationState::from_bytes(&empty.to_bytes()).unwrap().to_bytes(), [1]);
}

#[test]
fn every_byte_that_is_cut_or_changed_is_refused_or_still_a_state() {
    let rules = load(BRUTE_FORCE);
    let mut state = CorrelationState::default();
    for n in 0..12 {
        rules.evaluate(&failed(n, 5, "203.0.113.9"), &mut state);
    }
    let bytes = state.to_bytes();
    for at in 0..bytes.len() {
        // Either answer is right; what may not happen is a panic, now or when it is used.
        let mut changed = bytes.clone();
        changed[at] ^= 0x81;
        for damaged in [&bytes[..at], &changed] {
            if let Ok(mut state) = CorrelationState::from_bytes(damaged) {
                rules.evaluate(&failed(99, 6, "203.0.113.9"), &mut state);
            }
        }
    }
}

#[test]
fn the_group_untouched_for_longest_gives_way_and_is_counted() {
    let rules = load(BRUTE_FORCE);
    let mut state = CorrelationState::default();
    let excess = 5_u64;
    for n in 0..GROUPS_MAX as u64 + excess {
        rules.evaluate(&failed(n, 5, &format!("source {n}")), &mut state);
    }
    assert_eq!(state.groups(), GROUPS_MAX);
    assert_eq!(state.counters().groups_evicted, excess);
}

#[test]
fn the_events_of_all_groups_are_bounded() {
    let rules = load(&BRUTE_FORCE.replace("gte: 10", "eq: 400"));
    let mut state = CorrelationState::default();
    let groups = 350_u64;
    for n in 0..groups * 290 {
        rules.evaluate(&failed(n, 5, &format!("source {}", n % groups)), &mut state);
        assert!(state.events() <= EVENTS_MAX);
    }
    assert!(state.counters().groups_evicted > 0);
}

#[test]
fn one_group_keeps_its_newest_events() {
    let rules = load(&BRUTE_FORCE.replace("gte: 10", "eq: 400"));
    let mut state = CorrelationState::default();
    for n in 0..EVENTS_PER_GROUP_MAX as u64 + 7 {
        rules.evaluate(&failed(n, 5, "203.0.113.9"), &mut state);
    }
    assert!(state.events() <= EVENTS_PER_GROUP_MAX + 400);
    assert_eq!(state.counters().events_evicted, 7);
}

#[test]
fn what_comes_far_too_late_is_counted() {
    let rules = load(BRUTE_FORCE);
    let mut state = CorrelationState::default();
    rules.evaluate(&failed(1, 10_000, "203.0.113.9"), &mut state);
    let mut late = failed(2, 10, "203.0.113.9");
    late.received_ms = 10_001_000;
    rules.evaluate(&late, &mut state);
    assert_eq!(state.counters().events_late, 1);
    assert_eq!(state.events(), 1);
}

#[test]
fn groups_whose_time_is_over_are_forgotten() {
    let rules = load(BRUTE_FORCE);
    let mut state = CorrelationState::default();
    rules.evaluate(&failed(1, 10, "203.0.113.9"), &mut state);
    rules.evaluate(&failed(2, 100_000, "192.0.2.7"), &mut state);
    assert_eq!(state.groups(), 1);
    assert_eq!(state.counters().groups_evicted, 0);
}

#[test]
fn the_revision_tells_whether_there_is_anything_to_save() {
    let rules = load(BRUTE_FORCE);
    let mut state = CorrelationState::default();
    rules.evaluate(&failed(1, 10, "203.0.113.9"), &mut state);
    let (revision, bytes) = (state.revision(), state.to_bytes());
    rules.evaluate(&super::event(2, 11, &[("EventType", "log_line")]), &mut state);
    assert_eq!((state.revision(), state.to_bytes()), (revision, bytes));
    rules.evaluate(&failed(3, 12, "203.0.113.9"), &mut state);
    assert!(state.revision() > revision);
}
