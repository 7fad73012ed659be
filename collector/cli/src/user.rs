//! `haidang user add|list|reset`. Passwords come from standard input, never from the command line, where others see them.

use std::io::{BufRead, IsTerminal};

use anyhow::{Context, bail};
use clap::Subcommand;
use serde_json::{Value, json};

use crate::client::{Client, segment};
use crate::table::{cell, rows, table};
use crate::{Asked, complain, say};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Make a user; the password is read from standard input.
    Add {
        name: String,
        /// admin, operator, security, viewer or auditor.
        #[arg(long, default_value = "viewer")]
        role: String,
    },
    List,
    /// Set a new password, which ends the user's sessions; it is read from standard input.
    Reset {
        name: String,
    },
}

pub(crate) fn run(asked: Asked<Command>) -> anyhow::Result<()> {
    let client = Client::open(&asked.connection)?;
    match asked.command {
        Command::Add { name, role } => {
            let body = json!({ "name": name, "password": password()?, "role": role });
            let _: Value = client.post("/api/users", &body)?;
            say(&format!("{name} may sign in."));
        }
        Command::List => {
            let users: Value = client.get("/api/users")?;
            let rows = rows(&users, |user| {
                let state = if user["disabled"] == true { "disabled" } else { "active" };
                vec![cell(&user["name"]), cell(&user["role"]), state.to_owned()]
            });
            say(&table(&["NAME", "ROLE", "STATE"], &rows));
        }
        Command::Reset { name } => {
            let path = format!("/api/users/{}/password", segment(&name));
            let _: Value = client.post(&path, &json!({ "password": password()? }))?;
            say(&format!("{name} has a new password."));
        }
    }
    Ok(())
}

fn password() -> anyhow::Result<String> {
    let stdin = std::io::stdin();
    if stdin.is_terminal() {
        complain("Password (it is shown while you type), then Enter:");
    }
    let mut line = String::new();
    stdin.lock().read_line(&mut line).context("the password cannot be read")?;
    let password = line.trim_end_matches(['\r', '\n']);
    if password.is_empty() {
        bail!("no password was given on standard input");
    }
    Ok(password.to_owned())
}
