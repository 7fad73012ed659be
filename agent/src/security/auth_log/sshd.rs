//! What OpenSSH's server logs (auth.c, auth2.c, packet.c, sshd.c of OpenSSH 6 to 10).
//! User names come from the network: addresses are read from the right of the line.

use agent_model::Severity;

use crate::security::fields::{self, *};
use crate::security::finding::Finding;

pub(super) fn find(message: &str) -> Option<Finding> {
    let message = message.strip_suffix(" [preauth]").unwrap_or(message);
    let message = message.strip_prefix("error: ").unwrap_or(message);
    attempt(message)
        .or_else(|| refusal(message))
        .or_else(|| scan(message))
        .or_else(|| ended(message))
}

/// Accepted and failed logins, and names that do not exist.
fn attempt(message: &str) -> Option<Finding> {
    if let Some(rest) = message.strip_prefix("Accepted ") {
        let (method, rest) = rest.split_once(" for ")?;
        let (user, peer) = user_and_peer(rest)?;
        let key = peer.rest.strip_prefix(" ssh2: ").or_else(|| peer.rest.strip_prefix(": "));
        let finding = Finding::authentication(Severity::Informational, SSH_LOGIN_SUCCEEDED)
            .with(AUTH_METHOD, method)
            .with(USER, user)
            .with_option(KEY_FINGERPRINT, key);
        return Some(peer.set(finding));
    }
    if let Some(rest) = message.strip_prefix("Failed ") {
        let (method, rest) = rest.split_once(" for ")?;
        let (user, peer) = user_and_peer(rest)?;
        let finding = Finding::authentication(Severity::Low, SSH_LOGIN_FAILED);
        return Some(peer.set(with_user(finding.with(AUTH_METHOD, method), user)));
    }
    if let Some(rest) = message.strip_prefix("Invalid user ") {
        // An empty name leaves `Invalid user  from 192.0.2.1`.
        let (user, peer) = user_and_peer(rest)
            .or_else(|| Some(("", Peer::parse(rest.trim_start().strip_prefix("from ")?)?)))?;
        let finding = Finding::authentication(Severity::Low, SSH_INVALID_USER)
            .with(USER, user)
            .with(fields::INVALID_USER, "true");
        return Some(peer.set(finding));
    }
    None
}

/// sshd's own rules: too many attempts, accounts that may not log in.
fn refusal(message: &str) -> Option<Finding> {
    let too_many = || Finding::authentication(Severity::Medium, SSH_TOO_MANY_FAILURES);
    if let Some(rest) = message.strip_prefix("maximum authentication attempts exceeded for ") {
        let (user, peer) = user_and_peer(rest)?;
        return Some(peer.set(with_user(too_many(), user)));
    }
    if let Some(user) = message.strip_prefix("Disconnecting: Too many authentication failures for ")
    {
        return Some(with_user(too_many(), user));
    }
    if let Some(rest) = message.strip_prefix("Disconnecting ")
        && let Some(who) = rest.strip_suffix(": Too many authentication failures")
    {
        return Some(with_connection(too_many(), who));
    }
    let not_allowed = || Finding::authentication(Severity::Medium, SSH_USER_NOT_ALLOWED);
    if let Some(rest) = message.strip_prefix("User ") {
        let (who, reason) = rest.rsplit_once(" not allowed because ")?;
        let (user, peer) = who.rsplit_once(" from ").unwrap_or((who, ""));
        return Some(not_allowed().with(USER, user).with_peer(peer).with(REASON, reason));
    }
    if let Some(rest) = message.strip_prefix("ROOT LOGIN REFUSED FROM ") {
        return Some(Peer::parse(rest)?.set(not_allowed().with(USER, "root")));
    }
    None
}

/// Those who connect and do not log in.
fn scan(message: &str) -> Option<Finding> {
    let silent = || Finding::authentication(Severity::Low, SSH_NO_IDENTIFICATION);
    if let Some(rest) = message.strip_prefix("Did not receive identification string from ") {
        return Some(Peer::parse(rest)?.set(silent()));
    }
    if let Some(rest) = message.strip_prefix("Bad protocol version identification ") {
        let (said, peer) = rest.rsplit_once(" from ")?;
        return Some(Peer::parse(peer)?.set(silent().with(REASON, said)));
    }
    if let Some(rest) = message.strip_prefix("banner exchange: Connection from ") {
        let (peer, reason) = rest.split_once(": ")?;
        return Some(Peer::parse(peer)?.set(silent().with(REASON, reason)));
    }
    if let Some(rest) = message.strip_prefix("Unable to negotiate with ") {
        let (peer, reason) = rest.split_once(": ")?;
        let finding = Finding::authentication(Severity::Low, SSH_NEGOTIATION_FAILED);
        return Some(Peer::parse(peer)?.set(finding.with(REASON, reason)));
    }
    let unmapped = || Finding::authentication(Severity::Low, SSH_REVERSE_MAPPING_FAILED);
    if let Some(rest) = message.strip_prefix("reverse mapping checking getaddrinfo for ") {
        let (name, rest) = rest.rsplit_once(" [")?;
        let (address, _) = rest.split_once(']')?;
        return Some(unmapped().with(SOURCE_HOST, name).with(SOURCE_IP, address));
    }
    if let Some(rest) = message.strip_prefix("Address ") {
        let (address, rest) = rest.split_once(" maps to ")?;
        let (name, _) = rest.split_once(", but this does not map back")?;
        return Some(unmapped().with(SOURCE_HOST, name).with(SOURCE_IP, address));
    }
    None
}

/// Connections that ended.
fn ended(message: &str) -> Option<Finding> {
    let finding = || Finding::authentication(Severity::Informational, SSH_CONNECTION_CLOSED);
    if let Some(rest) = message.strip_prefix("Received disconnect from ") {
        // `192.0.2.1: 11: Bye` (old) or `192.0.2.1 port 4022:11: Bye`; an IPv6 address has colons of its own.
        let (peer, reason) = match rest.split_once(" port ") {
            Some((_, after)) if after.starts_with(|c: char| c.is_ascii_digit()) => {
                let digits = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
                rest.split_at(rest.len() - after.len() + digits)
            }
            _ => rest.split_once(": ").unwrap_or((rest, "")),
        };
        let reason = reason.trim_start_matches([':', ' ']);
        return Some(Peer::parse(peer)?.set(finding().with(REASON, reason)));
    }
    for (start, reason) in [
        ("Connection closed by ", "closed"),
        ("Connection reset by ", "reset"),
        ("Disconnected from ", "disconnected"),
    ] {
        if let Some(who) = message.strip_prefix(start) {
            return Some(with_connection(finding().with(REASON, reason), who));
        }
    }
    None
}

/// The other side at the end of a text: `192.0.2.1`, `192.0.2.1 port 4022`, and what follows.
struct Peer<'a> {
    address: &'a str,
    port: Option<&'a str>,
    rest: &'a str,
}

impl<'a> Peer<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let (address, after) = text.split_once(' ').unwrap_or((text, ""));
        if address.is_empty() {
            return None;
        }
        let Some(port) = after.strip_prefix("port ") else {
            return Some(Self { address, port: None, rest: after });
        };
        let digits = port.find(|c: char| !c.is_ascii_digit()).unwrap_or(port.len());
        let (port, rest) = port.split_at(digits);
        (!port.is_empty()).then_some(Self { address, port: Some(port), rest })
    }

    fn set(&self, finding: Finding) -> Finding {
        finding.with_peer(self.address).with_option(SOURCE_PORT, self.port)
    }
}

/// `name from 192.0.2.1 port 4022 ssh2`: the last ` from ` counts, for the name may hold one too.
fn user_and_peer(text: &str) -> Option<(&str, Peer<'_>)> {
    text.rmatch_indices(" from ").find_map(|(at, separator)| {
        let peer = Peer::parse(&text[at + separator.len()..])?;
        Some((&text[..at], peer))
    })
}

/// `invalid user x` says that the host has no `x`.
fn with_user(finding: Finding, user: &str) -> Finding {
    match user.strip_prefix("invalid user ") {
        Some(name) => finding.with(USER, name.trim_start()).with(fields::INVALID_USER, "true"),
        None => finding.with(USER, user),
    }
}

/// `[authenticating user|invalid user|user NAME ]192.0.2.1[ port 4022]`.
fn with_connection(finding: Finding, who: &str) -> Finding {
    let (head, port) = match who.rsplit_once(" port ") {
        Some((head, port)) => (head, Some(port)),
        None => (who, None),
    };
    let (user, address) = head.rsplit_once(' ').unwrap_or(("", head));
    let finding = finding.with_peer(address).with_option(SOURCE_PORT, port);
    let user = user.strip_prefix("authenticating user ").unwrap_or(user);
    match user.strip_prefix("user ") {
        Some(user) => finding.with(USER, user),
        None => with_user(finding, user),
    }
}
