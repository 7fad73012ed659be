//! A collector that moves is the same collector; an address that another one took over is not.

use super::*;

/// A report that the collector refused, and the gap record that tells it so, waiting.
fn refused_by_main(bench: &mut Bench) {
    bench.events(&["one"]).unwrap();
    bench.events(&["two"]).unwrap();
    let limits = BatchLimits { bytes: 1 << 20, reports: 1, created_from_ms: Millis::MIN };
    let batch = bench.spool().batch(0, Stream::Evidence, limits).unwrap();
    bench.spool().settle(0, Stream::Evidence, &[], &batch, NOW).unwrap();
}

#[test]
fn a_collector_under_a_new_name_is_the_same_collector() {
    let mut bench = Bench::new(4 << 20);
    bench.events(&["before"]).unwrap();
    bench.drain(0);
    refused_by_main(&mut bench);
    bench.spool().close().unwrap();
    bench.names[0] = named("authority", &["main", "never seen"]);
    bench.open();
    assert!(!bench.directory.path().join("cursors/main").exists());
    for _ in 0..2 {
        // What it has is not sent again, and the gap that was written for it under its old name is told to it.
        bench.drain(0);
        assert_eq!(bench.collectors[0].events, ["before", "two"]);
        assert_eq!(bench.collectors[0].gaps.len(), 1);
        bench.spool().close().unwrap();
        bench.names[0] = named("authority", &[]);
        bench.open();
    }
    bench.drain(1);
    assert_eq!(bench.collectors[1].events, ["before", "one", "two"]);
    assert!(bench.collectors[1].gaps.is_empty(), "it was not meant for the other");
}

#[test]
fn a_collector_met_at_a_new_address_goes_on_where_it_was() {
    let mut bench = Bench::new(4 << 20);
    bench.events(&["before"]).unwrap();
    bench.drain(0);
    refused_by_main(&mut bench);
    bench.spool().close().unwrap();
    bench.names[0] = named("new address", &[]);
    bench.open();
    assert_eq!(bench.spool().statistics().waiting[0].0, 4, "nobody knows yet who is there");
    bench.spool().name_collector(0, "main", false).unwrap();
    bench.drain(0);
    assert_eq!(bench.collectors[0].events, ["before", "two"]);
    assert_eq!(bench.collectors[0].gaps.len(), 1);
    // The other stream's sender says it once more, and what came since still counts.
    bench.spool().name_collector(0, "main", false).unwrap();
    assert_eq!(bench.spool().statistics().waiting[0].0, 0);
    // An address that became another collector's brings nothing of the one before.
    bench.spool().name_collector(0, "a third", true).unwrap();
    bench.collectors[0] = Received::default();
    bench.drain(0);
    assert_eq!(bench.collectors[0].events, ["before", "one", "two"]);
    assert!(bench.collectors[0].gaps.is_empty());
}
