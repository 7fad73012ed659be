//! Real commands with known ends.

use std::fs;

use clap::Parser;
use tempfile::TempDir;

use super::*;

#[derive(Parser)]
struct Flags {
    #[command(flatten)]
    arguments: Arguments,
}

fn arguments(flags: &[&str]) -> Arguments {
    Flags::try_parse_from([&["run", "--job", "nightly"], flags].concat()).unwrap().arguments
}

async fn ran(flags: &[&str]) -> Ran {
    let drop_box = TempDir::new().unwrap();
    run_command(&arguments(flags), drop_box.path(), Clock).await
}

#[tokio::test]
async fn exit_code_0_alone_proves_nothing() {
    let ran = ran(&["--", "true"]).await;
    assert_eq!((ran.exit_code, ran.run.outcome), (0, BackupOutcome::Unproven));
    assert!(ran.run.detail.contains("--output"), "{}", ran.run.detail);
    assert!(ran.run.finished_ms >= ran.run.started_ms);
    assert_eq!(ran.run.reported_by, user_name());
}

#[tokio::test]
async fn written_files_prove_a_backup_and_an_empty_one_is_told() {
    let dir = TempDir::new().unwrap();
    let pattern = format!("{}/*.dump", dir.path().display());
    let run = async |script: &str| {
        let script = format!("cd {}; {script}", dir.path().display());
        ran(&["--output", &pattern, "--", "sh", "-c", &script]).await.run
    };
    let written = run("echo hello > a.dump").await;
    assert_eq!((written.outcome, written.bytes), (BackupOutcome::Succeeded, Some(6)));
    assert!(written.content_id.unwrap().ends_with("a.dump"));
    assert_eq!(run("true").await.outcome, BackupOutcome::Empty);
    assert_eq!(run(": > b.dump").await.outcome, BackupOutcome::Empty);
    let failed = run("echo hello > c.dump; exit 3").await;
    assert_eq!((failed.outcome, failed.exit_code), (BackupOutcome::Failed, Some(3)));
    assert_eq!(failed.bytes, Some(6));
}

#[tokio::test]
async fn a_failure_keeps_its_exit_code_and_the_end_of_its_errors() {
    let script = "for i in $(seq 1 5000); do echo line $i >&2; done; exit 7";
    let ran = ran(&["--", "sh", "-c", script]).await;
    assert_eq!((ran.exit_code, ran.run.outcome), (7, BackupOutcome::Failed));
    let lines: Vec<_> = ran.run.detail.lines().collect();
    assert_eq!((lines[0], lines[DETAIL_LINES_MAX]), ("exit code 7", "line 5000"));
    assert_eq!(lines.len(), DETAIL_LINES_MAX + 1);
    assert!(ran.run.detail.len() <= DETAIL_BYTES_MAX + 64);
}

#[tokio::test]
async fn what_cannot_run_or_is_killed_has_no_exit_code() {
    let missing = ran(&["--", "/nonexistent/backup"]).await;
    assert_eq!((missing.exit_code, missing.run.exit_code), (127, None));
    assert_eq!(missing.run.outcome, BackupOutcome::Failed);
    let killed = ran(&["--", "sh", "-c", "kill -9 $$"]).await;
    assert_eq!((killed.exit_code, killed.run.exit_code), (137, None));
    assert_eq!(killed.run.detail, "ended by signal 9");
}

#[tokio::test]
async fn a_signal_to_us_reaches_the_command_and_its_answer_is_ours() {
    // The command signals its parent, which is this test.
    let script = "trap 'exit 42' TERM; kill -TERM $PPID; while :; do sleep 0.05; done";
    let ran = ran(&["--", "sh", "-c", script]).await;
    assert_eq!((ran.exit_code, ran.run.outcome), (42, BackupOutcome::Failed));
}

#[tokio::test]
async fn a_process_left_behind_does_not_hold_us() {
    let flags = ["--", "sh", "-c", "sleep 600 & echo left $! >&2"];
    let ran = tokio::time::timeout(Duration::from_secs(60), ran(&flags)).await.unwrap();
    assert_eq!((ran.exit_code, ran.run.outcome), (0, BackupOutcome::Unproven));
    let (_, left_behind) = ran.run.detail.rsplit_once("left ").unwrap();
    signal::kill(Pid::from_raw(left_behind.parse().unwrap()), Signal::SIGTERM).unwrap();
}

#[tokio::test]
async fn a_summary_of_restic_proves_a_backup() {
    let line = r#"{"message_type":"summary","total_files_processed":4,"total_bytes_processed":9,"snapshot_id":"ab"}"#;
    let done = ran(&["--tool", "restic", "--", "echo", line]).await.run;
    assert_eq!((done.outcome, done.bytes), (BackupOutcome::Succeeded, Some(9)));
    assert_eq!((done.files, done.content_id.as_deref()), (Some(4), Some("ab")));
    let empty = ran(&["--tool", "restic", "--", "echo", &line.replace(":9", ":0")]).await.run;
    assert_eq!(empty.outcome, BackupOutcome::Empty);
    let silent = ran(&["--tool", "restic", "--", "echo", "snapshot ab saved"]).await.run;
    assert_eq!(silent.outcome, BackupOutcome::Unproven);
}

#[tokio::test]
async fn the_real_restic_proves_its_backup() {
    let dir = TempDir::new().unwrap();
    let at = |name: &str| dir.path().join(name).display().to_string();
    fs::write(at("password"), "secret").unwrap();
    fs::write(at("data"), "some data").unwrap();
    let (repository, password, data) = (at("repository"), at("password"), at("data"));
    let restic = ["restic", "--no-cache", "-r", &repository, "-p", &password];
    let initialised = std::process::Command::new("restic").args(&restic[1..]).arg("init").output();
    let initialised = initialised.expect("restic is missing: apt-get install restic");
    assert!(initialised.status.success());
    let flags = [&["--tool", "restic", "--"], &restic[..], &["backup", "--json", &data]].concat();
    let run = ran(&flags).await.run;
    assert_eq!((run.outcome, run.bytes, run.files), (BackupOutcome::Succeeded, Some(9), Some(1)));
    assert!(run.content_id.is_some());
    // Exit code 0 in old releases, 3 in newer ones; a snapshot of the rest is made.
    let flags = [&flags[..], &["/nonexistent/srv"]].concat();
    let incomplete = ran(&flags).await.run;
    assert_eq!((incomplete.outcome, incomplete.bytes), (BackupOutcome::Failed, Some(9)));
    assert!(incomplete.detail.contains("/nonexistent/srv"), "{}", incomplete.detail);
}

#[test]
fn names_and_patterns_are_checked_before_anything_runs() {
    let refused = |flags: &[&str]| Flags::try_parse_from(flags).is_err();
    assert!(refused(&["run", "--job", "a b", "--", "true"]));
    assert!(refused(&["run", "--job", "", "--", "true"]));
    assert!(refused(&["run", "--job", "a", "--output", "***", "--", "true"]));
    assert!(refused(&["run", "--job", "a"]));
    assert!(refused(&["run", "--job", &"a".repeat(101), "--", "true"]));
    assert!(!refused(&["run", "--job", &"a".repeat(100), "--", "true"]));
}
