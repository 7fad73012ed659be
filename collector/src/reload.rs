//! Taking changed files into force while the collector runs: rules, routing, inventory, backup policy, drill plans and
//! the web port's certificate.
//!
//! Promises: a group of files is taken whole or not at all, so one mistake keeps what runs and never hides the other
//! groups; every problem is told to who asked and in the log, and the last outcome stays visible until the next.
//! Alerts of rules that did not change go on as they are.
//! Leaves to others: reading (`files`), and who may ask (`http::reload`).

mod report;
#[cfg(test)]
mod tests;

use std::sync::{Arc, PoisonError, RwLock};

use agent_model::{Millis, Problems};
use collector_alerting::Alerting;
use collector_inventory::{AuditEntry, Inventory};
use tokio::sync::{Mutex, broadcast, watch};

pub use report::{FileGroup, GroupReport, Reload};

use crate::clock;
use crate::drills::Drills;
use crate::files::Files;
use crate::province::Province;
use crate::rulebook::Rulebook;
use crate::self_metrics::SelfMetrics;
use crate::tls::WebIdentity;

/// What a reload changes, as the start made it.
pub struct InForce {
    pub rules: watch::Sender<Arc<Rulebook>>,
    pub province: watch::Sender<Arc<Province>>,
    pub alerting: Alerting,
    pub drills: Arc<Drills>,
    /// `None` where the web port speaks plain HTTP.
    pub identity: Option<Arc<WebIdentity>>,
    pub metrics: SelfMetrics,
    /// Has derived metrics made anew.
    pub changed: broadcast::Sender<()>,
}

/// Reads files again and changes what is in force.
pub struct Reloader {
    files: Files,
    in_force: InForce,
    /// What the start, and then each reload, found.
    last: RwLock<Arc<Reload>>,
    /// Two reloads at once would mix.
    turn: Mutex<()>,
    audit: Inventory,
}

impl Reloader {
    /// Of rules and drill plans the start left out what was bad; all else was good, or there would be no start.
    pub fn new(files: Files, in_force: InForce, audit: Inventory, now_ms: Millis) -> Self {
        let found = |group: FileGroup| match group {
            FileGroup::Rules => in_force.rules.borrow().problems.clone(),
            FileGroup::Drills => in_force.drills.plans().problems.clone(),
            _ => Problems::default(),
        };
        let groups = FileGroup::ALL.map(|group| GroupReport { group, problems: found(group) });
        let (by, remarks) = ("start".to_owned(), files.remarks());
        let first = Reload { at_ms: now_ms, by, groups: groups.into(), remarks };
        first.log_remarks();
        first.note(&in_force.metrics);
        let last = RwLock::new(Arc::new(first));
        Self { files, in_force, last, turn: Mutex::default(), audit }
    }

    pub fn in_force(&self) -> &InForce {
        &self.in_force
    }

    /// What came of the newest reload, or of the start.
    pub fn last(&self) -> Arc<Reload> {
        Arc::clone(&self.last.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads every group and takes those that are without a mistake. `by` is who asked.
    pub async fn reload(&self, by: &str) -> Arc<Reload> {
        let _turn = self.turn.lock().await;
        let mut groups = Vec::new();
        for group in FileGroup::ALL {
            let problems = self.take(group).await.err().unwrap_or_default();
            for problem in &problems.0 {
                let files = group.name();
                tracing::error!(files, "not reloaded, what was in force stays: {problem}");
            }
            groups.push(GroupReport { group, problems });
        }
        let remarks = self.read(Files::remarks).await.unwrap_or_default();
        let (at_ms, by_whom) = (clock::now_ms(), by.to_owned());
        let reload = Arc::new(Reload { at_ms, by: by_whom, groups, remarks });
        reload.log_remarks();
        reload.note(&self.in_force.metrics);
        tracing::info!(by, refused = ?reload.refused(), "configuration files were read again");
        *self.last.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&reload);
        self.note(by, &reload).await;
        // Without a listener the collector is stopping.
        drop(self.in_force.changed.send(()));
        reload
    }

    async fn note(&self, by: &str, reload: &Reload) {
        let refused = reload.refused();
        let outcome = if refused.is_empty() {
            "done".to_owned()
        } else {
            format!("refused: {}", refused.join(", "))
        };
        let entry = AuditEntry {
            time_ms: reload.at_ms,
            who: by.to_owned(),
            action: "config.reload".to_owned(),
            object: "files".to_owned(),
            outcome,
        };
        if let Err(error) = self.audit.audit_append(&entry).await {
            tracing::error!(by, error = %crate::describe(&error), "a reload is missing from the audit log");
        }
    }

    async fn take(&self, group: FileGroup) -> Result<(), Problems> {
        match group {
            FileGroup::Rules => {
                let rulebook = self.read(Files::rulebook).await?;
                whole(&rulebook.problems)?;
                self.in_force.rules.send_replace(Arc::new(rulebook));
            }
            FileGroup::Routing => {
                let routing = self.read(Files::whole_routing).await??;
                let done = self.in_force.alerting.reload(routing, clock::now_ms()).await;
                done.map_err(|error| group.problem(crate::describe(&error)))?;
            }
            FileGroup::Inventory => {
                let inventory = self.read(Files::inventory).await??;
                self.change_province(|province| province.inventory = inventory);
            }
            FileGroup::BackupPolicy => {
                let backups = self.read(Files::backup_policy).await??;
                self.change_province(|province| province.backups = backups);
            }
            FileGroup::Drills => {
                let plans = self.read(Files::drill_plans).await?;
                whole(&plans.problems)?;
                self.in_force.drills.replace_plans(plans);
            }
            FileGroup::Certificate => {
                let certificate = self.read(Files::certificate).await??;
                if let (Some(identity), Some(certificate)) = (&self.in_force.identity, certificate)
                {
                    identity.replace(certificate);
                }
            }
        }
        Ok(())
    }

    fn change_province(&self, change: impl FnOnce(&mut Province)) {
        self.in_force.province.send_modify(|province| change(Arc::make_mut(province)));
    }

    /// Reading may wait for a disk.
    async fn read<T: Send + 'static>(&self, read: fn(&Files) -> T) -> Result<T, Problems> {
        let files = self.files.clone();
        let done = tokio::task::spawn_blocking(move || read(&files)).await;
        done.map_err(|panic| FileGroup::Rules.problem(format!("reading broke off: {panic}")))
    }
}

fn whole(problems: &Problems) -> Result<(), Problems> {
    if problems.0.is_empty() { Ok(()) } else { Err(problems.clone()) }
}
