//! A tail against real files: single cases first, then random histories of a log in which every line must come once.

use std::fs::{self, File, OpenOptions};
use std::io::Write;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

/// A log directory, a daemon that writes, a rotation, and an agent that reads.
struct World {
    dir: TempDir,
    writer: File,
    tail: Tail,
    /// What the spool holds besides `spooled`.
    cursor: Vec<u8>,
    elapsed: Duration,
    dated: bool,
    made: u32,
    /// The unwritten end of a line whose beginning is written.
    half: Option<String>,
    written: Vec<String>,
    spooled: Vec<String>,
    notices: Vec<Notice>,
}

impl World {
    fn new(dated: bool) -> Self {
        let dir = TempDir::new().unwrap();
        let log = dir.path().join("auth.log");
        fs::write(&log, "before\nthe first start\n").unwrap();
        fs::write(dir.path().join("auth.log.1"), "older\n").unwrap();
        let writer = append(&log);
        let tail = Tail::open(&log, None, StartAt::End).unwrap();
        let cursor = tail.cursor();
        Self {
            dir,
            writer,
            tail,
            cursor,
            elapsed: Duration::ZERO,
            dated,
            made: 1,
            half: None,
            written: Vec::new(),
            spooled: Vec::new(),
            notices: Vec::new(),
        }
    }

    fn log(&self) -> PathBuf {
        self.dir.path().join("auth.log")
    }

    fn sibling(&self, number: u32) -> PathBuf {
        self.dir.path().join(format!("auth.log.{number}"))
    }

    fn write(&mut self, filler: usize) {
        self.finish_line();
        let line = format!("line {} {}", self.written.len(), "x".repeat(filler));
        self.writer.write_all(format!("{line}\n").as_bytes()).unwrap();
        self.written.push(line);
    }

    fn write_half(&mut self) {
        self.finish_line();
        let number = self.written.len();
        self.writer.write_all(format!("line {number}").as_bytes()).unwrap();
        self.half = Some(" and its end\n".to_owned());
        self.written.push(format!("line {number} and its end"));
    }

    fn finish_line(&mut self) {
        if let Some(rest) = self.half.take() {
            self.writer.write_all(rest.as_bytes()).unwrap();
        }
    }

    /// Makes room for a new `auth.log.1`, or names the next dated file.
    fn next_name(&mut self) -> PathBuf {
        self.made += 1;
        if self.dated {
            return self.dir.path().join(format!("auth.log-{}", 20_261_100 + self.made));
        }
        for number in (1..self.made).rev() {
            let from = self.sibling(number);
            if from.exists() {
                fs::rename(from, self.sibling(number + 1)).unwrap();
            }
        }
        self.sibling(1)
    }

    /// The daemon goes on writing to the old file until it reopens.
    fn rotate(&mut self) {
        let name = self.next_name();
        fs::rename(self.log(), name).unwrap();
        File::create(self.log()).unwrap();
    }

    fn reopen(&mut self) {
        self.finish_line();
        self.writer = append(&self.log());
    }

    fn copy_truncate(&mut self) {
        self.finish_line();
        let name = self.next_name();
        fs::copy(self.log(), name).unwrap();
        OpenOptions::new().write(true).truncate(true).open(self.log()).unwrap();
    }

    /// Reads and spools, lines and cursor in one.
    fn poll(&mut self) {
        loop {
            let batch = self.tail.poll(self.elapsed).unwrap();
            assert!(batch.lines.len() <= BATCH_LINES_MAX);
            self.spooled.extend(batch.lines.into_iter().map(|line| line.text));
            self.notices.extend(batch.notices);
            self.cursor = self.tail.cursor();
            if !batch.more {
                break;
            }
        }
    }

    /// What was read and not yet spooled is forgotten, and the next start begins at the cursor.
    fn kill(&mut self) {
        self.tail.poll(self.elapsed).unwrap();
        self.restart();
    }

    fn restart(&mut self) {
        self.tail = Tail::open(&self.log(), Some(&self.cursor), StartAt::End).unwrap();
    }

    /// Time passes; by then the daemon has long reopened its log.
    fn wait(&mut self) {
        self.reopen();
        self.elapsed += Duration::from_secs(45);
    }

    fn finish(&mut self) {
        self.wait();
        self.poll();
        self.elapsed += Duration::from_secs(100);
        self.poll();
        self.spooled.sort();
        self.written.sort();
    }
}

fn append(log: &Path) -> File {
    OpenOptions::new().append(true).create(true).open(log).unwrap()
}

#[derive(Clone, Debug)]
enum Step {
    Write(usize),
    WriteHalf,
    Rotate,
    Reopen,
    CopyTruncate,
    Poll,
    Kill,
    Restart,
    Wait,
    PollAndDelete,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..300usize).prop_map(Step::Write),
        2 => Just(Step::WriteHalf),
        2 => Just(Step::Rotate),
        2 => Just(Step::Reopen),
        1 => Just(Step::CopyTruncate),
        3 => Just(Step::Poll),
        1 => Just(Step::Kill),
        1 => Just(Step::Restart),
        1 => Just(Step::Wait),
        1 => Just(Step::PollAndDelete),
    ]
}

fn run(steps: &[Step], dated: bool) -> World {
    let mut world = World::new(dated);
    for step in steps {
        match step {
            Step::Write(filler) => world.write(*filler),
            Step::WriteHalf => world.write_half(),
            Step::Rotate => world.rotate(),
            Step::Reopen => world.reopen(),
            Step::CopyTruncate => world.copy_truncate(),
            Step::Poll => world.poll(),
            Step::Kill => world.kill(),
            Step::Restart => world.restart(),
            Step::Wait => world.wait(),
            Step::PollAndDelete => {
                // Everything is read, so the names may go: their inodes are given to the next files.
                world.reopen();
                world.poll();
                for entry in fs::read_dir(world.dir.path()).unwrap() {
                    let path = entry.unwrap().path();
                    if path != world.log() {
                        fs::remove_file(path).unwrap();
                    }
                }
            }
        }
    }
    world.finish();
    world
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn every_line_comes_once_whatever_happens_to_the_log(
        steps in prop::collection::vec(step(), 0..40),
        dated in any::<bool>(),
    ) {
        let world = run(&steps, dated);
        prop_assert_eq!(&world.spooled, &world.written);
        if !steps.iter().any(|step| matches!(step, Step::PollAndDelete)) {
            prop_assert_eq!(&world.notices, &Vec::new());
        }
    }
}

#[test]
fn the_inode_of_an_empty_file_that_is_gone_does_not_make_its_heir_unread() {
    use Step::{CopyTruncate, Kill, PollAndDelete, Reopen, Rotate, Write};
    let steps = [CopyTruncate, Rotate, Reopen, Write(0), PollAndDelete, Kill, CopyTruncate, Kill];
    let world = run(&steps, false);
    assert_eq!(world.spooled, world.written);
}

#[test]
fn a_first_start_reads_only_what_is_new_and_a_partial_line_waits_for_its_end() {
    let mut world = World::new(false);
    world.write_half();
    world.poll();
    assert!(world.spooled.is_empty());
    world.finish_line();
    world.poll();
    assert_eq!(world.spooled, ["line 0 and its end"]);
}

#[test]
fn a_start_at_the_beginning_reads_what_is_there() {
    let world = World::new(false);
    let mut tail = Tail::open(&world.log(), None, StartAt::Beginning).unwrap();
    let lines = tail.poll(Duration::ZERO).unwrap().lines;
    assert_eq!(
        lines.iter().map(|line| line.text.as_str()).collect::<Vec<_>>(),
        ["before", "the first start"]
    );
}

#[test]
fn a_log_that_appears_later_is_read_from_its_beginning() {
    let dir = TempDir::new().unwrap();
    let log = dir.path().join("auth.log");
    let mut tail = Tail::open(&log, None, StartAt::End).unwrap();
    assert!(tail.poll(Duration::ZERO).unwrap().lines.is_empty());
    fs::write(&log, "one\r\n").unwrap();
    assert_eq!(tail.poll(Duration::ZERO).unwrap().lines[0].text, "one");
}

#[test]
fn a_wiped_log_is_told() {
    let mut world = World::new(false);
    world.write(10);
    world.poll();
    File::create(world.log()).unwrap();
    world.poll();
    assert!(matches!(world.notices[..], [Notice::Truncated { .. }]));
    world.write(3);
    world.finish();
    assert_eq!(world.spooled, world.written);
}

#[test]
fn a_log_that_vanished_during_a_stop_is_told() {
    let mut world = World::new(false);
    world.write(10);
    world.poll();
    fs::remove_file(world.log()).unwrap();
    world.reopen();
    world.write(1);
    world.restart();
    world.poll();
    assert!(matches!(world.notices[..], [Notice::Lost { .. }]), "{:?}", world.notices);
    assert_eq!(world.spooled, world.written);
}

#[test]
fn a_damaged_cursor_is_told_and_nothing_is_skipped() {
    let mut world = World::new(false);
    world.cursor = b"{".to_vec();
    world.restart();
    world.poll();
    assert_eq!(world.notices, [Notice::CursorDamaged]);
    assert_eq!(world.spooled, ["before", "the first start"]);
}

#[test]
fn a_cursor_of_the_first_version_is_understood() {
    let mut world = World::new(false);
    world.write(10);
    world.poll();
    let now: serde_json::Value = serde_json::from_slice(&world.cursor).unwrap();
    let mut first = now.clone();
    first["version"] = 1.into();
    for mark in first["files"].as_array_mut().unwrap() {
        // The whole SHA-256, of which the second version keeps the half.
        let half = mark["fingerprint"].as_str().unwrap().to_owned();
        mark["fingerprint"] = format!("{half}{}", "0".repeat(32)).into();
    }
    world.cursor = serde_json::to_vec_pretty(&first).unwrap();
    world.restart();
    world.write(1);
    world.poll();
    assert_eq!(world.spooled, world.written);
    assert_eq!(world.notices, []);
}

#[test]
fn a_line_at_the_bound_is_whole_and_a_longer_one_is_cut_and_marked() {
    for (length, cut) in [(LINE_BYTES_MAX, false), (LINE_BYTES_MAX + 1, true), (200_000, true)] {
        let mut world = World::new(false);
        world.writer.write_all(&vec![b'a'; length]).unwrap();
        world.writer.write_all(b"\nnext\n").unwrap();
        let lines = world.tail.poll(Duration::ZERO).unwrap().lines;
        assert_eq!((lines.len(), lines[0].text.len(), lines[0].cut), (2, LINE_BYTES_MAX, cut));
        assert_eq!((lines[1].text.as_str(), lines[1].cut), ("next", false));
    }
}

#[test]
fn a_restart_within_a_line_that_is_too_long_does_not_hand_out_its_rest() {
    let mut world = World::new(false);
    world.writer.write_all(&vec![b'a'; 100_000]).unwrap();
    world.poll();
    world.restart();
    world.writer.write_all(b"rest\nnext\n").unwrap();
    world.poll();
    assert_eq!((world.spooled.len(), world.spooled[1].as_str()), (2, "next"));
}

#[test]
fn a_batch_ends_at_its_bounds_and_says_that_there_is_more() {
    let mut world = World::new(false);
    for _ in 0..=BATCH_LINES_MAX {
        world.write(0);
    }
    let first = world.tail.poll(Duration::ZERO).unwrap();
    assert_eq!((first.lines.len(), first.more), (BATCH_LINES_MAX, true));
    let second = world.tail.poll(Duration::ZERO).unwrap();
    assert_eq!((second.lines.len(), second.more), (1, false));
}

#[test]
fn the_end_of_a_rotated_file_without_a_newline_is_handed_out_when_its_time_is_over() {
    let mut world = World::new(false);
    world.write_half();
    world.poll();
    world.rotate();
    world.half = None;
    world.poll();
    assert!(world.spooled.is_empty());
    world.elapsed += ROTATED_LINGER;
    world.poll();
    assert_eq!(world.spooled, ["line 0"]);
}
