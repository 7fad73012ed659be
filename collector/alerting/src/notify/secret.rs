//! Secrets of receivers, in place or in files. Files are read at each use, so that a changed one needs no restart;
//! authorities and certificates are read when a receiver is set up.

use crate::routing::SecretText;

use super::SendError;

pub(super) async fn read(what: &'static str, secret: &SecretText) -> Result<String, SendError> {
    let path = match secret {
        SecretText::Value(text) => return Ok(text.clone()),
        SecretText::File(path) => path,
    };
    let unreadable = |source| SendError::Secret { what, path: path.display().to_string(), source };
    let text = tokio::fs::read_to_string(path).await.map_err(unreadable)?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

/// PEM that a connection is set up with.
pub(super) fn pem(what: &'static str, secret: &SecretText) -> Result<Vec<u8>, SendError> {
    match secret {
        SecretText::Value(text) => Ok(text.clone().into_bytes()),
        SecretText::File(path) => std::fs::read(path).map_err(|source| SendError::Secret {
            what,
            path: path.display().to_string(),
            source,
        }),
    }
}
