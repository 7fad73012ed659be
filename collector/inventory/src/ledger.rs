//! The ledger of reports: which report of which host has been seen, so that a repeat is known and a hole is said aloud.
//!
//! Promises: pure (no I/O, no clock), bounded memory per host, and never forgets a report it answered `New` for
//! without refusing its whole epoch from then on. Leaves to others: storing it (`apply`), and when to check.

use std::collections::{BTreeMap, HashMap};

use agent_model::{Epoch, Gap, GapReason, HostId, Millis, ReportKey, Stream};

pub(crate) mod stream;
pub(crate) mod text;

pub(crate) use stream::{Hole, StreamLedger};

/// Epochs kept per host: an agent that restarts every minute for two hours stays within it. Reports of epochs
/// beyond are refused, not guessed at.
pub const EPOCHS_MAX: usize = 128;

/// What the ledger knows of a report before it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    New,
    /// Seen before: acknowledge it again and store nothing.
    Duplicate,
    Conflict(Conflict),
}

/// Why a report is refused for good; the first two tell of a cloned or restored machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, thiserror::Error)]
pub enum Conflict {
    #[error("another report was received under the same number; is the machine a clone?")]
    OtherContent,
    #[error(
        "a newer start of this agent is known, and this report was made after it; is the machine a clone?"
    )]
    TwoLiveEpochs,
    #[error("this start of the agent is older than the {EPOCHS_MAX} starts that are remembered")]
    EpochForgotten,
    #[error("report numbers begin at 1 and epochs and numbers stay below 2^63")]
    NumberOutOfRange,
}

/// The ledger of every host.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    hosts: HashMap<HostId, HostLedger>,
}

/// The ledger of one host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct HostLedger {
    pub(crate) streams: BTreeMap<(Epoch, Stream), StreamLedger>,
    /// Epochs up to this one are no longer remembered; 0 when none is forgotten.
    pub(crate) forgotten: u64,
}

impl Conflict {
    pub fn name(self) -> &'static str {
        match self {
            Self::OtherContent => "other_content",
            Self::TwoLiveEpochs => "two_live_epochs",
            Self::EpochForgotten => "epoch_forgotten",
            Self::NumberOutOfRange => "number_out_of_range",
        }
    }
}

impl Ledger {
    /// Looks a report up without changing anything. `hash` is over the report's bytes.
    pub fn check(
        &self,
        host: &HostId,
        key: ReportKey,
        hash: &[u8; 32],
        created_ms: Millis,
    ) -> Verdict {
        match self.hosts.get(host) {
            Some(ledger) => ledger.check(key, hash, created_ms),
            None => HostLedger::default().check(key, hash, created_ms),
        }
    }

    /// Notes that a report is stored. Holes closed at the bound are named by `Inventory::apply`, not here.
    pub fn record(
        &mut self,
        host: &HostId,
        key: ReportKey,
        hash: &[u8; 32],
        created_ms: Millis,
        now_ms: Millis,
    ) {
        let ledger = self.hosts.entry(host.clone()).or_default();
        drop(ledger.record(key, hash, created_ms, now_ms));
    }

    /// Notes that the agent has named a run of reports it will never send.
    pub fn explain(&mut self, host: &HostId, gap: &Gap, now_ms: Millis) {
        self.hosts.entry(host.clone()).or_default().explain(gap, now_ms);
    }

    pub(crate) fn insert(&mut self, host: HostId, ledger: HostLedger) {
        self.hosts.insert(host, ledger);
    }

    #[cfg(test)]
    pub(crate) fn host(&self, host: &HostId) -> Option<&HostLedger> {
        self.hosts.get(host)
    }
}

impl HostLedger {
    pub(crate) fn check(&self, key: ReportKey, hash: &[u8; 32], created_ms: Millis) -> Verdict {
        if !in_range(key) {
            return Verdict::Conflict(Conflict::NumberOutOfRange);
        }
        if key.epoch.0 <= self.forgotten {
            return Verdict::Conflict(Conflict::EpochForgotten);
        }
        if let Some(stream) = self.streams.get(&(key.epoch, key.stream))
            && stream.seen(key.sequence)
        {
            return match stream.same_content(key.sequence, hash) {
                Some(false) => Verdict::Conflict(Conflict::OtherContent),
                Some(true) | None => Verdict::Duplicate,
            };
        }
        // An epoch lies at or after everything its agent made before: see `agent_model::Epoch`.
        let newer = Epoch(key.epoch.0.saturating_add(1));
        let next = self.streams.range((newer, Stream::Evidence)..).next();
        match next {
            Some(((next, _), _)) if u64::try_from(created_ms).is_ok_and(|made| made > next.0) => {
                Verdict::Conflict(Conflict::TwoLiveEpochs)
            }
            _ => Verdict::New,
        }
    }

    pub(crate) fn record(
        &mut self,
        key: ReportKey,
        hash: &[u8; 32],
        created_ms: Millis,
        now_ms: Millis,
    ) -> Vec<Gap> {
        if !in_range(key) || key.epoch.0 <= self.forgotten {
            return Vec::new();
        }
        let stream = self.streams.entry((key.epoch, key.stream)).or_default();
        stream.record(key.sequence, hash, created_ms, now_ms);
        let holes = stream.close_beyond_bound();
        self.forget_beyond_bound();
        holes.into_iter().map(|hole| unexplained(key.epoch, key.stream, hole)).collect()
    }

    pub(crate) fn explain(&mut self, gap: &Gap, now_ms: Millis) {
        let agent_said = match gap.reason {
            GapReason::SpoolOverflow | GapReason::SpoolDamaged | GapReason::Refused => true,
            GapReason::Unexplained | GapReason::ViewSetAside | GapReason::Restored => false,
        };
        let last = ReportKey { epoch: gap.epoch, stream: gap.stream, sequence: gap.last_sequence };
        let ordered = gap.first_sequence >= 1 && gap.first_sequence <= gap.last_sequence;
        if !agent_said || !ordered || !in_range(last) || gap.epoch.0 <= self.forgotten {
            return;
        }
        let stream = self.streams.entry((gap.epoch, gap.stream)).or_default();
        stream.fill(gap.first_sequence, gap.last_sequence, gap.from_ms, gap.to_ms, now_ms);
        drop(stream.close_beyond_bound());
        self.forget_beyond_bound();
    }

    /// Names every hole that has not shrunk since `before_ms` as a gap, each once.
    pub(crate) fn name_holes(&mut self, before_ms: Millis) -> Vec<Gap> {
        let mut gaps = Vec::new();
        for (&(epoch, stream), ledger) in &mut self.streams {
            let holes = ledger.name_holes(before_ms);
            gaps.extend(holes.into_iter().map(|hole| unexplained(epoch, stream, hole)));
        }
        gaps
    }

    fn forget_beyond_bound(&mut self) {
        while self.epoch_count() > EPOCHS_MAX {
            let Some((&(oldest, _), _)) = self.streams.first_key_value() else { return };
            self.streams.retain(|(epoch, _), _| *epoch != oldest);
            self.forgotten = oldest.0;
        }
    }

    fn epoch_count(&self) -> usize {
        // Two streams an epoch at most, so a small map needs no count.
        if self.streams.len() <= EPOCHS_MAX {
            return self.streams.len();
        }
        let mut epochs: Vec<Epoch> = self.streams.keys().map(|(epoch, _)| *epoch).collect();
        epochs.dedup();
        epochs.len()
    }
}

fn unexplained(epoch: Epoch, stream: Stream, hole: Hole) -> Gap {
    // Nothing was seen before the hole: it began with the epoch, whose number is its time.
    let began_ms = i64::try_from(epoch.0).unwrap_or(0);
    Gap {
        stream,
        epoch,
        first_sequence: hole.first,
        last_sequence: hole.last,
        from_ms: if hole.from_ms == 0 { began_ms } else { hole.from_ms },
        to_ms: hole.to_ms,
        samples: 0,
        events: 0,
        reason: GapReason::Unexplained,
    }
}

/// Numbers the store can hold: SQL's integers are signed.
fn in_range(key: ReportKey) -> bool {
    let storable = |number: u64| i64::try_from(number).is_ok();
    key.sequence >= 1 && storable(key.sequence) && storable(key.epoch.0)
}

#[cfg(test)]
mod tests;
