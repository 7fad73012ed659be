//! A real exporter of Debian's, and pages that an exporter could have written.

use std::process::{Child, Command, Stdio};

use anyhow::Context;
use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use tokio::net::TcpListener;

use crate::deadline::eventually;

/// A program that is killed when it is dropped.
pub struct Exporter {
    pub address: String,
    child: Child,
}

impl Exporter {
    /// Starts a program that takes `--web.listen-address`, and waits until it answers.
    pub async fn start(program: &str, address: &str, arguments: &[String]) -> anyhow::Result<Self> {
        drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
        let child = Command::new(program)
            .arg(format!("--web.listen-address={address}"))
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("{program} cannot be started"))?;
        let exporter = Self { address: address.to_owned(), child };
        eventually(program, || async {
            reqwest::get(format!("http://{address}/metrics")).await?.error_for_status()?;
            Ok(())
        })
        .await?;
        Ok(exporter)
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Pages of text, each with its content type, behind one address.
pub async fn pages(all: Vec<(&'static str, &'static str, String)>) -> anyhow::Result<String> {
    let mut router = Router::new();
    for (path, content_type, text) in all {
        router =
            router.route(path, get(move || async move { ([(CONTENT_TYPE, content_type)], text) }));
    }
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?.to_string();
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(address)
}
