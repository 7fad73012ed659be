//! The drop box with good files, rubbish, tricks and too many files.

use agent_model::BackupOutcome;
use nix::unistd::{Gid, chown};

use super::*;
use crate::source::{Bookmarks, EvidenceMessage};

struct Bench {
    directory: tempfile::TempDir,
    config: Config,
    /// What the spool has of the bookmark.
    kept: std::sync::Mutex<Option<Vec<u8>>>,
}

impl Bench {
    fn new(config: Config) -> Self {
        Self { directory: tempfile::tempdir().unwrap(), config, kept: Default::default() }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("drop-box")
    }

    fn open(&self) -> DropBox {
        DropBox::open(&self.path(), &self.config).unwrap()
    }

    fn bookmark(&self) -> Bookmark {
        let kept = self.kept.lock().unwrap();
        let found = kept.iter().map(|kept| (SOURCE.into(), kept.clone())).collect();
        Bookmarks::new(found, false).take(SOURCE)
    }

    /// One look after a start; the runs that were taken, and how many files were rejected.
    async fn look(&self) -> (Vec<BackupRun>, u64) {
        let mut bookmark = self.bookmark();
        let drop_box = self.open();
        let (sender, mut receiver) = EvidenceSender::channel();
        let spool = tokio::spawn(async move {
            let (mut runs, mut kept) = (Vec::new(), None);
            while let Some(EvidenceMessage { bundle, spooled }) = receiver.recv().await {
                kept = bundle.bookmark.map(|(_, content)| content);
                runs.extend(bundle.evidence.into_iter().map(|piece| match piece {
                    Evidence::BackupRun(run) => run,
                    other => panic!("{other:?}"),
                }));
                spooled.send(()).unwrap();
            }
            (runs, kept)
        });
        let rejected = std::sync::atomic::AtomicU64::new(0);
        let counted = |_, one| {
            rejected.fetch_add(one, std::sync::atomic::Ordering::Relaxed);
        };
        assert!(drop_box.look(&sender, &mut bookmark, &counted).await.unwrap());
        drop(sender);
        let (runs, kept) = spool.await.unwrap();
        if kept.is_some() {
            *self.kept.lock().unwrap() = kept;
        }
        (runs, rejected.into_inner())
    }

    fn reasons(&self) -> Vec<String> {
        let mut reasons: Vec<_> = fs::read_dir(self.path().join("rejected"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "reason"))
            .map(|path| fs::read_to_string(path).unwrap().trim_end().to_owned())
            .collect();
        reasons.sort();
        reasons
    }
}

fn backup(job: &str) -> BackupRun {
    BackupRun {
        job: job.to_owned(),
        tool: "pg_dump".to_owned(),
        started_ms: 10,
        finished_ms: 20,
        outcome: BackupOutcome::Succeeded,
        exit_code: Some(0),
        bytes: Some(1_000),
        files: Some(2),
        content_id: Some("abc".to_owned()),
        detail: "fine".to_owned(),
        reported_by: String::new(),
    }
}

#[tokio::test]
async fn a_result_that_is_handed_over_is_taken_once_with_its_owner() {
    let bench = Bench::new(Config::default());
    bench.open();
    hand_over(&bench.path(), &backup("nightly")).unwrap();
    let me = user_name(nix::unistd::geteuid().as_raw());
    let expected = BackupRun { reported_by: me, ..backup("nightly") };
    assert_eq!(bench.look().await, (vec![expected], 0));
    assert_eq!(bench.look().await, (Vec::new(), 0));
}

#[tokio::test]
async fn a_kill_between_taking_and_removing_does_not_take_a_result_again() {
    let bench = Bench::new(Config::default());
    let drop_box = bench.open();
    hand_over(&bench.path(), &backup("nightly")).unwrap();
    let (sender, mut receiver) = EvidenceSender::channel();
    let mut bookmark = bench.bookmark();
    let counted = |_, _| {};
    let look = drop_box.look(&sender, &mut bookmark, &counted);
    // The spool has it, and the drop box is killed before it hears so.
    let message = tokio::select! {
        _ = look => panic!("it waits for the spool"),
        message = receiver.recv() => message.unwrap(),
    };
    *bench.kept.lock().unwrap() = message.bundle.bookmark.map(|(_, content)| content);
    assert_eq!(bench.open().list().unwrap().len(), 1);
    assert_eq!(bench.look().await, (Vec::new(), 0));
    assert_eq!(bench.open().list().unwrap().len(), 0);
    // The same words in another file are another result.
    hand_over(&bench.path(), &backup("nightly")).unwrap();
    assert_eq!(bench.look().await.0.len(), 1);
}

#[tokio::test]
async fn rubbish_is_moved_aside_with_its_reason() {
    let bench = Bench::new(Config::default());
    bench.open();
    let put = |name: &str, text: &[u8]| fs::write(bench.path().join(name), text).unwrap();
    put("a", b"\xff\x00");
    put("b", br#"{"version": 2, "kind": "backup_run", "job": "j", "tool": "t", "started_ms": 1, "finished_ms": 2, "outcome": "failed"}"#);
    put("c", br#"{"version": 1, "kind": "backup_run", "job": "j", "tool": "t", "started_ms": 1, "finished_ms": 2, "outcome": "succeeded", "exit_code": 0}"#);
    put("d", br#"{"version": 1, "kind": "backup_run", "job": "j", "tool": "t", "started_ms": 3, "finished_ms": 2, "outcome": "failed"}"#);
    put("e", &vec![b' '; 65 << 10]);
    put(".being-written", b"half");
    std::os::unix::fs::symlink("/etc/passwd", bench.path().join("f")).unwrap();
    fs::create_dir(bench.path().join("g")).unwrap();
    assert_eq!(bench.look().await, (Vec::new(), 7));
    let reasons = bench.reasons();
    assert_eq!(reasons.len(), 7, "{reasons:#?}");
    for part in ["plain file", "65", "before it started", "`succeeded` needs", "version 2"] {
        assert!(reasons.iter().any(|reason| reason.contains(part)), "{part}: {reasons:#?}");
    }
    assert!(bench.path().join(".being-written").exists());
    assert_eq!(bench.look().await, (Vec::new(), 0));
}

#[tokio::test]
async fn more_than_the_quota_is_rejected() {
    let bench = Bench::new(Config { files_max: 3, ..Config::default() });
    bench.open();
    (0..5).for_each(|n| hand_over(&bench.path(), &backup(&format!("job {n}"))).unwrap());
    let (runs, rejected) = bench.look().await;
    assert_eq!((runs.len(), rejected), (3, 2));
    let bench = Bench::new(Config { bytes_max: Bytes(300), ..Config::default() });
    bench.open();
    (0..3).for_each(|n| hand_over(&bench.path(), &backup(&format!("job {n}"))).unwrap());
    let (runs, rejected) = bench.look().await;
    assert_eq!((runs.len(), rejected), (1, 2));
    assert_eq!(bench.reasons(), ["the drop box is full", "the drop box is full"]);
}

#[tokio::test]
async fn a_user_reports_only_the_jobs_that_are_named() {
    // Only root can give a file to somebody else; others see the rule itself.
    let users = [("nobody".to_owned(), vec!["allowed".to_owned()])].into();
    let bench = Bench::new(Config { users, ..Config::default() });
    assert!(bench.config.may_report("nobody", "allowed"));
    assert!(!bench.config.may_report("nobody", "other"));
    assert!(!bench.config.may_report("somebody", "allowed"));
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    bench.open();
    for job in ["allowed", "other"] {
        hand_over(&bench.path(), &backup(job)).unwrap();
    }
    let nobody = User::from_name("nobody").unwrap().unwrap();
    for entry in bench.open().list().unwrap() {
        chown(&entry.path, Some(nobody.uid), Some(Gid::from_raw(0))).unwrap();
    }
    let (runs, rejected) = bench.look().await;
    let told: Vec<_> =
        runs.iter().map(|run| (run.job.as_str(), run.reported_by.as_str())).collect();
    assert_eq!((told, rejected), (vec![("allowed", "nobody")], 1));
}

#[tokio::test]
async fn only_so_many_rejected_files_are_kept() {
    let bench = Bench::new(Config::default());
    bench.open();
    for n in 0..REJECTED_FILES_MAX + 20 {
        fs::write(bench.path().join(format!("{n:04}")), b"rubbish").unwrap();
    }
    bench.look().await;
    let kept = fs::read_dir(bench.path().join("rejected")).unwrap().count();
    assert_eq!(kept, REJECTED_FILES_MAX * 2);
}
