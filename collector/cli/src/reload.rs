//! `haidang reload`: the collector reads its files again, and what it refuses is told. Exit code 1 when something is.

use std::process::ExitCode;

use serde_json::Value;

use crate::client::Client;
use crate::{Connection, complain, say};

#[derive(clap::Args)]
pub(crate) struct Flags {
    #[command(flatten)]
    connection: Connection,
}

pub(crate) fn run(flags: &Flags) -> anyhow::Result<ExitCode> {
    let client = Client::open(&flags.connection)?;
    let (reload, sound) = match client.post_for_findings("/-/reload")? {
        Ok(reload) => (reload, true),
        Err(refusal) => (refusal["reload"].clone(), false),
    };
    for group in reload["groups"].as_array().into_iter().flatten() {
        tell(group);
    }
    for remark in reload["remarks"].as_array().into_iter().flatten() {
        complain(&format!("remark: {}", remark.as_str().unwrap_or("?")));
    }
    Ok(ExitCode::from(u8::from(!sound)))
}

fn tell(group: &Value) {
    let files = group["files"].as_str().unwrap_or("?");
    if group["in_force"] == true {
        return say(&format!("{files:<14} in force as it lies on disk"));
    }
    say(&format!("{files:<14} NOT reloaded; what was in force stays"));
    for problem in group["problems"].as_array().into_iter().flatten() {
        complain(problem["text"].as_str().unwrap_or("?"));
    }
}
