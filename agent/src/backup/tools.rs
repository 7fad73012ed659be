//! What a place of copies can be asked: which copies lie there, and whether they are sound. One file for each tool.
//! Promises: an answer that cannot be understood is an error, never "no copies".

use std::cmp::Reverse;
use std::time::Duration;

use agent_model::{COPY_ENTRIES_MAX, CopyEntry, Millis, VerificationDepth};

pub(super) mod newest_file;
pub(super) mod restic;

/// One place of copies.
#[derive(Clone, Debug)]
pub(super) enum Tool {
    NewestFile(newest_file::Files),
    Restic(restic::Repository),
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

impl Tool {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::NewestFile(_) => "newest_file",
            Self::Restic(_) => "restic",
        }
    }

    /// Where the copies lie, as people may see it.
    pub(super) fn location(&self) -> String {
        match self {
            Self::NewestFile(files) => files.location(),
            Self::Restic(repository) => repository.location(),
        }
    }

    /// Looks once. The error says why the copies cannot be seen.
    pub(super) async fn look(&mut self) -> Result<Seen, String> {
        let found = match self {
            Self::NewestFile(files) => files.look().await,
            Self::Restic(repository) => repository.look().await,
        };
        found.map(Seen::of)
    }

    /// Verifies what lies there, to one of the depths that its configuration offers.
    pub(super) async fn verify(
        &self,
        depth: VerificationDepth,
        time_limit: Duration,
    ) -> Result<(), String> {
        match self {
            Self::NewestFile(_) => Err(format!("files have no verification {:?}", depth.name())),
            Self::Restic(repository) => repository.verify(depth, time_limit).await,
        }
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
mod tests {
    use super::*;

    #[test]
    fn the_newest_copies_are_kept_in_order_and_all_are_counted() {
        let found = |made_ms: Millis| {
            let entry = CopyEntry { content_id: made_ms.to_string(), ..CopyEntry::default() };
            Found { made_ms, entry }
        };
        let seen = Seen::of([5, 9].into_iter().chain(10..50).map(found).collect());
        assert_eq!((seen.newest_ms, seen.oldest_ms, seen.copies), (Some(49), Some(5), 42));
        assert_eq!((seen.recent.len(), seen.newest().content_id.as_str()), (32, "49"));
        assert_eq!(Seen::of(Vec::new()), Seen::default());
    }
}
