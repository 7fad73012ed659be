//! The two tokens of an Official Account, in one file of JSON. A refresh token works once: whoever loses the answer to it
//! has to sign in anew. So one task at a time renews a file's tokens, for all channels that share it, and the new ones are
//! on disk (written, synced, renamed, directory synced) before they are used; if they cannot be, they are kept and written
//! before anything else.

use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use reqwest::{Method, Url};
use serde::{Deserialize, Serialize};

use crate::routing::ZaloChannel;

use super::super::http::{Http, Request};
use super::super::{SendError, secret};

/// As Zalo answers, and as they are kept.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
struct Pair {
    access_token: String,
    refresh_token: String,
}

/// Held while a file is looked at or written; with what could not be written yet.
type Desk = Arc<tokio::sync::Mutex<Option<Pair>>>;

static DESKS: LazyLock<Mutex<BTreeMap<PathBuf, Desk>>> = LazyLock::new(Mutex::default);

pub(super) struct Tokens {
    file: PathBuf,
    desk: Desk,
}

impl Tokens {
    pub(super) fn new(file: &Path) -> Self {
        let mut desks = DESKS.lock().unwrap_or_else(PoisonError::into_inner);
        let desk = Arc::clone(desks.entry(file.to_owned()).or_default());
        Self { file: file.to_owned(), desk }
    }

    /// The access token as of now.
    pub(super) async fn current(&self) -> Result<String, SendError> {
        let mut unwritten = self.desk.lock().await;
        Ok(self.read(&mut unwritten).await?.access_token)
    }

    /// A token in the place of one that was refused; somebody may have fetched it meanwhile.
    pub(super) async fn renewed(
        &self,
        refused: &str,
        channel: &ZaloChannel,
        http: &Http,
    ) -> Result<String, SendError> {
        let mut unwritten = self.desk.lock().await;
        let pair = self.read(&mut unwritten).await?;
        if pair.access_token != refused {
            return Ok(pair.access_token);
        }
        let secret_key = secret::read("the application's secret key", &channel.secret_key).await?;
        *unwritten = Some(fetch(channel, http, secret_key, &pair.refresh_token).await?);
        Ok(self.read(&mut unwritten).await?.access_token)
    }

    /// What the file says, once what it does not say yet is in it.
    async fn read(&self, unwritten: &mut Option<Pair>) -> Result<Pair, SendError> {
        let unusable = |what: &'static str| {
            let path = self.file.display().to_string();
            move |source| SendError::Secret { what, path, source }
        };
        if let Some(pair) = unwritten.clone() {
            let (file, written) = (self.file.clone(), pair.clone());
            let stored = tokio::task::spawn_blocking(move || store(&file, &written)).await;
            let stored = stored.unwrap_or_else(|error| Err(std::io::Error::other(error)));
            stored.map_err(unusable("what Zalo gave anew cannot be kept and the old"))?;
            *unwritten = None;
            return Ok(pair);
        }
        let text = tokio::fs::read_to_string(&self.file).await.map_err(unusable("Zalo's token"))?;
        serde_json::from_str(&text).map_err(|_| {
            SendError::Setup(format!(
                "{} is not {{\"access_token\": …, \"refresh_token\": …}}",
                self.file.display()
            ))
        })
    }
}

async fn fetch(
    channel: &ZaloChannel,
    http: &Http,
    secret_key: String,
    refresh_token: &str,
) -> Result<Pair, SendError> {
    let form = [
        ("refresh_token", refresh_token),
        ("app_id", channel.app_id.as_str()),
        ("grant_type", "refresh_token"),
    ];
    // Encoded as the query of an address is.
    let form = Url::parse_with_params("http://form/", form).ok();
    let body = form.and_then(|form| form.query().map(str::to_owned));
    let headers = vec![
        ("secret_key".to_owned(), secret_key),
        ("Content-Type".to_owned(), "application/x-www-form-urlencoded".to_owned()),
    ];
    let url = format!("{}/v4/oa/access_token", channel.oauth_url);
    let request = Request { method: Method::POST, url, headers, body };
    let answer = http.request("", request).await?.fine()?;
    serde_json::from_slice(&answer.body).map_err(|_| {
        let code = answer.json()["error"].clone();
        SendError::Setup(format!(
            "Zalo gives no new token (error {code}): sign in to the Official Account anew and put both tokens into {}",
            channel.token_file.display()
        ))
    })
}

fn store(file: &Path, pair: &Pair) -> std::io::Result<()> {
    let mut fresh = file.as_os_str().to_owned();
    fresh.push(".new");
    let mut options = std::fs::OpenOptions::new();
    let mut written = options.write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
    written.write_all(serde_json::to_string(pair).map_err(std::io::Error::other)?.as_bytes())?;
    written.sync_all()?;
    std::fs::rename(&fresh, file)?;
    let directory = file.parent().filter(|parent| !parent.as_os_str().is_empty());
    std::fs::File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
}
