//! sudo's lines: `alice : [REASON ; ]TTY=… ; PWD=… ; USER=root ; [ENV=… ; ]COMMAND=…` (sudo, lib/eventlog).
//! The command reaches to the end of the line and starts at the first `COMMAND=`: a crafted directory name can then
//! lengthen it, and never hide it.

use agent_model::Severity;

use crate::security::fields::*;
use crate::security::finding::Finding;

pub(super) fn find(message: &str) -> Option<Finding> {
    let (user, rest) = message.split_once(" : ")?;
    let (head, command) = match rest.split_once("COMMAND=") {
        Some((head, command)) => (head, command),
        None => (rest, ""),
    };
    let mut reason = None;
    let mut pairs = Vec::new();
    for part in head.split(" ; ").map(str::trim).filter(|part| !part.is_empty()) {
        match part.split_once('=') {
            Some((key, value)) => pairs.push((key, value)),
            None if pairs.is_empty() => reason = Some(part),
            None => {}
        }
    }
    if command.is_empty() && pairs.is_empty() {
        return None;
    }
    let value = |wanted: &str| pairs.iter().find(|(key, _)| *key == wanted).map(|(_, value)| value);
    // `3 incorrect password attempts` is three failures.
    let attempts = reason
        .and_then(|reason| reason.split_once(" incorrect password attempt"))
        .map(|(count, _)| count)
        .filter(|count| count.parse::<u32>().is_ok_and(|count| count > 1));
    let finding = match reason {
        None => Finding::authentication(Severity::Informational, SUDO_COMMAND),
        Some(reason) => Finding::authentication(Severity::Medium, SUDO_FAILED).with(REASON, reason),
    };
    Some(
        finding
            .with(USER, user.trim())
            .with_option(TARGET_USER, value("USER"))
            .with_option(GROUP, value("GROUP"))
            .with_option(TTY, value("TTY"))
            .with_option(WORKING_DIRECTORY, value("PWD"))
            .with_option(COUNT, attempts)
            .with(COMMAND_LINE, command),
    )
}
