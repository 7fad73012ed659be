//! Ticks with sources that fail, panic and hang.

use std::path::PathBuf;
use std::time::Duration;

use agent_model::Millis;
use nix::sys::stat::Mode;

use super::*;
use crate::source::SourceError;

struct Flaky(u32);

impl MetricSource for Flaky {
    fn name(&self) -> &'static str {
        "flaky"
    }

    fn read(&mut self, _now_ms: Millis, out: &mut Reading) -> Result<(), SourceError> {
        self.0 += 1;
        out.add("half", &[], 1.0);
        match self.0 {
            2 => Err(SourceError::Content { path: "x".into(), reason: "wrong".to_owned() }),
            3 => panic!("a mistake of ours"),
            _ => Ok(()),
        }
    }
}

struct Steady;

impl MetricSource for Steady {
    fn name(&self) -> &'static str {
        "steady"
    }

    fn read(&mut self, _now_ms: Millis, out: &mut Reading) -> Result<(), SourceError> {
        out.add("steady", &[], 2.0);
        Ok(())
    }
}

/// Reads a file that may be a pipe nobody writes to: the kernel holds it there.
struct Hanging(PathBuf);

impl MetricSource for Hanging {
    fn name(&self) -> &'static str {
        "hanging"
    }

    fn read(&mut self, _now_ms: Millis, out: &mut Reading) -> Result<(), SourceError> {
        let failed = |source| SourceError::Read { path: self.0.clone(), source };
        let text = std::fs::read_to_string(&self.0).map_err(failed)?;
        out.add("read", &[("text", text.trim())], 1.0);
        Ok(())
    }
}

fn shown(reading: &MetricsReading) -> Vec<String> {
    let node = reading.columns.iter().find(|(_, schema, _)| schema.job == "node").unwrap();
    let pairs = node.1.series.iter().zip(&node.2);
    let kept = pairs.filter(|(labels, _)| !labels.metric_name().contains("duration"));
    kept.map(|(labels, value)| format!("{labels} {value}")).collect()
}

fn ids(reading: &MetricsReading) -> Vec<SchemaId> {
    reading.columns.iter().map(|column| column.0).collect()
}

async fn tick(ticker: &mut Ticker) -> MetricsReading {
    ticker.read(|own, _| own.add("own", &[], 1.0)).await
}

#[tokio::test]
async fn a_source_that_fails_or_panics_fails_alone_and_its_schema_comes_back() {
    let mut ticker = Ticker::new(vec![Box::new(Flaky(0)), Box::new(Steady)], Clock);
    let mut ticks = Vec::new();
    for _ in 0..4 {
        ticks.push(tick(&mut ticker).await);
    }
    let [first, second, third, fourth] = &ticks[..] else { panic!() };
    let both = [
        "half 1",
        "steady 2",
        "node_scrape_collector_success{collector=\"flaky\"} 1",
        "node_scrape_collector_success{collector=\"steady\"} 1",
    ];
    let one = [
        "steady 2",
        "node_scrape_collector_success{collector=\"flaky\"} 0",
        "node_scrape_collector_success{collector=\"steady\"} 1",
    ];
    assert_eq!(shown(first), both);
    assert_eq!(shown(second), one);
    assert_eq!(shown(third), one);
    assert_eq!(shown(fourth), both);
    assert_eq!(ids(first), ids(fourth));
    assert_eq!(ids(second), ids(third));
    assert_ne!(ids(first), ids(second));
}

/// The threads of this process that read metrics.
fn threads() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let names =
        tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.filter(|name| name == "metrics\n").count()
}

#[tokio::test]
async fn a_source_that_hangs_in_the_kernel_stops_nobody_and_comes_back() {
    let directory = tempfile::tempdir().unwrap();
    let (pipe, path) = (directory.path().join("pipe"), directory.path().join("device"));
    nix::unistd::mkfifo(&pipe, Mode::S_IRUSR | Mode::S_IWUSR).unwrap();
    std::fs::hard_link(&pipe, &path).unwrap();
    let sources: Vec<Box<dyn MetricSource>> =
        vec![Box::new(Hanging(path.clone())), Box::new(Steady), Box::new(Hanging(path.clone()))];
    let mut ticker = Ticker::new(sources, Clock);
    ticker.reader = Reader::new(Clock).with_patience(Duration::from_millis(300));
    let alone = [
        "steady 2",
        "node_scrape_collector_success{collector=\"hanging\"} 0",
        "node_scrape_collector_success{collector=\"steady\"} 1",
        "node_scrape_collector_success{collector=\"hanging\"} 0",
    ];
    let mut last = None;
    for _ in 0..5 {
        let reading = tick(&mut ticker).await;
        assert_eq!(shown(&reading), alone);
        assert!(last.is_none_or(|last| last == ids(&reading)), "the set of series is the same");
        last = Some(ids(&reading));
    }
    assert_eq!(threads(), 3, "one for each that hangs, and one for the others");
    // The device is back: whoever waits at the pipe reads to its end, and the next read finds a plain file.
    std::fs::write(directory.path().join("plain"), "back").unwrap();
    std::fs::rename(directory.path().join("plain"), &path).unwrap();
    let back = [
        "read{text=\"back\"} 1",
        "steady 2",
        "read{text=\"back\"} 1",
        "node_scrape_collector_success{collector=\"hanging\"} 1",
        "node_scrape_collector_success{collector=\"steady\"} 1",
        "node_scrape_collector_success{collector=\"hanging\"} 1",
    ];
    drop(std::fs::OpenOptions::new().write(true).open(&pipe).unwrap());
    let deadline = Clock.instant() + Duration::from_secs(20);
    loop {
        let reading = tick(&mut ticker).await;
        if shown(&reading) == back && threads() == 1 {
            break;
        }
        assert!(Clock.instant() < deadline, "{:?}, {} threads", shown(&reading), threads());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

struct Many(usize);

impl MetricSource for Many {
    fn name(&self) -> &'static str {
        "many"
    }

    fn read(&mut self, _now_ms: Millis, out: &mut Reading) -> Result<(), SourceError> {
        (0..self.0).for_each(|n| out.add("many", &[("n", &n.to_string())], 1.0));
        Ok(())
    }
}

#[tokio::test]
async fn a_job_beyond_its_bound_leaves_the_last_source_out_and_counts_it() {
    let sources: Vec<Box<dyn MetricSource>> = vec![
        Box::new(Many(20_000)),
        Box::new(Many(19_000)),
        Box::new(Many(2_000)),
        Box::new(Steady),
    ];
    let mut ticker = Ticker::new(sources, Clock);
    let reading = tick(&mut ticker).await;
    let node = reading.columns.iter().find(|(_, schema, _)| schema.job == "node").unwrap();
    assert_eq!(node.2.len(), 39_000 + 1 + 2 * 4);
    assert_eq!(ticker.surplus, 2_000);
}
