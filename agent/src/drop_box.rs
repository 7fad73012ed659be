//! The drop box: a directory in which other users of the host hand results over as files, by atomic rename.
//!
//! The owner of a file is who reported it, and may report only the jobs that the configuration names for that user.
//! Rubbish is moved to `rejected/` with its reason. A result is taken once: the spool keeps with it which file it was,
//! so that a kill before the file is removed does not take it again.

mod contract;
mod taken;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use agent_model::{BackupRun, Problem};
use agent_yaml::{Bytes, Document, Entries};
use deserr::Deserr;
use nix::fcntl::OFlag;
use nix::unistd::{Uid, User};
use tokio_util::sync::CancellationToken;

use self::taken::{FileId, Taken};
use crate::files::sync_directory;
use crate::source::{Bookmark, Evidence, EvidenceSender};
use crate::watch::Watch;

/// The name of its bookmark.
pub(crate) const SOURCE: &str = "drop_box";

/// One result: the last lines of a command's errors fit many times over.
const FILE_BYTES_MAX: u64 = 64 << 10;

/// Rejected files that are kept for people to look at; older ones are removed.
const REJECTED_FILES_MAX: usize = 100;

/// How often the directory is looked into although the kernel reported nothing.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

/// Everybody may put a file in, nobody else may list the directory or touch another's file.
const DIRECTORY_MODE: u32 = 0o1733;

/// The `drop_box` section of `agent.yml`.
#[derive(Clone, Debug, Deserr)]
#[deserr(deny_unknown_fields)]
pub struct Config {
    /// Files that may wait at once; more are rejected.
    #[deserr(default = Config::default().files_max)]
    pub files_max: usize,
    /// What the waiting files may hold together.
    #[deserr(default = Config::default().bytes_max)]
    pub bytes_max: Bytes,
    /// Which jobs a user may report; `*` stands for all. Root and the agent's own user may report any.
    #[deserr(default)]
    pub users: Entries<Vec<String>>,
}

impl Default for Config {
    fn default() -> Self {
        Self { files_max: 1_000, bytes_max: Bytes(8 << 20), users: Entries::default() }
    }
}

impl Config {
    /// Adds what is wrong across the keys of this section.
    pub fn check(&self, _document: &Document, _problems: &mut Vec<Problem>) {}

    fn may_report(&self, user: &str, job: &str) -> bool {
        let jobs = self.users.get(user);
        jobs.is_some_and(|jobs| jobs.iter().any(|allowed| allowed == "*" || allowed == job))
    }
}

/// Why a result could not be handed over.
#[derive(Debug, thiserror::Error)]
pub enum DropBoxError {
    #[error("the result cannot be written as JSON")]
    Encode(#[source] serde_json::Error),
    #[error("{} cannot be written; may this user write to the drop box?", path.display())]
    Write {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

/// Hands a backup run to the agent: written beside, synced, then renamed into `directory`. The agent takes it
/// when it runs.
pub fn hand_over(directory: &Path, run: &BackupRun) -> Result<(), DropBoxError> {
    let bytes = contract::encode(run).map_err(DropBoxError::Encode)?;
    let mut random = [0; 8];
    // Without random bytes the times alone tell results apart.
    aws_lc_rs::rand::fill(&mut random).unwrap_or_default();
    let name = format!("{}-{}.json", run.finished_ms, hex::encode(random));
    let (beside, path) = (directory.join(format!(".{name}")), directory.join(name));
    let written = (|| {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o644).open(&beside)?;
        // The umask of a backup script is often 077, and the agent is another user.
        file.set_permissions(fs::Permissions::from_mode(0o644))?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        fs::rename(&beside, &path)
    })();
    written.map_err(|source| {
        fs::remove_file(&beside).unwrap_or_default();
        DropBoxError::Write { path: path.clone(), source }
    })
}

/// The agent's side.
pub(crate) struct DropBox {
    directory: PathBuf,
    config: Config,
    own_uid: u32,
}

/// A file as it waits.
struct Waiting {
    path: PathBuf,
    modified: SystemTime,
    bytes: u64,
}

impl DropBox {
    pub(crate) fn open(directory: &Path, config: &Config) -> io::Result<Self> {
        fs::create_dir_all(directory.join("rejected"))?;
        fs::set_permissions(directory, fs::Permissions::from_mode(DIRECTORY_MODE))?;
        fs::set_permissions(directory.join("rejected"), fs::Permissions::from_mode(0o700))?;
        let own_uid = nix::unistd::geteuid().as_raw();
        Ok(Self { directory: directory.to_owned(), config: config.clone(), own_uid })
    }

    /// Takes results until the agent stops; `counted` is told how many were taken and rejected.
    pub(crate) async fn run(
        self,
        evidence: EvidenceSender,
        mut bookmark: Bookmark,
        shutdown: CancellationToken,
        counted: impl Fn(u64, u64) + Send,
    ) {
        // A name with a dot is still being written, and what is gone was taken by us.
        let watch = Watch::directory(&self.directory, LOOK_AGAIN, |path: &Path| {
            let hidden =
                path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
            !hidden && path.exists()
        });
        let serve = async {
            loop {
                match self.look(&evidence, &mut bookmark, &counted).await {
                    Ok(true) => {}
                    Ok(false) => return,
                    Err(error) => {
                        let directory = self.directory.display();
                        tracing::error!(%directory, %error, "the drop box cannot be read");
                    }
                }
                watch.wait().await;
            }
        };
        shutdown.run_until_cancelled(serve).await;
    }

    /// Takes everything that waits; `false` when the agent is stopping.
    async fn look(
        &self,
        evidence: &EvidenceSender,
        bookmark: &mut Bookmark,
        counted: &(impl Fn(u64, u64) + Send),
    ) -> io::Result<bool> {
        let mut bytes = 0;
        let mut taken = Taken::parse(bookmark.content().unwrap_or_default());
        for (at, waiting) in self.list()?.into_iter().enumerate() {
            bytes += waiting.bytes;
            let read = if at >= self.config.files_max || bytes > self.config.bytes_max.0 {
                Err("the drop box is full".to_owned())
            } else {
                self.read(&waiting.path)
            };
            match read {
                // It was taken, and then we were killed or could not remove it.
                Ok((_, file)) if taken.contains(&file) => {
                    fs::remove_file(&waiting.path)?;
                    taken.removed(&file);
                }
                Ok((run, file)) => {
                    taken.add(file.clone());
                    let run = vec![Evidence::BackupRun(run)];
                    if evidence.spool_to(run, bookmark, taken.to_bytes()).await.is_err() {
                        return Ok(false);
                    }
                    counted(1, 0);
                    fs::remove_file(&waiting.path)?;
                    taken.removed(&file);
                }
                Err(reason) => {
                    self.reject(&waiting.path, &reason)?;
                    counted(0, 1);
                }
            }
        }
        Ok(true)
    }

    /// What waits, oldest first. Names with a dot are still being written.
    fn list(&self) -> io::Result<Vec<Waiting>> {
        let mut waiting = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let entry = entry?;
            let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
            if hidden || entry.file_name() == "rejected" {
                continue;
            }
            // Gone again between the two calls: somebody took it back.
            let Ok(metadata) = entry.path().symlink_metadata() else { continue };
            let modified = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            waiting.push(Waiting { path: entry.path(), modified, bytes: metadata.len() });
        }
        waiting.sort_by(|one, other| (one.modified, &one.path).cmp(&(other.modified, &other.path)));
        Ok(waiting)
    }

    /// What a file tells, and which file it was.
    fn read(&self, path: &Path) -> Result<(BackupRun, FileId), String> {
        let failed = |error: io::Error| format!("it cannot be read: {error}");
        // Neither a link to another's file nor a pipe that blocks us.
        let flags = (OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits();
        let file = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        if !metadata.is_file() || metadata.nlink() != 1 {
            return Err("it is not a plain file of its own".to_owned());
        }
        if metadata.len() > FILE_BYTES_MAX {
            return Err(format!("it has {} bytes, {FILE_BYTES_MAX} are taken", metadata.len()));
        }
        let user = user_name(metadata.uid());
        let content = read_bounded(file).map_err(failed)?;
        let run = contract::decode(&content, &user)?;
        let file = FileId::new(&metadata, &content);
        let trusted = metadata.uid() == 0 || metadata.uid() == self.own_uid;
        if trusted || self.config.may_report(&user, &run.job) {
            return Ok((run, file));
        }
        let job = &run.job;
        Err(format!("user {user} may not report job {job} (drop_box.users in agent.yml)"))
    }

    /// Moves a file aside with its reason beside it.
    fn reject(&self, path: &Path, reason: &str) -> io::Result<()> {
        tracing::warn!(file = %path.display(), reason, "a file in the drop box was rejected");
        let rejected = self.directory.join("rejected");
        let Some(name) = path.file_name() else { return Ok(()) };
        let target = rejected.join(name);
        fs::rename(path, &target)?;
        let mut beside = target.into_os_string();
        beside.push(".reason");
        fs::write(beside, format!("{reason}\n"))?;
        let mut kept: Vec<_> = fs::read_dir(&rejected)?
            .filter_map(Result::ok)
            .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
            .collect();
        kept.sort();
        // Each file has its reason beside it.
        let surplus = kept.len().saturating_sub(REJECTED_FILES_MAX * 2);
        for (_, path) in kept.into_iter().take(surplus) {
            if path.is_dir() { fs::remove_dir_all(path)? } else { fs::remove_file(path)? }
        }
        sync_directory(&rejected)
    }
}

fn read_bounded(file: File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn user_name(uid: u32) -> String {
    match User::from_uid(Uid::from_raw(uid)) {
        Ok(Some(user)) => user.name,
        Ok(None) | Err(_) => format!("uid {uid}"),
    }
}

#[cfg(test)]
mod tests;
