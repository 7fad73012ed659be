//! The log of drills.

use tempfile::tempdir;

use super::*;

#[tokio::test]
async fn a_drill_and_its_log_are_there_after_a_restart_and_closed_once() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("inventory.sqlite");
    let inventory = Inventory::open(&path).await.unwrap();
    let drill = inventory.drill_start("restore-db", "id: restore-db\n", "lan", 10).await.unwrap();
    let entry = DrillEntry {
        time_ms: 20,
        who: "lan".to_owned(),
        step: "stop".to_owned(),
        what: "finished".to_owned(),
        outcome: "passed".to_owned(),
        detail: "đã dừng".to_owned(),
        evidence: "systemctl: inactive".to_owned(),
    };
    assert!(inventory.drill_append(drill, &entry).await.unwrap());
    let later = DrillEntry { time_ms: 30, ..entry.clone() };
    assert!(inventory.drill_append(drill, &later).await.unwrap());
    assert!(!inventory.drill_append(99, &entry).await.unwrap());
    inventory.close().await;

    let inventory = Inventory::open(&path).await.unwrap();
    let (known, log) = inventory.drill(drill).await.unwrap().unwrap();
    assert_eq!((known.state.as_str(), known.finished_ms), ("running", None));
    assert_eq!(known.plan_text, "id: restore-db\n");
    assert_eq!(log, [entry.clone(), later]);
    assert!(inventory.drill_finish(drill, "passed", 40).await.unwrap());
    assert!(!inventory.drill_finish(drill, "aborted", 50).await.unwrap());
    assert!(!inventory.drill_append(drill, &entry).await.unwrap(), "the log is closed");
    let second = inventory.drill_start("restore-db", "", "lan", 60).await.unwrap();
    let listed = inventory.drills(10).await.unwrap();
    let numbers: Vec<_> = listed.iter().map(|drill| drill.drill).collect();
    assert_eq!(numbers, [second, drill]);
    assert_eq!(listed[1].state, "passed");
    assert_eq!(inventory.drill(99).await.unwrap(), None);
}
