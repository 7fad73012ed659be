//! Copies that a program of somebody's own tells: Veeam, a vendor's tool, a tape library. It prints one JSON object:
//!
//! `{"version": 1, "copies": [{"made": "2026-11-21T20:21:27+07:00", "consistent": …, "content_id": …, "bytes": …}]}`;
//! only `made` must be there. Times are RFC 3339, `content_id` is equal at two places only for the same data.
//! Promises: an unknown key or version is an error, so nothing is half understood.

use agent_model::CopyEntry;
use agent_yaml::{At, Duration as Length};
use deserr::Deserr;
use jiff::Timestamp;
use serde::Deserialize;

use super::super::command::Program;
use super::super::config::{Common, Entry, Host, Wrong, absolute, time_limit};
use super::{Found, Tool};

const VERSION: u32 = 1;

/// What a program prints counts as the copies of a job.
#[derive(Clone, Debug, Deserr)]
#[deserr(deny_unknown_fields)]
pub struct Config {
    pub job: At<String>,
    /// Where the copies lie, in people's words.
    pub location: At<String>,
    /// The program and its arguments; no shell is involved.
    pub command: Vec<At<String>>,
    #[deserr(default)]
    pub environment_file: Option<At<String>>,
    #[deserr(default = Length::from_secs(900))]
    pub interval: Length,
    #[deserr(default = Length::from_secs(120))]
    pub timeout: Length,
}

/// A program that is asked.
#[derive(Clone, Debug)]
pub(crate) struct Answering {
    program: Program,
    arguments: Vec<String>,
    location: String,
}

#[derive(Deserialize)]
struct Version {
    version: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Told {
    #[serde(rename = "version")]
    _version: u32,
    copies: Vec<Copy>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Copy {
    made: String,
    #[serde(default)]
    consistent: Option<String>,
    #[serde(default)]
    content_id: String,
    #[serde(default)]
    bytes: Option<u64>,
}

impl Entry for Config {
    fn common(&self) -> Common<'_> {
        let Self { job, location, interval, .. } = self;
        let place = location.value.clone();
        Common { job, place, interval: *interval, depths: &[], verify: None }
    }

    fn check(&self, wrong: &mut Wrong<'_>) {
        match self.command.first() {
            Some(program) => absolute("program", program, wrong),
            None => wrong(&self.job, format!("the command of {:?} is empty", self.job.value)),
        }
        if let Some(file) = &self.environment_file {
            absolute("environment file", file, wrong);
        }
        time_limit(&self.job, self.timeout, wrong);
    }

    fn tool(&self, _host: &Host<'_>) -> Tool {
        let mut words = self.command.iter().map(|word| word.value.clone());
        let program = words.next().unwrap_or_default();
        let environment_file = self.environment_file.as_ref().map(|at| at.value.clone().into());
        Tool::Program(Answering {
            program: Program { environment_file, ..Program::new(&program, self.timeout.0) },
            arguments: words.collect(),
            location: self.location.value.clone(),
        })
    }
}

impl Answering {
    pub(super) fn location(&self) -> String {
        self.location.clone()
    }

    pub(super) async fn look(&self) -> Result<Vec<Found>, String> {
        let output = self.program.ask(&self.arguments).await?;
        let wrong = |error| format!("what the program tells cannot be understood: {error}");
        let Version { version } = serde_json::from_slice(&output).map_err(wrong)?;
        if version != VERSION {
            return Err(format!("what the program tells cannot be understood: version {version}"));
        }
        let told: Told = serde_json::from_slice(&output).map_err(wrong)?;
        told.copies.into_iter().map(Copy::found).collect()
    }
}

impl Copy {
    fn found(self) -> Result<Found, String> {
        let ms = |text: String| {
            let time = text.parse::<Timestamp>();
            let time = time.map_err(|_| format!("{text:?} is not a time as RFC 3339 writes it"))?;
            Ok::<_, String>(time.as_millisecond())
        };
        let consistent_ms = self.consistent.map(ms).transpose()?;
        let entry = CopyEntry { content_id: self.content_id, consistent_ms, bytes: self.bytes };
        Ok(Found { made_ms: ms(self.made)?, entry })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    async fn told(json: &str) -> Result<Vec<Found>, String> {
        let program = Program::new("printf", Duration::from_secs(60));
        let arguments = vec!["%s".to_owned(), json.to_owned()];
        Answering { program, arguments, location: "kho".to_owned() }.look().await
    }

    #[tokio::test]
    async fn every_field_is_read_and_what_is_unknown_is_refused() {
        let made = r#""made": "1970-01-01T07:00:02+07:00""#;
        let json = format!(
            r#"{{"version": 1, "copies": [{{{made}, "consistent": "1970-01-01T00:00:01Z",
                "content_id": "7", "bytes": 18446744073709551615}}, {{{made}}}]}}"#
        );
        let found = told(&json).await.unwrap();
        let entry =
            CopyEntry { content_id: "7".into(), consistent_ms: Some(1_000), bytes: Some(u64::MAX) };
        assert_eq!(found[0], Found { made_ms: 2_000, entry });
        assert_eq!(found[1], Found { made_ms: 2_000, entry: CopyEntry::default() });
        assert_eq!(told(r#"{"version": 1, "copies": []}"#).await, Ok(Vec::new()));
        for (json, reason) in [
            (r#"{"version": 2, "copies": [], "new": 1}"#, "version 2"),
            (r#"{"version": 1, "copies": [], "more": 1}"#, "unknown field `more`"),
            (r#"{"version": 1, "copies": [{"made": "yesterday"}]}"#, "\"yesterday\" is not a time"),
            (r#"{"version": 1, "copies": [{"made": "1970-01-01T00:00:01Z", "bytes": -1}]}"#, "-1"),
            (r#"{"version": 1, "copies": [{"bytes": 1}]}"#, "missing field `made`"),
        ] {
            let error = told(json).await.unwrap_err();
            assert!(error.contains(reason), "{json}: {error}");
        }
    }
}
