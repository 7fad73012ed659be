//! One line of every shape, the public OpenSSH corpus, and random bytes.

use std::collections::BTreeMap;
use std::path::Path;

use agent_model::{Event, Millis};
use expect_test::{Expect, expect};
use jiff::tz::TimeZone;
use proptest::prelude::*;

use super::*;
use crate::security::fields;

const NOW: Millis = 1_795_273_200_000; // 2026-11-21T15:00:00Z

fn parse(line: &str) -> Vec<Event> {
    events(line, NOW, &TimeZone::UTC)
}

fn shown(event: &Event) -> String {
    let known: Vec<_> = fields::FIELDS.iter().map(|(name, _)| *name).collect();
    assert!(event.fields.keys().all(|name| known.contains(&name.as_str())));
    let event_type = &event.fields[fields::EVENT_TYPE];
    assert!(fields::EVENT_TYPES.iter().any(|(name, _)| name == event_type), "{event_type}");
    let rest: Vec<_> = event
        .fields
        .iter()
        .filter(|(name, _)| ![fields::EVENT_TYPE, fields::LOG_HOST].contains(&name.as_str()))
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    format!("{event_type} {} {}: {}\n", event.class.name(), event.severity.name(), rest.join(" "))
}

/// Each line stands behind the header `Nov 21 14:00:00 h `.
fn check(lines: &[&str], expected: Expect) {
    let mut text = String::new();
    for line in lines {
        for event in parse(&format!("Nov 21 14:00:00 h {line}")) {
            text.push_str(&shown(&event));
        }
    }
    expected.assert_eq(&text);
}

#[test]
fn ssh_logins() {
    check(
        &[
            "sshd[1]: Accepted password for alice from 192.0.2.1 port 4022 ssh2",
            "sshd-session[1]: Accepted publickey for root from 2001:db8::1 port 4022 ssh2: ED25519 SHA256:abc",
            "sshd[1]: Failed password for root from 192.0.2.1 port 4022 ssh2",
            "sshd[1]: Failed password for invalid user admin from 192.0.2.1 port 4022 ssh2",
            "sshd[1]: Failed keyboard-interactive/pam for invalid user  from 192.0.2.1 port 1 ssh2",
            "sshd[1]: Invalid user webmaster from 192.0.2.1",
            "sshd[1]: Invalid user webmaster from 192.0.2.1 port 4022",
            "sshd[1]: Invalid user  from 192.0.2.1 port 4022",
            "sshd[1]: error: maximum authentication attempts exceeded for invalid user x from 192.0.2.1 port 4 ssh2 [preauth]",
            "sshd[1]: Disconnecting authenticating user root 192.0.2.1 port 22: Too many authentication failures [preauth]",
            "sshd[1]: User bob from 192.0.2.1 not allowed because not listed in AllowUsers",
            "sshd[1]: ROOT LOGIN REFUSED FROM 192.0.2.1 port 4022",
        ],
        expect![[r#"
            ssh_login_succeeded authentication informational: AuthMethod=password ProcessId=1 Program=sshd SourceIp=192.0.2.1 SourcePort=4022 User=alice
            ssh_login_succeeded authentication informational: AuthMethod=publickey KeyFingerprint=ED25519 SHA256:abc ProcessId=1 Program=sshd SourceIp=2001:db8::1 SourcePort=4022 User=root
            ssh_login_failed authentication low: AuthMethod=password ProcessId=1 Program=sshd SourceIp=192.0.2.1 SourcePort=4022 User=root
            ssh_login_failed authentication low: AuthMethod=password InvalidUser=true ProcessId=1 Program=sshd SourceIp=192.0.2.1 SourcePort=4022 User=admin
            ssh_login_failed authentication low: AuthMethod=keyboard-interactive/pam InvalidUser=true ProcessId=1 Program=sshd SourceIp=192.0.2.1 SourcePort=1
            ssh_invalid_user authentication low: InvalidUser=true ProcessId=1 Program=sshd SourceIp=192.0.2.1 User=webmaster
            ssh_invalid_user authentication low: InvalidUser=true ProcessId=1 Program=sshd SourceIp=192.0.2.1 SourcePort=4022 User=webmaster
            ssh_invalid_user authentication low: InvalidUser=true ProcessId=1 Program=sshd SourceIp=192.0.2.1 SourcePort=4022
            ssh_too_many_failures authentication medium: InvalidUser=true ProcessId=1 Program=sshd SourceIp=192.0.2.1 SourcePort=4 User=x
            ssh_too_many_failures authentication medium: ProcessId=1 Program=sshd SourceIp=192.0.2.1 SourcePort=22 User=root
            ssh_user_not_allowed authentication medium: ProcessId=1 Program=sshd Reason=not listed in AllowUsers SourceIp=192.0.2.1 User=bob
            ssh_user_not_allowed authentication medium: ProcessId=1 Program=sshd SourceIp=192.0.2.1 SourcePort=4022 User=root
        "#]],
    );
}

#[test]
fn a_crafted_name_cannot_forge_an_address() {
    check(
        &[
            "sshd[1]: Failed password for invalid user a from 10.0.0.1 port 22 ssh2 from 192.0.2.1 port 4022 ssh2",
            "sshd[1]: Invalid user a from 10.0.0.1 port 22 from 192.0.2.1 port 4022",
            "sshd[1]: Invalid user Accepted password for root from 10.0.0.1 from 192.0.2.1 port 4022",
            "sudo: eve : TTY=pts/0 ; PWD=/tmp/x ; COMMAND=/bin/true ; USER=root ; COMMAND=/bin/evil",
        ],
        expect![[r#"
            ssh_login_failed authentication low: AuthMethod=password InvalidUser=true ProcessId=1 Program=sshd SourceIp=192.0.2.1 SourcePort=4022 User=a from 10.0.0.1 port 22 ssh2
            ssh_invalid_user authentication low: InvalidUser=true ProcessId=1 Program=sshd SourceIp=192.0.2.1 SourcePort=4022 User=a from 10.0.0.1 port 22
            ssh_invalid_user authentication low: InvalidUser=true ProcessId=1 Program=sshd SourceIp=192.0.2.1 SourcePort=4022 User=Accepted password for root from 10.0.0.1
            sudo_command authentication informational: CommandLine=/bin/true ; USER=root ; COMMAND=/bin/evil Program=sudo TTY=pts/0 User=eve WorkingDirectory=/tmp/x
        "#]],
    );
}

#[test]
fn ssh_connections_and_scans() {
    check(
        &[
            "sshd[1]: Connection closed by authenticating user root 192.0.2.1 port 4022 [preauth]",
            "sshd[1]: Connection closed by 192.0.2.1 [preauth]",
            "sshd[1]: Connection reset by invalid user x y 192.0.2.1 port 1 [preauth]",
            "sshd[1]: Disconnected from user alice 192.0.2.1 port 4022",
            "sshd[1]: Received disconnect from 192.0.2.1: 11: Bye Bye [preauth]",
            "sshd[1]: Received disconnect from 2001:db8::1 port 4022:11: disconnected by user",
            "sshd[1]: Did not receive identification string from 192.0.2.1",
            "sshd[1]: Bad protocol version identification 'GET / HTTP/1.1' from 192.0.2.1 port 4022",
            "sshd[1]: banner exchange: Connection from 192.0.2.1 port 4022: invalid format",
            "sshd[1]: Unable to negotiate with 192.0.2.1 port 4022: no matching host key type found. Their offer: ssh-dss [preauth]",
            "sshd[1]: reverse mapping checking getaddrinfo for a.example.vn [192.0.2.1] failed - POSSIBLE BREAK-IN ATTEMPT!",
            "sshd[1]: Address 192.0.2.1 maps to a.example.vn, but this does not map back to the address.",
            "sshd[1]: Server listening on 0.0.0.0 port 22.",
        ],
        expect![[r#"
            ssh_connection_closed authentication informational: ProcessId=1 Program=sshd Reason=closed SourceIp=192.0.2.1 SourcePort=4022 User=root
            ssh_connection_closed authentication informational: ProcessId=1 Program=sshd Reason=closed SourceIp=192.0.2.1
            ssh_connection_closed authentication informational: InvalidUser=true ProcessId=1 Program=sshd Reason=reset SourceIp=192.0.2.1 SourcePort=1 User=x y
            ssh_connection_closed authentication informational: ProcessId=1 Program=sshd Reason=disconnected SourceIp=192.0.2.1 SourcePort=4022 User=alice
            ssh_connection_closed authentication informational: ProcessId=1 Program=sshd Reason=11: Bye Bye SourceIp=192.0.2.1
            ssh_connection_closed authentication informational: ProcessId=1 Program=sshd Reason=11: disconnected by user SourceIp=2001:db8::1 SourcePort=4022
            ssh_no_identification authentication low: ProcessId=1 Program=sshd SourceIp=192.0.2.1
            ssh_no_identification authentication low: ProcessId=1 Program=sshd Reason='GET / HTTP/1.1' SourceIp=192.0.2.1 SourcePort=4022
            ssh_no_identification authentication low: ProcessId=1 Program=sshd Reason=invalid format SourceIp=192.0.2.1 SourcePort=4022
            ssh_negotiation_failed authentication low: ProcessId=1 Program=sshd Reason=no matching host key type found. Their offer: ssh-dss SourceIp=192.0.2.1 SourcePort=4022
            ssh_reverse_mapping_failed authentication low: ProcessId=1 Program=sshd SourceHost=a.example.vn SourceIp=192.0.2.1
            ssh_reverse_mapping_failed authentication low: ProcessId=1 Program=sshd SourceHost=a.example.vn SourceIp=192.0.2.1
            log_line base_event informational: ProcessId=1 Program=sshd
        "#]],
    );
}

#[test]
fn sudo_su_and_logins() {
    check(
        &[
            "sudo:    alice : TTY=pts/0 ; PWD=/home/alice ; USER=root ; COMMAND=/usr/bin/apt update",
            "sudo:    alice : 3 incorrect password attempts ; TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/sh -c 'a ; b'",
            "sudo:      bob : user NOT in sudoers ; TTY=pts/1 ; PWD=/ ; USER=root ; COMMAND=/bin/cat /etc/shadow",
            "sudo: pam_unix(sudo:auth): authentication failure; logname=alice uid=1000 euid=0 tty=/dev/pts/0 ruser=alice rhost=  user=alice",
            "su[7]: (to root) alice on pts/0",
            "su: FAILED SU (to root) bob on pts/1",
            "su[7]: (to postgres) root on none",
            "su[7]: Successful su for root by alice",
            "su[7]: FAILED su for root by bob",
            "login[9]: FAILED LOGIN (1) on '/dev/tty1' FOR 'root', Authentication failure",
            "login[9]: TOO MANY LOGIN TRIES (5) on '/dev/tty1' from '192.0.2.1' FOR 'x', User not known",
            "login[9]: ROOT LOGIN  on '/dev/tty1'",
            "login[9]: LOGIN ON tty1 BY alice",
            "systemd-logind[5]: New session 12 of user root.",
            "systemd-logind[5]: Removed session 12.",
            "sshd[1]: pam_unix(sshd:session): session opened for user alice(uid=1000) by (uid=0)",
            "sudo: pam_unix(sudo:session): session opened for user root(uid=0) by alice(uid=1000)",
            "CRON[4]: pam_unix(cron:session): session closed for user root",
            "polkitd(authority=local)[3]: Registered Authentication Agent",
        ],
        expect![[r#"
            sudo_command authentication informational: CommandLine=/usr/bin/apt update Program=sudo TTY=pts/0 TargetUser=root User=alice WorkingDirectory=/home/alice
            sudo_failed authentication medium: CommandLine=/bin/sh -c 'a ; b' Count=3 Program=sudo Reason=3 incorrect password attempts TTY=pts/0 TargetUser=root User=alice WorkingDirectory=/
            sudo_failed authentication medium: CommandLine=/bin/cat /etc/shadow Program=sudo Reason=user NOT in sudoers TTY=pts/1 TargetUser=root User=bob WorkingDirectory=/
            pam_authentication_failed authentication low: ByUser=alice Program=sudo Service=sudo TTY=pts/0 User=alice
            su_succeeded authentication informational: ProcessId=7 Program=su TTY=pts/0 TargetUser=root User=alice
            su_failed authentication medium: Program=su TTY=pts/1 TargetUser=root User=bob
            su_succeeded authentication informational: ProcessId=7 Program=su TargetUser=postgres User=root
            su_succeeded authentication informational: ProcessId=7 Program=su TargetUser=root User=alice
            su_failed authentication medium: ProcessId=7 Program=su TargetUser=root User=bob
            login_failed authentication low: ProcessId=9 Program=login Reason=Authentication failure TTY=tty1 User=root
            login_failed authentication low: ProcessId=9 Program=login Reason=User not known SourceIp=192.0.2.1 TTY=tty1 User=x
            login_succeeded authentication informational: ProcessId=9 Program=login TTY=tty1 User=root
            login_succeeded authentication informational: ProcessId=9 Program=login TTY=tty1 User=alice
            login_session_started authentication informational: ProcessId=5 Program=systemd-logind SessionId=12 User=root
            login_session_ended authentication informational: ProcessId=5 Program=systemd-logind SessionId=12
            session_opened authentication informational: ProcessId=1 Program=sshd Service=sshd User=alice
            session_opened authentication informational: ByUser=alice Program=sudo Service=sudo User=root
            session_closed authentication informational: ProcessId=4 Program=CRON Service=cron User=root
            log_line base_event informational: ProcessId=3 Program=polkitd(authority=local)
        "#]],
    );
}

#[test]
fn accounts_groups_and_passwords() {
    check(
        &[
            "useradd[1]: new group: name=bob, GID=1001",
            "useradd[1]: new user: name=bob, UID=1001, GID=1001, home=/home/bob, shell=/bin/bash, from=/dev/pts/0",
            "useradd[1]: add 'bob' to group 'sudo'",
            "useradd[1]: add 'bob' to shadow group 'sudo'",
            "usermod[1]: change user 'bob' shell from '/bin/bash' to '/bin/sh'",
            "usermod[1]: change user 'bob' password",
            "usermod[1]: lock user 'bob' password",
            "usermod[1]: unlock user 'bob' password",
            "usermod[1]: delete 'bob' from group 'sudo'",
            "gpasswd[1]: user bob added by root to group docker",
            "gpasswd[1]: user bob removed by root from group docker",
            "passwd[1]: pam_unix(passwd:chauthtok): password changed for bob",
            "passwd[1]: password for 'bob' changed by 'root'",
            "chage[1]: changed password expiry for bob",
            "userdel[1]: delete user 'bob'",
            "userdel[1]: removed group 'bob' owned by 'bob'",
            "userdel[1]: removed shadow group 'bob' owned by 'bob'",
            "groupadd[1]: group added to /etc/group: name=x, GID=1002",
            "groupdel[1]: group 'x' removed from /etc/group",
            "groupdel[1]: group 'x' removed",
            "groupmod[1]: group changed in /etc/group (group x/1002, new name: y)",
        ],
        expect![[r#"
            group_created account_change medium: Group=bob ProcessId=1 Program=useradd
            account_created account_change medium: ProcessId=1 Program=useradd TTY=pts/0 TargetUser=bob UserId=1001
            group_member_added account_change medium: Group=sudo ProcessId=1 Program=useradd TargetUser=bob
            group_shadow_changed account_change informational: Group=sudo ProcessId=1 Program=useradd TargetUser=bob
            account_changed account_change medium: ProcessId=1 Program=usermod Reason=shell from '/bin/bash' to '/bin/sh' TargetUser=bob
            password_changed account_change medium: ProcessId=1 Program=usermod Reason=password TargetUser=bob
            account_locked account_change medium: ProcessId=1 Program=usermod TargetUser=bob
            account_unlocked account_change medium: ProcessId=1 Program=usermod TargetUser=bob
            group_member_removed account_change medium: Group=sudo ProcessId=1 Program=usermod TargetUser=bob
            group_member_added account_change medium: ByUser=root Group=docker ProcessId=1 Program=gpasswd TargetUser=bob
            group_member_removed account_change medium: ByUser=root Group=docker ProcessId=1 Program=gpasswd TargetUser=bob
            password_changed account_change medium: ProcessId=1 Program=passwd Service=passwd TargetUser=bob
            password_changed account_change medium: ByUser=root ProcessId=1 Program=passwd TargetUser=bob
            account_changed account_change medium: ProcessId=1 Program=chage Reason=password expiry TargetUser=bob
            account_deleted account_change medium: ProcessId=1 Program=userdel TargetUser=bob
            group_deleted account_change medium: Group=bob ProcessId=1 Program=userdel
            group_shadow_changed account_change informational: Group=bob ProcessId=1 Program=userdel
            group_shadow_changed account_change informational: Group=x ProcessId=1 Program=groupadd
            group_shadow_changed account_change informational: Group=x ProcessId=1 Program=groupdel
            group_deleted account_change medium: Group=x ProcessId=1 Program=groupdel
            group_changed account_change medium: Group=x ProcessId=1 Program=groupmod Reason=1002, new name: y
        "#]],
    );
}

#[test]
fn repeats_become_as_many_events_up_to_the_bound() {
    let line = |times: &str| {
        format!(
            "Nov 21 14:00:00 h sshd[1]: message repeated {times} times: [ Failed password for root from 192.0.2.1 port 1 ssh2]"
        )
    };
    let three = parse(&line("3"));
    assert_eq!(three.len(), 3);
    assert!(three.iter().all(|event| event.fields[fields::USER] == "root"));
    assert_eq!(parse(&line("100")).len(), 100);
    assert!(parse(&line("100")).iter().all(|event| !event.fields.contains_key(fields::COUNT)));
    let many = parse(&line("250"));
    assert_eq!((many.len(), many[99].fields[fields::COUNT].as_str()), (100, "151"));
    assert_eq!(parse(&line("99999999999999999999")).len(), 1);
    assert_eq!(parse(&line("0"))[0].fields[fields::EVENT_TYPE], fields::LOG_LINE);
}

#[test]
fn a_line_without_a_header_is_kept_whole() {
    let event = &parse("máy chủ khởi động lại")[0];
    assert_eq!((event.time_ms, event.message.as_str()), (NOW, "máy chủ khởi động lại"));
    assert_eq!(event.fields[fields::EVENT_TYPE], fields::LOG_LINE);
}

#[test]
fn the_public_corpus_is_counted_right() {
    let corpus =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpora/loghub/OpenSSH_2k.log");
    let Ok(text) = std::fs::read_to_string(&corpus) else {
        println!("left out: the loghub corpus is not beside the workspace");
        return;
    };
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for event in text.lines().flat_map(parse) {
        let class = event.class.name();
        *counts.entry(format!("{} {class}", event.fields[fields::EVENT_TYPE])).or_default() += 1;
    }
    expect![[r#"
        {
            "log_line base_event": 121,
            "pam_authentication_failed authentication": 504,
            "pam_user_unknown authentication": 135,
            "session_closed authentication": 1,
            "session_opened authentication": 1,
            "ssh_connection_closed authentication": 502,
            "ssh_invalid_user authentication": 113,
            "ssh_login_failed authentication": 532,
            "ssh_login_succeeded authentication": 1,
            "ssh_no_identification authentication": 10,
            "ssh_reverse_mapping_failed authentication": 85,
            "ssh_too_many_failures authentication": 3,
        }
    "#]]
    .assert_debug_eq(&counts);
}

proptest! {
    #[test]
    fn no_text_can_break_the_parser(text in "\\PC{0,200}") {
        prop_assert!(!parse(&text).is_empty());
        for program in ["sshd", "sudo", "su", "login", "systemd-logind", "usermod", "pam"] {
            let found = find(program, &text);
            prop_assert!(found.fields.values().all(|value| !value.is_empty()));
        }
    }

    /// Pieces of real lines in random order reach deeper than random characters do.
    #[test]
    fn no_broken_line_can_break_the_parser(pieces in prop::collection::vec(0..PIECES.len(), 0..8)) {
        let text: String = pieces.into_iter().map(|at| PIECES[at]).collect();
        for program in ["sshd", "sudo", "su", "login", "systemd-logind", "usermod"] {
            let line = format!("Nov 21 14:00:00 h {program}[1]: {text}");
            prop_assert!(parse(&line).iter().all(|event| event.message == line));
        }
    }
}

const PIECES: &[&str] = &[
    "Accepted ",
    "Failed ",
    "password",
    " for ",
    "invalid user ",
    " from ",
    "192.0.2.1",
    " port ",
    "22",
    " ssh2",
    ": ",
    "Invalid user ",
    "Received disconnect from ",
    "pam_unix(",
    "sshd:auth",
    "): ",
    "authentication failure; ",
    " rhost=",
    " user=",
    "PAM 5 more authentication failures",
    "; ",
    "Address ",
    " maps to ",
    "message repeated 2 times: [",
    "]",
    "'",
    "add '",
    "' to group '",
    " : ",
    " ; ",
    "COMMAND=",
    "TTY=",
    "(to ",
    ") ",
    " on ",
    "FAILED LOGIN ",
    " FOR ",
    "New session ",
    " of user ",
    "Disconnecting ",
    "Too many authentication failures",
    "ố",
    "\u{0}",
    "group ",
    "/",
];
