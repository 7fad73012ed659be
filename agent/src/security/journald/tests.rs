//! A real journal file, made by systemd's own tool, read by the real journalctl.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use tempfile::TempDir;
use tokio::sync::mpsc::Receiver;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::security::fields;
use crate::source::{Bookmarks, EvidenceMessage, EvidenceSender, HostRoot};

const DEADLINE: Duration = Duration::from_secs(30);
const MAKER: &str = "/lib/systemd/systemd-journal-remote";

/// Appends entries in the journal's export format; `None` when the tool is not installed.
fn append(journal: &Path, entries: &[(&str, &str)]) -> Option<()> {
    let already = std::fs::metadata(journal).map_or(0, |metadata| metadata.len());
    append_at(journal, 1_795_273_200_000_000 + already, entries)
}

/// The same at a time, in microseconds.
fn append_at(journal: &Path, micros: u64, entries: &[(&str, &str)]) -> Option<()> {
    use std::process::{Command, Stdio};
    let mut command = Command::new(MAKER);
    command.arg("--output").arg(journal).arg("-").stdin(Stdio::piped()).stderr(Stdio::null());
    let mut maker = command.spawn().ok()?;
    let mut text = String::new();
    for (at, (program, message)) in entries.iter().enumerate() {
        let micros = micros + at as u64;
        text.push_str(&format!(
            "__REALTIME_TIMESTAMP={micros}\n__MONOTONIC_TIMESTAMP={micros}\n_BOOT_ID={:032x}\n\
             SYSLOG_IDENTIFIER={program}\n_PID=7\nMESSAGE={message}\n\n",
            7
        ));
    }
    maker.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    assert!(maker.wait().unwrap().success());
    Some(())
}

fn context(dir: &TempDir) -> (SourceContext, Receiver<EvidenceMessage>) {
    let (evidence, receiver) = EvidenceSender::channel();
    let (root, state_dir) = (HostRoot::default(), dir.path().to_owned());
    let (bookmarks, shutdown) = (Bookmarks::default(), CancellationToken::new());
    (SourceContext { root, state_dir, evidence, bookmarks, shutdown }, receiver)
}

fn journal(file: &Path) -> Journal {
    let identifiers = vec!["sshd".to_owned(), "sudo".to_owned()];
    Journal { program: "journalctl".into(), identifiers, files: vec![file.to_owned()] }
}

/// Receives evidence until so many events are there, and keeps the bookmark; the source hears of it, or is killed
/// before it does.
async fn receive(
    receiver: &mut Receiver<EvidenceMessage>,
    kept: &mut Option<Vec<u8>>,
    events: usize,
    answered: bool,
) -> Vec<String> {
    let mut found = Vec::new();
    loop {
        let received = tokio::time::timeout(DEADLINE, receiver.recv()).await;
        let message = received.unwrap().unwrap();
        for evidence in &message.bundle.evidence {
            let Evidence::Event(event) = evidence else { panic!("{evidence:?}") };
            found.push(event.fields[fields::EVENT_TYPE].clone());
        }
        *kept = message.bundle.bookmark.map(|(_, content)| content);
        if answered {
            message.spooled.send(()).unwrap();
        }
        if found.len() >= events {
            return found;
        }
    }
}

#[tokio::test]
async fn a_real_journal_is_followed_from_its_cursor() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("remote.journal");
    let accepted = ("sshd", "Accepted password for alice from 192.0.2.1 port 4022 ssh2");
    let failed = ("sshd", "Failed password for root from 192.0.2.1 port 4022 ssh2");
    let other = ("cron", "not asked for");
    if append(&file, &[("sshd", "before the first start")]).is_none() {
        println!("left out: {MAKER} is not installed");
        return;
    }
    let (context, mut receiver) = context(&dir);
    let status = Status::new(Path::new("journald"));
    let start = |kept: &Option<Vec<u8>>| {
        let found = kept.iter().map(|kept| (SOURCE.into(), kept.clone())).collect();
        let context = SourceContext { bookmarks: Bookmarks::new(found, false), ..context.clone() };
        tokio::spawn(follow(journal(&file), context, Arc::clone(&status)))
    };
    let mut kept = None;
    let task = start(&kept);
    // A first start tells where it begins.
    assert_eq!(receive(&mut receiver, &mut kept, 0, true).await, [""; 0]);
    append(&file, &[accepted, other, failed]).unwrap();
    // Killed before the spool has it: the next start hands the same entries over.
    let mut lost = None;
    let first = receive(&mut receiver, &mut lost, 2, true).await;
    task.abort();
    let task = start(&kept);
    assert_eq!(receive(&mut receiver, &mut kept, 2, false).await, first);
    assert_eq!(first, [fields::SSH_LOGIN_SUCCEEDED, fields::SSH_LOGIN_FAILED]);
    // Killed when the spool had it and the source had not heard of it: they do not come again.
    task.abort();
    let task = start(&kept);
    append(&file, &[accepted]).unwrap();
    let next = receive(&mut receiver, &mut kept, 1, true).await;
    assert_eq!(next, [fields::SSH_LOGIN_SUCCEEDED]);
    assert!(status.readable.load(Ordering::Relaxed));
    context.shutdown.cancel();
    tokio::time::timeout(DEADLINE, task).await.unwrap().unwrap();
}

#[tokio::test]
async fn the_journal_and_the_log_take_turns_and_no_line_is_lost() {
    const START: u64 = 1_795_273_200;
    let dir = TempDir::new().unwrap();
    let (file, log) = (dir.path().join("remote.journal"), dir.path().join("auth.log"));
    let line = |name: &str| format!("Accepted password for {name} from 192.0.2.1 port 4022 ssh2");
    let put = |second: u64, name: &str| {
        append_at(&file, (START + second) * 1_000_000, &[("sshd", &line(name))])
    };
    if put(0, "before").is_none() {
        println!("left out: {MAKER} is not installed");
        return;
    }
    let (context, mut receiver) = context(&dir);
    let status = Status::new(Path::new("journald"));
    let (journal, context_there, status_there) = (journal(&file), context.clone(), status.clone());
    let logs = vec![log.clone()];
    let _task = tokio::spawn(async move {
        let gone_after = Duration::from_millis(50);
        fallback::take_turns(&logs, &journal, &context_there, &status_there, gone_after).await
    });
    let mut kept = None;
    receive(&mut receiver, &mut kept, 0, true).await;
    put(10, "journal").unwrap();
    assert_eq!(receive(&mut receiver, &mut kept, 1, true).await, [fields::SSH_LOGIN_SUCCEEDED]);
    let written = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(START + 30);
    std::fs::File::create(&log).unwrap().set_modified(written).unwrap();
    receive(&mut receiver, &mut kept, 0, true).await;
    assert_eq!(kept.as_deref(), Some(&b"logs"[..]));
    assert!(status.idle.load(Ordering::Relaxed));
    // Told by the log while it is there, hence not by the journal.
    put(20, "log").unwrap();
    std::fs::remove_file(&log).unwrap();
    receive(&mut receiver, &mut kept, 0, true).await;
    assert_eq!(kept, Some(format!("since=@{}", START + 29).into_bytes()));
    put(40, "after").unwrap();
    let received = tokio::time::timeout(DEADLINE, receiver.recv()).await.unwrap().unwrap();
    let [Evidence::Event(event)] = &received.bundle.evidence[..] else { panic!("{received:?}") };
    assert!(event.message.contains(&line("after")), "{}", event.message);
    context.shutdown.cancel();
}

#[tokio::test]
async fn a_missing_journalctl_and_a_missing_journal_are_told() {
    let dir = TempDir::new().unwrap();
    let (context, _receiver) = context(&dir);
    let status = Status::new(Path::new("journald"));
    let mut journal = journal(&dir.path().join("none.journal"));
    let mut bookmark = context.bookmarks.take(SOURCE);
    let never = CancellationToken::new();
    let missing = journal.follow_once(&context, &mut bookmark, &status, &never).await.unwrap_err();
    assert!(matches!(missing, JournalError::Ended { .. }), "{missing:?}");
    journal.program = "/nonexistent/journalctl".into();
    let missing = journal.follow_once(&context, &mut bookmark, &status, &never).await.unwrap_err();
    assert!(missing.to_string().contains("cannot be run"), "{missing}");
    assert!(!status.readable.load(Ordering::Relaxed));
}
