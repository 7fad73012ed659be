//! `haidang token create`: invites a host.

use clap::Subcommand;
use serde::Deserialize;
use serde_json::json;

use crate::client::Client;
use crate::{Asked, say};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Make a token that enrols one host, once.
    Create {
        /// The only host that may use it.
        #[arg(long)]
        host: Option<String>,
        /// Seconds until it expires.
        #[arg(long, default_value_t = 86_400)]
        lifetime_seconds: u64,
    },
}

#[derive(Deserialize)]
struct Created {
    token: String,
}

pub(crate) fn run(asked: Asked<Command>) -> anyhow::Result<()> {
    let client = Client::open(&asked.connection)?;
    let Command::Create { host, lifetime_seconds } = asked.command;
    let body = json!({ "host": host, "lifetime_seconds": lifetime_seconds });
    let created: Created = client.post("/api/tokens", &body)?;
    say(&created.token);
    Ok(())
}
