//! Samples sent on to other systems by remote write: the way out.
//!
//! The queue is the journal itself, read behind a position that is stored when the target has taken everything before it:
//! nothing is written twice, and what a crash leaves is sent again. A target is no view: it reads what it needs when it can,
//! so a target that hangs holds up nobody, and what is kept for it is bounded.
//!
//! Map: `config` · `read` the journal to requests · `request` one request and its answer · `connections` its certificates · `deliver` a batch · `queue` the
//! bound · `sender` the task of a target · `position` its file · `progress` what others see of it · `told` what is logged.

mod back_off;
pub mod config;
mod connections;
mod deliver;
mod position;
mod progress;
mod queue;
mod read;
mod request;
mod sender;
mod told;

#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use agent_model::{Problem, Problems};
use collector_journal::{Journal, Position};
use prometheus::Registry;
use tokio::sync::watch;
use tokio::task::JoinSet;

use config::Target;
use connections::ClientError;
use position::PositionFile;
use progress::Figures;
use read::Reading;
use request::Http;
use sender::Sender;

use crate::feed::FeedError;
use crate::schemas::Schemas;

pub(crate) use position::furthest;
pub use progress::{Health, Progress};

/// Below the state directory: one file for each target.
pub(crate) const DIRECTORY: &str = "outward";

/// The targets as the rest of the collector sees them; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Outward(Arc<[Arc<Progress>]>);

#[derive(Debug, thiserror::Error)]
pub enum OutwardError {
    #[error("how far remote write targets have come cannot be read or written in {path}")]
    Position {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the remote write target {target} cannot be set up")]
    Client {
        target: String,
        #[source]
        source: ClientError,
    },
    #[error("the metrics of remote write targets cannot be registered")]
    Metrics(#[from] prometheus::Error),
}

/// What sending needs of the collector.
pub struct Sources {
    pub journal: Journal,
    pub schemas: Schemas,
    pub state_dir: PathBuf,
    /// Free space that ingest needs.
    pub reserve_bytes: u64,
}

impl Outward {
    /// Starts a task for each target, from where it had come.
    pub fn start(
        targets: &[Target],
        sources: &Sources,
        registry: &Registry,
        tasks: &mut JoinSet<Result<(), FeedError>>,
        stop: &watch::Receiver<bool>,
    ) -> Result<Self, OutwardError> {
        let directory = sources.state_dir.join(DIRECTORY);
        open_directory(&directory, targets)?;
        let figures = Figures::new(registry)?;
        let mut all = Vec::with_capacity(targets.len());
        for target in targets {
            let sender = sender(target, sources, &directory, &figures)?;
            all.push(Arc::clone(&sender.progress));
            let stop = stop.clone();
            tasks.spawn(async move {
                sender.run(stop).await;
                Ok(())
            });
        }
        Ok(Self(all.into()))
    }

    /// Records up to this one are no longer needed by any target; `None` without targets.
    pub fn stored(&self) -> Option<Position> {
        self.0.iter().map(|target| target.stored()).min()
    }

    pub fn targets(&self) -> impl Iterator<Item = &Progress> {
        self.0.iter().map(AsRef::as_ref)
    }
}

/// What is wrong with the files that targets name.
pub fn check(targets: &[Target]) -> Problems {
    // A client is made with it; a second provider is refused and the first stays.
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let wrong = |target: &Target| {
        let files = Http::new(&Arc::new(target.clone())).err();
        let all = files.into_iter().chain(request::check_secret(target).err());
        all.map(|error| {
            let message =
                format!("remote write target {}: {}", target.name, crate::describe(&error));
            Problem { file: "collector.yml".into(), line: None, message }
        })
        .collect::<Vec<_>>()
    };
    Problems(targets.iter().flat_map(wrong).collect())
}

fn open_directory(directory: &Path, targets: &[Target]) -> Result<(), OutwardError> {
    let names: Vec<String> = targets.iter().map(|target| target.name.clone()).collect();
    let opened = std::fs::create_dir_all(directory);
    let forgotten = opened.and_then(|()| position::forget_others(directory, &names));
    let path = directory.to_owned();
    let forgotten = forgotten.map_err(|source| OutwardError::Position { path, source })?;
    for target in forgotten {
        tracing::info!(target, "no longer a remote write target; how far it had come is forgotten");
    }
    Ok(())
}

/// Where a target goes on, and what its file says of it. A file that cannot be read or written stops nobody: what cannot be
/// known is sent again.
fn take_up(file: &PositionFile, journal: &Journal) -> (Position, Position) {
    let path = file.path().display();
    match file.read() {
        Ok(Some(position)) => (position, position),
        Ok(None) => {
            // A new target gets what arrives from now on.
            let position = journal.durable();
            match file.write(position) {
                Ok(()) => (position, position),
                Err(error) => {
                    tracing::error!(%path, %error, "how far a target has come cannot be stored");
                    (position, Position::default())
                }
            }
        }
        Err(error) => {
            tracing::error!(%path, %error, "how far a target has come is not known: all is sent again");
            (Position(journal.first().0.saturating_sub(1)), Position::default())
        }
    }
}

fn sender(
    target: &Target,
    sources: &Sources,
    directory: &Path,
    figures: &Figures,
) -> Result<Sender, OutwardError> {
    let file = PositionFile::new(directory, &target.name);
    let (position, written) = take_up(&file, &sources.journal);
    let target = Arc::new(target.clone());
    let http = Http::new(&target);
    let name = || target.name.clone();
    let http = http.map_err(|source| OutwardError::Client { target: name(), source })?;
    let progress = Arc::new(Progress::new(&target.name, position, written, figures.clone()));
    let (journal, schemas) = (sources.journal.clone(), sources.schemas.clone());
    let reading =
        Reading::new(journal.clone(), schemas, Arc::clone(&target), Arc::clone(&progress));
    let reserve_bytes = sources.reserve_bytes;
    let reading = Arc::new(Mutex::new(reading));
    let bound_interval = sender::BOUND_INTERVAL;
    Ok(Sender { target, journal, reading, http, progress, file, reserve_bytes, bound_interval })
}
