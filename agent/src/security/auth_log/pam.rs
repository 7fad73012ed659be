//! Lines that PAM modules write in the name of a program: `pam_unix(sshd:auth): …`, and sshd's `PAM 2 more …`.

use agent_model::Severity;

use crate::security::fields::*;
use crate::security::finding::Finding;

pub(super) fn find(message: &str) -> Option<Finding> {
    if let Some(rest) = message.strip_prefix("PAM ") {
        let (count, rest) = rest.split_once(" more authentication failure")?;
        let count: u64 = count.parse().ok()?;
        let (_, details) = rest.split_once("; ")?;
        // `PAM 5 more authentication failures` sums up what was not logged one by one.
        return Some(failure(details).with(COUNT, count.to_string()));
    }
    let rest = message.strip_prefix("pam_")?;
    let (_module, rest) = rest.split_once('(')?;
    let (origin, said) = rest.split_once("): ")?;
    let service = origin.split_once(':').map_or(origin, |(service, _)| service);
    let finding = if let Some(details) = said.strip_prefix("authentication failure; ") {
        failure(details)
    } else if let Some(rest) = said.strip_prefix("session opened for user ") {
        let (user, by) = rest.rsplit_once(" by ").unwrap_or((rest, ""));
        Finding::authentication(Severity::Informational, SESSION_OPENED)
            .with(USER, without_id(user))
            .with(BY_USER, without_id(by))
    } else if let Some(user) = said.strip_prefix("session closed for user ") {
        Finding::authentication(Severity::Informational, SESSION_CLOSED).with(USER, user)
    } else if let Some(user) = said.strip_prefix("password changed for ") {
        Finding::account_change(Severity::Medium, PASSWORD_CHANGED).with(TARGET_USER, user)
    } else if said == "check pass; user unknown" {
        Finding::authentication(Severity::Informational, PAM_USER_UNKNOWN)
    } else {
        return None;
    };
    Some(finding.with(SERVICE, service))
}

/// `logname= uid=0 euid=0 tty=ssh ruser= rhost=192.0.2.1  user=root`. The name comes from outside and may hold
/// anything, so it is what follows the first ` user=` behind the host, to the end.
fn failure(details: &str) -> Finding {
    let (head, user) = match details.split_once(" rhost=") {
        Some((_, rest)) if rest.contains(" user=") => {
            let at = details.len() - rest.len() + rest.find(" user=").unwrap_or(0);
            (&details[..at], &details[at + " user=".len()..])
        }
        _ => (details, ""),
    };
    let value = |wanted: &str| {
        head.split(' ').find_map(|pair| pair.strip_prefix(wanted)?.strip_prefix('=')).unwrap_or("")
    };
    Finding::authentication(Severity::Low, PAM_AUTHENTICATION_FAILED)
        .with(USER, user.trim())
        .with(BY_USER, value("ruser"))
        .with(TTY, value("tty").trim_start_matches("/dev/"))
        .with_peer(value("rhost"))
}

/// `root(uid=0)` is `root`; `(uid=0)` names nobody.
fn without_id(name: &str) -> &str {
    name.rsplit_once("(uid=").map_or(name, |(name, _)| name)
}
