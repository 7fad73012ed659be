//! Files that a receiver's configuration names. Secrets are read at each use, so that a changed one needs no restart;
//! the authorities a server may show are read when its receiver is set up.

use std::path::Path;

use super::SendError;

pub(super) async fn read(what: &'static str, path: &Path) -> Result<String, SendError> {
    let unreadable = |source| SendError::Secret { what, path: path.display().to_string(), source };
    let text = tokio::fs::read_to_string(path).await.map_err(unreadable)?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

/// PEM certificates of the authorities that a server's certificate may come from; `None` for the system's.
pub(super) fn authorities(file: Option<&Path>) -> Result<Option<Vec<u8>>, SendError> {
    let read = |file: &Path| {
        std::fs::read(file).map_err(|source| SendError::Secret {
            what: "the CA certificates",
            path: file.display().to_string(),
            source,
        })
    };
    file.map(read).transpose()
}
