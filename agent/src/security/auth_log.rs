//! Authentication lines to events: sshd, sudo, su, login, systemd-logind, the shadow tools and PAM's own lines.
//! Promises: pure; every line yields at least one event, an unknown one of class base; parsed from the right where a
//! remote side chooses the text (user names), so that a crafted name cannot forge an address. Names: [`super::fields`].
//! Leaves to others: reading the lines (`tail`, `journald`), and whether a local user forged one with `logger`.

mod accounts;
mod login;
mod pam;
mod sshd;
mod sudo;

use agent_model::{Event, Millis};
use jiff::tz::TimeZone;

use crate::security::fields;
use crate::security::finding::Finding;
use crate::security::syslog::SyslogLine;

/// The `source` of events from a log file.
pub const SOURCE: &str = "auth_log";

/// Events that one `message repeated N times` becomes; the last carries the rest in `Count`. It keeps rules that count
/// events right, and one forged line from filling the spool.
pub const REPEATS_MAX: u64 = 100;

/// The events of one raw line, never none. A line without a time of its own gets `now`.
pub fn events(line: &str, now: Millis, zone: &TimeZone) -> Vec<Event> {
    let Some(parsed) = SyslogLine::parse(line, now, zone) else {
        return vec![Finding::base(fields::LOG_LINE).into_event(now, SOURCE, line.to_owned())];
    };
    let (times, message) = repeated(parsed.message).unwrap_or((1, parsed.message));
    let finding = find(parsed.program, message)
        .with(fields::LOG_HOST, parsed.host)
        .with_option(fields::PROCESS_ID, parsed.process_id);
    (0..times.min(REPEATS_MAX))
        .map(|at| {
            let last = at + 1 == REPEATS_MAX && times > REPEATS_MAX;
            let rest = last.then(|| (times - at).to_string());
            let finding = finding.clone().with_option(fields::COUNT, rest);
            finding.into_event(parsed.time_ms, SOURCE, line.to_owned())
        })
        .collect()
}

/// What a message of a program says, with `Program` set; a base finding when no parser knows it.
pub fn find(program: &str, message: &str) -> Finding {
    let program = match program {
        "sshd-session" | "sshd-auth" => "sshd",
        other => other.rsplit('/').next().unwrap_or(other),
    };
    let message = message.trim();
    let known = pam::find(message).or_else(|| match program {
        "sshd" => sshd::find(message),
        "sudo" => sudo::find(message),
        "su" | "login" | "systemd-logind" => login::find(program, message),
        "useradd" | "userdel" | "usermod" | "groupadd" | "groupdel" | "groupmod" | "gpasswd"
        | "passwd" | "chpasswd" | "chage" | "chsh" | "chfn" | "adduser" => accounts::find(message),
        _ => None,
    });
    known.unwrap_or_else(|| Finding::base(fields::LOG_LINE)).with(fields::PROGRAM, program)
}

/// `message repeated 3 times: [ … ]` (rsyslog): three more of the same, after the first that stands alone.
fn repeated(message: &str) -> Option<(u64, &str)> {
    let (times, rest) = message.strip_prefix("message repeated ")?.split_once(" times: [")?;
    let inner = rest.strip_suffix(']')?;
    let times: u64 = times.parse().ok()?;
    (times > 0).then_some((times, inner.trim()))
}

/// The text between single quotes, and what follows.
fn quoted(text: &str) -> Option<(&str, &str)> {
    text.strip_prefix('\'')?.split_once('\'')
}

#[cfg(test)]
mod tests;
