//! Random moments that can be had again: the seed is printed, and `STORY_SEED` sets it.

use std::time::Duration;

use anyhow::Context;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

pub struct Chance(StdRng);

impl Chance {
    #[allow(clippy::print_stdout, reason = "a test prints what it takes to have its failure again")]
    /// A new seed for each run, unless the environment names one.
    pub fn new() -> anyhow::Result<Self> {
        let seed = match std::env::var("STORY_SEED") {
            Ok(text) => text.parse().context("STORY_SEED is a number")?,
            Err(_) => rand::random(),
        };
        // Shown when the story fails.
        println!("moments by chance: STORY_SEED={seed}");
        Ok(Self(StdRng::seed_from_u64(seed)))
    }

    /// A time below `most`, each as likely as any other.
    pub fn moment(&mut self, most: Duration) -> Duration {
        most.mul_f64(self.0.random())
    }

    /// True in so many of a hundred cases.
    pub fn percent(&mut self, percent: u32) -> bool {
        self.0.random_ratio(percent, 100)
    }
}
