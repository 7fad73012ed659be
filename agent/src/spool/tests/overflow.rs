//! What goes first when room runs out, and that it is named.

use super::*;

#[test]
fn on_overflow_metrics_go_before_events_and_results_stay() {
    let mut bench = Bench::new(224 << 10);
    let long = "x".repeat(2_000);
    (0..5).for_each(|_| bench.run("nightly").unwrap());
    (0..80).for_each(|_| bench.tick(200).unwrap());
    (0..20).for_each(|_| bench.events(&[&long]).unwrap());
    let epoch = bench.spool().epoch();
    assert!(bench.spool().statistics().dropped_overflow > 0);
    bench.drain(0);
    let received = &bench.collectors[0];
    assert_eq!(received.events.len(), 20, "metrics made room for every event");
    assert!(received.gaps.iter().all(|gap| gap.stream == Stream::Metrics && gap.samples > 0));
    assert_eq!(received.unexplained(epoch, Stream::Metrics, 80), [0; 0]);
    (0..100).for_each(|_| bench.events(&[&long]).unwrap());
    bench.drain(1);
    let received = &bench.collectors[1];
    let lost = received.gaps.iter().filter(|gap| gap.stream == Stream::Evidence);
    let lost: u64 = lost.map(|gap| gap.events).sum();
    assert_eq!(received.events.len() + usize::try_from(lost).unwrap(), 120);
    let runs = received.reports.values().filter(|bytes| {
        let raw = RawReport::decode((*bytes).clone()).unwrap();
        raw.into_report(received).unwrap().backup_runs.len() == 1
    });
    assert_eq!(runs.count(), 5, "results are dropped last");
    assert!(bench.spool().statistics().bytes <= 224 << 10);
}

#[test]
fn what_the_other_collector_holds_goes_first() {
    let mut bench = Bench::new(284 << 10);
    let long = "x".repeat(2_000);
    (0..20).for_each(|_| bench.events(&[&long]).unwrap());
    bench.drain(0);
    (0..75).for_each(|_| bench.events(&[&long]).unwrap());
    bench.drain(0);
    assert!(bench.collectors[0].gaps.is_empty(), "{:?}", bench.collectors[0].gaps);
    bench.drain(1);
    let first = bench.collectors[1].gaps.iter().map(|gap| gap.first_sequence).min();
    assert_eq!(first, Some(1));
    assert_eq!(bench.collectors[0].events.len(), 95);
}

#[test]
fn a_gap_is_told_to_the_collector_that_lacks_something_and_to_no_other() {
    let mut bench = Bench::new(4 << 20);
    bench.events(&["one"]).unwrap();
    let limits = BatchLimits { bytes: 1 << 20, reports: 10, created_from_ms: Millis::MIN };
    let batch = bench.spool().batch(0, Stream::Evidence, limits).unwrap();
    bench.spool().settle(0, Stream::Evidence, &[], &batch, NOW).unwrap();
    bench.drain(0);
    bench.drain(1);
    assert_eq!(bench.collectors[0].events, [""; 0]);
    assert_eq!(bench.collectors[0].gaps.len(), 1);
    let gap = &bench.collectors[0].gaps[0];
    assert_eq!((gap.reason, gap.events, gap.first_sequence), (GapReason::Refused, 1, 1));
    assert_eq!(bench.collectors[1].events, ["one"]);
    assert!(bench.collectors[1].gaps.is_empty());
    assert_eq!(bench.collectors[1].reports.len(), 2, "its place is kept by an empty report");
}

#[test]
fn on_a_full_disk_metrics_still_flow_and_evidence_waits_and_then_goes_on() {
    let mut bench = Bench::new(4 << 20);
    for _ in 0..40 {
        bench.tick(2_000).unwrap();
        bench.drain(0);
        bench.drain(1);
    }
    bench.events(&["before"]).unwrap();
    bench.full.store(true, Ordering::Relaxed);
    for _ in 0..100 {
        bench.tick(2_000).unwrap();
        bench.drain(0);
        bench.drain(1);
    }
    assert_eq!(bench.collectors[0].samples, 140 * 2_000, "room is used again and again");
    let long = "x".repeat(3_000);
    let refused = (0..200).find_map(|_| bench.events(&[&long]).err());
    assert!(matches!(refused, Some(SpoolError::Full)), "{refused:?}");
    bench.full.store(false, Ordering::Relaxed);
    bench.events(&["after"]).unwrap();
    let epoch = bench.spool().epoch();
    let last = bench.spool().appended(Stream::Evidence);
    bench.drain(0);
    assert_eq!(bench.collectors[0].unexplained(epoch, Stream::Evidence, last), [0; 0]);
    assert_eq!(bench.collectors[0].events.last().map(String::as_str), Some("after"));
}
