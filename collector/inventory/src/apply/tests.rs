//! What a report brings, applied once.

use agent_model::{
    BackupOutcome, CopyEntry, Epoch, GapReason, ProbeKind, Stream, VerificationDepth,
};
use tempfile::{TempDir, tempdir};

use super::*;
use crate::Retention;

async fn open() -> (TempDir, Inventory) {
    let directory = tempdir().unwrap();
    let inventory = Inventory::open(&directory.path().join("inventory.sqlite")).await.unwrap();
    (directory, inventory)
}

fn host() -> HostId {
    HostId::new("dc1-srv01").unwrap()
}

fn key(sequence: u64) -> ReportKey {
    ReportKey { epoch: Epoch(1_000), stream: Stream::Evidence, sequence }
}

fn run(job: &str, finished_ms: Millis, outcome: BackupOutcome) -> BackupRun {
    BackupRun {
        job: job.to_owned(),
        tool: "restic".to_owned(),
        started_ms: finished_ms - 10,
        finished_ms,
        outcome,
        exit_code: Some(0),
        bytes: Some(u64::MAX),
        files: None,
        content_id: Some("4f2a".to_owned()),
        detail: "sao lưu xong".to_owned(),
        reported_by: "backup".to_owned(),
    }
}

fn copy(observed_ms: Millis, error: Option<&str>) -> BackupCopy {
    BackupCopy {
        job: "db".to_owned(),
        tool: "restic".to_owned(),
        location: "/srv/backup".to_owned(),
        observed_ms,
        newest_ms: Some(observed_ms - 5),
        consistent_ms: Some(observed_ms - 6),
        oldest_ms: Some(1),
        bytes: Some(7),
        copies: 3,
        content_id: None,
        recent: vec![entry("4f2a", Some(observed_ms - 6)), entry("1c00", None)],
        depth: VerificationDepth::Listed,
        error: error.map(str::to_owned),
    }
}

fn entry(content_id: &str, consistent_ms: Option<Millis>) -> CopyEntry {
    CopyEntry { content_id: content_id.to_owned(), consistent_ms, bytes: Some(7) }
}

fn probe(time_ms: Millis, success: bool) -> ProbeResult {
    ProbeResult {
        probe: "portal".to_owned(),
        kind: ProbeKind::Http,
        target: "https://dichvucong.example.vn/".to_owned(),
        time_ms,
        success,
        duration_seconds: 0.25,
        http_status: Some(200),
        certificate_expiry_ms: Some(9_000),
        failure: String::new(),
    }
}

fn gap(first_sequence: u64, last_sequence: u64) -> Gap {
    Gap {
        stream: Stream::Evidence,
        epoch: Epoch(1_000),
        first_sequence,
        last_sequence,
        from_ms: 1,
        to_ms: 2,
        samples: 3,
        events: 4,
        reason: GapReason::SpoolOverflow,
    }
}

fn fact(name: &str, value: &str) -> Fact {
    Fact { name: name.to_owned(), value: value.to_owned() }
}

/// A report that brings one of everything.
fn full(sequence: u64) -> AppliedReport {
    AppliedReport {
        clock_offset_ms: -40,
        agent_version: "0.1.0".to_owned(),
        schemas: vec![(SchemaId([7; 32]), b"schema".to_vec())],
        backup_runs: vec![run("db", 2_000, BackupOutcome::Succeeded)],
        backup_copies: vec![copy(2_000, None)],
        probe_results: vec![probe(2_000, true)],
        facts: vec![fact("os", "Debian 12")],
        gaps: vec![gap(sequence + 1, sequence + 3)],
        ..AppliedReport::empty(host(), key(sequence), [1; 32], 2_000)
    }
}

#[tokio::test]
async fn everything_of_a_report_is_stored_with_the_position() {
    let (_directory, inventory) = open().await;
    let applied = inventory.apply(5, &[full(1)]).await.unwrap();
    assert_eq!(applied, Applied { new: 1, ..Applied::default() });
    assert_eq!(inventory.position().await.unwrap(), 5);

    let detail = inventory.host(&host()).await.unwrap().unwrap();
    assert_eq!(detail.summary.state, crate::HostState::Active);
    assert_eq!(detail.summary.last_report_ms, Some(2_000));
    assert_eq!((detail.summary.clock_offset_ms, detail.summary.epoch), (-40, Epoch(1_000)));
    assert_eq!(detail.facts[0].value, "Debian 12");

    let jobs = inventory.backups(0).await.unwrap();
    let mut stored = run("db", 2_000, BackupOutcome::Succeeded);
    stored.bytes = Some(i64::MAX.unsigned_abs());
    assert_eq!(jobs[0].last_success, Some(stored));
    assert_eq!(jobs[0].copies[0].copy, copy(2_000, None));

    assert_eq!(inventory.probe_results().await.unwrap()[0].result, probe(2_000, true));
    assert_eq!(inventory.gaps(10).await.unwrap()[0].gap, gap(2, 4));
    assert_eq!(inventory.schemas().await.unwrap()[0].bytes, b"schema");
    let ledger = inventory.ledger().await.unwrap();
    assert_eq!(ledger.check(&host(), key(4), &[9; 32], 0), Verdict::Duplicate);
    assert_eq!(ledger.check(&host(), key(5), &[9; 32], 0), Verdict::New);
    assert_eq!(inventory.host(&HostId::new("other").unwrap()).await.unwrap(), None);
}

#[tokio::test]
async fn the_same_batch_again_or_cut_otherwise_changes_nothing() {
    let (_directory, inventory) = open().await;
    inventory.apply(5, &[full(1)]).await.unwrap();
    assert_eq!(inventory.apply(5, &[full(1)]).await.unwrap(), Applied::default());
    assert_eq!(inventory.apply(4, &[full(9)]).await.unwrap(), Applied::default());
    let cut_otherwise = inventory.apply(6, &[full(1), full(5)]).await.unwrap();
    assert_eq!(cut_otherwise, Applied { new: 1, repeated: 1, ..Applied::default() });
    assert_eq!(inventory.backups(0).await.unwrap()[0].runs.len(), 2);
    assert_eq!(inventory.gaps(10).await.unwrap().len(), 2);
    assert_eq!(inventory.position().await.unwrap(), 6);
}

#[tokio::test]
async fn a_failed_batch_leaves_no_trace() {
    let (_directory, inventory) = open().await;
    inventory.apply(1, &[full(1)]).await.unwrap();
    sqlx::query("DROP TABLE facts").execute(&inventory.writer).await.unwrap();
    assert!(inventory.apply(2, &[full(5)]).await.is_err());
    assert_eq!(inventory.position().await.unwrap(), 1);
    assert_eq!(inventory.backups(0).await.unwrap()[0].runs.len(), 1);
    let ledger = inventory.ledger().await.unwrap();
    assert_eq!(ledger.check(&host(), key(5), &[1; 32], 0), Verdict::New);
}

#[tokio::test]
async fn it_is_there_after_a_restart() {
    let (directory, inventory) = open().await;
    inventory.apply(5, &[full(1)]).await.unwrap();
    let before = inventory.backups(0).await.unwrap();
    drop(inventory);
    let again = Inventory::open(&directory.path().join("inventory.sqlite")).await.unwrap();
    assert_eq!(again.position().await.unwrap(), 5);
    assert_eq!(again.backups(0).await.unwrap(), before);
    assert_eq!(again.apply(5, &[full(1)]).await.unwrap(), Applied::default());
}

#[tokio::test]
async fn a_run_that_proves_nothing_is_no_success() {
    let (_directory, inventory) = open().await;
    let mut report = full(1);
    report.backup_runs = vec![
        run("db", 2_000, BackupOutcome::Succeeded),
        run("db", 3_000, BackupOutcome::Unproven),
        run("db", 4_000, BackupOutcome::Empty),
        run("mail", 4_000, BackupOutcome::Failed),
    ];
    inventory.apply(1, &[report]).await.unwrap();
    let jobs = inventory.backups(3_000).await.unwrap();
    let finished = |run: &Option<BackupRun>| run.as_ref().map(|run| run.finished_ms);
    assert_eq!(finished(&jobs[0].last_run), Some(4_000));
    assert_eq!(finished(&jobs[0].last_success), Some(2_000));
    assert_eq!(jobs[0].runs.len(), 2);
    assert_eq!((jobs[1].job.as_str(), finished(&jobs[1].last_success)), ("mail", None));
}

#[tokio::test]
async fn a_failed_or_late_look_never_replaces_what_was_seen() {
    let (_directory, inventory) = open().await;
    let look = async |sequence: u64, copy: BackupCopy| {
        let mut report = AppliedReport::empty(host(), key(sequence), [1; 32], 2_000);
        report.backup_copies.push(copy);
        inventory.apply(sequence, &[report]).await.unwrap();
        inventory.backups(0).await.unwrap().remove(0).copies.remove(0)
    };
    let unseen = look(1, copy(1_000, Some("no such directory"))).await;
    assert_eq!((unseen.copy.observed_ms, unseen.copy.copies), (0, 0));
    assert_eq!(look(2, copy(2_000, None)).await.copy, copy(2_000, None));
    let failed = look(3, copy(3_000, Some("permission denied"))).await;
    assert_eq!((failed.copy.observed_ms, failed.error_ms), (2_000, Some(3_000)));
    assert_eq!(failed.copy.error.as_deref(), Some("permission denied"));
    assert_eq!(look(4, copy(2_500, None)).await, failed, "older than the failure");
    assert_eq!(look(5, copy(4_000, None)).await.error_ms, None);
    assert_eq!(look(6, copy(3_900, Some("late"))).await.copy, copy(4_000, None));
}

#[tokio::test]
async fn facts_are_replaced_withdrawn_and_bounded() {
    let (_directory, inventory) = open().await;
    let most = usize::try_from(FACTS_PER_HOST_MAX).unwrap();
    let mut report = AppliedReport::empty(host(), key(1), [1; 32], 2_000);
    report.facts = (0..=most).map(|at| fact(&format!("fact{at:04}"), "x")).collect();
    let applied = inventory.apply(1, &[report.clone()]).await.unwrap();
    assert_eq!(applied.facts_dropped, 1);
    report.key = key(2);
    report.facts = vec![fact("fact0000", "y"), fact("fact0001", "")];
    assert_eq!(inventory.apply(2, &[report]).await.unwrap().facts_dropped, 0);
    let facts = inventory.host(&host()).await.unwrap().unwrap().facts;
    assert_eq!(facts.len(), most - 1);
    assert_eq!(facts[0].value, "y");
    assert_eq!(facts[1].name, "fact0002");
}

#[tokio::test]
async fn a_hole_that_stays_becomes_one_unexplained_gap() {
    let (_directory, inventory) = open().await;
    let seen =
        |sequence, received_ms| AppliedReport::empty(host(), key(sequence), [1; 32], received_ms);
    inventory.apply(1, &[seen(1, 2_000), seen(4, 2_000)]).await.unwrap();
    assert!(inventory.name_holes(500, 2_500).await.unwrap().is_empty());
    let named = inventory.name_holes(500, 2_501).await.unwrap();
    assert_eq!(named.len(), 1);
    assert_eq!((named[0].gap.first_sequence, named[0].gap.last_sequence), (2, 3));
    assert_eq!(named[0].gap.reason, GapReason::Unexplained);
    assert_eq!(inventory.gaps(10).await.unwrap(), named);
    assert!(inventory.name_holes(500, 9_999).await.unwrap().is_empty());
    let late = inventory.apply(2, &[seen(3, 9_999)]).await.unwrap();
    assert_eq!(late.new, 1, "what comes after all is stored");
}

#[tokio::test]
async fn what_is_past_its_time_is_pruned_and_a_used_schema_stays() {
    let (_directory, inventory) = open().await;
    let mut report = full(1);
    report.schemas.push((SchemaId([8; 32]), b"unused".to_vec()));
    inventory.apply(1, &[report]).await.unwrap();
    let mut later = AppliedReport::empty(host(), key(5), [1; 32], 9_000_000);
    later.schemas_used.push(SchemaId([7; 32]));
    inventory.apply(2, &[later]).await.unwrap();
    let keep = Retention {
        backup_runs_ms: 1_000,
        probe_results_ms: 1_000,
        gaps_ms: 1_000,
        audit_ms: 1_000,
        drills_ms: 1_000,
        metadata_ms: 1_000_000,
        schemas_ms: 1_000_000,
    };
    assert_eq!(inventory.prune(&keep, 9_000_000).await.unwrap(), 4);
    let schemas = inventory.schemas().await.unwrap();
    assert_eq!(schemas.iter().map(|schema| schema.id.0[0]).collect::<Vec<_>>(), [7]);
    assert!(inventory.gaps(10).await.unwrap().is_empty());
    assert_eq!(inventory.backups(0).await.unwrap()[0].last_run, None);
}
