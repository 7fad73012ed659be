//! Drills that people run: the plans, the runs, and the task that makes the automatic checks.
//!
//! Promises: what happened is on the disk before anybody is shown it; a run is rebuilt from its log whenever it is looked
//! at, so a restart changes nothing; changes happen one after the other.
//! Leaves to others: what a record means (`rules::drill`), and who may ask (`http::drills`).

mod check;
mod error;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use agent_model::{Millis, Problems};
use collector_inventory::{Drill, DrillEntry, Inventory};
use rules::drill::{DrillError, DrillPlan, DrillRecord, DrillRun, DrillState};
use tokio::sync::{Mutex, broadcast, watch};

pub use check::{Checker, Seen};
pub use error::DrillsError;

use crate::clock;

/// How often automatic steps are checked and time-outs are looked at: measured times are this exact.
const TICK_INTERVAL: Duration = Duration::from_secs(1);

/// Drills at once: each costs a check every second, and a province has no people for more.
pub const RUNNING_MAX: usize = 8;

/// Stored drills that are looked through for unfinished ones at the start.
const RESUMED_MAX: u32 = 10_000;

/// Changes that a slow page may miss before it is told to fetch everything again.
const CHANGES_MAX: usize = 64;

/// A drill that was started, as its log tells it.
pub struct Kept {
    pub drill: Drill,
    pub run: DrillRun,
}

/// A drill that is not over.
struct Running {
    plan: String,
    /// What the last check of its step saw.
    last_seen: String,
}

/// The plans in force, and what is wrong with those that were left out.
#[derive(Default)]
pub struct Plans {
    pub plans: Vec<Arc<DrillPlan>>,
    pub problems: Problems,
}

pub struct Drills {
    plans: RwLock<Arc<Plans>>,
    inventory: Inventory,
    checker: Checker,
    /// Held while a run changes: no two changes start from the same state.
    running: Mutex<BTreeMap<u64, Running>>,
    changed: broadcast::Sender<u64>,
}

impl Drills {
    pub fn new(plans: Plans, inventory: Inventory, checker: Checker) -> Self {
        Self {
            plans: RwLock::new(Arc::new(plans)),
            inventory,
            checker,
            running: Mutex::default(),
            changed: broadcast::Sender::new(CHANGES_MAX),
        }
    }

    pub fn plans(&self) -> Arc<Plans> {
        Arc::clone(&self.plans.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Drills that run keep the plan they began with.
    pub fn replace_plans(&self, plans: Plans) {
        *self.plans.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(plans);
    }

    /// The numbers of drills that change.
    pub fn subscribe(&self) -> broadcast::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Starts a plan once its site was typed and its preconditions were found to be met.
    pub async fn start(&self, plan: &str, site: &str, who: &str) -> Result<Kept, DrillsError> {
        let plans = self.plans();
        let found = plans.plans.iter().find(|known| known.id == plan);
        let plan = Arc::clone(found.ok_or_else(|| DrillsError::NoPlan(plan.to_owned()))?);
        if site.trim() != plan.site {
            return Err(DrillsError::WrongSite { site: plan.site.clone() });
        }
        let evidence = self.preconditions(&plan).await?;
        let mut running = self.running.lock().await;
        if let Some((drill, _)) = running.iter().find(|(_, running)| running.plan == plan.id) {
            return Err(DrillsError::RunsAlready(*drill));
        }
        if running.len() >= RUNNING_MAX {
            return Err(DrillsError::TooMany);
        }
        let now_ms = clock::now_ms();
        let drill = self.inventory.drill_start(&plan.id, &plan.text, who, now_ms).await?;
        let started = Running { plan: plan.id.clone(), last_seen: String::new() };
        running.insert(drill, started);
        let mut run = DrillRun::new(plan, who, now_ms);
        for (number, evidence) in evidence.iter().enumerate() {
            let record = run.precondition(number, true, evidence, now_ms)?;
            self.append(drill, &record).await?;
        }
        let record = run.begin(who, now_ms)?;
        self.append(drill, &record).await?;
        self.drill(drill).await
    }

    /// What the check of each precondition saw; the first that is not met refuses the start.
    async fn preconditions(&self, plan: &DrillPlan) -> Result<Vec<String>, DrillsError> {
        let mut evidence = Vec::new();
        for precondition in &plan.preconditions {
            let seen = self.checker.query(&precondition.expr).await;
            if !seen.passed {
                let title = precondition.title.en.clone();
                return Err(DrillsError::Unmet { title, evidence: seen.evidence });
            }
            evidence.push(seen.evidence);
        }
        Ok(evidence)
    }

    /// A person says how the running step went.
    pub async fn finish_step(
        &self,
        drill: u64,
        step: &str,
        who: &str,
        passed: bool,
        note: &str,
    ) -> Result<Kept, DrillsError> {
        let change = |run: &mut DrillRun, now_ms| {
            if passed {
                run.confirm(step, who, note, now_ms)
            } else {
                run.fail(step, who, note, now_ms)
            }
        };
        self.change(drill, change).await
    }

    pub async fn abort(&self, drill: u64, who: &str, reason: &str) -> Result<Kept, DrillsError> {
        self.change(drill, |run, now_ms| run.abort(who, reason, now_ms)).await
    }

    /// A drill as it stands in the store.
    pub async fn drill(&self, drill: u64) -> Result<Kept, DrillsError> {
        let found = self.inventory.drill(drill).await?;
        let (kept, entries) = found.ok_or(DrillsError::NoDrill(drill))?;
        let plan = DrillPlan::parse(Path::new(&kept.plan), &kept.plan_text)
            .map_err(|source| DrillsError::Stored { drill, source })?;
        let records: Vec<DrillRecord> = entries.into_iter().map(record).collect();
        let run = DrillRun::replay(Arc::new(plan), &kept.started_by, kept.started_ms, &records)?;
        Ok(Kept { drill: kept, run })
    }

    /// The newest drills first.
    pub async fn newest(&self, limit: u32) -> Result<Vec<Kept>, DrillsError> {
        let mut found = Vec::new();
        for drill in self.inventory.drills(limit).await? {
            match self.drill(drill.drill).await {
                Ok(kept) => found.push(kept),
                // Perhaps of a newer version; its log stays.
                Err(DrillsError::Stored { .. } | DrillsError::Refused(_)) => {
                    tracing::warn!(drill = drill.drill, "a stored drill cannot be understood");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }

    /// Takes up the drills that were running, and makes their checks until `stop` turns true.
    pub async fn run(&self, mut stop: watch::Receiver<bool>) {
        let mut resumed = false;
        loop {
            if !resumed {
                let done = self.resume().await;
                resumed = done.is_ok();
                told("running drills cannot be taken up yet", done);
            }
            let drills: Vec<u64> = self.running.lock().await.keys().copied().collect();
            let looks = drills.into_iter().map(|drill| async move {
                told("a drill cannot be checked", self.look(drill).await);
            });
            tokio::select! {
                _ = futures_util::future::join_all(looks) => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
            tokio::select! {
                () = tokio::time::sleep(TICK_INTERVAL) => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
        }
    }

    async fn resume(&self) -> Result<(), DrillsError> {
        let mut running = self.running.lock().await;
        for drill in self.inventory.drills(RESUMED_MAX).await? {
            if drill.finished_ms.is_none() {
                tracing::info!(drill = drill.drill, plan = drill.plan, "a drill goes on");
                let last_seen = String::new();
                running.entry(drill.drill).or_insert(Running { plan: drill.plan, last_seen });
            }
        }
        Ok(())
    }

    /// Checks the running step of a drill, and ends what has to end.
    async fn look(&self, drill: u64) -> Result<(), DrillsError> {
        let kept = self.drill(drill).await?;
        match kept.run.state() {
            DrillState::Running => {}
            DrillState::Preparing => {
                self.abort(drill, "", "gián đoạn trước khi bắt đầu").await?;
                return Ok(());
            }
            // The collector ended between the last record and the end of the log.
            state => {
                let finished_ms = kept.run.finished_ms().unwrap_or(kept.drill.started_ms);
                let mut running = self.running.lock().await;
                self.inventory.drill_finish(drill, state.name(), finished_ms).await?;
                running.remove(&drill);
                return Ok(());
            }
        }
        let Some((step, _)) = kept.run.deadline() else { return Ok(()) };
        let seen = self.checker.step(&step.kind).await;
        self.settle(drill, &step.id, seen).await
    }

    /// Notes what a check of `step` saw, unless a person was quicker.
    async fn settle(&self, drill: u64, step: &str, seen: Option<Seen>) -> Result<(), DrillsError> {
        let mut running = self.running.lock().await;
        let Some(place) = running.get_mut(&drill) else { return Ok(()) };
        let mut kept = self.drill(drill).await?;
        if let Some(seen) = &seen {
            place.last_seen.clone_from(&seen.evidence);
        }
        let last_seen = place.last_seen.clone();
        let now_ms = clock::now_ms();
        let record = match outcome(&mut kept.run, step, seen, &last_seen, now_ms) {
            Ok(record) => record,
            Err(error) => {
                place.last_seen = format!("{last_seen}; {error}");
                None
            }
        };
        match record {
            Some(record) => self.keep(&mut running, drill, &kept.run, &record).await,
            None => Ok(()),
        }
    }

    async fn change(
        &self,
        drill: u64,
        make: impl FnOnce(&mut DrillRun, Millis) -> Result<DrillRecord, DrillError>,
    ) -> Result<Kept, DrillsError> {
        let mut running = self.running.lock().await;
        let mut kept = self.drill(drill).await?;
        let record = make(&mut kept.run, clock::now_ms())?;
        self.keep(&mut running, drill, &kept.run, &record).await?;
        self.drill(drill).await
    }

    /// Stores a change and, when it was the last, the end.
    async fn keep(
        &self,
        running: &mut BTreeMap<u64, Running>,
        drill: u64,
        run: &DrillRun,
        record: &DrillRecord,
    ) -> Result<(), DrillsError> {
        self.append(drill, record).await?;
        if let Some(place) = running.get_mut(&drill) {
            place.last_seen.clear();
        }
        if run.state().is_over() {
            self.inventory.drill_finish(drill, run.state().name(), record.time_ms).await?;
            running.remove(&drill);
        }
        Ok(())
    }

    async fn append(&self, drill: u64, record: &DrillRecord) -> Result<(), DrillsError> {
        if !self.inventory.drill_append(drill, &entry(record)).await? {
            return Err(DrillsError::Over(drill));
        }
        // Without a page there is nobody to tell.
        drop(self.changed.send(drill));
        Ok(())
    }
}

/// What a check changes: a step past its time has failed even if its check succeeds just then.
fn outcome(
    run: &mut DrillRun,
    step: &str,
    seen: Option<Seen>,
    last_seen: &str,
    now_ms: Millis,
) -> Result<Option<DrillRecord>, DrillError> {
    if run.deadline().is_none_or(|(running, _)| running.id != step) {
        return Ok(None);
    }
    if let Some(record) = run.tick(last_seen, now_ms) {
        return Ok(Some(record));
    }
    match seen {
        Some(seen) if seen.passed => {
            run.check_passed(step, &seen.evidence, seen.value, now_ms).map(Some)
        }
        _ => Ok(None),
    }
}

fn told(what: &str, done: Result<(), DrillsError>) {
    if let Err(error) = done {
        tracing::error!(error = %crate::describe(&error), "{what}");
    }
}

fn entry(record: &DrillRecord) -> DrillEntry {
    DrillEntry {
        time_ms: record.time_ms,
        who: record.who.clone(),
        step: record.step.clone(),
        what: record.what.clone(),
        outcome: record.outcome.clone(),
        detail: record.detail.clone(),
        evidence: record.evidence.clone(),
    }
}

fn record(entry: DrillEntry) -> DrillRecord {
    DrillRecord {
        time_ms: entry.time_ms,
        who: entry.who,
        step: entry.step,
        what: entry.what,
        outcome: entry.outcome,
        detail: entry.detail,
        evidence: entry.evidence,
    }
}
