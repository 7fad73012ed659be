//! `kill -9` in the middle of everything: what was committed is told, and told once but for the one repeat that a
//! kill between sending and recording may cause, which carries the same key.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use collector_alerting::DetectionAlert;

use crate::harness::{Receiver, SIMPLE, START, labels, open};

const THIS_TEST: &str = "kill::killed_again_and_again_nothing_committed_goes_untold";
const DIRECTORY: &str = "HAIDANG_TEST_DIRECTORY";
const RECEIVER: &str = "HAIDANG_TEST_RECEIVER";

fn numbered(position: u64) -> DetectionAlert {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&position.to_be_bytes());
    let host = format!("h{position}");
    DetectionAlert { id, labels: labels("Kill", &host), ..crate::harness::detection(0, "", START) }
}

/// Commits one detection after another, says which, and delivers meanwhile, until it is killed.
async fn victim(directory: PathBuf) {
    let receiver = Receiver::at(std::env::var(RECEIVER).unwrap());
    let alerting = open(&directory, &receiver, SIMPLE, START).await;
    let running = alerting.clone();
    tokio::spawn(async move { running.run(|| START, std::future::pending()).await });
    let (mut position, _) = alerting.detections_position().await.unwrap();
    let mut output = std::io::stdout();
    loop {
        position += 1;
        let found = vec![numbered(position)];
        alerting.commit_detections(position, b"state", found, START).await.unwrap();
        writeln!(output, "committed {position}").unwrap();
        output.flush().unwrap();
    }
}

#[tokio::test]
async fn killed_again_and_again_nothing_committed_goes_untold() {
    // Run by itself below, this test is the process that is killed.
    if let Some(directory) = std::env::var_os(DIRECTORY) {
        return victim(directory.into()).await;
    }
    let receiver = Receiver::start().await;
    let directory = tempfile::tempdir().unwrap();
    let mut committed = BTreeSet::new();
    for round in 0..6 {
        let directory = directory.path().to_owned();
        let address = receiver.address.clone();
        let until = 3 + round * 4;
        let seen = tokio::task::spawn_blocking(move || run_and_kill(directory, address, until));
        committed.extend(seen.await.unwrap());
    }
    let alerting = open(directory.path(), &receiver, SIMPLE, START).await;
    alerting.deliver_due(START).await.unwrap();
    let (position, _) = alerting.detections_position().await.unwrap();
    assert!(committed.len() >= 6 * 3 && committed.last().unwrap() <= &position);
    let mut told: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for one in receiver.take() {
        for alert in one.body["alerts"].as_array().unwrap() {
            let host = alert["labels"]["host"].as_str().unwrap().to_owned();
            told.entry(host).or_default().insert(one.key.clone());
        }
    }
    let hosts: BTreeSet<String> = (1..=position).map(|at| format!("h{at}")).collect();
    assert_eq!(told.keys().cloned().collect::<BTreeSet<_>>(), hosts);
    assert!(told.values().all(|keys| keys.len() == 1), "{told:?}");
    let detections = alerting.detections(100_000).await.unwrap();
    assert_eq!(u64::try_from(detections.len()).unwrap(), position);
    assert_eq!(alerting.stats(START).await.unwrap().outbox_length, 0);
}

/// Starts the victim, kills it after some commits, and returns those it spoke of.
fn run_and_kill(directory: PathBuf, receiver: String, until: usize) -> Vec<u64> {
    let mut process = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", THIS_TEST, "--nocapture"])
        .env(DIRECTORY, directory)
        .env(RECEIVER, receiver)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let mut seen = Vec::new();
    for line in lines {
        // Other words on the line come from the test runner.
        let line = line.unwrap();
        let number =
            line.split("committed ").nth(1).and_then(|rest| rest.trim().parse::<u64>().ok());
        seen.extend(number);
        if seen.len() == until {
            process.kill().unwrap();
        }
    }
    process.wait().unwrap();
    seen
}
