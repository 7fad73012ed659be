//! The connections to one target, made anew when the files of its certificates change.
//! Promises: a certificate or key that is renewed on disk is shown to the target from the next request on, without a restart;
//! files that cannot be used, or are half replaced, change nothing and are told once.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::{Certificate, Client, Identity, redirect};

use super::config::Target;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("{path} cannot be read")]
    File {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("the certificates or the key for this target cannot be used")]
    Tls(#[from] reqwest::Error),
}

/// Clones share the connections.
#[derive(Clone, Debug)]
pub(super) struct Connections(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    target: Arc<Target>,
    /// Of certificates and keys.
    files: Vec<PathBuf>,
    made: Mutex<Made>,
}

#[derive(Debug)]
struct Made {
    client: Client,
    /// The files as they were looked at last, whether or not they could be used.
    seen: Vec<Option<Stamp>>,
}

/// What tells a changed file: time, size and place.
type Stamp = (i64, i64, u64, u64);

impl Connections {
    pub(super) fn new(target: &Arc<Target>) -> Result<Self, ClientError> {
        let pair = target.client_files.iter().flat_map(|(chain, key)| [chain, key]);
        let files: Vec<PathBuf> = target.ca_file.iter().chain(pair).cloned().collect();
        // Before they are read: a change meanwhile is seen by the next look.
        let seen = stamps(&files);
        let made = Mutex::new(Made { client: client(target)?, seen });
        Ok(Self(Arc::new(Inner { target: Arc::clone(target), files, made })))
    }

    /// What the next request goes by; looks at the files where there are any.
    pub(super) async fn client(&self) -> Client {
        if self.0.files.is_empty() {
            return self.0.current();
        }
        let inner = Arc::clone(&self.0);
        let looked = tokio::task::spawn_blocking(move || inner.look()).await;
        looked.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
    }
}

impl Inner {
    fn current(&self) -> Client {
        self.made.lock().unwrap_or_else(PoisonError::into_inner).client.clone()
    }

    fn look(&self) -> Client {
        let seen = stamps(&self.files);
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if made.seen != seen {
            made.seen = seen;
            let target = &self.target.name;
            match client(&self.target) {
                Ok(client) => {
                    made.client = client;
                    tracing::info!(target, "its certificates have changed and are in use");
                }
                Err(error) => {
                    let error = crate::describe(&error);
                    tracing::error!(target, error, "its changed certificates are not taken");
                }
            }
        }
        made.client.clone()
    }
}

fn client(target: &Target) -> Result<Client, ClientError> {
    let mut builder = Client::builder()
        .user_agent(concat!("haidang/", env!("CARGO_PKG_VERSION")))
        .timeout(target.timeout)
        .connect_timeout(CONNECT_TIMEOUT)
        .redirect(redirect::Policy::none())
        .no_proxy();
    if let Some(file) = &target.ca_file {
        builder = builder.tls_certs_only(Certificate::from_pem_bundle(&read(file)?)?);
    }
    if let Some((certificate, key)) = &target.client_files {
        let mut pem = read(key)?;
        pem.push(b'\n');
        pem.extend(read(certificate)?);
        builder = builder.identity(Identity::from_pem(&pem)?);
    }
    Ok(builder.build()?)
}

pub(super) fn read(file: &Path) -> Result<Vec<u8>, ClientError> {
    std::fs::read(file).map_err(|source| ClientError::File { path: file.to_owned(), source })
}

fn stamps(files: &[PathBuf]) -> Vec<Option<Stamp>> {
    let stamp = |of: Metadata| (of.mtime(), of.mtime_nsec(), of.size(), of.ino());
    files.iter().map(|file| std::fs::metadata(file).ok().map(stamp)).collect()
}
