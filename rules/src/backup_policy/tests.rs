//! Plans of backups read, and mistakes in them told.

use expect_test::{Expect, expect};

use super::*;

fn check(text: &str, expected: Expect) {
    let shown = match BackupPolicy::parse(Path::new("backup-policy.yml"), text) {
        Ok(policy) => {
            let lines = policy.metrics().into_iter();
            lines.map(|(labels, value)| format!("{labels} {value}\n")).collect()
        }
        Err(problems) => problems.to_string(),
    };
    expected.assert_eq(&shown);
}

#[test]
fn a_policy_becomes_metrics() {
    check(
        "\
jobs:
  - {host: dc1-srv02, backup: mot-cua-db, interval: 1d, rpo: 30h, keep: 14}
  - {host: dc1-srv02, backup: etc, interval: 12h}
",
        expect![[r#"
            haidang_backup_expected_interval_seconds{backup="mot-cua-db",host="dc1-srv02"} 86400
            haidang_backup_rpo_seconds{backup="mot-cua-db",host="dc1-srv02"} 108000
            haidang_backup_expected_copies{backup="mot-cua-db",host="dc1-srv02"} 14
            haidang_backup_expected_interval_seconds{backup="etc",host="dc1-srv02"} 43200
            haidang_backup_rpo_seconds{backup="etc",host="dc1-srv02"} 43200
        "#]],
    );
    check("# none yet\n", expect![""]);
}

#[test]
fn every_problem_is_told_at_once_with_its_line() {
    check(
        "\
jobs:
  - {host: SRV, backup: ' ', interval: 0}
  - host: dc1-srv02
    backup: db
    interval: 1d
    rpo: 1h
    keep: 0
  - {host: dc1-srv02, backup: db, interval: 1d}
",
        expect![[r#"
            backup-policy.yml:2: host id "SRV" may only hold a-z, 0-9, '.', '_' and '-', and begins and ends with a-z or 0-9
            backup-policy.yml:2: a backup needs a name
            backup-policy.yml:2: an interval of 0 is never kept; write for example 1d
            backup-policy.yml:6: an rpo shorter than the interval cannot be kept; back up more often
            backup-policy.yml:7: keep at least 1 copy
            backup-policy.yml:8: backup "db" of host dc1-srv02 is planned twice"#]],
    );
}

#[test]
fn hosts_without_a_plan_are_named() {
    let text = "jobs: [{host: a, backup: db, interval: 1d}]";
    let policy = BackupPolicy::parse(Path::new("backup-policy.yml"), text).unwrap();
    let hosts = ["a", "b"].map(|host| HostId::new(host).unwrap());
    assert_eq!(policy.uncovered(&hosts), [&hosts[1]]);
}
