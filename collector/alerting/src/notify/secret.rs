//! Secrets are read at each use, so that a changed one needs no restart.

use std::path::Path;

use super::SendError;

pub(super) async fn read(what: &'static str, path: &Path) -> Result<String, SendError> {
    let unreadable = |source| SendError::Secret { what, path: path.display().to_string(), source };
    let text = tokio::fs::read_to_string(path).await.map_err(unreadable)?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}
