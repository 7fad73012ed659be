//! What every tool has in common: its answers are counted and bounded, and rubbish is an error of its job alone.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use agent_yaml::Document;
use tempfile::TempDir;

use super::super::config::{Config, Host};
use super::*;

#[test]
fn the_newest_copies_are_kept_in_order_and_all_are_counted() {
    let found = |made_ms: Millis| {
        let entry = CopyEntry { content_id: made_ms.to_string(), ..CopyEntry::default() };
        Found { made_ms, entry }
    };
    let seen = Seen::of([5, 9].into_iter().chain(10..50).map(found).collect());
    assert_eq!((seen.newest_ms, seen.oldest_ms, seen.copies), (Some(49), Some(5), 42));
    assert_eq!((seen.recent.len(), seen.newest().content_id.as_str()), (32, "49"));
    assert_eq!(Seen::of(Vec::new()), Seen::default());
}

#[test]
fn an_id_and_a_reason_have_their_bounds() {
    let found = |length| {
        let entry = CopyEntry { content_id: "x".repeat(length), ..CopyEntry::default() };
        within_bounds(vec![Found { made_ms: 1, entry }])
    };
    assert!(found(CONTENT_ID_BYTES_MAX).is_ok());
    assert!(found(CONTENT_ID_BYTES_MAX + 1).is_err());
    let most = "ạ".repeat(REASON_CHARS_MAX);
    assert_eq!(shortened(most.clone()), most);
    assert!(shortened(most + "x").ends_with("ạ …"));
}

/// The section with one entry of every tool that runs a program, which is this one and has so long.
fn with_program(program: &Path, timeout: &str) -> String {
    let program = program.display();
    let restic =
        "restic: [{job: a, repository: /r, password_file: /p, timeout: LIMIT, program: PROGRAM}]";
    let borg = "borg: [{job: a, repository: /b, timeout: LIMIT, program: PROGRAM}]";
    let pgbackrest = "pgbackrest: [{job: a, stanza: main, timeout: LIMIT, program: PROGRAM}]";
    let postgresql = "postgresql: [{job: a, role: standby, connection: host=/s, timeout: LIMIT, program: PROGRAM}]";
    let mariadb =
        "mariadb: [{job: a, location: r, defaults_file: /f, timeout: LIMIT, program: PROGRAM}]";
    let own = "program: [{job: a, location: kho, timeout: LIMIT, command: [PROGRAM]}]";
    [restic, borg, pgbackrest, postgresql, mariadb, own]
        .join("\n")
        .replace("PROGRAM", &program.to_string())
        .replace("LIMIT", timeout)
}

#[tokio::test]
async fn whatever_a_tool_answers_it_is_an_error_that_says_what() {
    let dir = TempDir::new().unwrap();
    let program = dir.path().join("tool");
    let host = Host { root: Path::new("/"), state_dir: dir.path() };
    let watched = |timeout: &str| {
        let document = Document::parse(&program, &with_program(&program, timeout)).unwrap();
        document.read::<Config>().unwrap().watched(&host)
    };
    let (patient, hurried) = (watched("1m"), watched("2s"));
    assert_eq!(patient.len(), 6);
    let long = r#"printf '[{"time":"%s"}]' $(head -c 100000 /dev/zero | tr '\0' x)"#;
    for (script, reason) in [
        ("exec head -c 9000000 /dev/zero", "answers more than 8388608 bytes"),
        ("exec sleep 600", "did not end within 2 s"),
        ("echo '{\"not\":'", "cannot be understood"),
        ("echo 7", "cannot be understood"),
        ("echo '[{\"time\":null,\"name\":7}]'", "cannot be understood"),
        ("echo '{\"archives\":{},\"version\":99}'", "cannot be understood"),
        ("exit 0", "cannot be understood"),
        ("printf '\\377\\376'", "cannot be understood"),
        (long, "cannot be understood"),
        ("echo hỏng rồi >&2; exit 9", "exit status: 9: hỏng rồi"),
        ("kill -9 $$", "signal: 9"),
    ] {
        // A new file each time: one that is written while it runs cannot be run.
        fs::remove_file(&program).ok();
        fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let hangs = script.contains("sleep");
        for one in if hangs { &hurried } else { &patient } {
            let error = one.tool.clone().look().await.unwrap_err();
            let name = one.tool.name();
            assert!(error.contains(reason), "{name}: {script}: {error}");
            assert!(error.chars().count() <= REASON_CHARS_MAX + 2, "{name}: {script}");
        }
    }
}

#[test]
fn what_is_wrong_with_an_entry_is_said_with_its_line() {
    let text = "borg:
  - {job: a, repository: /b, password_file: secret}
pgbackrest:
  - {job: a, stanza: main, repository: 0, verify: {check: 1d}}
  - {job: b, stanza: main, timeout: 0s}
  - {job: b, stanza: main}
newest_file:
  - {job: c, files: /srv/*, verify: {read_data: 1d}}
  - {job: d, files: /srv/*, format: tar, verify: {read_data: 1s, timeout: 0s}}
postgresql:
  - {job: p, role: standby, connection: host=/run password=x}
  - {job: p, role: primary, connection: \"postgresql://u:p@h/d\"}
program:
  - {job: e, location: kho, command: []}
";
    let document = Document::parse(Path::new("agent.yml"), text).unwrap();
    let mut problems = Vec::new();
    document.read::<Config>().unwrap().check(&document, &mut problems);
    let lines: Vec<_> = problems.iter().map(ToString::to_string).collect();
    expect_test::expect![[r#"
        agent.yml:8: the copies of "c" cannot be verified to data_read
        agent.yml:9: "d" is verified to data_read more often than 1m
        agent.yml:9: the verify timeout of "d" must not be 0
        agent.yml:2: the password file needs an absolute path
        agent.yml:4: the copies of "a" cannot be verified to checked
        agent.yml:4: pgBackRest counts its repositories from 1
        agent.yml:5: the timeout of "b" must not be 0
        agent.yml:6: "b" at "main in repository 1" is given twice
        agent.yml:11: a password does not belong here: give password_file, as libpq reads it
        agent.yml:12: write the connection as host=… user=… dbname=…
        agent.yml:14: the command of "e" is empty"#]]
    .assert_eq(&lines.join("\n"));
}
