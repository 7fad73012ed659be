//! Silences: for a stated time, nobody is told about matching alerts. They stay visible all the while.

use agent_model::{Labels, MatchOp, Matcher, Millis};

use crate::id::Id;
use crate::limits::{
    SILENCE_AUTHOR_BYTES_MAX, SILENCE_COMMENT_BYTES_MAX, SILENCE_MATCHERS_BYTES_MAX,
    SILENCE_MATCHERS_MAX, SILENCES_MAX,
};
use crate::{AlertingError, matchers_text};

#[derive(Clone, Debug, PartialEq)]
pub struct Silence {
    /// Looks like a UUID, as Alertmanager's.
    pub id: String,
    pub matchers: Vec<Matcher>,
    pub starts_ms: Millis,
    pub ends_ms: Millis,
    pub created_by: String,
    pub comment: String,
    pub updated_ms: Millis,
    pub confirmation: Confirmation,
}

/// Whether a second person has to agree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Confirmation {
    NotNeeded,
    /// Until then it is not in force.
    Awaited,
    By(String),
}

/// What a person asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct NewSilence {
    pub matchers: Vec<Matcher>,
    pub starts_ms: Millis,
    pub ends_ms: Millis,
    pub created_by: String,
    pub comment: String,
    /// It silences so much that a second person has to agree. What is so much is for the caller to know.
    pub is_wide: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SilenceState {
    Pending,
    Active,
    Expired,
}

impl Silence {
    /// Checks a wish and gives it an id. `open` is how many there are; it also tells apart two alike that are made
    /// in one millisecond.
    pub(crate) fn new(
        wish: NewSilence,
        open: usize,
        now_ms: Millis,
    ) -> Result<Self, AlertingError> {
        let refused = |reason: &str| Err(AlertingError::SilenceRefused(reason.to_owned()));
        if open >= SILENCES_MAX {
            return refused(&format!("there are {SILENCES_MAX} already; expire some first"));
        }
        wish.check(now_ms)?;
        let id = Id::default().text(&matchers_text(&wish.matchers)).text(&wish.created_by);
        let hex = id.number(now_ms.cast_unsigned()).number(open as u64).hex(16);
        let parts = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..32]];
        Ok(Self {
            id: parts.join("-"),
            confirmation: wish.confirmation(),
            matchers: wish.matchers,
            starts_ms: wish.starts_ms.max(now_ms),
            ends_ms: wish.ends_ms,
            created_by: wish.created_by,
            comment: wish.comment,
            updated_ms: now_ms,
        })
    }

    /// Whether a wish only changes what of this silence is still to come; else it is another silence. As Alertmanager
    /// decides it (alertmanager, silence/silence.go).
    pub(crate) fn may_become(&self, wish: &NewSilence, now_ms: Millis) -> bool {
        self.matchers == wish.matchers
            && match self.state(now_ms) {
                SilenceState::Active => {
                    self.starts_ms.div_euclid(1_000) == wish.starts_ms.div_euclid(1_000)
                }
                SilenceState::Pending => wish.starts_ms >= now_ms,
                SilenceState::Expired => false,
            }
    }

    /// What a wish makes of it; see [`Silence::may_become`]. What was confirmed stays so only where it loses time.
    pub(crate) fn becomes(&self, wish: NewSilence, now_ms: Millis) -> Self {
        let within = wish.starts_ms >= self.starts_ms && wish.ends_ms <= self.ends_ms;
        let stays = within && matches!(self.confirmation, Confirmation::By(_));
        Self {
            id: self.id.clone(),
            confirmation: if stays { self.confirmation.clone() } else { wish.confirmation() },
            matchers: wish.matchers,
            starts_ms: wish.starts_ms,
            ends_ms: wish.ends_ms,
            created_by: wish.created_by,
            comment: wish.comment,
            updated_ms: now_ms,
        }
    }

    /// Ends it now.
    pub(crate) fn expire(&mut self, now_ms: Millis) {
        self.starts_ms = self.starts_ms.min(now_ms);
        self.ends_ms = now_ms;
        self.updated_ms = now_ms;
    }

    /// A second person agrees: it is in force from its start, or from now.
    pub(crate) fn confirm(&mut self, by: &str, now_ms: Millis) -> Result<(), AlertingError> {
        let refused = |reason: &str| Err(AlertingError::ConfirmationRefused(reason.to_owned()));
        if !self.awaits_confirmation() {
            return refused("it does not wait for anybody");
        }
        if self.created_by == by {
            return refused("whoever asked for it cannot confirm it; somebody else has to");
        }
        self.confirmation = Confirmation::By(by.to_owned());
        self.starts_ms = self.starts_ms.max(now_ms);
        self.updated_ms = now_ms;
        Ok(())
    }

    pub fn awaits_confirmation(&self) -> bool {
        self.confirmation == Confirmation::Awaited
    }

    pub fn state(&self, now_ms: Millis) -> SilenceState {
        if now_ms >= self.ends_ms {
            SilenceState::Expired
        } else if now_ms < self.starts_ms || self.awaits_confirmation() {
            SilenceState::Pending
        } else {
            SilenceState::Active
        }
    }

    pub fn matches(&self, labels: &Labels) -> bool {
        self.matchers.iter().all(|matcher| matcher.matches_labels(labels))
    }
}

impl NewSilence {
    fn confirmation(&self) -> Confirmation {
        if self.is_wide { Confirmation::Awaited } else { Confirmation::NotNeeded }
    }

    /// Whether it can be a silence at all. The sentences are those that Alertmanager's users know.
    pub(crate) fn check(&self, now_ms: Millis) -> Result<(), AlertingError> {
        let refused = |reason: &str| Err(AlertingError::SilenceRefused(reason.to_owned()));
        if self.matchers.is_empty() {
            return refused("at least one matcher required");
        }
        if self.matchers.len() > SILENCE_MATCHERS_MAX {
            return refused(&format!("at most {SILENCE_MATCHERS_MAX} matchers"));
        }
        let matchers = self.matchers.iter().map(|one| one.name.len() + one.value.len());
        for (what, bytes, bytes_max) in [
            ("the matchers have", matchers.sum(), SILENCE_MATCHERS_BYTES_MAX),
            ("the comment has", self.comment.len(), SILENCE_COMMENT_BYTES_MAX),
            ("the author's name has", self.created_by.len(), SILENCE_AUTHOR_BYTES_MAX),
        ] {
            if bytes > bytes_max {
                return refused(&format!("{what} {bytes} bytes, and {bytes_max} are the most"));
            }
        }
        if let Some(at) = self.matchers.iter().position(|matcher| matcher.name.is_empty()) {
            return refused(&format!("invalid label matcher {at}: invalid label name \"\""));
        }
        let matches_absent = |matcher: &Matcher| {
            matches!(matcher.op, MatchOp::Equal | MatchOp::Matches) && matcher.matches("")
        };
        if self.matchers.iter().all(matches_absent) {
            return refused("at least one matcher must not match the empty string");
        }
        if self.ends_ms <= self.starts_ms {
            return refused("start time must be before end time");
        }
        if self.ends_ms <= now_ms {
            return refused("end time can't be in the past");
        }
        Ok(())
    }
}

impl SilenceState {
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Expired => "expired",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(matchers: Vec<Matcher>, ends_ms: Millis) -> NewSilence {
        NewSilence {
            matchers,
            starts_ms: 0,
            ends_ms,
            created_by: "lan".to_owned(),
            comment: String::new(),
            is_wide: false,
        }
    }

    #[test]
    fn a_wide_one_waits_for_a_second_person_and_again_when_it_grows() {
        let wide = |ends_ms| NewSilence {
            is_wide: true,
            ..wish(vec![Matcher::equal("severity", "low")], ends_ms)
        };
        let mut silence = Silence::new(wide(100), 0, 10).unwrap();
        assert_eq!(
            (silence.state(50), silence.state(100)),
            (SilenceState::Pending, SilenceState::Expired)
        );
        assert!(silence.confirm("lan", 20).is_err(), "she asked for it");
        silence.confirm("minh", 20).unwrap();
        assert_eq!((silence.state(20), silence.starts_ms), (SilenceState::Active, 20));
        assert!(silence.confirm("hoa", 30).is_err(), "it does not wait");
        let from = |wish: NewSilence| NewSilence { starts_ms: 20, ..wish };
        assert!(!silence.becomes(from(wide(90)), 40).awaits_confirmation());
        assert!(silence.becomes(from(wide(101)), 40).awaits_confirmation());
        // It reaches less now, because more hosts or alerts are there.
        let narrow = NewSilence { is_wide: false, ..wide(200) };
        assert_eq!(silence.becomes(from(narrow), 40).confirmation, Confirmation::NotNeeded);
    }

    #[test]
    fn what_would_silence_everything_or_never_is_refused() {
        let host = || Matcher::equal("host", "a");
        assert!(Silence::new(wish(vec![host()], 20), 0, 10).is_ok());
        assert!(Silence::new(wish(vec![], 20), 0, 10).is_err());
        assert!(Silence::new(wish(vec![Matcher::equal("host", "")], 20), 0, 10).is_err());
        assert!(Silence::new(wish(vec![host()], 10), 0, 10).is_err());
        assert!(Silence::new(wish(vec![host(); SILENCE_MATCHERS_MAX], 20), 0, 10).is_ok());
        assert!(Silence::new(wish(vec![host(); SILENCE_MATCHERS_MAX + 1], 20), 0, 10).is_err());
        assert!(Silence::new(wish(vec![host()], 20), SILENCES_MAX - 1, 10).is_ok());
        assert!(Silence::new(wish(vec![host()], 20), SILENCES_MAX, 10).is_err());
    }

    #[test]
    fn texts_of_a_silence_have_a_bound() {
        let host = |bytes: usize| vec![Matcher::equal("host", "x".repeat(bytes - 4))];
        let check = |wish: NewSilence| wish.check(10).map_err(|refused| refused.to_string());
        let good = || wish(host(SILENCE_MATCHERS_BYTES_MAX), 20);
        assert_eq!(check(good()), Ok(()));
        let error = check(wish(host(SILENCE_MATCHERS_BYTES_MAX + 1), 20)).unwrap_err();
        assert_eq!(
            error,
            "the silence is refused: the matchers have 8193 bytes, and 8192 are the most"
        );
        let comment = |bytes| NewSilence { comment: "x".repeat(bytes), ..good() };
        assert_eq!(check(comment(SILENCE_COMMENT_BYTES_MAX)), Ok(()));
        assert!(check(comment(SILENCE_COMMENT_BYTES_MAX + 1)).is_err());
        let by = |bytes| NewSilence { created_by: "x".repeat(bytes), ..good() };
        assert_eq!(check(by(SILENCE_AUTHOR_BYTES_MAX)), Ok(()));
        assert!(check(by(SILENCE_AUTHOR_BYTES_MAX + 1)).is_err());
    }
}
