//! The seams between the sources and the rest of the agent.
//!
//! A metric source is read at every tick. An evidence source is a task that hands evidence over together with the
//! place it has come to ([`Bookmark`]), and waits until both are on the disk: a kill neither loses nor repeats.
//! A source knows no schedule but its own, no spool and no network.

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use agent_model::{
    BackupCopy, BackupRun, Event, Fact, Millis, ProbeResult, ScrapeTargets, TargetMetadata,
};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

mod bookmark;
mod reading;
mod texts;
mod told;

pub use bookmark::{Bookmark, Bookmarks};
pub use reading::Reading;
pub(crate) use texts::Texts;
pub(crate) use told::{Teller, Told, carry as carry_told};

/// Messages waiting for the spool: a source that writes faster than the disk waits.
const EVIDENCE_MESSAGES_MAX: usize = 64;

/// Reads one group of metrics; named as the node_exporter collector whose metrics it yields.
///
/// It is read on a thread that may block; while it hangs there it is not read again. An error takes back what this read had added, and yields
/// `node_scrape_collector_success 0`; having nothing to report is not an error.
pub trait MetricSource: Send {
    fn name(&self) -> &'static str;

    /// The `job` label of its series.
    fn job(&self) -> &'static str {
        "node"
    }

    fn read(&mut self, now_ms: Millis, out: &mut Reading) -> Result<(), SourceError>;
}

/// Why a source could not be read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    #[error("{} cannot be read", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{} is not as expected: {reason}", path.display())]
    Content { path: PathBuf, reason: String },
    #[error("{operation} failed")]
    Operation {
        operation: String,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Where the host's files are; tests and containers give other places.
#[derive(Clone, Debug)]
pub struct HostRoot {
    /// `/proc`
    pub proc: PathBuf,
    /// `/sys`
    pub sys: PathBuf,
    /// `/`, for everything else.
    pub root: PathBuf,
}

impl Default for HostRoot {
    fn default() -> Self {
        Self { proc: "/proc".into(), sys: "/sys".into(), root: "/".into() }
    }
}

/// What a source may hand over.
#[derive(Clone, Debug)]
pub enum Evidence {
    Event(Event),
    BackupRun(BackupRun),
    BackupCopy(BackupCopy),
    ProbeResult(ProbeResult),
    Facts(Vec<Fact>),
    Metadata(TargetMetadata),
    Targets(ScrapeTargets),
}

/// Evidence, and where its source stands behind it: on the disk there are both or neither.
#[derive(Clone, Debug, Default)]
pub struct Bundle {
    pub evidence: Vec<Evidence>,
    /// The source and its place, for a source that has one.
    pub bookmark: Option<(Arc<str>, Vec<u8>)>,
}

/// A bundle on its way to the spool; `spooled` is answered when all of it is on the disk.
#[derive(Debug)]
pub struct EvidenceMessage {
    pub bundle: Bundle,
    pub spooled: oneshot::Sender<()>,
}

/// The way from the sources to the spool.
#[derive(Clone, Debug)]
pub struct EvidenceSender(mpsc::Sender<EvidenceMessage>);

/// The agent stops and may not have taken it: the bookmark stays where it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the agent is stopping")]
pub struct Stopping;

impl EvidenceSender {
    /// The two ends of a bounded queue.
    pub fn channel() -> (Self, mpsc::Receiver<EvidenceMessage>) {
        let (sender, receiver) = mpsc::channel(EVIDENCE_MESSAGES_MAX);
        (Self(sender), receiver)
    }

    /// Hands over what no bookmark stands behind, and waits until it is on the disk.
    /// While the disk is full this waits, which is the back-pressure.
    pub async fn spool(&self, evidence: Vec<Evidence>) -> Result<(), Stopping> {
        self.hand_over(Bundle { evidence, bookmark: None }).await
    }

    /// The same for a source with a place of its own: the bookmark moves in the same write as the evidence, which
    /// may be none. All of it must fit into one report.
    pub async fn spool_to(
        &self,
        evidence: Vec<Evidence>,
        bookmark: &mut Bookmark,
        content: Vec<u8>,
    ) -> Result<(), Stopping> {
        let moved = Some((bookmark.source(), content.clone()));
        self.hand_over(Bundle { evidence, bookmark: moved }).await?;
        bookmark.set(content);
        Ok(())
    }

    async fn hand_over(&self, bundle: Bundle) -> Result<(), Stopping> {
        let (spooled, wait) = oneshot::channel();
        self.0.send(EvidenceMessage { bundle, spooled }).await.map_err(|_| Stopping)?;
        wait.await.map_err(|_| Stopping)
    }
}

/// What a group of sources is given to work with.
#[derive(Clone, Debug)]
pub struct SourceContext {
    pub root: HostRoot,
    /// A directory of this group alone, for what is too large for a bookmark; it exists.
    pub state_dir: PathBuf,
    pub evidence: EvidenceSender,
    /// Where each source stood when the agent started.
    pub bookmarks: Bookmarks,
    /// Cancelled when the agent stops: persist and return.
    pub shutdown: CancellationToken,
}

pub type SourceTask = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What a group of sources consists of: what is read at a tick, and what runs by itself.
#[derive(Default)]
pub struct SourceGroup {
    pub metrics: Vec<Box<dyn MetricSource>>,
    pub tasks: Vec<SourceTask>,
}
