//! Where identities lie: `identity/<authority>.json` in the state directory, mode 0600, replaced whole.
//!
//! An identity belongs to an authority, so a collector may change its address; the addresses at which it was met stand
//! in its file, newest last, and only say which identity to try first. Files of earlier versions, named by address,
//! are renamed when they are met.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::{AuthorityId, Identity, IdentityError};
use crate::config::CollectorAddress;
use crate::files;

/// Addresses remembered of one authority: a collector moves a few times in its life.
const ADDRESSES_MAX: usize = 16;

/// The identities to try at an address, the one that was met there first.
pub(crate) fn choices(
    state_dir: &Path,
    address: &CollectorAddress,
) -> Result<Vec<Identity>, IdentityError> {
    let mut all = all(state_dir)?;
    if all.is_empty() {
        return Err(IdentityError::NotEnrolled { address: address.clone() });
    }
    all.sort_by_key(|identity| !identity.was_met_at(address));
    Ok(all)
}

/// Every identity of this host, in the order of their authorities. A damaged file is named in the log and left out,
/// unless it leaves nothing.
pub(crate) fn all(state_dir: &Path) -> Result<Vec<Identity>, IdentityError> {
    let directory = directory(state_dir);
    let entries = match fs::read_dir(&directory) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(file(&directory))?,
    };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(file(&directory))?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            paths.push(path);
        }
    }
    paths.sort();
    let (mut found, mut damaged) = (Vec::new(), None);
    for path in paths {
        match read(&path).and_then(|identity| renamed(state_dir, &path, identity)) {
            Ok(Some(identity)) => found.push(identity),
            Ok(None) => {}
            Err(error) => {
                tracing::error!(error = crate::chain(&error), "an identity cannot be used");
                damaged = Some(error);
            }
        }
    }
    match damaged {
        Some(error) if found.is_empty() => Err(error),
        _ => Ok(found),
    }
}

impl Identity {
    pub(crate) fn path(state_dir: &Path, authority: AuthorityId) -> PathBuf {
        directory(state_dir).join(format!("{authority}.json"))
    }

    pub(crate) fn load(
        state_dir: &Path,
        authority: AuthorityId,
    ) -> Result<Option<Self>, IdentityError> {
        Ok(all(state_dir)?.into_iter().find(|identity| identity.authority == authority))
    }

    /// Checks that the parts go together, then replaces the file, which keeps the addresses it had.
    pub(crate) fn store(&self, state_dir: &Path) -> Result<(), IdentityError> {
        self.client_config()?;
        let mut whole = self.clone();
        if let Ok(Some(before)) = read(&Self::path(state_dir, self.authority)) {
            whole.addresses = before.addresses;
            self.addresses.iter().for_each(|address| whole.meet(address));
        }
        whole.write(state_dir)
    }

    fn write(&self, state_dir: &Path) -> Result<(), IdentityError> {
        let path = Self::path(state_dir, self.authority);
        fs::create_dir_all(directory(state_dir)).map_err(file(&path))?;
        let text = serde_json::to_string_pretty(self).map_err(std::io::Error::from);
        let text = text.map_err(file(&path))?;
        files::replace(&path, text.as_bytes(), 0o600).map_err(file(&path))
    }

    /// Whether its collector was the last one that was met at this address.
    pub(crate) fn was_met_at(&self, address: &CollectorAddress) -> bool {
        self.addresses.contains(&address.as_file_name())
    }

    /// Remembers that this identity's collector answers at an address, and no other one.
    pub(crate) fn learn(
        &mut self,
        state_dir: &Path,
        address: &CollectorAddress,
    ) -> Result<(), IdentityError> {
        let name = address.as_file_name();
        self.meet(&name);
        self.store(state_dir)?;
        for mut other in all(state_dir)? {
            if other.authority != self.authority && other.was_met_at(address) {
                other.addresses.retain(|one| *one != name);
                other.write(state_dir)?;
            }
        }
        Ok(())
    }

    fn meet(&mut self, name: &str) {
        self.addresses.retain(|one| one != name);
        self.addresses.push(name.to_owned());
        let surplus = self.addresses.len().saturating_sub(ADDRESSES_MAX);
        self.addresses.drain(..surplus);
    }
}

/// What lies in a file; `None` when there is none.
fn read(path: &Path) -> Result<Option<Identity>, IdentityError> {
    let text = match fs::read_to_string(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        text => text.map_err(file(path))?,
    };
    let damaged = |reason: String| IdentityError::Damaged { path: path.to_owned(), reason };
    let mut identity: Identity =
        serde_json::from_str(&text).map_err(|error| damaged(error.to_string()))?;
    identity.authority =
        AuthorityId::of_pem(&identity.ca_pem).map_err(|error| damaged(error.to_string()))?;
    Ok(Some(identity))
}

/// Gives a file that is named by its collector's address the name of its authority; the address goes into it.
fn renamed(
    state_dir: &Path,
    path: &Path,
    identity: Option<Identity>,
) -> Result<Option<Identity>, IdentityError> {
    let Some(mut identity) = identity else { return Ok(None) };
    let proper = Identity::path(state_dir, identity.authority);
    if path == proper {
        return Ok(Some(identity));
    }
    let address = path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    // An identity that is there already is newer than a file that nobody writes any more.
    let there = read(&proper)?;
    let known = there.is_some();
    identity = there.unwrap_or(identity);
    identity.addresses.extend(address);
    identity.store(state_dir)?;
    // Only now: a crash in between leaves both, and the next look finds the same again.
    fs::remove_file(path).map_err(file(path))?;
    tracing::info!(old = %path.display(), new = %proper.display(), "an identity was renamed");
    Ok((!known).then_some(identity))
}

fn directory(state_dir: &Path) -> PathBuf {
    state_dir.join("identity")
}

pub(super) fn file(path: &Path) -> impl FnOnce(std::io::Error) -> IdentityError {
    let path = path.to_owned();
    move |source| IdentityError::File { path, source }
}
