//! Random histories of appends, deliveries, lost answers, crashes and full disks. Whatever happens: a key keeps its
//! bytes, evidence keeps its order, and nothing that was taken in is missing without a gap record.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Events {
        count: usize,
        bytes: usize,
    },
    Run,
    Tick {
        series: usize,
    },
    /// A batch; `settled` is whether the answer comes back.
    Deliver {
        collector: usize,
        stream: Stream,
        settled: bool,
    },
    Save,
    Crash,
    Full(bool),
}

fn step() -> impl Strategy<Value = Step> {
    let stream = prop_oneof![Just(Stream::Evidence), Just(Stream::Metrics)];
    let deliver = (0..2_usize, stream, prop::bool::weighted(0.8));
    prop_oneof![
        4 => (1..4_usize, 10..3_000_usize).prop_map(|(count, bytes)| Step::Events { count, bytes }),
        1 => Just(Step::Run),
        6 => prop_oneof![Just(50), Just(400), Just(401)].prop_map(|series| Step::Tick { series }),
        5 => deliver.prop_map(|(collector, stream, settled)| {
            Step::Deliver { collector, stream, settled }
        }),
        1 => Just(Step::Save),
        1 => Just(Step::Crash),
        1 => prop::bool::ANY.prop_map(Step::Full),
    ]
}

/// How many reports of each stream each epoch made.
type Made = BTreeMap<(u64, Stream), u64>;

fn note(bench: &mut Bench, made: &mut Made) {
    for stream in Stream::ALL {
        let (epoch, last) = (bench.spool().epoch(), bench.spool().appended(stream));
        made.insert((epoch, stream), last);
    }
}

fn play(bench: &mut Bench, steps: Vec<Step>) -> Made {
    let mut made = Made::new();
    for step in steps {
        match step {
            Step::Events { count, bytes } => {
                let message = "x".repeat(bytes);
                // Refused for want of room: it was not taken in.
                drop(bench.events(&vec![message.as_str(); count]));
            }
            Step::Run => drop(bench.run("nightly")),
            Step::Tick { series } => drop(bench.tick(series)),
            Step::Deliver { collector, stream, settled } => {
                bench.deliver(collector, stream, settled);
            }
            Step::Save => bench.spool().save(),
            Step::Crash => {
                note(bench, &mut made);
                bench.crash();
            }
            Step::Full(full) => bench.full.store(full, Ordering::Relaxed),
        }
        let statistics = bench.spool().statistics();
        assert!(statistics.bytes <= bench.bytes_max, "{statistics:?}");
    }
    made
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 500, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_lost_without_a_word(steps in prop::collection::vec(step(), 1..150)) {
        let mut bench = Bench::new(200 << 10);
        let mut made = play(&mut bench, steps);
        bench.full.store(false, Ordering::Relaxed);
        // Gaps that waited for room are written with the next reading.
        bench.tick(1).unwrap();
        // A gap record may be made while one collector is served; it waits for both.
        (0..3).for_each(|_| [0, 1].into_iter().for_each(|collector| bench.drain(collector)));
        note(&mut bench, &mut made);
        for ((epoch, stream), last) in made {
            for (name, collector) in ["main", "backup"].iter().zip(&bench.collectors) {
                let holes = collector.unexplained(epoch, stream, last);
                prop_assert!(holes.is_empty(), "{name} misses {holes:?} of {stream:?} in {epoch}");
            }
        }
        let waiting = bench.spool().statistics().waiting;
        prop_assert_eq!(waiting, vec![(0, 0), (0, 0)]);
    }
}
