//! The heartbeat: a sign of life to a watcher outside, who raises the alarm when it stays away.
//! Leaves to others: when the collector is well enough to send one.

use agent_model::Millis;

use crate::routing::{HeartbeatSettings, Routing};

use super::http::Http;
use super::{SendError, secret};

/// Sends signs of life as `heartbeat` of a routing says.
#[derive(Clone, Debug)]
pub struct Heartbeat {
    settings: HeartbeatSettings,
}

impl Heartbeat {
    /// `None` where nobody outside is to be told.
    pub fn of(routing: &Routing) -> Option<Self> {
        routing.heartbeat.as_deref().map(|settings| Self { settings: settings.clone() })
    }

    pub fn interval_ms(&self) -> Millis {
        self.settings.interval_ms
    }

    /// One sign of life. Certificates and addresses in files are read anew each time.
    pub async fn beat(&self) -> Result<(), SendError> {
        let http = Http::new(self.settings.http.clone(), None)?;
        let url = secret::read("the heartbeat's address", &self.settings.url).await?;
        http.get(url).await?.fine().map(drop)
    }
}
