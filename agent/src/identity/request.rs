//! A request for a certificate, and the key it is made with.
//!
//! The key is on the disk before the request leaves, and stays until its certificate is there: when the answer is lost,
//! or the agent is killed, the next attempt asks with the same key, and the collector gives the same answer again.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use agent_model::HostId;
use rcgen::{CertificateParams, DnType, KeyPair};
use serde::{Deserialize, Serialize};

use super::kept::file;
use super::{AuthorityId, Identity, IdentityError};
use crate::files;

/// A key with the request for its certificate.
pub(crate) struct Request {
    pub(crate) key_pem: String,
    pub(crate) csr_pem: String,
    path: PathBuf,
}

#[derive(Serialize, Deserialize)]
struct KeptKey {
    /// For whom the key was made: another name is another request.
    host: String,
    key_pem: String,
}

impl Request {
    /// The request that is under way at this authority, or a new one. ECDSA P-256.
    pub(crate) fn open(
        state_dir: &Path,
        authority: AuthorityId,
        host: &HostId,
    ) -> Result<Self, IdentityError> {
        let path = Self::path(state_dir, authority);
        let key = match kept(&path, host)? {
            Some(key) => key,
            None => make(&path, host)?,
        };
        let mut params = CertificateParams::new(Vec::new()).map_err(IdentityError::Make)?;
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, host.as_str());
        let request = params.serialize_request(&key).map_err(IdentityError::Make)?;
        let csr_pem = request.pem().map_err(IdentityError::Make)?;
        Ok(Self { key_pem: key.serialize_pem(), csr_pem, path })
    }

    pub(super) fn path(state_dir: &Path, authority: AuthorityId) -> PathBuf {
        Identity::path(state_dir, authority).with_extension("request")
    }

    /// Forgets the key: its certificate is on the disk with it.
    pub(crate) fn done(self) -> Result<(), IdentityError> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            removed => removed.map_err(file(&self.path)),
        }
    }
}

/// A key that was made for this host; one that cannot be read is none, because nothing depends on it yet.
fn kept(path: &Path, host: &HostId) -> Result<Option<KeyPair>, IdentityError> {
    let text = match fs::read_to_string(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        text => text.map_err(file(path))?,
    };
    let kept =
        serde_json::from_str::<KeptKey>(&text).ok().filter(|kept| kept.host == host.as_str());
    Ok(kept.and_then(|kept| KeyPair::from_pem(&kept.key_pem).ok()))
}

fn make(path: &Path, host: &HostId) -> Result<KeyPair, IdentityError> {
    let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).map_err(IdentityError::Make)?;
    let kept = KeptKey { host: host.to_string(), key_pem: key.serialize_pem() };
    let text = serde_json::to_string(&kept).map_err(std::io::Error::from).map_err(file(path))?;
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory).map_err(file(directory))?;
    }
    files::replace(path, text.as_bytes(), 0o600).map_err(file(path))?;
    Ok(key)
}
