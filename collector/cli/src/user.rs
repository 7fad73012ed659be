//! `haidang user add|list|role|disable|enable|reset`. Passwords come from the keyboard without an echo, or from standard input; never from the
//! command line, where others see them.

use std::io::{BufRead, IsTerminal};

use anyhow::{Context, bail};
use clap::Subcommand;
use serde_json::{Value, json};

use crate::client::{Client, segment};
use crate::table::{cell, rows, table};
use crate::{Asked, say};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Make a user; the password is asked for, or read from standard input.
    Add {
        name: String,
        /// admin, operator, security, it-staff, viewer, auditor or vendor.
        #[arg(long, default_value = "viewer")]
        role: String,
        /// Of a vendor: matchers of its own systems, for example vendor="vnpt"; it sees nothing else.
        #[arg(long, default_value = "", value_name = "MATCHERS")]
        scope: String,
    },
    List,
    /// Give a user another role; it holds from the next request on.
    Role {
        name: String,
        /// admin, operator, security, it-staff, viewer, auditor or vendor.
        role: String,
        /// Of a vendor: matchers of its own systems.
        #[arg(long, default_value = "", value_name = "MATCHERS")]
        scope: String,
    },
    /// Shut a user out, at once; the name stays and what they did keeps it.
    Disable {
        name: String,
    },
    /// Let a disabled user in again, with the old password.
    Enable {
        name: String,
    },
    /// Set a new password, which ends the user's sessions; it is asked for, or read from standard input.
    Reset {
        name: String,
    },
}

pub(crate) fn run(asked: Asked<Command>) -> anyhow::Result<()> {
    let client = Client::open(&asked.connection)?;
    match asked.command {
        Command::Add { name, role, scope } => {
            let body = json!({
                "name": name, "password": password()?, "role": role, "scope": scope,
            });
            let _: Value = client.post("/api/users", &body)?;
            say(&format!("{name} may sign in."));
        }
        Command::List => {
            let users: Value = client.get("/api/users")?;
            let rows = rows(&users, |user| {
                let state = if user["disabled"] == true { "disabled" } else { "active" };
                let (role, scope) = (cell(&user["role"]), cell(&user["scope"]));
                vec![cell(&user["name"]), role, state.to_owned(), scope]
            });
            say(&table(&["NAME", "ROLE", "STATE", "SCOPE"], &rows));
        }
        Command::Role { name, role, scope } => {
            let body = json!({ "role": role, "scope": scope });
            let _: Value = client.post(&path(&name, "role"), &body)?;
            say(&format!("{name} is {role}."));
        }
        Command::Disable { name } => {
            client.delete(&format!("/api/users/{}", segment(&name)))?;
            say(&format!("{name} may no longer sign in."));
        }
        Command::Enable { name } => {
            let _: Value = client.post(&path(&name, "enable"), &json!({}))?;
            say(&format!("{name} may sign in."));
        }
        Command::Reset { name } => {
            let _: Value =
                client.post(&path(&name, "password"), &json!({ "password": password()? }))?;
            say(&format!("{name} has a new password."));
        }
    }
    Ok(())
}

fn path(name: &str, change: &str) -> String {
    format!("/api/users/{}/{change}", segment(name))
}

/// At a terminal twice, because nobody sees a slip; else the first line of what comes.
fn password() -> anyhow::Result<String> {
    let stdin = std::io::stdin();
    let password = if stdin.is_terminal() { typed()? } else { first_line(&mut stdin.lock())? };
    if password.is_empty() {
        bail!("no password was given; type it, or send it to standard input");
    }
    Ok(password)
}

fn typed() -> anyhow::Result<String> {
    let ask = |prompt: &str| {
        rpassword::prompt_password(prompt).context("the password cannot be read from the terminal")
    };
    let first = ask("New password: ")?;
    if ask("Once more: ")? != first {
        bail!("the two passwords differ; nothing was changed");
    }
    Ok(first)
}

fn first_line(input: &mut impl BufRead) -> anyhow::Result<String> {
    let mut line = String::new();
    input.read_line(&mut line).context("the password cannot be read from standard input")?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_the_first_line_without_its_end() {
        let read = |text: &str| first_line(&mut text.as_bytes()).unwrap();
        assert_eq!(read("mật khẩu dài \r\nmore"), "mật khẩu dài ");
        assert_eq!(read(""), "");
    }
}
