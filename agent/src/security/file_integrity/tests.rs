//! The source against real files and the real inotify.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use agent_yaml::{At, Duration as Length, Place};
use tempfile::TempDir;
use tokio::sync::mpsc::Receiver;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::source::{Bookmarks, EvidenceMessage, EvidenceSender};

const DEADLINE: Duration = Duration::from_secs(30);

/// A host with some files, and what the source says about them.
struct Host {
    dir: TempDir,
    config: Config,
    context: SourceContext,
    receiver: Receiver<EvidenceMessage>,
    status: Arc<Status>,
    /// What the spool has of the bookmark.
    kept: Option<Vec<u8>>,
}

impl Host {
    fn new(paths: &[&str]) -> Self {
        let dir = TempDir::new().unwrap();
        for directory in ["state", "etc", "var/www"] {
            fs::create_dir_all(dir.path().join(directory)).unwrap();
        }
        fs::write(dir.path().join("etc/passwd"), "root\n").unwrap();
        let (evidence, receiver) = EvidenceSender::channel();
        let context = SourceContext {
            root: HostRoot { root: dir.path().to_owned(), ..HostRoot::default() },
            state_dir: dir.path().join("state"),
            evidence,
            bookmarks: Bookmarks::default(),
            shutdown: CancellationToken::new(),
        };
        let path = |path: &&str| At { value: (*path).to_owned(), place: Place::default() };
        let config = Config { paths: paths.iter().map(path).collect(), ..Config::default() };
        Self { dir, config, context, receiver, status: Arc::default(), kept: None }
    }

    fn at(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    fn spawn(&self) -> JoinHandle<()> {
        let found = self.kept.iter().map(|kept| (SOURCE.into(), kept.clone())).collect();
        let bookmarks = Bookmarks::new(found, false);
        let context = SourceContext { bookmarks, ..self.context.clone() };
        tokio::spawn(watch(self.config.clone(), context, Clock, Arc::clone(&self.status)))
    }

    /// Starts and waits until the baseline of the first look is there.
    async fn start(&self) -> JoinHandle<()> {
        let baseline = self.at("state/file_integrity.json");
        let task = self.spawn();
        tokio::time::timeout(DEADLINE, async {
            while !baseline.exists() || self.status.files.load(Ordering::Relaxed) == 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await
        .unwrap();
        task
    }

    /// The next events, as `file_modified /etc/passwd`.
    async fn next(&mut self) -> Vec<String> {
        let (shown, spooled) = self.unanswered().await;
        spooled.send(()).unwrap();
        shown
    }

    /// The same, kept by the spool, and the source does not hear of it yet.
    async fn unanswered(&mut self) -> (Vec<String>, tokio::sync::oneshot::Sender<()>) {
        let received = tokio::time::timeout(DEADLINE, self.receiver.recv()).await;
        let message = received.unwrap().unwrap();
        let shown = message.bundle.evidence.iter().map(|evidence| {
            let Evidence::Event(event) = evidence else { panic!("{evidence:?}") };
            let file = event.fields.get(fields::TARGET_FILENAME).map_or("", String::as_str);
            format!("{} {file}", event.fields[fields::EVENT_TYPE])
        });
        let shown = shown.collect();
        self.kept = message.bundle.bookmark.map(|(_, content)| content);
        (shown, message.spooled)
    }

    /// Events up to and with this one.
    async fn until(&mut self, wanted: &str) {
        loop {
            let events = self.next().await;
            if events.iter().any(|event| event == wanted) {
                return;
            }
            // A file is created empty and written after; both may be seen.
            let name = wanted.split_once(' ').unwrap().1;
            assert!(events.iter().all(|event| event.ends_with(name)), "{events:?}");
        }
    }
}

#[tokio::test]
async fn changes_are_told_as_they_happen() {
    let mut host = Host::new(&["/etc/passwd", "/etc/new", "/var/www"]);
    let task = host.start().await;
    fs::write(host.at("etc/passwd"), "root\neve\n").unwrap();
    host.until("file_modified /etc/passwd").await;
    fs::write(host.at("etc/other"), "not watched").unwrap();
    fs::write(host.at("etc/new"), "x").unwrap();
    host.until("file_created /etc/new").await;
    fs::set_permissions(host.at("etc/passwd"), fs::Permissions::from_mode(0o666)).unwrap();
    host.until("file_permission_changed /etc/passwd").await;
    fs::create_dir_all(host.at("var/www/up/loads")).unwrap();
    fs::write(host.at("var/www/up/loads/x.php"), "<?php").unwrap();
    host.until("file_created /var/www/up/loads/x.php").await;
    fs::remove_dir_all(host.at("var/www/up")).unwrap();
    host.until("file_deleted /var/www/up/loads/x.php").await;
    // A directory that was made anew is watched again.
    fs::create_dir_all(host.at("var/www/up/loads")).unwrap();
    fs::write(host.at("var/www/up/loads/x.php"), "<?php").unwrap();
    host.until("file_created /var/www/up/loads/x.php").await;
    host.context.shutdown.cancel();
    tokio::time::timeout(DEADLINE, task).await.unwrap().unwrap();
}

#[tokio::test]
async fn changes_while_the_agent_was_down_are_told_at_its_start_and_new_paths_are_no_news() {
    let mut host = Host::new(&["/etc/passwd"]);
    fs::write(host.at("etc/group"), "root\n").unwrap();
    let task = host.start().await;
    task.abort();
    task.await.unwrap_err();
    fs::write(host.at("etc/passwd"), "root\neve\n").unwrap();
    host.config.paths.push(At { value: "/etc/group".to_owned(), place: Place::default() });
    let task = host.start().await;
    // Killed before the spool had it: told again.
    tokio::time::timeout(DEADLINE, host.receiver.recv()).await.unwrap().unwrap();
    task.abort();
    task.await.unwrap_err();
    let task = host.start().await;
    // Killed when the spool had it, and before the file of the baseline did: not told again.
    let (told, _unanswered) = host.unanswered().await;
    assert_eq!(told, ["file_modified /etc/passwd"]);
    task.abort();
    task.await.unwrap_err();
    let _task = host.start().await;
    fs::remove_file(host.at("etc/passwd")).unwrap();
    assert_eq!(host.next().await, ["file_deleted /etc/passwd"]);
}

#[tokio::test]
async fn of_many_changes_each_batch_is_told_once_over_a_kill_between_them() {
    const FILES: usize = BATCH_EVENTS_MAX * 4 + 5;
    let mut host = Host::new(&["/var/www"]);
    let name = |number: usize| format!("var/www/{number:04}");
    (0..FILES).for_each(|number| fs::write(host.at(&name(number)), "1").unwrap());
    let task = host.start().await;
    task.abort();
    task.await.unwrap_err();
    (0..FILES).for_each(|number| fs::write(host.at(&name(number)), "22").unwrap());
    let mut told = Vec::new();
    for _ in 0..2 {
        let task = host.spawn();
        told.extend(host.next().await);
        let (events, _unanswered) = host.unanswered().await;
        told.extend(events);
        task.abort();
        drop(task.await);
    }
    let _task = host.spawn();
    while told.len() < FILES {
        told.extend(host.next().await);
    }
    let expected: Vec<_> = (0..FILES).map(|n| format!("file_modified /{}", name(n))).collect();
    told.sort();
    assert_eq!(told, expected);
}

#[tokio::test]
async fn a_sweep_reads_the_content_again() {
    let mut host = Host::new(&["/etc/passwd"]);
    host.config.sweep_interval = Length::from_secs(1);
    let task = host.start().await;
    task.abort();
    task.await.unwrap_err();
    // As if the content had changed behind the file system's back: the baseline has another hash.
    let file = host.at("state/file_integrity.json");
    let text = fs::read_to_string(&file).unwrap();
    let (before, after) = text.split_once("\"hash\":\"").unwrap();
    fs::write(&file, format!("{before}\"hash\":\"{}{}", "0".repeat(64), &after[64..])).unwrap();
    let _task = host.start().await;
    assert_eq!(host.next().await, ["file_modified /etc/passwd"]);
    assert!(host.status.swept_ms.load(Ordering::Relaxed) > 0);
}

#[tokio::test]
async fn a_damaged_baseline_is_told() {
    let mut host = Host::new(&["/etc/passwd"]);
    fs::write(host.at("state/file_integrity.json"), "{").unwrap();
    let task = host.spawn();
    let (told, _unanswered) = host.unanswered().await;
    assert_eq!(told, ["file_baseline_lost "]);
    // Killed before there was a new one: it is not told again, and changes from now on are.
    task.abort();
    drop(task.await);
    let _task = host.start().await;
    fs::write(host.at("etc/passwd"), "eve\n").unwrap();
    assert_eq!(host.next().await, ["file_modified /etc/passwd"]);
}

#[tokio::test]
async fn an_overflow_of_the_kernels_queue_looks_at_everything() {
    let host = Host::new(&["/etc/passwd"]);
    let mut watcher = Watcher::new();
    assert_eq!(watcher.take(), Some(std::collections::BTreeSet::new()));
    watcher.overflow();
    tokio::time::timeout(DEADLINE, watcher.changed()).await.unwrap();
    assert_eq!(watcher.take(), None);
    drop(host);
}

#[test]
fn files_beyond_the_bound_are_counted() {
    let host = Host::new(&["/var/www"]);
    for name in ["a", "b", "c"] {
        fs::write(host.at("var/www").join(name), name).unwrap();
    }
    let www = host.at("var/www").display().to_string();
    let scope = Scope::new(&[www], &[], 8, 2);
    let baseline = Baseline::default();
    let mut work =
        Work { scope, known_scope: None, baseline, file_bytes_max: 100, changes: Vec::new() };
    let found = work.look_at_all();
    assert_eq!((work.changes.len(), found.skipped), (2, 1));
    // A change of a file that found no room changes nothing.
    work.look_at(&[host.at("var/www/c")]);
    assert_eq!(work.changes.len(), 2);
}
