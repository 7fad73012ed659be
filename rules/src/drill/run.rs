//! A drill that is run: a state machine without a clock. Every change is one record; the records, applied in order to
//! the plan, give the same state again.

use std::sync::Arc;

use agent_model::Millis;

use super::plan::{DrillPlan, Measure, Step, StepKind};
use super::record::{DrillError, DrillRecord, foreign, record};
use super::state::{DrillState, PreconditionRun, StepRun, StepState};

/// A drill and everything that happened in it.
#[derive(Clone, Debug, PartialEq)]
pub struct DrillRun {
    plan: Arc<DrillPlan>,
    started_by: String,
    started_ms: Millis,
    begun_ms: Option<Millis>,
    finished_ms: Option<Millis>,
    state: DrillState,
    /// Why it ended early.
    ending: String,
    preconditions: Vec<PreconditionRun>,
    steps: Vec<StepRun>,
    rpo_seconds: Option<f64>,
}

impl DrillRun {
    pub fn new(plan: Arc<DrillPlan>, started_by: &str, started_ms: Millis) -> Self {
        let waiting = StepRun {
            state: StepState::Waiting,
            started_ms: None,
            finished_ms: None,
            who: String::new(),
            detail: String::new(),
            evidence: String::new(),
        };
        Self {
            preconditions: vec![PreconditionRun::default(); plan.preconditions.len()],
            steps: vec![waiting; plan.steps.len()],
            plan,
            started_by: started_by.to_owned(),
            started_ms,
            begun_ms: None,
            finished_ms: None,
            state: DrillState::Preparing,
            ending: String::new(),
            rpo_seconds: None,
        }
    }

    /// The run as its records tell it.
    pub fn replay<'r>(
        plan: Arc<DrillPlan>,
        started_by: &str,
        started_ms: Millis,
        records: impl IntoIterator<Item = &'r DrillRecord>,
    ) -> Result<Self, DrillError> {
        let mut run = Self::new(plan, started_by, started_ms);
        records.into_iter().try_for_each(|record| run.apply(record))?;
        Ok(run)
    }

    /// Notes how a precondition was found; it may be checked again until the drill begins.
    pub fn precondition(
        &mut self,
        number: usize,
        met: bool,
        evidence: &str,
        time_ms: Millis,
    ) -> Result<DrillRecord, DrillError> {
        let outcome = if met { "met" } else { "unmet" };
        self.change(DrillRecord {
            time_ms,
            step: number.to_string(),
            what: "precondition".to_owned(),
            outcome: outcome.to_owned(),
            evidence: evidence.to_owned(),
            ..DrillRecord::default()
        })
    }

    /// Begins with the first step. Every precondition must be met.
    pub fn begin(&mut self, who: &str, time_ms: Millis) -> Result<DrillRecord, DrillError> {
        self.change(record(time_ms, who, "", "begun"))
    }

    /// A person confirms the manual step that is running.
    pub fn confirm(
        &mut self,
        step: &str,
        who: &str,
        detail: &str,
        time_ms: Millis,
    ) -> Result<DrillRecord, DrillError> {
        self.running_step(step)?;
        if !self.is_manual(step) {
            return Err(DrillError::NotManual(step.to_owned()));
        }
        let detail = detail.to_owned();
        self.change(DrillRecord { detail, ..record(time_ms, who, step, "passed") })
    }

    /// The check of the probe or query step that is running succeeded. Checks that fail are made again until the step's
    /// time is over. `value` is a query's value.
    pub fn check_passed(
        &mut self,
        step: &str,
        evidence: &str,
        value: Option<f64>,
        time_ms: Millis,
    ) -> Result<DrillRecord, DrillError> {
        self.running_step(step)?;
        if self.is_manual(step) {
            return Err(DrillError::Manual(step.to_owned()));
        }
        let outcome = value.map(|value| value.to_string()).unwrap_or_default();
        let evidence = evidence.to_owned();
        self.change(DrillRecord { outcome, evidence, ..record(time_ms, "", step, "passed") })
    }

    /// A person says that the running step cannot be done: the drill has failed.
    pub fn fail(
        &mut self,
        step: &str,
        who: &str,
        reason: &str,
        time_ms: Millis,
    ) -> Result<DrillRecord, DrillError> {
        let detail = reason.to_owned();
        self.change(DrillRecord { detail, ..record(time_ms, who, step, "failed") })
    }

    /// Ends the drill at any time.
    pub fn abort(
        &mut self,
        who: &str,
        reason: &str,
        time_ms: Millis,
    ) -> Result<DrillRecord, DrillError> {
        let detail = reason.to_owned();
        self.change(DrillRecord { detail, ..record(time_ms, who, "", "aborted") })
    }

    /// Fails the drill when the running step is past its time; `last_seen` is what its last check saw.
    pub fn tick(&mut self, last_seen: &str, time_ms: Millis) -> Option<DrillRecord> {
        let (step, deadline_ms) = self.deadline()?;
        if time_ms < deadline_ms {
            return None;
        }
        let (step, evidence) = (step.id.clone(), last_seen.to_owned());
        self.change(DrillRecord { evidence, ..record(time_ms, "", &step, "timed_out") }).ok()
    }

    /// The running step and when its time is over.
    pub fn deadline(&self) -> Option<(&Step, Millis)> {
        let at = self.running()?;
        let started_ms = self.steps[at].started_ms?;
        let step = &self.plan.steps[at];
        Some((step, started_ms.saturating_add(step.timeout_ms)))
    }

    /// From the end of the `rto_start` step to the end of the `rto_end` step.
    pub fn rto_ms(&self) -> Option<Millis> {
        let end = |measure| {
            let at = self.plan.steps.iter().position(|step| step.measures == Some(measure))?;
            let step = &self.steps[at];
            step.finished_ms.filter(|_| step.state == StepState::Passed)
        };
        Some(end(Measure::RtoEnd)? - end(Measure::RtoStart)?)
    }

    /// The measured loss of data.
    pub fn rpo_seconds(&self) -> Option<f64> {
        self.rpo_seconds
    }

    pub fn plan(&self) -> &DrillPlan {
        &self.plan
    }

    pub fn state(&self) -> DrillState {
        self.state
    }

    pub fn started_by(&self) -> &str {
        &self.started_by
    }

    pub fn started_ms(&self) -> Millis {
        self.started_ms
    }

    pub fn begun_ms(&self) -> Option<Millis> {
        self.begun_ms
    }

    pub fn finished_ms(&self) -> Option<Millis> {
        self.finished_ms
    }

    /// Why the drill ended early; empty when it did not.
    pub fn ending(&self) -> &str {
        &self.ending
    }

    pub fn preconditions(&self) -> &[PreconditionRun] {
        &self.preconditions
    }

    /// In the order of the plan's steps.
    pub fn steps(&self) -> &[StepRun] {
        &self.steps
    }

    fn change(&mut self, record: DrillRecord) -> Result<DrillRecord, DrillError> {
        self.apply(&record)?;
        Ok(record)
    }

    fn apply(&mut self, record: &DrillRecord) -> Result<(), DrillError> {
        match record.what.as_str() {
            "precondition" => self.apply_precondition(record),
            "begun" => self.apply_begun(record),
            "passed" => self.apply_passed(record),
            "failed" => self.end_at_step(record, StepState::Failed),
            "timed_out" => self.end_at_step(record, StepState::TimedOut),
            "aborted" => self.apply_aborted(record),
            _ => Err(foreign(record)),
        }
    }

    fn apply_precondition(&mut self, record: &DrillRecord) -> Result<(), DrillError> {
        self.want(DrillState::Preparing, "preparing")?;
        let number = record.step.parse::<usize>().ok();
        let slot = number.and_then(|number| self.preconditions.get_mut(number));
        let met = record.outcome == "met";
        *slot.ok_or_else(|| foreign(record))? = PreconditionRun {
            met: Some(met),
            checked_ms: Some(record.time_ms),
            evidence: record.evidence.clone(),
        };
        Ok(())
    }

    fn apply_begun(&mut self, record: &DrillRecord) -> Result<(), DrillError> {
        self.want(DrillState::Preparing, "preparing")?;
        let unmet = self.preconditions.iter().position(|checked| checked.met != Some(true));
        if let Some(unmet) = unmet {
            return Err(DrillError::Unmet(self.plan.preconditions[unmet].title.en.clone()));
        }
        self.state = DrillState::Running;
        self.begun_ms = Some(record.time_ms);
        self.start_step(0, record.time_ms);
        Ok(())
    }

    fn apply_passed(&mut self, record: &DrillRecord) -> Result<(), DrillError> {
        let at = self.running_step(&record.step)?;
        if self.plan.steps[at].measures == Some(Measure::RpoSeconds) {
            let seconds: Option<f64> = record.outcome.parse().ok();
            let measured = seconds.filter(|seconds| seconds.is_finite() && *seconds >= 0.0);
            let no_seconds = || DrillError::NoSeconds(record.step.clone());
            self.rpo_seconds = Some(measured.ok_or_else(no_seconds)?);
        }
        self.finish_step(at, record, StepState::Passed);
        if at + 1 < self.steps.len() {
            self.start_step(at + 1, record.time_ms);
        } else {
            self.state = DrillState::Passed;
            self.finished_ms = Some(record.time_ms);
        }
        Ok(())
    }

    fn end_at_step(&mut self, record: &DrillRecord, state: StepState) -> Result<(), DrillError> {
        let at = self.running_step(&record.step)?;
        self.finish_step(at, record, state);
        self.end(record, DrillState::Failed);
        Ok(())
    }

    fn apply_aborted(&mut self, record: &DrillRecord) -> Result<(), DrillError> {
        if self.state.is_over() {
            return Err(DrillError::State { state: self.state, wanted: "not over" });
        }
        if let Some(at) = self.running() {
            self.finish_step(at, record, StepState::Failed);
        }
        self.end(record, DrillState::Aborted);
        Ok(())
    }

    fn end(&mut self, record: &DrillRecord, state: DrillState) {
        for step in &mut self.steps {
            if step.state == StepState::Waiting {
                step.state = StepState::NotRun;
            }
        }
        self.state = state;
        self.finished_ms = Some(record.time_ms);
        self.ending = record.detail.clone();
    }

    fn start_step(&mut self, at: usize, time_ms: Millis) {
        self.steps[at].state = StepState::Running;
        self.steps[at].started_ms = Some(time_ms);
    }

    fn finish_step(&mut self, at: usize, record: &DrillRecord, state: StepState) {
        let step = &mut self.steps[at];
        step.state = state;
        step.finished_ms = Some(record.time_ms);
        step.who = record.who.clone();
        step.detail = record.detail.clone();
        step.evidence = record.evidence.clone();
    }

    fn running(&self) -> Option<usize> {
        self.steps.iter().position(|step| step.state == StepState::Running)
    }

    fn running_step(&self, id: &str) -> Result<usize, DrillError> {
        self.want(DrillState::Running, "running")?;
        let running = self.running().filter(|at| self.plan.steps[*at].id == id);
        running.ok_or_else(|| DrillError::NotRunning(id.to_owned()))
    }

    fn is_manual(&self, id: &str) -> bool {
        self.plan.step(id).is_some_and(|step| matches!(step.kind, StepKind::Manual { .. }))
    }

    fn want(&self, state: DrillState, wanted: &'static str) -> Result<(), DrillError> {
        if self.state == state {
            return Ok(());
        }
        Err(DrillError::State { state: self.state, wanted })
    }
}
