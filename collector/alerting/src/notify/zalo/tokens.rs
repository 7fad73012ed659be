//! The two tokens of an Official Account, in one file of JSON. A refresh token works once: whoever loses the answer to it
//! has to sign in anew. So one task at a time renews a file's tokens, for all channels that share it, and the new ones are
//! on disk (written, synced, renamed, directory synced) before they are used; if they cannot be, they are kept and written
//! before anything else.

use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

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

/// How long Zalo may take to answer with new tokens: whoever leaves earlier has lost them.
const RENEWAL_TIMEOUT: Duration = Duration::from_secs(120);

#[derive(Clone)]
pub(super) struct Tokens {
    channel: Arc<ZaloChannel>,
    http: Arc<Http>,
    desk: Desk,
}

impl Tokens {
    pub(super) fn new(channel: Arc<ZaloChannel>) -> Result<Self, SendError> {
        let http = Arc::new(Http::new(channel.http.clone(), Some(RENEWAL_TIMEOUT))?);
        let mut desks = DESKS.lock().unwrap_or_else(PoisonError::into_inner);
        let desk = Arc::clone(desks.entry(channel.token_file.clone()).or_default());
        Ok(Self { channel, http, desk })
    }

    /// The access token as of now.
    pub(super) async fn current(&self) -> Result<String, SendError> {
        self.in_place_of(None).await
    }

    /// A token in the place of one that was refused; somebody may have fetched it meanwhile.
    pub(super) async fn renewed(&self, refused: String) -> Result<String, SendError> {
        self.in_place_of(Some(refused)).await
    }

    /// By a task of its own: a renewal that has begun is brought to its end although the attempt that wanted it has none
    /// of its time left.
    async fn in_place_of(&self, refused: Option<String>) -> Result<String, SendError> {
        let ended = tokio::spawn(self.clone().look(refused)).await;
        ended.map_err(|error| SendError::Setup(format!("asking for Zalo's token: {error}")))?
    }

    async fn look(self, refused: Option<String>) -> Result<String, SendError> {
        let mut unwritten = self.desk.lock().await;
        let pair = self.read(&mut unwritten).await?;
        if refused.is_none_or(|refused| refused != pair.access_token) {
            return Ok(pair.access_token);
        }
        let secret_key = &self.channel.secret_key;
        let secret_key = secret::read("the application's secret key", secret_key).await?;
        *unwritten = Some(fetch(&self.channel, &self.http, secret_key, &pair.refresh_token).await?);
        Ok(self.read(&mut unwritten).await?.access_token)
    }

    /// What the file says, once what it does not say yet is in it.
    async fn read(&self, unwritten: &mut Option<Pair>) -> Result<Pair, SendError> {
        let file = &self.channel.token_file;
        let unusable = |what: &'static str| {
            let path = file.display().to_string();
            move |source| SendError::Secret { what, path, source }
        };
        if let Some(pair) = unwritten.clone() {
            let (file, written) = (file.clone(), pair.clone());
            let stored = tokio::task::spawn_blocking(move || store(&file, &written)).await;
            let stored = stored.unwrap_or_else(|error| Err(std::io::Error::other(error)));
            stored.map_err(unusable("what Zalo gave anew cannot be kept and the old"))?;
            *unwritten = None;
            return Ok(pair);
        }
        let text = tokio::fs::read_to_string(file).await.map_err(unusable("Zalo's token"))?;
        serde_json::from_str(&text).map_err(|_| {
            SendError::Setup(format!(
                "{} is not {{\"access_token\": …, \"refresh_token\": …}}",
                file.display()
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

#[cfg(test)]
mod tests {
    use reqwest::StatusCode;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::routing::{HttpOptions, SecretText, ZaloMessage};

    #[tokio::test]
    async fn new_tokens_are_kept_although_nobody_waits_for_them_any_more() {
        // The process may have chosen the same provider already, which is as good.
        rustls::crypto::aws_lc_rs::default_provider().install_default().ok();
        let directory = tempfile::tempdir().unwrap();
        let token_file = directory.path().join("zalo.json");
        std::fs::write(&token_file, r#"{"access_token": "old", "refresh_token": "r"}"#).unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let tokens = Tokens::new(Arc::new(ZaloChannel {
            url: String::new(),
            oauth_url: format!("http://{}", listener.local_addr().unwrap()),
            app_id: "42".to_owned(),
            secret_key: SecretText::Value("s".to_owned()),
            token_file: token_file.clone(),
            to: Vec::new(),
            message: ZaloMessage::Template { id: String::new(), data: Vec::new() },
            http: HttpOptions::default(),
        }));
        let tokens = tokens.unwrap();
        let mut asked = {
            let leaves = tokens.renewed("old".to_owned());
            let comes = async {
                let mut connection = listener.accept().await.unwrap().0;
                assert!(connection.read(&mut [0; 1_024]).await.unwrap() > 0);
                connection
            };
            tokio::select! { _ = leaves => panic!("nobody answered"), asked = comes => asked }
        };
        let pair = r#"{"access_token": "new", "refresh_token": "r2"}"#;
        let answer =
            format!("HTTP/1.1 {}\r\nContent-Length: {}\r\n\r\n{pair}", StatusCode::OK, pair.len());
        asked.write_all(answer.as_bytes()).await.unwrap();
        assert_eq!(tokens.current().await.unwrap(), "new");
        let kept: Pair = serde_json::from_slice(&std::fs::read(&token_file).unwrap()).unwrap();
        assert_eq!(kept.refresh_token, "r2");
    }
}
