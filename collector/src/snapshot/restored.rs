//! The first start from a snapshot: what came after it is told as a gap of every host, and stands in the audit log.
//!
//! The manifest that was copied back with the state tells that it is one; afterwards it has another name, so it is told once.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use agent_model::{Epoch, Gap, GapReason, HostId, Millis, Stream};
use collector_inventory::{AuditEntry, Inventory};

use super::{MANIFEST, Manifest, SnapshotError, file};

/// The manifest's name once the gaps are recorded.
const TOLD: &str = "restored-from.json";

/// The newest gaps are looked at: two of each host, and some more.
const GAPS_READ_MAX: u32 = 50_000;

/// Records the gaps if the state was restored. Hosts had their reports acknowledged and hold them no longer.
pub async fn tell(
    state_dir: &Path,
    inventory: &Inventory,
    now_ms: Millis,
) -> Result<(), SnapshotError> {
    let path = state_dir.join(MANIFEST);
    if !path.exists() {
        return Ok(());
    }
    let taken_ms = Manifest::read(&path)?.taken_ms;
    let taken = jiff::Timestamp::from_millisecond(taken_ms)
        .map_or_else(|_| taken_ms.to_string(), |time| time.to_string());
    tracing::warn!(
        "this state was restored from the snapshot of {taken}: what was acknowledged after it is not here; \
         who and what was revoked since then must be revoked again"
    );
    // A start that broke off may have told some of them.
    let gaps = inventory.gaps(GAPS_READ_MAX).await?.into_iter();
    let told: HashSet<(String, Stream)> = gaps
        .filter(|known| known.gap.reason == GapReason::Restored && known.gap.from_ms == taken_ms)
        .map(|known| (known.host.to_string(), known.gap.stream))
        .collect();
    for name in inventory.host_names().await? {
        let Ok(host) = HostId::new(&name) else { continue };
        let streams = [Stream::Evidence, Stream::Metrics];
        for stream in streams.into_iter().filter(|stream| !told.contains(&(name.clone(), *stream)))
        {
            // Nobody knows how much it was.
            let gap = Gap {
                stream,
                epoch: Epoch(0),
                first_sequence: 1,
                last_sequence: 0,
                from_ms: taken_ms,
                to_ms: now_ms,
                samples: 0,
                events: 0,
                reason: GapReason::Restored,
            };
            inventory.gap_record(&host, &gap, now_ms).await?;
        }
    }
    let entry = AuditEntry {
        time_ms: now_ms,
        who: "collector".to_owned(),
        action: "snapshot.restore".to_owned(),
        object: taken,
        outcome: "done".to_owned(),
    };
    inventory.audit_append(&entry).await?;
    fs::rename(&path, state_dir.join(TOLD)).map_err(file("renamed", &path))
}
