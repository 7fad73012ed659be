//! Where a source stands is what is on the disk of its evidence: over kills, torn writes, release, overflow, upgrades.

use proptest::prelude::*;

use super::*;
use crate::spool::bookmarks::{MARK_BYTES_MAX, SOURCES_MAX};
use crate::spool::log::Log;

/// Of every log but the metrics: names and contents, without the room that was taken ahead.
fn evidence_files(bench: &Bench) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    for log in ["events", "results"] {
        for entry in fs::read_dir(bench.directory.path().join(log)).unwrap() {
            let path = entry.unwrap().path();
            let mut bytes = fs::read(&path).unwrap();
            let end = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |at| at + 1);
            bytes.truncate(end);
            files.push((path, bytes));
        }
    }
    files.sort();
    files
}

#[test]
fn a_source_finds_its_place_behind_the_last_evidence_that_is_there_wherever_the_write_was_torn() {
    let mut bench = Bench::new(4 << 20);
    for n in 0..4 {
        let messages = [format!("{n}a"), format!("{n}b")];
        bench.batch("log", &[&messages[0], &messages[1]], &n.to_string()).unwrap();
    }
    let (path, whole) = evidence_files(&bench).into_iter().find(|(_, it)| !it.is_empty()).unwrap();
    bench.spool = None;
    for cut in 0..=whole.len() {
        fs::write(&path, &whole[..cut]).unwrap();
        bench.collectors = Default::default();
        bench.open();
        let place = bench.place("log");
        bench.drain(0);
        let events = bench.collectors[0].events.clone();
        let last = events.last().map(|event| event.trim_end_matches('b').to_owned());
        assert_eq!(place, last, "cut at {cut}: {events:?}");
        assert_eq!(events.len() % 2, 0, "a batch is whole or absent");
        bench.spool = None;
        for entry in ["cursors", "events", "results", "bookmarks"] {
            let path = bench.directory.path().join(entry);
            drop(fs::remove_dir_all(&path).or_else(|_| fs::remove_file(&path)));
        }
        fs::create_dir_all(path.parent().unwrap()).unwrap();
    }
}

#[test]
fn a_place_outlives_the_records_that_brought_it() {
    let mut bench = Bench::new(512 << 10);
    bench.batch("quiet", &["one"], "quiet 1").unwrap();
    bench.batch("first start", &[], "end").unwrap();
    let long = "x".repeat(3_000);
    for n in 0..30 {
        bench.batch("busy", &[&long], &n.to_string()).unwrap();
        bench.drain(0);
        bench.drain(1);
    }
    let oldest = &bench.spool().logs[1].segments()[0];
    assert!(oldest.first.sequence > 3, "the first segment is released: {oldest:?}");
    for _ in 0..2 {
        bench.crash();
        assert_eq!(bench.place("quiet").as_deref(), Some("quiet 1"));
        assert_eq!(bench.place("first start").as_deref(), Some("end"));
        assert_eq!(bench.place("busy").as_deref(), Some("29"));
        assert_eq!(bench.place("new"), None);
    }
    bench.spool().close().unwrap();
    bench.open();
    assert_eq!(bench.place("busy").as_deref(), Some("29"));
}

#[test]
fn a_place_outlives_the_records_that_were_dropped_for_want_of_room() {
    let mut bench = Bench::new(200 << 10);
    bench.batch("quiet", &["one"], "quiet 1").unwrap();
    let long = "x".repeat(2_000);
    (0..200).for_each(|n| bench.batch("busy", &[&long], &n.to_string()).unwrap());
    assert!(bench.spool().statistics().dropped_overflow > 0);
    bench.crash();
    assert_eq!(bench.place("quiet").as_deref(), Some("quiet 1"));
    assert_eq!(bench.place("busy").as_deref(), Some("199"));
}

#[test]
fn nothing_is_released_while_the_places_cannot_be_written() {
    let mut bench = Bench::new(512 << 10);
    // A directory of that name cannot be replaced by a file.
    let blocked = bench.directory.path().join("bookmarks");
    fs::create_dir(&blocked).unwrap();
    let long = "x".repeat(3_000);
    for n in 0..30 {
        bench.batch("busy", &[&long], &n.to_string()).unwrap();
        bench.drain(0);
        bench.drain(1);
    }
    assert_eq!(bench.spool().logs[1].segments()[0].first.sequence, 1);
    assert!(bench.spool().statistics().failed_upkeep > 0);
    // A place without evidence has no record either: its source waits.
    assert!(bench.batch("first start", &[], "end").is_err());
    fs::remove_dir(&blocked).unwrap();
    bench.batch("first start", &[], "end").unwrap();
    bench.batch("busy", &[&long], "30").unwrap();
    bench.drain(0);
    bench.drain(1);
    assert!(bench.spool().logs[1].segments()[0].first.sequence > 1);
}

#[test]
fn a_spool_of_the_first_version_is_read_and_one_of_a_later_version_is_refused() {
    let mut bench = Bench::new(4 << 20);
    // Without bookmarks a record looks as it did.
    bench.events(&["from before"]).unwrap();
    bench.spool = None;
    fs::remove_file(bench.directory.path().join("format")).unwrap();
    bench.open();
    assert_eq!(bench.place("log"), None);
    bench.batch("log", &["after"], "1").unwrap();
    bench.drain(0);
    assert_eq!(bench.collectors[0].events, ["from before", "after"]);
    bench.spool = None;
    let before = evidence_files(&bench);
    fs::write(bench.directory.path().join("format"), "3\n").unwrap();
    let options = SpoolOptions {
        directory: bench.directory.path().to_owned(),
        host: HostId::new("dc1-srv01").unwrap(),
        bytes_max: 4 << 20,
        collectors: Vec::new(),
        allocate: Box::new(allocate_on_disk),
    };
    let refused = Spool::open(options, NOW).err();
    assert!(matches!(refused, Some(SpoolError::Newer { found: 3, known: 2, .. })), "{refused:?}");
    assert_eq!(evidence_files(&bench), before);
}

#[test]
fn a_damaged_table_is_told_to_the_sources_that_it_may_have_held() {
    let mut bench = Bench::new(4 << 20);
    bench.batch("first start", &[], "end").unwrap();
    bench.batch("log", &["one"], "1").unwrap();
    bench.spool = None;
    fs::write(bench.directory.path().join("bookmarks"), "rubbish").unwrap();
    bench.open();
    assert_eq!(bench.place("log").as_deref(), Some("1"), "its record has it");
    assert_eq!(
        bench.place("first start").as_deref(),
        Some(""),
        "lost, which is not the same as new"
    );
}

#[test]
fn a_batch_beyond_the_wire_is_taken_apart_and_its_source_goes_on() {
    let mut bench = Bench::new(64 << 20);
    let huge = "x".repeat(9 << 20);
    bench.batch("log", &["one", &huge, "two"], "3").unwrap();
    assert_eq!(bench.spool().statistics().failed_appends, 1);
    assert_eq!(bench.place("log").as_deref(), Some("3"));
    bench.crash();
    assert_eq!(bench.place("log").as_deref(), Some("3"));
    bench.drain(0);
    assert_eq!(bench.collectors[0].events, ["one", "two"]);
}

#[test]
fn places_beyond_their_bounds_are_left_out_and_counted() {
    let mut bench = Bench::new(4 << 20);
    let place = |bytes: usize| "x".repeat(bytes);
    bench.batch("log", &["one"], &place(MARK_BYTES_MAX)).unwrap();
    assert_eq!(bench.place("log").unwrap().len(), MARK_BYTES_MAX);
    bench.batch("log", &["two"], &place(MARK_BYTES_MAX + 1)).unwrap();
    assert_eq!(bench.place("log").unwrap().len(), MARK_BYTES_MAX);
    assert_eq!(bench.spool().statistics().failed_upkeep, 1);
    for n in 0..SOURCES_MAX {
        bench.batch(&format!("source {n}"), &["x"], "1").unwrap();
    }
    assert_eq!(bench.place("log"), None, "the one that was silent longest went");
    bench.crash();
    let last = format!("source {}", SOURCES_MAX - 1);
    assert_eq!(bench.place(&last).as_deref(), Some("1"));
}

/// What may happen between a source and its collectors.
#[derive(Clone, Debug)]
enum Step {
    /// A source reads on from where it stands.
    Read {
        source: usize,
        lines: usize,
        bytes: usize,
    },
    Deliver {
        collector: usize,
        settled: bool,
    },
    /// Killed; `torn` are the bytes, in thousandths of those that no sync had seen, that are lost.
    Kill {
        torn: usize,
    },
    Full(bool),
    Tick,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0..3_usize, 1..4_usize, 10..2_500_usize)
            .prop_map(|(source, lines, bytes)| Step::Read { source, lines, bytes }),
        4 => (0..2_usize, prop::bool::weighted(0.8))
            .prop_map(|(collector, settled)| Step::Deliver { collector, settled }),
        2 => (0..=1_000_usize).prop_map(|torn| Step::Kill { torn }),
        1 => prop::bool::ANY.prop_map(Step::Full),
        2 => Just(Step::Tick),
    ]
}

/// Cuts what was written behind what is durable of each segment, as a power loss may.
fn tear(bench: &Bench, durable: &[(PathBuf, u64)], torn: usize) {
    for (path, bytes) in evidence_files(bench) {
        let Some((_, kept)) = durable.iter().find(|(other, _)| *other == path) else { continue };
        let kept = usize::try_from(*kept).unwrap();
        let length = kept + bytes.len().saturating_sub(kept) * (1_000 - torn) / 1_000;
        if length < bytes.len() {
            let mut damaged = bytes[..length].to_vec();
            damaged.resize(bytes.len() + 100, 0);
            fs::write(&path, damaged).unwrap();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, max_shrink_iters: 500, ..ProptestConfig::default() })]

    #[test]
    fn every_line_of_every_source_is_there_once_or_is_named(
        steps in prop::collection::vec(step(), 1..120),
    ) {
        let mut bench = Bench::new(200 << 10);
        // A collector whose answer was lost may be told of a gap where it has the report.
        let mut answers_lost = [false; 2];
        let stands = |bench: &mut Bench, source: &str| -> usize {
            bench.place(source).map_or(0, |place| place.parse().unwrap())
        };
        for step in steps {
            match step {
                Step::Read { source, lines, bytes } => {
                    let source = format!("s{source}");
                    let from = stands(&mut bench, &source);
                    let filler = "x".repeat(bytes);
                    let lines: Vec<_> =
                        (from..from + lines).map(|n| format!("{source} {n} {filler}")).collect();
                    let texts: Vec<_> = lines.iter().map(String::as_str).collect();
                    let place = (from + texts.len()).to_string();
                    let taken = bench.batch(&source, &texts, &place).is_ok();
                    let expected = if taken { from + texts.len() } else { from };
                    prop_assert_eq!(stands(&mut bench, &source), expected);
                }
                Step::Deliver { collector, settled } => {
                    bench.spool().sync_stream(Stream::Evidence).unwrap();
                    bench.deliver(collector, Stream::Evidence, settled);
                    answers_lost[collector] |= !settled;
                }
                Step::Kill { torn } => {
                    // What was acknowledged and not yet written down is as an answer that was lost.
                    for (answer_lost, cursor) in answers_lost.iter_mut().zip(&bench.spool().cursors) {
                        *answer_lost |= cursor.is_ahead_of_its_file();
                    }
                    let durable: Vec<_> =
                        bench.spool().logs.iter().filter_map(Log::durable).collect();
                    bench.spool = None;
                    tear(&bench, &durable, torn);
                    bench.open();
                }
                Step::Full(full) => bench.full.store(full, Ordering::Relaxed),
                Step::Tick => drop(bench.tick(50)),
            }
        }
        bench.full.store(false, Ordering::Relaxed);
        bench.tick(1).unwrap();
        let made: usize = (0..3).map(|n| stands(&mut bench, &format!("s{n}"))).sum();
        for (collector, answer_lost) in answers_lost.into_iter().enumerate() {
            bench.drain(collector);
            let received = &bench.collectors[collector];
            let name = |event: &String| event.rsplit_once(' ').unwrap().0.to_owned();
            let mut events: Vec<_> = received.events.iter().map(name).collect();
            let all = events.len();
            events.sort();
            events.dedup();
            prop_assert_eq!(events.len(), all, "a line came twice");
            let gaps = received.gaps.iter().filter(|gap| gap.stream == Stream::Evidence);
            let named: u64 = gaps.map(|gap| gap.events).sum();
            let (told, made) = (all as u64 + named, made as u64);
            prop_assert!(told >= made, "{told} of {made} at collector {collector}");
            prop_assert!(answer_lost || told == made, "{told} for {made}");
        }
    }
}
