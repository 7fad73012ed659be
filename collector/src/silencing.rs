//! Who may silence what: a vendor only its own systems, and nobody everything without a second person.
//!
//! Promises: a wide silence (see `wide`) waits until somebody else confirms it; a vendor makes, changes and ends only
//! silences that provably lie in its scope. Without an asker (the drop-in, which has no users) everything is allowed.
//! Leaves to others: which roles may silence and confirm at all (`http/permissions`), and the audit log.

mod wide;

use std::collections::HashSet;
use std::sync::Arc;

use agent_model::{Labels, Matcher, Millis};
use collector_alerting::{
    AlertFilter, AlertState, Alerting, AlertingError, NewSilence, Silence, matchers_text,
};

use crate::push::Owner;
use crate::scope::Scope;

/// Who asks for a change, and what it takes to judge it.
#[derive(Clone, Debug)]
pub struct Asker {
    /// By which silences and the audit log know them.
    pub name: String,
    pub scope: Scope,
    /// Of a token that writes.
    pub owner: Option<Arc<Owner>>,
    /// All hosts, as their alerts are labelled.
    pub hosts: Arc<[Labels]>,
    /// Their names.
    pub enrolled: Arc<HashSet<String>>,
}

#[derive(Debug, thiserror::Error)]
pub enum SilencingError {
    #[error(transparent)]
    Alerting(#[from] AlertingError),
    #[error(
        "the silence {silence} reaches beyond your systems: its matchers have to include those of \
         your scope, {scope}, or name one of these systems with `=`"
    )]
    OutOfScope { silence: String, scope: String },
}

/// A silence that was made or changed.
#[derive(Debug)]
pub struct Silenced {
    pub silence: Silence,
    /// Why it waits for a second person, if it does.
    pub waits_because: Option<String>,
}

impl Silenced {
    /// As the audit log is told.
    pub fn outcome(&self) -> String {
        self.waits_because.as_ref().map_or_else(
            || "done".to_owned(),
            |reason| format!("waits for a second person: {reason}"),
        )
    }
}

impl Asker {
    fn covers(&self, matchers: &[Matcher]) -> Result<(), SilencingError> {
        if self.scope.covers(matchers) {
            return Ok(());
        }
        let (silence, scope) = (matchers_text(matchers), self.scope.to_string());
        Err(SilencingError::OutOfScope { silence, scope })
    }
}

/// Makes a silence, or changes the one of this id.
pub async fn silence(
    alerting: &Alerting,
    asker: Option<&Asker>,
    id: Option<&str>,
    mut wish: NewSilence,
    now_ms: Millis,
) -> Result<Silenced, SilencingError> {
    let mut reason = None;
    if let Some(asker) = asker {
        asker.covers(&wish.matchers)?;
        if let Some(old) = changed(alerting, id).await? {
            asker.covers(&old.matchers)?;
        }
        wish.created_by.clone_from(&asker.name);
        let filter = AlertFilter { states: vec![AlertState::Firing], ..AlertFilter::default() };
        let firing = alerting.alerts(&filter, now_ms).await?;
        let firing = firing.iter().map(|status| &status.alert.labels);
        reason = wide::reason(&wish.matchers, firing, &asker.hosts);
        wish.is_wide = reason.is_some();
    }
    let silence = match id {
        Some(id) => alerting.change_silence(id, wish, now_ms).await?,
        None => alerting.add_silence(wish, now_ms).await?,
    };
    // One that only ends sooner stays confirmed.
    let waits_because = reason.filter(|_| silence.awaits_confirmation());
    Ok(Silenced { silence, waits_because })
}

async fn changed(alerting: &Alerting, id: Option<&str>) -> Result<Option<Silence>, AlertingError> {
    match id {
        Some(id) => alerting.silence(id).await,
        None => Ok(None),
    }
}

/// Ends a silence now.
pub async fn expire(
    alerting: &Alerting,
    asker: Option<&Asker>,
    id: &str,
    now_ms: Millis,
) -> Result<(), SilencingError> {
    if let (Some(asker), Some(silence)) = (asker, alerting.silence(id).await?) {
        asker.covers(&silence.matchers)?;
    }
    Ok(alerting.expire_silence(id, now_ms).await?)
}
