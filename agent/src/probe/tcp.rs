//! One TCP connection, and whether the first words of the server are as they should be.
//! Promises: ends within its time limit; reads no more than a few kilobytes; sends nothing.

use std::time::Duration;

use regex::bytes::Regex;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use super::Answer;
use crate::clock::Clock;

/// First words that are looked at: banners of SSH, SMTP, IMAP and FTP take a line or a few.
const BANNER_BYTES_MAX: usize = 4 << 10;

#[derive(Clone, Debug)]
pub(super) struct TcpProbe {
    /// `host:port`
    pub(super) address: String,
    pub(super) timeout: Duration,
    pub(super) expect: Option<Regex>,
}

impl TcpProbe {
    pub(super) async fn run(&self, clock: Clock) -> Answer {
        let started = clock.instant();
        let limited = tokio::time::timeout(self.timeout, self.connect()).await;
        let duration = clock.instant().saturating_duration_since(started);
        let answer = Answer { duration, ..Answer::default() };
        match limited {
            Ok(Ok(())) => Answer { success: true, ..answer },
            Ok(Err(failure)) => answer.failed(failure),
            Err(_) => {
                let what = if self.expect.is_some() { "expected words" } else { "connection" };
                answer.failed(format!("no {what} within {} s", self.timeout.as_secs_f64()))
            }
        }
    }

    async fn connect(&self) -> Result<(), String> {
        let connected = TcpStream::connect(&self.address).await;
        let mut stream = connected.map_err(|error| format!("cannot connect: {error}"))?;
        let Some(expect) = &self.expect else { return Ok(()) };
        let mut banner = Vec::new();
        let mut bytes = [0; 512];
        while !expect.is_match(&banner) {
            let read = stream.read(&mut bytes).await;
            let length = read.map_err(|error| format!("cannot read: {error}"))?;
            if length == 0 || banner.len() >= BANNER_BYTES_MAX {
                let said = String::from_utf8_lossy(&banner[..banner.len().min(80)]).into_owned();
                return Err(format!("said {said:?}, where {expect:?} does not match"));
            }
            banner.extend_from_slice(&bytes[..length]);
        }
        Ok(())
    }
}
