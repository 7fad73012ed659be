//! su (util-linux and shadow), console logins, and systemd-logind's sessions.

use agent_model::Severity;

use super::quoted;
use crate::security::fields::*;
use crate::security::finding::Finding;

pub(super) fn find(program: &str, message: &str) -> Option<Finding> {
    match program {
        "su" => su(message),
        "login" => login(message),
        _ => logind(message),
    }
}

fn su(message: &str) -> Option<Finding> {
    let outcome = |failed: bool| match failed {
        false => Finding::authentication(Severity::Informational, SU_SUCCEEDED),
        true => Finding::authentication(Severity::Medium, SU_FAILED),
    };
    // util-linux: `(to root) alice on pts/0`, with `FAILED SU ` before it.
    let (failed, rest) = match message.strip_prefix("FAILED SU ") {
        Some(rest) => (true, rest),
        None => (false, message),
    };
    if let Some(rest) = rest.strip_prefix("(to ") {
        let (target, rest) = rest.split_once(") ")?;
        let (user, tty) = rest.rsplit_once(" on ").unwrap_or((rest, ""));
        let tty = tty.strip_prefix("/dev/").unwrap_or(tty);
        let tty = if tty == "none" { "" } else { tty };
        return Some(outcome(failed).with(TARGET_USER, target).with(USER, user).with(TTY, tty));
    }
    // shadow: `Successful su for root by alice`, `FAILED su for root by alice`.
    let (failed, rest) = match message.strip_prefix("Successful su for ") {
        Some(rest) => (false, rest),
        None => (true, message.strip_prefix("FAILED su for ")?),
    };
    let (target, user) = rest.split_once(" by ")?;
    Some(outcome(failed).with(TARGET_USER, target).with(USER, user))
}

fn login(message: &str) -> Option<Finding> {
    let failed = || Finding::authentication(Severity::Low, LOGIN_FAILED);
    let succeeded = || Finding::authentication(Severity::Informational, LOGIN_SUCCEEDED);
    if let Some(rest) = message.strip_prefix("ROOT LOGIN") {
        let tty = terminal(rest.split_once("on ").or_else(|| rest.split_once("ON "))?.1);
        return Some(succeeded().with(USER, "root").with(TTY, tty));
    }
    if let Some(rest) = message.strip_prefix("LOGIN ON ") {
        let (tty, user) = rest.split_once(" BY ")?;
        let (user, host) = user.split_once(" FROM ").unwrap_or((user, ""));
        return Some(succeeded().with(USER, user).with(TTY, tty).with_peer(host));
    }
    let too_many = message.strip_prefix("TOO MANY LOGIN TRIES ");
    let rest = message.strip_prefix("FAILED LOGIN ").or(too_many)?;
    // `(1) on '/dev/tty1' FOR 'root', Authentication failure`; from the network ` from 'host'` stands between.
    let (head, who) = rest.rsplit_once(" FOR ")?;
    let (user, reason) = match quoted(who) {
        Some((user, reason)) => (user, reason.trim_start_matches([',', ' '])),
        None => who.split_once(", ").unwrap_or((who, "")),
    };
    let finding = failed().with(USER, user).with(REASON, reason);
    let finding = match head.split_once(" from ").or_else(|| head.split_once(" FROM ")) {
        Some((_, host)) => finding.with_peer(host.trim_matches('\'')),
        None => finding,
    };
    Some(finding.with_option(TTY, head.split_once(" on ").map(|(_, tty)| terminal(tty))))
}

fn logind(message: &str) -> Option<Finding> {
    if let Some(rest) = message.strip_prefix("New session ") {
        let (session, user) = rest.split_once(" of user ")?;
        // systemd 258 adds ` with class '…' and type '…'` after the name.
        let user = user.split_once(" with class").map_or(user, |(user, _)| user);
        let user = user.trim_end_matches('.').trim_matches('\'');
        let finding = Finding::authentication(Severity::Informational, LOGIN_SESSION_STARTED);
        return Some(finding.with(SESSION_ID, session.trim_matches('\'')).with(USER, user));
    }
    let session = message.strip_prefix("Removed session ")?.trim_end_matches('.');
    let finding = Finding::authentication(Severity::Informational, LOGIN_SESSION_ENDED);
    Some(finding.with(SESSION_ID, session))
}

/// `'/dev/tty1'` is `tty1`.
fn terminal(text: &str) -> &str {
    let text = quoted(text).map_or(text, |(inner, _)| inner);
    let text = text.split(' ').next().unwrap_or(text);
    text.strip_prefix("/dev/").unwrap_or(text)
}
