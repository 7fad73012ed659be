//! A real server whose backups go to two repositories.

use std::fs;
use std::path::Path;

use super::super::Seen;
use super::super::test_servers::{Postgres, flip_bit};
use super::*;

const MINUTE: Duration = Duration::from_secs(60);

fn server() -> Postgres {
    let server = Postgres::start(
        "archive_mode = on\narchive_command = 'pgbackrest --config={dir}/backrest.conf --stanza=main archive-push %p'\n",
    );
    let dir = server.dir.path().display();
    let conf = format!(
        "[global]\nrepo1-path={dir}/repo1\nrepo2-path={dir}/repo2\nlog-path={dir}\nlock-path={dir}/lock\n\
         spool-path={dir}\nstart-fast=y\ncompress-type=none\n[main]\npg1-path={dir}/data\npg1-socket-path={dir}\n\
         pg1-user=postgres\n"
    );
    fs::write(server.path("backrest.conf"), conf).unwrap();
    server
}

fn stanza(server: &Postgres, repository: u32) -> Stanza {
    Stanza {
        program: Program::new("pgbackrest", MINUTE),
        config_file: Some(server.path("backrest.conf").display().to_string()),
        stanza: "main".to_owned(),
        repository,
    }
}

#[tokio::test]
async fn each_repository_is_a_place_and_verify_is_read_for_what_it_says() {
    let server = server();
    let (first, second) = (stanza(&server, 1), stanza(&server, 2));
    let missing = first.look().await.unwrap_err();
    assert!(missing.contains("missing stanza path"), "{missing}");
    let backrest = |arguments: &[&str]| {
        let own = ["--config={dir}/backrest.conf", "--stanza=main"];
        server.run("pgbackrest", &[&own, arguments].concat());
    };
    backrest(&["stanza-create"]);
    assert_eq!(first.look().await, Ok(Vec::new()));
    backrest(&["--repo=1", "backup"]);
    let seen = Seen::of(first.look().await.unwrap());
    let system_id = server.sql("5432", "select system_identifier from pg_control_system()");
    let newest = seen.newest();
    assert!(newest.content_id.starts_with(&format!("{system_id}:")), "{newest:?}");
    assert!(newest.bytes.unwrap() > 1_000_000 && seen.copies == 1, "{seen:?}");
    assert_eq!(second.look().await, Ok(Vec::new()));
    // WAL that comes after the backup moves the consistent moment on.
    server.sql("5432", "create table t(); select pg_switch_wal()");
    backrest(&["check"]);
    let later = Seen::of(first.look().await.unwrap()).newest();
    assert!(later.consistent_ms.unwrap() >= seen.newest_ms.unwrap(), "{later:?}");
    assert_eq!(later.content_id, newest.content_id);

    assert_eq!(first.verify(MINUTE).await, Ok(()));
    let pattern = server.path("repo1/backup/main/*F/pg_data/base/5/1259");
    let file = glob::glob(&pattern.display().to_string()).unwrap().flatten().next().unwrap();
    flip_bit(&file, 100);
    let flipped = first.verify(MINUTE).await.unwrap_err();
    assert!(flipped.contains("checksum invalid: 1"), "{flipped}");
    assert_eq!(first.look().await.unwrap().len(), 1, "info lists what verify finds broken");
}

#[test]
fn a_recorded_answer_is_read_with_its_large_system_id() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../shared/fixtures/backup/pgbackrest-info.json");
    let Ok(text) = fs::read(file) else {
        println!("left out: the recorded outputs are not beside the workspace");
        return;
    };
    let all: Vec<Info> = serde_json::from_slice(&text).unwrap();
    let ids = |repository| {
        let seen = Seen::of(all[0].found(repository).unwrap());
        seen.recent.into_iter().map(|entry| entry.content_id).collect::<Vec<_>>().join("\n")
    };
    expect_test::expect![[r#"
        7710720035455223758:20261121-201152F_20261121-201204I:000000010000000000000007:000000010000000000000007
        7710720035455223758:20261121-201152F:000000010000000000000002:000000010000000000000003"#]]
    .assert_eq(&ids(1));
    expect_test::expect![[
        r#"7710720035455223758:20261121-201158F:000000010000000000000004:000000010000000000000005"#
    ]]
    .assert_eq(&ids(2));
}

#[test]
fn only_words_that_say_all_is_well_are_taken_for_it() {
    let well = "stanza: main\nstatus: ok\n  backup: 1F, status: valid, total files checked: 2\n";
    assert_eq!(complaint(well), None);
    for text in [
        "",
        "stanza: main\n",
        "stanza: main\nstatus: error\n  No usable backup.info file\n",
        "stanza: main\nstatus: ok\n  backup: 1F, status: invalid, total files checked: 2\n",
        "stanza: main\nstatus: a word of a newer version\n",
    ] {
        assert!(complaint(text).is_some(), "{text}");
    }
}
