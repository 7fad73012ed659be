//! Taking alerts by the link of a message. To look at what a link would do changes nothing: mail scanners follow every link.

use agent_model::Millis;

use crate::alert::Alert;
use crate::group::flush_due;
use crate::handling::{Deed, act};
use crate::link::LinkRefused;
use crate::notification::NotifiedAlert;
use crate::notify::headline_and_lines;
use crate::state::{LinkUse, State};
use crate::store::LinkedMessage;
use crate::{Alerting, AlertingError};

/// What a link does when it is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkOffer {
    /// The name under which the alerts are taken.
    pub by: String,
    pub expires_ms: Millis,
    /// What the message told of and still fires.
    pub alerts: Vec<OfferedAlert>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfferedAlert {
    pub fingerprint: u64,
    /// In the words of messages.
    pub headline: String,
    pub lines: Vec<String>,
    /// Who has taken it already.
    pub taken_by: Option<String>,
}

impl Alerting {
    pub async fn link_offer(&self, link: &str, now_ms: Millis) -> Result<LinkOffer, AlertingError> {
        let (message, expires_ms) = self.linked_message(link, now_ms).await?;
        self.look(now_ms, |state| offer(state, &message, expires_ms, now_ms)).await?
    }

    /// Takes every alert that the link offers, as [`Alerting::act`] does, and spends the link in the same write.
    pub async fn acknowledge_by_link(
        &self,
        link: &str,
        note: &str,
        until_ms: Option<Millis>,
        now_ms: Millis,
    ) -> Result<LinkOffer, AlertingError> {
        let memory = self.lock().await;
        // Behind the lock: of two who use it at once the second sees that it was used.
        let (message, expires_ms) = self.linked_message(link, now_ms).await?;
        self.change_locked(memory, None, now_ms, |state, in_flight| {
            let offer = offer(state, &message, expires_ms, now_ms)?;
            for alert in &offer.alerts {
                let deed = Deed::Acknowledge { note: note.to_owned(), until_ms };
                act(state, alert.fingerprint, &offer.by, deed, now_ms)?;
            }
            let by = offer.by.clone();
            state.batch.link_used = Some(LinkUse { id: message.id, by, at_ms: now_ms });
            flush_due(state, in_flight, now_ms);
            Ok(offer)
        })
        .await?
    }

    async fn linked_message(
        &self,
        link: &str,
        now_ms: Millis,
    ) -> Result<(LinkedMessage, Millis), AlertingError> {
        let links = self.inner.links.as_ref().ok_or(LinkRefused::Forged)?;
        let (id, expires_ms) = links.read(link, now_ms)?;
        let message = self.inner.store.linked_message(&id).await?.ok_or(LinkRefused::Unknown)?;
        if let Some((by, at_ms)) = message.used.clone() {
            return Err(LinkRefused::Used { by, at_ms }.into());
        }
        Ok((message, expires_ms))
    }
}

fn offer(
    state: &State,
    message: &LinkedMessage,
    expires_ms: Millis,
    now_ms: Millis,
) -> Result<LinkOffer, AlertingError> {
    let told = message.notification.alerts.iter().filter(|told| told.resolved_ms.is_none());
    let alerts = told.filter_map(|told| {
        // The episode that the message told of, no later one.
        let alert = state.alerts.get(&told.fingerprint)?;
        (alert.is_firing() && alert.starts_ms() == told.starts_ms).then(|| offered(alert, now_ms))
    });
    let alerts: Vec<OfferedAlert> = alerts.collect();
    if alerts.is_empty() {
        return Err(LinkRefused::Over.into());
    }
    Ok(LinkOffer { by: taker(state, message), expires_ms, alerts })
}

fn offered(alert: &Alert, now_ms: Millis) -> OfferedAlert {
    let (headline, lines) = headline_and_lines(&NotifiedAlert::of(alert), now_ms);
    let taken_by = alert.acknowledgement.as_ref().map(|taken| taken.by.clone());
    OfferedAlert { fingerprint: alert.fingerprint, headline, lines, taken_by }
}

/// Whose message it was: a person of a roster by name, else the receiver. Who used the link is not proven, so it says how.
fn taker(state: &State, message: &LinkedMessage) -> String {
    let receiver = &message.notification.receiver;
    let way = state.routing.integration(receiver, &message.integration);
    let turn = way.and_then(|way| way.turn.as_ref());
    format!("via link, {}", turn.map_or(receiver, |turn| &turn.person))
}
