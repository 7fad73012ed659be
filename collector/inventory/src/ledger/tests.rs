//! Which reports were seen, and which are missing.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::stream::{RANGES_MAX, RECENT_MAX};
use super::*;

const EPOCH: u64 = 1_000;

fn host() -> HostId {
    HostId::new("dc1-srv01").unwrap()
}

fn key(epoch: u64, sequence: u64) -> ReportKey {
    ReportKey { epoch: Epoch(epoch), stream: Stream::Metrics, sequence }
}

fn hash(of: u64) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&of.to_be_bytes());
    bytes
}

fn gap(first: u64, last: u64) -> Gap {
    Gap {
        stream: Stream::Metrics,
        epoch: Epoch(EPOCH),
        first_sequence: first,
        last_sequence: last,
        from_ms: 1,
        to_ms: 2,
        samples: 0,
        events: 0,
        reason: GapReason::SpoolOverflow,
    }
}

fn stream_of(ledger: &Ledger) -> &StreamLedger {
    &ledger.host(&host()).unwrap().streams[&(Epoch(EPOCH), Stream::Metrics)]
}

#[test]
fn a_repeat_is_a_duplicate_and_other_content_a_conflict() {
    let mut ledger = Ledger::default();
    assert_eq!(ledger.check(&host(), key(EPOCH, 1), &hash(1), 1_001), Verdict::New);
    ledger.record(&host(), key(EPOCH, 1), &hash(1), 1_001, 5);
    assert_eq!(ledger.check(&host(), key(EPOCH, 1), &hash(1), 1_001), Verdict::Duplicate);
    let other = ledger.check(&host(), key(EPOCH, 1), &hash(2), 1_001);
    assert_eq!(other, Verdict::Conflict(Conflict::OtherContent));
    let other_host = HostId::new("dc1-srv02").unwrap();
    assert_eq!(ledger.check(&other_host, key(EPOCH, 1), &hash(1), 1_001), Verdict::New);
}

#[test]
fn an_old_hash_is_no_longer_known_but_the_repeat_still_is() {
    let mut ledger = Ledger::default();
    let last = RECENT_MAX as u64 + 1;
    for sequence in 1..=last {
        ledger.record(&host(), key(EPOCH, sequence), &hash(sequence), 1_001, 5);
    }
    assert_eq!(ledger.check(&host(), key(EPOCH, 1), &hash(99), 1_001), Verdict::Duplicate);
    let known = ledger.check(&host(), key(EPOCH, 2), &hash(99), 1_001);
    assert_eq!(known, Verdict::Conflict(Conflict::OtherContent));
}

#[test]
fn two_live_epochs_are_a_conflict_and_a_spooled_backlog_is_not() {
    let mut ledger = Ledger::default();
    ledger.record(&host(), key(2_000, 1), &hash(1), 2_001, 5);
    assert_eq!(ledger.check(&host(), key(1_000, 7), &hash(7), 1_999), Verdict::New);
    assert_eq!(ledger.check(&host(), key(1_000, 7), &hash(7), 2_000), Verdict::New);
    let both_live = ledger.check(&host(), key(1_000, 8), &hash(8), 2_001);
    assert_eq!(both_live, Verdict::Conflict(Conflict::TwoLiveEpochs));
    assert_eq!(ledger.check(&host(), key(3_000, 1), &hash(9), 9_000), Verdict::New);
}

#[test]
fn numbers_the_store_cannot_hold_are_refused() {
    let ledger = Ledger::default();
    for wrong in [key(EPOCH, 0), key(EPOCH, u64::MAX), key(u64::MAX, 1)] {
        let verdict = ledger.check(&host(), wrong, &hash(1), 1);
        assert_eq!(verdict, Verdict::Conflict(Conflict::NumberOutOfRange));
    }
}

#[test]
fn epochs_beyond_the_bound_are_refused_not_guessed_at() {
    let mut ledger = Ledger::default();
    let last = EPOCHS_MAX as u64 + 1;
    for epoch in 1..=last {
        ledger.record(&host(), key(epoch, 1), &hash(epoch), 0, 5);
        ledger.record(
            &host(),
            ReportKey { stream: Stream::Evidence, ..key(epoch, 1) },
            &hash(epoch),
            0,
            5,
        );
    }
    let forgotten = ledger.check(&host(), key(1, 1), &hash(1), 0);
    assert_eq!(forgotten, Verdict::Conflict(Conflict::EpochForgotten));
    assert_eq!(ledger.check(&host(), key(2, 1), &hash(2), 0), Verdict::Duplicate);
}

#[test]
fn an_explained_gap_closes_its_hole() {
    let mut ledger = Ledger::default();
    ledger.record(&host(), key(EPOCH, 1), &hash(1), 1_001, 5);
    ledger.record(&host(), key(EPOCH, 9), &hash(9), 1_009, 5);
    ledger.explain(&host(), &gap(2, 8), 6);
    assert_eq!(stream_of(&ledger).watermark, 9);
    ledger.explain(&host(), &Gap { reason: GapReason::ViewSetAside, ..gap(10, 20) }, 6);
    ledger.explain(&host(), &gap(20, 12), 6);
    ledger.explain(&host(), &gap(10, u64::MAX), 6);
    assert_eq!(stream_of(&ledger).watermark, 9);
}

#[test]
fn a_hole_is_named_once_when_it_stops_shrinking_and_stays_open() {
    let mut ledger = HostLedger::default();
    ledger.record(key(EPOCH, 2), &hash(2), 1_002, 10);
    ledger.record(key(EPOCH, 9), &hash(9), 1_009, 10);
    ledger.record(key(EPOCH, 8), &hash(8), 1_008, 50);
    let named = ledger.name_holes(20);
    assert_eq!(named.len(), 1);
    let first = &named[0];
    assert_eq!((first.first_sequence, first.last_sequence), (1, 1));
    assert_eq!((first.from_ms, first.to_ms), (1_000, 1_002));
    let named = ledger.name_holes(60);
    assert_eq!(named.len(), 1);
    assert_eq!((named[0].first_sequence, named[0].last_sequence), (3, 7));
    assert_eq!((named[0].from_ms, named[0].to_ms), (1_002, 1_008));
    assert!(ledger.name_holes(1_000).is_empty());
    assert_eq!(ledger.check(key(EPOCH, 5), &hash(5), 1_005), Verdict::New);
    ledger.record(key(EPOCH, 5), &hash(5), 1_005, 70);
    assert!(ledger.name_holes(1_000).is_empty(), "what was named is not named again");
}

#[test]
fn ranges_are_bounded_and_what_is_closed_is_named() {
    let mut ledger = HostLedger::default();
    let mut named = Vec::new();
    for at in 1..=RANGES_MAX as u64 + 1 {
        named.extend(ledger.record(key(EPOCH, at * 2), &hash(at), 1_000, 5));
    }
    let stream = &ledger.streams[&(Epoch(EPOCH), Stream::Metrics)];
    assert_eq!(stream.ranges.len(), RANGES_MAX);
    assert_eq!(stream.watermark, 2);
    assert_eq!(named.len(), 1);
    assert_eq!((named[0].first_sequence, named[0].last_sequence), (1, 1));
}

proptest! {
    #[test]
    fn it_agrees_with_a_plain_set(steps in prop::collection::vec((1_u64..40, 0_u64..12), 0..80)) {
        let mut ledger = Ledger::default();
        let mut seen: BTreeSet<u64> = BTreeSet::new();
        for (sequence, length) in steps {
            let verdict = ledger.check(&host(), key(EPOCH, sequence), &hash(sequence), 0);
            let known = seen.contains(&sequence);
            prop_assert_eq!(verdict, if known { Verdict::Duplicate } else { Verdict::New });
            if length < 10 {
                ledger.record(&host(), key(EPOCH, sequence), &hash(sequence), 0, 5);
                seen.insert(sequence);
            } else {
                ledger.explain(&host(), &gap(sequence, sequence + length), 5);
                seen.extend(sequence..=sequence + length);
            }
            let stream = stream_of(&ledger);
            let contiguous = (1..).take_while(|at| seen.contains(at)).count() as u64;
            prop_assert_eq!(stream.watermark, contiguous);
            let mut below = stream.watermark;
            for range in &stream.ranges {
                prop_assert!(range.first > below + 1 && range.last >= range.first);
                prop_assert!((range.first..=range.last).all(|at| seen.contains(&at)));
                below = range.last;
            }
        }
    }

    #[test]
    fn its_text_reads_back(sequences in prop::collection::vec(1_u64..500, 0..60)) {
        let mut stream = StreamLedger::default();
        for sequence in sequences {
            stream.record(sequence, &hash(sequence), i64::MAX - 1, 7);
        }
        drop(stream.name_holes(8));
        let ranges = text::ranges_from_text(&text::ranges_to_text(&stream.ranges));
        prop_assert_eq!(ranges, Some(stream.ranges));
        let recent = text::recent_from_text(&text::recent_to_text(&stream.recent));
        prop_assert_eq!(recent, Some(stream.recent));
    }
}
