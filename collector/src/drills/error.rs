//! Why a drill is not started or not changed.
//! Leaves to others: which status a caller is answered with.

use agent_model::Problems;
use collector_inventory::InventoryError;
use rules::drill::DrillError;

use super::RUNNING_MAX;

#[derive(Debug, thiserror::Error)]
pub enum DrillsError {
    #[error("there is no drill plan {0:?}")]
    NoPlan(String),
    #[error("there is no drill {0}")]
    NoDrill(u64),
    #[error("type the name of the plan's site, {site}, to start it; nothing was started")]
    WrongSite { site: String },
    #[error("drill {0} runs this plan already; finish or abort it first")]
    RunsAlready(u64),
    #[error("{RUNNING_MAX} drills run already; finish or abort one first")]
    TooMany,
    #[error("not started: the precondition {title:?} is not met ({evidence})")]
    Unmet { title: String, evidence: String },
    #[error("drill {0} is over")]
    Over(u64),
    #[error(transparent)]
    Refused(#[from] DrillError),
    #[error("the plan that was stored with drill {drill} cannot be read:\n{source}")]
    Stored { drill: u64, source: Problems },
    #[error(transparent)]
    Store(#[from] InventoryError),
}
