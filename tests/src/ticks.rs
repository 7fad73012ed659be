//! The agent numbers its readings: a reading that the collector does not hold is a number that is missing.

use agent_model::Millis;
use anyhow::Context;
use serde_json::Value;

use crate::house::House;

/// The readings of one host that the collector holds.
#[derive(Debug)]
pub struct Ticks {
    /// When each was made, and its number; in order of time.
    pub held: Vec<(Millis, u64)>,
}

impl Ticks {
    /// Of the last hour, all of one start of the agent.
    pub async fn of(house: &House, host: &str) -> anyhow::Result<Self> {
        let found =
            house.query(&format!("haidang_agent_readings_total{{host=\"{host}\"}}[1h]")).await?;
        let samples = found[0]["values"].as_array().context("no reading is held")?;
        let held = samples.iter().map(|sample| number(sample).context("no number"));
        Ok(Self { held: held.collect::<anyhow::Result<_>>()? })
    }

    /// Runs of readings that are missing: the times of their neighbours, and how many they are.
    pub fn holes(&self) -> Vec<(Millis, Millis, u64)> {
        let pairs = self.held.windows(2);
        let holes = pairs.filter(|pair| pair[1].1 != pair[0].1 + 1);
        holes.map(|pair| (pair[0].0, pair[1].0, pair[1].1.saturating_sub(pair[0].1 + 1))).collect()
    }
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "milliseconds since 1970 and counts, both whole"
)]
fn number(sample: &Value) -> Option<(Millis, u64)> {
    let (seconds, value) = (sample[0].as_f64()?, sample[1].as_str()?.parse::<f64>().ok()?);
    Some(((seconds * 1_000.0).round() as Millis, value as u64))
}
