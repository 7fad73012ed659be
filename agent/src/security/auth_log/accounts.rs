//! What the shadow tools log when accounts, groups and passwords change (shadow 4.8 to 4.17: useradd.c, usermod.c …).

use agent_model::Severity;

use super::quoted;
use crate::security::fields::*;
use crate::security::finding::Finding;

pub(super) fn find(message: &str) -> Option<Finding> {
    account(message).or_else(|| password(message)).or_else(|| group(message))
}

fn account(message: &str) -> Option<Finding> {
    let change = |event_type| Finding::account_change(Severity::Medium, event_type);
    if let Some(pairs) = message.strip_prefix("new user: ") {
        return Some(
            change(ACCOUNT_CREATED)
                .with(TARGET_USER, pair(pairs, "name"))
                .with(USER_ID, pair(pairs, "UID"))
                .with(TTY, pair(pairs, "from").trim_start_matches("/dev/")),
        );
    }
    if let Some(rest) = message.strip_prefix("delete user ") {
        return Some(change(ACCOUNT_DELETED).with(TARGET_USER, quoted(rest)?.0));
    }
    for (start, event_type) in [("lock user ", ACCOUNT_LOCKED), ("unlock user ", ACCOUNT_UNLOCKED)]
    {
        if let Some(rest) = message.strip_prefix(start) {
            return Some(change(event_type).with(TARGET_USER, quoted(rest)?.0));
        }
    }
    // `change user 'bob' shell from '/bin/bash' to '/bin/sh'`, `changed user 'bob' shell to …` (chsh, chfn).
    let rest = ["change user name ", "change user ", "changed user "]
        .iter()
        .find_map(|start| message.strip_prefix(start))?;
    let (user, what) = quoted(rest)?;
    let event_type = if what == " password" { PASSWORD_CHANGED } else { ACCOUNT_CHANGED };
    Some(change(event_type).with(TARGET_USER, user).with(REASON, what.trim_start()))
}

fn password(message: &str) -> Option<Finding> {
    let finding = Finding::account_change(Severity::Medium, PASSWORD_CHANGED);
    if let Some(rest) = message.strip_prefix("password for ") {
        let (user, rest) = quoted(rest)?;
        let by = quoted(rest.strip_prefix(" changed by ")?)?.0;
        return Some(finding.with(TARGET_USER, user).with(BY_USER, by));
    }
    let user = message.strip_prefix("changed password expiry for ")?;
    let finding = Finding::account_change(Severity::Medium, ACCOUNT_CHANGED);
    Some(finding.with(TARGET_USER, user).with(REASON, "password expiry"))
}

fn group(message: &str) -> Option<Finding> {
    let change = |event_type| Finding::account_change(Severity::Medium, event_type);
    let echo = || Finding::account_change(Severity::Informational, GROUP_SHADOW_CHANGED);
    if let Some(pairs) = message.strip_prefix("new group: ") {
        return Some(change(GROUP_CREATED).with(GROUP, pair(pairs, "name")));
    }
    // groupadd logs the file, the shadow file, and then `new group:`; the last is the event.
    if let Some(rest) = message.strip_prefix("group added to ") {
        return Some(echo().with(GROUP, pair(rest.split_once(": ")?.1, "name")));
    }
    for (start, joint, event_type) in [
        ("add ", " to ", GROUP_MEMBER_ADDED),
        ("delete ", " from ", GROUP_MEMBER_REMOVED),
        ("removed ", " from ", GROUP_MEMBER_REMOVED),
    ] {
        if let Some((user, rest)) = message.strip_prefix(start).and_then(quoted)
            && let Some(rest) = rest.strip_prefix(joint)
        {
            let (shadow, rest) = match rest.strip_prefix("shadow ") {
                Some(rest) => (true, rest),
                None => (false, rest),
            };
            let group = quoted(rest.strip_prefix("group ")?)?.0;
            let finding = if shadow { echo() } else { change(event_type) };
            return Some(finding.with(TARGET_USER, user).with(GROUP, group));
        }
    }
    // gpasswd: `user bob added by root to group sudo`.
    if let Some(rest) = message.strip_prefix("user ") {
        for (did, joint, event_type) in [
            (" added by ", " to group ", GROUP_MEMBER_ADDED),
            (" removed by ", " from group ", GROUP_MEMBER_REMOVED),
        ] {
            if let Some((user, rest)) = rest.split_once(did)
                && let Some((by, group)) = rest.split_once(joint)
            {
                let finding = change(event_type).with(TARGET_USER, user).with(BY_USER, by);
                return Some(finding.with(GROUP, group));
            }
        }
    }
    if let Some(rest) = message.strip_prefix("removed group ") {
        return Some(change(GROUP_DELETED).with(GROUP, quoted(rest)?.0));
    }
    if let Some(rest) = message.strip_prefix("removed shadow group ") {
        return Some(echo().with(GROUP, quoted(rest)?.0));
    }
    if let Some((group, rest)) = message.strip_prefix("group ").and_then(quoted) {
        // groupdel: `group 'x' removed from /etc/group`, `… /etc/gshadow`, and `group 'x' removed` at the end.
        return match rest {
            " removed" => Some(change(GROUP_DELETED).with(GROUP, group)),
            _ if rest.starts_with(" removed from ") => Some(echo().with(GROUP, group)),
            _ => None,
        };
    }
    let (_, rest) = message.strip_prefix("group changed in ")?.split_once(" (group ")?;
    let (group, reason) = rest.split_once('/').unwrap_or((rest, ""));
    Some(change(GROUP_CHANGED).with(GROUP, group).with(REASON, reason.trim_end_matches(')')))
}

/// The value of `key` in `name=bob, UID=1001, …`.
fn pair<'a>(pairs: &'a str, key: &str) -> &'a str {
    pairs
        .split(", ")
        .find_map(|pair| pair.split_once('=').filter(|(name, _)| *name == key))
        .map_or("", |(_, value)| value)
}
