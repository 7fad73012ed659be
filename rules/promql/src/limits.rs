//! What one query may cost. Reaching a limit is an error that names it, never a shorter answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::PromqlError;

#[derive(Clone, Debug)]
pub struct Limits {
    /// Samples read from the source and values computed, together: 16 bytes each at most, so this bounds memory.
    pub samples_max: usize,
    /// Series that one selector may yield: above this the labels alone are heavy.
    pub series_max: usize,
    /// Steps of a range query: more than a screen has pixels is a mistake.
    pub steps_max: usize,
    /// Set it from outside (a deadline, a client that went away) and the evaluation ends soon with
    /// [`PromqlError::Cancelled`].
    pub cancel: Option<Arc<AtomicBool>>,
}

impl Default for Limits {
    fn default() -> Self {
        Self { samples_max: 20_000_000, series_max: 200_000, steps_max: 11_000, cancel: None }
    }
}

impl Limits {
    /// An error once nobody waits for the answer any more.
    pub fn check_cancelled(&self) -> Result<(), PromqlError> {
        match &self.cancel {
            Some(flag) if flag.load(Ordering::Relaxed) => Err(PromqlError::Cancelled),
            _ => Ok(()),
        }
    }
}
