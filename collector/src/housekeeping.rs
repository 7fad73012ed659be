//! Housekeeping: what has to be done again and again so that a restart is quick and the disk stays within its bounds.
//! Promises: the metric head is on disk at least every `CUT_INTERVAL`, sooner when much arrives; the journal is released up to the slowest view and
//! the slowest remote write target;
//! retention runs although ingest has stopped at the reserve; a failure is logged and tried again.

use std::sync::Arc;
use std::time::Duration;

use agent_model::Millis;
use collector_inventory::{AuditBreak, Retention};
use collector_journal::Position;
use tokio::sync::watch;

use crate::clock;
use crate::outward::Outward;
use crate::self_metrics::SelfMetrics;
use crate::stores::Stores;

/// After a crash at most this much is replayed.
const CUT_INTERVAL: Duration = Duration::from_secs(120);

/// How often is looked whether so much arrived that a cut is due before.
const CUT_LOOK_INTERVAL: Duration = Duration::from_secs(2);

/// How often the journal is released and holes are named.
const ROUND_INTERVAL: Duration = Duration::from_secs(20);

/// How often the seal of the audit log's end is told, so that it stands in the system's log, too.
const SEAL_INTERVAL: Duration = Duration::from_secs(86_400);

/// How often what is past its time is deleted, parts are merged, and the audit log is verified.
const RETENTION_INTERVAL: Duration = Duration::from_secs(600);

/// A hole in a host's reports is named when nobody has filled it for this long: an agent that has it sends it
/// within minutes.
const HOLE_DELAY_MS: Millis = 15 * 60_000;

const DAY_MS: Millis = 86_400_000;

/// How long the inventory keeps each kind: a year for what is asked about, five for drill minutes (DESIGN section 5).
const INVENTORY: Retention = Retention {
    backup_runs_ms: 400 * DAY_MS,
    probe_results_ms: 400 * DAY_MS,
    gaps_ms: 400 * DAY_MS,
    audit_ms: 400 * DAY_MS,
    drills_ms: 5 * 366 * DAY_MS,
    metadata_ms: 30 * DAY_MS,
    schemas_ms: 30 * DAY_MS,
};

/// Runs until `stop` turns true, then cuts the metric head once more so that the next start replays nothing.
pub async fn run(
    stores: Stores,
    outward: Outward,
    metrics: SelfMetrics,
    mut stop: watch::Receiver<bool>,
) {
    let (mut cut, mut round) = (clock::instant(), clock::instant());
    let mut retained = None::<std::time::Instant>;
    let mut sealed = None::<std::time::Instant>;
    let mut noted = None::<(u64, String)>;
    loop {
        let stopping = tokio::select! {
            () = tokio::time::sleep(CUT_LOOK_INTERVAL) => false,
            _ = stop.wait_for(|stop| *stop) => true,
        };
        if stopping {
            cut_metrics(&stores).await;
            release(&stores, &outward, &metrics).await;
            return;
        }
        if cut.elapsed() >= CUT_INTERVAL || stores.metrics.cut_due() {
            cut_metrics(&stores).await;
            cut = clock::instant();
        }
        if round.elapsed() < ROUND_INTERVAL {
            continue;
        }
        round = clock::instant();
        release(&stores, &outward, &metrics).await;
        metrics.note_journal(&stores.journal.stats());
        metrics.note_metric_store(&stores.metrics.stats());
        let named = stores.inventory.name_holes(HOLE_DELAY_MS, clock::now_ms()).await;
        log_failure("holes in reports could not be looked for", named.map(drop));
        if retained.is_none_or(|last| last.elapsed() >= RETENTION_INTERVAL) {
            retain(&stores).await;
            retained = Some(clock::instant());
            let tell = sealed.is_none_or(|last| last.elapsed() >= SEAL_INTERVAL);
            verify_audit(&stores, &metrics, &mut noted, tell).await;
            sealed = if tell { retained } else { sealed };
        }
    }
}

async fn cut_metrics(stores: &Stores) {
    let store = Arc::clone(&stores.metrics);
    let cut = tokio::task::spawn_blocking(move || store.cut()).await;
    if let Ok(done) = cut {
        log_failure("the metric head could not be written", done);
    }
}

/// Deletes journal segments that every view has stored and every target has taken, and shows how far each view is behind.
async fn release(stores: &Stores, outward: &Outward, metrics: &SelfMetrics) {
    match stores.positions().await {
        Ok(positions) => {
            let durable = stores.journal.durable().0;
            for (view, position) in positions.by_view() {
                let lag = i64::try_from(durable.saturating_sub(position)).unwrap_or(i64::MAX);
                metrics.view_lag.with_label_values(&[view]).set(lag);
            }
            let stored = Position(positions.slowest());
            let stored = outward.stored().map_or(stored, |sent| sent.min(stored));
            let released = stores.journal.release(stored);
            log_failure("old journal segments could not be deleted", released);
        }
        Err(error) => log_failure::<_, ()>("the positions of the views are not known", Err(error)),
    }
}

async fn retain(stores: &Stores) {
    let now_ms = clock::now_ms();
    let pruned = stores.inventory.prune(&INVENTORY, now_ms).await;
    log_failure("the inventory could not be pruned", pruned.map(drop));
    log_failure("no room could be taken ahead", stores.inventory.keep_reserve().await);
    log_failure("no room could be taken ahead for alerts", stores.alerting.keep_reserve().await);
    let (metrics, events) = (Arc::clone(&stores.metrics), Arc::clone(&stores.events));
    let done = tokio::task::spawn_blocking(move || {
        log_failure("metric parts could not be kept in order", metrics.maintain(now_ms).map(drop));
        log_failure("old events could not be deleted", events.maintain(now_ms).map(drop));
    });
    log_failure("retention broke off", done.await);
}

/// What is found is shown until it is found otherwise. The newest entry of each sound look is noted for the next: taking
/// entries from the end of a chain leaves it whole.
async fn verify_audit(
    stores: &Stores,
    metrics: &SelfMetrics,
    noted: &mut Option<(u64, String)>,
    tell: bool,
) {
    let before = noted.as_ref().map(|(number, seal)| (*number, seal.as_str()));
    let found = match stores.inventory.verify_audit(before).await {
        Ok(found) => found,
        Err(error) => {
            return log_failure::<_, ()>("the audit log could not be verified", Err(error));
        }
    };
    let broken = found.broken.or_else(|| found.broken_since(before?.0));
    let (number, seal) = (found.last, found.seal);
    match broken {
        Some(AuditBreak::Changed { number: at } | AuditBreak::Missing { number: at }) => {
            metrics.note_audit(Some(at));
            tracing::error!(
                at,
                "the audit log was tampered with or damaged: see `haidang audit verify`"
            );
        }
        None => {
            metrics.note_audit(None);
            if tell {
                tracing::info!(number, seal, "the audit log holds up to this entry");
            }
            *noted = (number > 0).then_some((number, seal));
        }
    }
}

fn log_failure<E: std::error::Error, T>(what: &str, done: Result<T, E>) {
    if let Err(error) = done {
        tracing::error!(error = %crate::describe(&error), "{what}; trying again");
    }
}
