//! The names of the flat fields that security events carry: what Sigma rules are written against.
//! Promises: a name here never changes its meaning; an absent field is absent, never empty; every value is text.
//! `EventType` says what happened in one word; [`FIELDS`] and [`EVENT_TYPES`] list every name for tools that check rules.
//!
//! Who is who: `User` is the account that acts or tries to (for ssh: the account that is logged in to),
//! `TargetUser` the account that is acted on or become (`sudo`, `su`, account changes).

/// Declares constants and the list of all of them with their meaning.
macro_rules! names {
    ($(#[$about:meta])* $list:ident: $($constant:ident = $name:literal, $meaning:literal;)+) => {
        $(#[doc = $meaning] pub const $constant: &str = $name;)+
        $(#[$about])*
        pub const $list: &[(&str, &str)] = &[$(($name, $meaning)),+];
    };
}

names! {
    /// Every field name with its meaning.
    FIELDS:
    EVENT_TYPE = "EventType", "what happened: one of `EVENT_TYPES`";
    USER = "User", "the account that acts or tries to";
    TARGET_USER = "TargetUser", "the account that is acted on or become";
    BY_USER = "ByUser", "who opened a session or made a change, where the line says so beside `User`";
    INVALID_USER = "InvalidUser", "`true` when the host has no such account";
    USER_ID = "UserId", "numeric id of a created account";
    GROUP = "Group", "the group that is created, removed, or gains or loses a member";
    SOURCE_IP = "SourceIp", "address of the other side, IPv4 or IPv6, as logged";
    SOURCE_HOST = "SourceHost", "name of the other side, where the line has a name and no address";
    SOURCE_PORT = "SourcePort", "port of the other side";
    AUTH_METHOD = "AuthMethod", "`password`, `publickey`, `keyboard-interactive/pam`, `none` …";
    KEY_FINGERPRINT = "KeyFingerprint", "kind and fingerprint of the key that was accepted: `ED25519 SHA256:…`";
    PROGRAM = "Program", "the program that logged; `sshd-session` and `sshd-auth` (OpenSSH 9.8) read `sshd`";
    PROCESS_ID = "ProcessId", "its process id";
    SERVICE = "Service", "the PAM service: `sshd`, `sudo`, `su`, `cron`, `login` …";
    COMMAND_LINE = "CommandLine", "what sudo ran or refused, with arguments";
    WORKING_DIRECTORY = "WorkingDirectory", "where the command was run";
    TTY = "TTY", "terminal: `pts/0`, `tty1`, `ssh`";
    REASON = "Reason", "why something was refused or ended, in the program's words";
    COUNT = "Count", "how many occurrences this event stands for; absent means one";
    SESSION_ID = "SessionId", "systemd-logind's session";
    LOG_HOST = "LogHost", "the host name inside the line (the certified host is the event's own)";
    LOG_FILE = "LogFile", "the file the line was read from";
    LINE_CUT = "LineCut", "`true` when the line was longer than the limit and only its beginning is kept";
    UNIT = "Unit", "systemd unit (journal only)";
    EXECUTABLE = "Executable", "path of the program that wrote, attested by the kernel (journal only)";
    LOG_USER_ID = "LogUserId", "user id of the process that wrote, attested by the kernel (journal only)";
    TARGET_FILENAME = "TargetFilename", "the file that changed";
    HASH = "Hash", "its SHA-256 now, lower-case hexadecimal; absent when the file is gone or too large";
    OLD_HASH = "OldHash", "its SHA-256 before";
    OWNER = "Owner", "`uid:gid` now";
    OLD_OWNER = "OldOwner", "`uid:gid` before";
    MODE = "Mode", "permission bits now, four octal digits: `0644`";
    OLD_MODE = "OldMode", "permission bits before";
    SIZE = "Size", "bytes now";
}

names! {
    /// Every value of `EventType` with its meaning.
    EVENT_TYPES:
    SSH_LOGIN_SUCCEEDED = "ssh_login_succeeded", "sshd accepted a login: User, SourceIp, SourcePort, AuthMethod, KeyFingerprint";
    SSH_LOGIN_FAILED = "ssh_login_failed", "sshd refused one attempt: User, InvalidUser, SourceIp, SourcePort, AuthMethod";
    SSH_INVALID_USER = "ssh_invalid_user", "somebody asked for an account that does not exist (an ssh_login_failed often follows): User, SourceIp";
    SSH_USER_NOT_ALLOWED = "ssh_user_not_allowed", "the account exists and sshd's rules refuse it: User, SourceIp or SourceHost, Reason";
    SSH_TOO_MANY_FAILURES = "ssh_too_many_failures", "sshd hung up after too many attempts: User, SourceIp";
    SSH_CONNECTION_CLOSED = "ssh_connection_closed", "a connection ended: User, SourceIp, SourcePort, Reason";
    SSH_NO_IDENTIFICATION = "ssh_no_identification", "somebody connected and did not speak ssh (a scan): SourceIp, Reason";
    SSH_NEGOTIATION_FAILED = "ssh_negotiation_failed", "no common algorithm: SourceIp, Reason";
    SSH_REVERSE_MAPPING_FAILED = "ssh_reverse_mapping_failed", "the name of the address does not lead back to it: SourceIp, SourceHost";
    PAM_AUTHENTICATION_FAILED = "pam_authentication_failed", "PAM's own line beside the program's (do not count both): Service, User, ByUser, SourceIp, TTY, Count";
    PAM_USER_UNKNOWN = "pam_user_unknown", "PAM met an account that does not exist: Service";
    SESSION_OPENED = "session_opened", "a PAM session began, cron's too: Service, User (whose session), ByUser";
    SESSION_CLOSED = "session_closed", "a PAM session ended: Service, User";
    LOGIN_SESSION_STARTED = "login_session_started", "systemd-logind: a session began: SessionId, User";
    LOGIN_SESSION_ENDED = "login_session_ended", "systemd-logind: a session ended: SessionId";
    SUDO_COMMAND = "sudo_command", "a command run by sudo: User, TargetUser, CommandLine, TTY, WorkingDirectory";
    SUDO_FAILED = "sudo_failed", "sudo refused (wrong password, not in sudoers, not allowed): as sudo_command, with Reason and Count";
    SU_SUCCEEDED = "su_succeeded", "su: User became TargetUser: TTY";
    SU_FAILED = "su_failed", "su: User did not become TargetUser: TTY";
    LOGIN_SUCCEEDED = "login_succeeded", "console login: User, TTY";
    LOGIN_FAILED = "login_failed", "console login refused: User, TTY, SourceHost, Reason";
    ACCOUNT_CREATED = "account_created", "TargetUser, UserId";
    ACCOUNT_DELETED = "account_deleted", "TargetUser";
    ACCOUNT_CHANGED = "account_changed", "name, home, shell, id or expiry of TargetUser changed: Reason";
    ACCOUNT_LOCKED = "account_locked", "the password of TargetUser was locked";
    ACCOUNT_UNLOCKED = "account_unlocked", "the password of TargetUser was unlocked";
    PASSWORD_CHANGED = "password_changed", "TargetUser, and ByUser where known";
    GROUP_CREATED = "group_created", "Group";
    GROUP_DELETED = "group_deleted", "Group";
    GROUP_CHANGED = "group_changed", "a group got another name or id: Group, Reason";
    GROUP_MEMBER_ADDED = "group_member_added", "TargetUser joined Group: ByUser where known";
    GROUP_MEMBER_REMOVED = "group_member_removed", "TargetUser left Group: ByUser where known";
    GROUP_SHADOW_CHANGED = "group_shadow_changed", "the echo in /etc/gshadow of a change that has its own event: Group";
    FILE_CREATED = "file_created", "TargetFilename, Hash, Owner, Mode, Size";
    FILE_MODIFIED = "file_modified", "TargetFilename, Hash, OldHash, Owner, Mode, Size";
    FILE_DELETED = "file_deleted", "TargetFilename, OldHash, OldOwner, OldMode";
    FILE_PERMISSION_CHANGED = "file_permission_changed", "owner or mode changed, content did not: TargetFilename, Owner, OldOwner, Mode, OldMode";
    FILE_BASELINE_LOST = "file_baseline_lost", "what the watched files were is not known any more; changes up to now cannot be told (class base_event): Reason";
    LOG_LINE = "log_line", "a line that no parser knows (class base_event): Program, ProcessId";
    LOG_LINE_FORGED = "log_line_forged", "a line in the name of sshd, sudo or su that another program wrote (journal only): Program, Executable, LogUserId";
    LOG_TRUNCATED = "log_truncated", "a log was cut short in place, and no copy of it was found: LogFile";
    LOG_LINES_LOST = "log_lines_lost", "lines between two readings are gone, or cannot be proved whole: LogFile, Reason";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_name_stands_twice_and_all_have_a_meaning() {
        for list in [FIELDS, EVENT_TYPES] {
            let names: BTreeSet<_> = list.iter().map(|(name, _)| name).collect();
            assert_eq!(names.len(), list.len());
            assert!(list.iter().all(|(_, meaning)| !meaning.is_empty()));
        }
    }
}
