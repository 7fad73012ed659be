//! Wrong passwords and codes: whoever guesses waits, by name and address, and by address alone, whatever the names.
//! Promises: a try counts before it is looked at, so that a thousand at once are no way around; memory is bounded; who is right is
//! forgiven what came before. Leaves to others: what is right.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use agent_model::Millis;

/// Tries without a wait: people mistype.
const FREE: u32 = 5;

/// How long a name waits from an address after that many.
const WAIT_MS: Millis = 60_000;

/// Wrong tries of one address in a minute, under any names: an office behind one address does not reach it, a script does.
const OF_ADDRESS_MAX: u32 = 60;

/// Names with addresses, and addresses, that are remembered; the oldest is forgotten beyond it.
const REMEMBERED_MAX: usize = 10_000;

/// Nobody's name is longer, and what is kept must not be as long as whoever sends it likes.
pub(super) const NAME_BYTES_MAX: usize = 256;

#[derive(Debug, Default)]
pub(super) struct Guesses(Mutex<HashMap<Guesser, Wrong>>);

/// A name (empty for the setup code) from an address, or an address.
type Guesser = (Option<String>, IpAddr);

#[derive(Clone, Copy, Debug)]
struct Wrong {
    count: u32,
    /// Of a name the last try, of an address the first of its minute.
    at_ms: Millis,
}

impl Guesses {
    /// Counts a try as wrong, or says in how many seconds the next may be made.
    pub(super) fn begin(&self, name: &str, address: IpAddr, now_ms: Millis) -> Result<(), u64> {
        let mut all = self.all();
        let (name, address) = ((Some(name.to_owned()), address), (None, address));
        // A clock that was set back must not lock anybody out.
        let lasting = |wrong: &&Wrong| (0..WAIT_MS).contains(&(now_ms - wrong.at_ms));
        for (guesser, max) in [(&name, FREE), (&address, OF_ADDRESS_MAX)] {
            let wrong = all.get(guesser).filter(lasting);
            if let Some(wrong) = wrong.filter(|wrong| wrong.count >= max) {
                let left_ms = wrong.at_ms + WAIT_MS - now_ms;
                return Err(u64::try_from(left_ms / 1_000 + 1).unwrap_or(1));
            }
        }
        let minute = all.get(&address).filter(lasting).copied();
        let minute = minute.unwrap_or(Wrong { count: 0, at_ms: now_ms });
        let named = all.get(&name).map_or(0, |wrong| wrong.count);
        for (guesser, count, at_ms) in
            [(name, named, now_ms), (address, minute.count, minute.at_ms)]
        {
            make_room(&mut all, &guesser);
            all.insert(guesser, Wrong { count: count.saturating_add(1), at_ms });
        }
        Ok(())
    }

    /// Takes back what `begin` counted.
    pub(super) fn right(&self, name: &str, address: IpAddr) {
        let mut all = self.all();
        all.remove(&(Some(name.to_owned()), address));
        if let Some(minute) = all.get_mut(&(None, address)) {
            minute.count = minute.count.saturating_sub(1);
        }
    }

    fn all(&self) -> MutexGuard<'_, HashMap<Guesser, Wrong>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn make_room(all: &mut HashMap<Guesser, Wrong>, guesser: &Guesser) {
    if all.len() < REMEMBERED_MAX || all.contains_key(guesser) {
        return;
    }
    let oldest =
        all.iter().min_by_key(|(_, wrong)| wrong.at_ms).map(|(guesser, _)| guesser.clone());
    if let Some(oldest) = oldest {
        all.remove(&oldest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
    const THERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::BROADCAST);

    #[test]
    fn who_guesses_waits_and_nobody_else_does() {
        let guesses = Guesses::default();
        for _ in 0..FREE {
            // They are counted before it is known whether they are right: all at once is no way around.
            assert_eq!(guesses.begin("lan", HERE, 1_000), Ok(()));
        }
        assert_eq!(guesses.begin("lan", HERE, 1_000), Err(61));
        assert_eq!(guesses.begin("minh", HERE, 1_000), Ok(()));
        assert_eq!(guesses.begin("lan", THERE, 1_000), Ok(()));
        assert_eq!(guesses.begin("lan", HERE, 1_000 + WAIT_MS), Ok(()));
        assert_eq!(guesses.begin("lan", HERE, 1_000 + WAIT_MS), Err(61), "one more a minute");
        guesses.right("lan", HERE);
        assert_eq!(guesses.begin("lan", HERE, 1_000 + WAIT_MS), Ok(()));
    }

    #[test]
    fn an_address_that_tries_one_name_after_the_other_waits_and_is_forgiven_what_was_right() {
        let guesses = Guesses::default();
        for at in 0..OF_ADDRESS_MAX {
            assert_eq!(guesses.begin(&format!("right{at}"), HERE, 0), Ok(()));
            guesses.right(&format!("right{at}"), HERE);
        }
        for at in 0..OF_ADDRESS_MAX {
            assert_eq!(guesses.begin(&format!("user{at}"), HERE, 0), Ok(()));
        }
        assert!(guesses.begin("another", HERE, WAIT_MS - 1).is_err());
        assert_eq!(guesses.begin("another", THERE, 0), Ok(()));
        assert_eq!(guesses.begin("another", HERE, WAIT_MS), Ok(()));
        // The clock was set back.
        assert_eq!(guesses.begin("user1", HERE, -WAIT_MS), Ok(()));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let guesses = Guesses::default();
        for at in 0..REMEMBERED_MAX {
            let address = IpAddr::from(u32::try_from(at).unwrap().to_be_bytes());
            guesses.begin("lan", address, i64::try_from(at).unwrap()).unwrap();
        }
        assert_eq!(guesses.all().len(), REMEMBERED_MAX);
    }
}
