//! `haidang audit list|verify`: who did what, and whether the log of it is what it was. `verify` ends with 1 when it is not.

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::Value;

use crate::client::Client;
use crate::table::{cell, rows, table};
use crate::zone::time;
use crate::{Asked, complain, say};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// The newest entries first.
    List {
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000))]
        limit: u32,
        /// Only entries before this number: the next page.
        #[arg(long)]
        before: Option<u64>,
    },
    /// Check that no entry was changed or removed. Note the seal it prints somewhere else: who can write the
    /// collector's files could seal a forged log anew, and only what you noted shows that.
    Verify {
        /// An entry and its seal as an earlier verification printed them, `NUMBER:SEAL`.
        #[arg(long, value_parser = noted)]
        noted: Option<(u64, String)>,
    },
}

fn noted(text: &str) -> Result<(u64, String), String> {
    let wrong = || "write it as NUMBER:SEAL, as `haidang audit verify` prints it".to_owned();
    let (number, seal) = text.split_once(':').ok_or_else(wrong)?;
    let hexadecimal = seal.len() == 64 && seal.bytes().all(|byte| byte.is_ascii_hexdigit());
    let number = number.parse().map_err(|_| wrong())?;
    if hexadecimal { Ok((number, seal.to_owned())) } else { Err(wrong()) }
}

pub(crate) fn run(asked: Asked<Command>) -> anyhow::Result<ExitCode> {
    let client = Client::open(&asked.connection)?;
    match asked.command {
        Command::List { limit, before } => {
            let mut parameters = vec![("limit", limit.to_string())];
            parameters.extend(before.map(|number| ("before", number.to_string())));
            let parameters: Vec<_> =
                parameters.iter().map(|(name, value)| (*name, value)).collect();
            list(&client.get_with("/api/audit", &parameters)?);
            Ok(ExitCode::SUCCESS)
        }
        Command::Verify { noted } => {
            let noted = noted.map(|(number, seal)| (number.to_string(), seal));
            let parameters =
                noted.as_ref().map(|(number, seal)| [("number", number), ("seal", seal)]);
            let parameters = parameters.as_ref().map_or(&[][..], |both| &both[..]);
            Ok(verified(&client.get_with("/api/audit/verify", parameters)?))
        }
    }
}

fn list(entries: &Value) {
    let rows = rows(entries, |entry| {
        let texts = ["who", "action", "object", "outcome"].map(|key| cell(&entry[key]));
        [vec![cell(&entry["number"]), time(&entry["time_ms"])], texts.to_vec()].concat()
    });
    say(&table(&["NUMBER", "TIME", "WHO", "ACTION", "OBJECT", "OUTCOME"], &rows));
}

/// Says what was found; exit code 1 when the log is not what it was, or nobody can tell.
fn verified(found: &Value) -> ExitCode {
    let (first, last) = (cell(&found["first"]), cell(&found["last"]));
    let (number, seal) = (cell(&found["broken"]["number"]), cell(&found["seal"]));
    let mut sound = true;
    match found["broken"]["what"].as_str() {
        None if found["entries"] == 0 => say("The audit log has no entries."),
        None => say(&format!("Entries {first} to {last} hold.\nNote: {last}:{seal}")),
        what => {
            sound = false;
            let changed = format!("entry {number} or the one before it was changed");
            let missing = format!("entries before {number} are gone");
            let what = if what == Some("changed") { changed } else { missing };
            complain(&format!("The audit log was tampered with or damaged: {what}."));
        }
    }
    match found["noted"].as_str() {
        Some("same") => say("The entry you noted is the same."),
        Some("different") => {
            sound = false;
            complain("The entry you noted is another one now: the log was written anew.");
        }
        Some(_) => {
            sound = false;
            complain("The entry you noted is not there: too old, or the log was cut before it.");
        }
        None => {}
    }
    if sound { ExitCode::SUCCESS } else { ExitCode::from(1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_noted_seal_is_a_number_and_64_digits() {
        let seal = "0f".repeat(32);
        assert_eq!(noted(&format!("12:{seal}")), Ok((12, seal.clone())));
        for wrong in ["", "12", &format!("x:{seal}"), "12:abc", &format!("12:{seal}0")] {
            assert!(noted(wrong).is_err(), "{wrong}");
        }
    }
}
