//! Messages that carry a whole group, however large it is: written off the runtime's threads, and only so many bytes of
//! them in memory at a time, from before they are written until their request ends.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{Semaphore, SemaphorePermit, TryAcquireError};

use super::SendError;
use super::composing::Composer;
use crate::notification::{Notification, NotifiedAlert};

/// Of all large bodies at a time: ten thousand alerts are some 10 MB for each of what may be a thousand receivers, who may
/// all be slow to take them.
const BODIES_KILOBYTES_MAX: u32 = 64 << 10;

/// A smaller body waits for none: what a thousand receivers hold of these is no more than the large may have.
const SMALL_KILOBYTES: u32 = 16;

/// What an alert costs beside its labels and annotations: names of keys, times, addresses.
const ALERT_BYTES: usize = 400;

static ROOM: Semaphore = Semaphore::const_new(BODIES_KILOBYTES_MAX as usize);

/// Its room is free again when this is dropped.
pub(super) struct Body {
    pub(super) bytes: Vec<u8>,
    pub(super) room: Option<SemaphorePermit<'static>>,
}

impl Composer {
    /// What `write` makes of the notification and our address, once there is room for it.
    pub(super) async fn body(
        &self,
        notification: &Notification,
        write: impl FnOnce(&Notification, &str) -> serde_json::Result<Vec<u8>> + Send + 'static,
    ) -> Result<Body, SendError> {
        let room = room(kilobytes(notification), &self.counted.bodies_waited).await;
        let (notification, external_url) = (notification.clone(), self.external_url.clone());
        let bytes = self.in_turn(move || write(&notification, &external_url)).await?;
        let bytes = bytes.map_err(|error| SendError::Setup(format!("the body: {error}")))?;
        Ok(Body { bytes, room })
    }
}

/// About as much as it becomes.
fn kilobytes(notification: &Notification) -> u32 {
    let of = |alert: &NotifiedAlert| {
        let labels = alert.labels.iter().map(|label| label.name.len() + label.value.len());
        let annotations = alert.annotations.iter().map(|(name, text)| name.len() + text.len());
        ALERT_BYTES + labels.chain(annotations).sum::<usize>()
    };
    let bytes: usize = notification.alerts.iter().map(of).sum();
    // A larger one than all the room goes out alone.
    u32::try_from(bytes >> 10).unwrap_or(u32::MAX).min(BODIES_KILOBYTES_MAX)
}

async fn room(kilobytes: u32, waited: &AtomicU64) -> Option<SemaphorePermit<'static>> {
    if kilobytes < SMALL_KILOBYTES {
        return None;
    }
    match ROOM.try_acquire_many(kilobytes) {
        Ok(room) => Some(room),
        Err(TryAcquireError::NoPermits) => {
            waited.fetch_add(1, Ordering::Relaxed);
            // It is never closed.
            ROOM.acquire_many(kilobytes).await.ok()
        }
        Err(TryAcquireError::Closed) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn large_bodies_wait_for_each_other_and_small_ones_for_none() {
        let waited = AtomicU64::new(0);
        let first = room(BODIES_KILOBYTES_MAX - 100, &waited).await;
        assert!(room(SMALL_KILOBYTES - 1, &waited).await.is_none());
        let fits = room(100, &waited).await;
        assert_eq!(waited.load(Ordering::Relaxed), 0);
        // Its time is over as soon as it waits.
        let second = tokio::time::timeout(Duration::ZERO, room(SMALL_KILOBYTES, &waited)).await;
        assert!(second.is_err(), "there is no room");
        assert_eq!(waited.load(Ordering::Relaxed), 1);
        drop(fits);
        assert!(room(SMALL_KILOBYTES, &waited).await.is_some());
        drop(first);
        assert!(room(BODIES_KILOBYTES_MAX, &waited).await.is_some());
        assert_eq!(waited.load(Ordering::Relaxed), 1);
    }
}
