//! What a place of copies can be asked: which copies lie there, and whether they are sound. One file for each tool.
//! Promises: an answer that cannot be understood is an error, never "no copies".

use std::cmp::Reverse;
use std::path::Path;
use std::time::Duration;

use agent_model::{COPY_ENTRIES_MAX, CopyEntry, Millis, VerificationDepth};

pub(super) mod borg;
mod format;
pub(super) mod mariadb;
pub(super) mod newest_file;
pub(super) mod pgbackrest;
pub(super) mod postgresql;
pub(super) mod program;
pub(super) mod restic;

/// The identity of a copy: the longest tool's takes half of it.
const CONTENT_ID_BYTES_MAX: usize = 512;
/// A reason is for people to read; what a hostile tool answers may be as large as its output.
const REASON_CHARS_MAX: usize = 4_000;

/// One place of copies.
#[derive(Clone, Debug)]
pub(super) enum Tool {
    NewestFile(newest_file::Files),
    Restic(restic::Repository),
    Borg(borg::Repository),
    PgBackRest(pgbackrest::Stanza),
    Postgresql(postgresql::Server),
    MariaDb(mariadb::Replica),
    Program(program::Answering),
}

/// One copy that a look found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// When it was made.
    pub(super) made_ms: Millis,
    pub(super) entry: CopyEntry,
}

/// What a look found, in a few words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) newest_ms: Option<Millis>,
    pub(super) oldest_ms: Option<Millis>,
    pub(super) copies: u64,
    /// The newest first, at most [`COPY_ENTRIES_MAX`].
    pub(super) recent: Vec<CopyEntry>,
}

#[cfg(test)]
pub(super) use format::Format;

impl Tool {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::NewestFile(_) => "newest_file",
            Self::Restic(_) => "restic",
            Self::Borg(_) => "borg",
            Self::PgBackRest(_) => "pgbackrest",
            Self::Postgresql(_) => "postgresql",
            Self::MariaDb(_) => "mariadb",
            Self::Program(_) => "program",
        }
    }

    /// Where the copies lie, as people may see it.
    pub(super) fn location(&self) -> String {
        match self {
            Self::NewestFile(files) => files.location(),
            Self::Restic(repository) => repository.location(),
            Self::Borg(repository) => repository.location(),
            Self::PgBackRest(stanza) => stanza.location(),
            Self::Postgresql(server) => server.location(),
            Self::MariaDb(replica) => replica.location(),
            Self::Program(program) => program.location(),
        }
    }

    /// Looks once. The error says why the copies cannot be seen.
    pub(super) async fn look(&mut self) -> Result<Seen, String> {
        let found = match self {
            Self::NewestFile(files) => files.look().await,
            Self::Restic(repository) => repository.look().await,
            Self::Borg(repository) => repository.look().await,
            Self::PgBackRest(stanza) => stanza.look().await,
            Self::Postgresql(server) => server.look().await,
            Self::MariaDb(replica) => replica.look().await,
            Self::Program(program) => program.look().await,
        };
        found.and_then(within_bounds).map(Seen::of).map_err(shortened)
    }

    /// Verifies what lies there, to one of the depths that its configuration offers.
    pub(super) async fn verify(
        &self,
        depth: VerificationDepth,
        time_limit: Duration,
    ) -> Result<(), String> {
        let verified = match self {
            Self::NewestFile(files) => files.verify(depth, time_limit).await,
            Self::Restic(repository) => repository.verify(depth, time_limit).await,
            Self::Borg(repository) => repository.verify(depth, time_limit).await,
            Self::PgBackRest(stanza) => stanza.verify(time_limit).await,
            Self::Postgresql(_) | Self::MariaDb(_) | Self::Program(_) => {
                Err(format!("{} has no verification {:?}", self.name(), depth.name()))
            }
        };
        verified.map_err(shortened)
    }

    /// Restores the newest copy into an empty directory.
    pub(super) async fn restore(&self, into: &Path, time_limit: Duration) -> Result<(), String> {
        let restored = match self {
            Self::NewestFile(files) => files.restore(into, time_limit).await,
            Self::Restic(repository) => repository.restore(into, time_limit).await,
            _ => Err(format!("{} cannot restore", self.name())),
        };
        restored.map_err(shortened)
    }
}

/// What a tool says goes over the wire: beyond its bounds it would cost the whole report.
fn within_bounds(found: Vec<Found>) -> Result<Vec<Found>, String> {
    let is_long = |copy: &&Found| copy.entry.content_id.len() > CONTENT_ID_BYTES_MAX;
    match found.iter().find(is_long) {
        None => Ok(found),
        Some(_) => Err(format!("the id of a copy is longer than {CONTENT_ID_BYTES_MAX} bytes")),
    }
}

fn shortened(reason: String) -> String {
    match reason.char_indices().nth(REASON_CHARS_MAX) {
        None => reason,
        Some((end, _)) => format!("{} …", &reason[..end]),
    }
}

impl Seen {
    pub(super) fn of(mut found: Vec<Found>) -> Self {
        found.sort_by_key(|copy| Reverse(copy.made_ms));
        Self {
            newest_ms: found.first().map(|copy| copy.made_ms),
            oldest_ms: found.last().map(|copy| copy.made_ms),
            copies: u64::try_from(found.len()).unwrap_or(u64::MAX),
            recent: found.into_iter().take(COPY_ENTRIES_MAX).map(|copy| copy.entry).collect(),
        }
    }

    /// The newest copy; an empty entry when there is none.
    pub(super) fn newest(&self) -> CopyEntry {
        self.recent.first().cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod test_servers;
#[cfg(test)]
mod tests;
