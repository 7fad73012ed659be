//! Asks the kernel how full a file system is, without waiting for one that never answers.
//!
//! statvfs(2) on a dead network file system blocks in the kernel and cannot be broken off, so a thread of its own
//! asks. When it does not answer in time it is left behind, its mount counts as failed, and nobody asks there again
//! until it comes back. Promises: at most `STUCK_MAX` such threads, and at most `WAIT_TOTAL` waited per reading.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread;
use std::time::Duration;

use tracing::warn;

/// A healthy file system answers in microseconds, a disk that must spin up first in seconds: it is then seen as
/// failed for one reading.
const WAIT: Duration = Duration::from_millis(500);
/// What all file systems that do not answer may cost one reading together: little beside the 15 s of a tick.
const WAIT_TOTAL: Duration = Duration::from_millis(2_000);
/// Even when the total is used up, what is healthy gets the time to say so.
const WAIT_LEAST: Duration = Duration::from_millis(20);
/// Threads that hang, each on its mount: more dead mounts than this are not asked at all and count as failed.
const STUCK_MAX: usize = 16;
/// The thread only makes one system call.
const STACK_BYTES: usize = 64 << 10;

/// What a file system says of itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Usage {
    pub size_bytes: f64,
    pub free_bytes: f64,
    /// What others than root may still use.
    pub avail_bytes: f64,
    pub files: f64,
    pub files_free: f64,
}

type Question = dyn Fn(&Path) -> io::Result<Usage> + Send + Sync;

/// Asks one question of many paths, each answered in time or not at all.
pub struct Asker {
    question: Arc<Question>,
    thread: Option<Thread>,
    stuck: Vec<(PathBuf, Thread)>,
    /// How long this reading may still wait for what does not answer.
    patience: Duration,
}

/// A thread that waits for paths and answers each; it ends when its `Thread` is dropped.
struct Thread {
    paths: SyncSender<PathBuf>,
    answers: Receiver<io::Result<Usage>>,
}

impl Asker {
    /// Asks the kernel.
    pub fn of_kernel() -> Self {
        Self::new(statvfs)
    }

    pub fn new(question: impl Fn(&Path) -> io::Result<Usage> + Send + Sync + 'static) -> Self {
        Self { question: Arc::new(question), thread: None, stuck: Vec::new(), patience: WAIT_TOTAL }
    }

    /// Begins a reading: full patience, and threads that have come back are let go.
    pub fn begin(&mut self) {
        self.patience = WAIT_TOTAL;
        self.stuck.retain(|(path, thread)| {
            let back = !matches!(thread.answers.try_recv(), Err(TryRecvError::Empty));
            if back {
                warn!(path = %path.display(), "the file system answers again");
            }
            !back
        });
    }

    /// `None`: it failed, or it does not answer.
    pub fn ask(&mut self, path: &Path) -> Option<Usage> {
        if self.stuck.iter().any(|(stuck, _)| stuck == path) || self.stuck.len() >= STUCK_MAX {
            return None;
        }
        let thread = match self.thread.take() {
            Some(thread) => thread,
            None => Thread::start(Arc::clone(&self.question))?,
        };
        // The queue has room for the one path; a thread that died of it is replaced with the next question.
        thread.paths.try_send(path.to_owned()).ok()?;
        let wait = WAIT.min(self.patience).max(WAIT_LEAST);
        match thread.answers.recv_timeout(wait) {
            Ok(answer) => {
                self.thread = Some(thread);
                answer.ok()
            }
            Err(_) => {
                self.patience = self.patience.saturating_sub(wait);
                warn!(path = %path.display(), "the file system does not answer; it is left alone until it does");
                self.stuck.push((path.to_owned(), thread));
                None
            }
        }
    }
}

impl Thread {
    fn start(question: Arc<Question>) -> Option<Self> {
        let (paths, asked) = sync_channel::<PathBuf>(1);
        let (answer, answers) = sync_channel(1);
        let run = move || {
            while let Ok(path) = asked.recv() {
                if answer.send(question(&path)).is_err() {
                    return;
                }
            }
        };
        let thread = thread::Builder::new().name("filesystem".into()).stack_size(STACK_BYTES);
        match thread.spawn(run) {
            Ok(_detached) => Some(Self { paths, answers }),
            Err(error) => {
                warn!(%error, "cannot start the thread that asks file systems; raise the limit of tasks");
                None
            }
        }
    }
}

/// The real question: statvfs(3).
#[allow(
    clippy::cast_precision_loss,
    clippy::unnecessary_cast,
    clippy::useless_conversion,
    reason = "a metric is a double; the widths of the fields differ between platforms"
)]
fn statvfs(path: &Path) -> io::Result<Usage> {
    let answer = nix::sys::statvfs::statvfs(path)?;
    let block_bytes = answer.fragment_size() as f64;
    Ok(Usage {
        size_bytes: answer.blocks() as f64 * block_bytes,
        free_bytes: answer.blocks_free() as f64 * block_bytes,
        avail_bytes: answer.blocks_available() as f64 * block_bytes,
        files: answer.files() as f64,
        files_free: answer.files_free() as f64,
    })
}
