//! Silences made, changed, confirmed and ended. Who may do so is for the caller to know.

use agent_model::Millis;

use crate::group::flush_due;
use crate::silence::{NewSilence, Silence, SilenceState};
use crate::state::{Counted, State};
use crate::{Alerting, AlertingError};

impl Alerting {
    pub async fn add_silence(
        &self,
        wish: NewSilence,
        now_ms: Millis,
    ) -> Result<Silence, AlertingError> {
        self.change(now_ms, |state, in_flight| {
            let made = Silence::new(wish, state.silences.len(), now_ms);
            state.batch.counted.silences_refused += u64::from(made.is_err());
            let silence = made?;
            state.keep_silence(silence.clone());
            flush_due(state, in_flight, now_ms);
            Ok(silence)
        })
        .await?
    }

    /// Changes a silence. What has silenced already stays as it was: a wish that would change it ends the silence and
    /// begins another, which the answer is then.
    pub async fn change_silence(
        &self,
        id: &str,
        wish: NewSilence,
        now_ms: Millis,
    ) -> Result<Silence, AlertingError> {
        if let Err(refused) = wish.check(now_ms) {
            self.inner.counters.add(Counted { silences_refused: 1, ..Counted::default() });
            return Err(refused);
        }
        if self.inner.store.silence(id).await?.is_none() {
            return Err(AlertingError::SilenceUnknown(id.to_owned()));
        }
        self.change(now_ms, |state, in_flight| {
            let open = state.silences.get(id);
            let silence = match open.filter(|silence| silence.may_become(&wish, now_ms)) {
                Some(silence) => silence.becomes(wish, now_ms),
                None => Silence::new(wish, state.silences.len(), now_ms)?,
            };
            if silence.id != id {
                state.expire_silence(id, now_ms);
            }
            state.keep_silence(silence.clone());
            flush_due(state, in_flight, now_ms);
            Ok(silence)
        })
        .await?
    }

    /// Confirms a wide silence in the name of a second person.
    pub async fn confirm_silence(
        &self,
        id: &str,
        by: &str,
        now_ms: Millis,
    ) -> Result<Silence, AlertingError> {
        self.change(now_ms, |state, in_flight| {
            let open = state.silences.get(id).filter(|silence| silence.ends_ms > now_ms).cloned();
            let mut silence = open.ok_or_else(|| AlertingError::SilenceUnknown(id.to_owned()))?;
            silence.confirm(by, now_ms)?;
            state.keep_silence(silence.clone());
            flush_due(state, in_flight, now_ms);
            Ok(silence)
        })
        .await?
    }

    /// Ends a silence now.
    pub async fn expire_silence(&self, id: &str, now_ms: Millis) -> Result<(), AlertingError> {
        let unknown = || AlertingError::SilenceUnknown(id.to_owned());
        let open = |state: &State| {
            let found = state.silences.get(id);
            found.is_some_and(|silence| silence.state(now_ms) != SilenceState::Expired)
        };
        if !self.look(now_ms, open).await? {
            return Err(unknown());
        }
        self.change(now_ms, |state, in_flight| {
            state.expire_silence(id, now_ms);
            flush_due(state, in_flight, now_ms);
        })
        .await
    }
}
