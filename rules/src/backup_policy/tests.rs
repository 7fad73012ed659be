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
            backup-policy.yml:2: a interval of 0 is never kept; write for example 1d
            backup-policy.yml:6: an rpo shorter than the interval cannot be kept; back up more often
            backup-policy.yml:7: keep at least 1 copy
            backup-policy.yml:8: backup "db" of host dc1-srv02 is planned twice"#]],
    );
}

#[test]
fn problems_of_places_and_defaults_are_told_too() {
    check(
        "\
defaults: {copy_lag: 0s, verify: {checked: 0s}}
places:
  - {id: san, locations: [/a, '[']}
  - {id: san, locations: []}
  - {id: ' ', locations: [/b], medium: paper}
jobs:
  - {host: a, backup: db, interval: 1h, seen_by: [B], rule: {copies: 3, sites: 2}}
",
        expect![[r#"
            backup-policy.yml:5: "paper" is none of: disk, object, tape, removable
            backup-policy.yml:7: unknown key `sites`; known here: copies, media, offsite, offline"#]],
    );
    check(
        "\
defaults: {copy_lag: 0s, verify: {checked: 0s}}
places:
  - {id: san, locations: [/a, '[']}
  - {id: san, locations: [], max_age: 0s}
jobs:
  - {host: a, backup: db, interval: 1h, seen_by: [B]}
",
        expect![[r#"
            backup-policy.yml:3: "[" is not a pattern: Pattern syntax error near position 0: invalid range pattern
            backup-policy.yml:4: place "san" is given twice
            backup-policy.yml:4: a place without locations holds nothing; write them as the agents report them
            backup-policy.yml:4: a max_age of 0 is never kept; write for example 1d
            backup-policy.yml:1: a checked of 0 is never kept; write for example 1d
            backup-policy.yml:1: a copy_lag of 0 is never kept; write for example 1d
            backup-policy.yml:6: host id "B" may only hold a-z, 0-9, '.', '_' and '-', and begins and ends with a-z or 0-9"#]],
    );
}

#[test]
fn what_a_job_does_not_say_comes_from_the_defaults() {
    let text = "\
defaults: {rule: {media: 1}, verify: {restored: 31d}, copy_lag: 26h}
jobs:
  - {host: a, backup: db, interval: 1h, seen_by: [b]}
  - {host: a, backup: etc, interval: 1h, rule: {}, verify: {}, copy_lag: 2h}
";
    let policy = BackupPolicy::parse(Path::new("backup-policy.yml"), text).unwrap();
    let [db, etc] = &policy.jobs[..] else { panic!("{policy:?}") };
    assert_eq!(db.rule.map(|rule| (rule.copies, rule.media)), Some((3, 1)));
    assert_eq!(etc.rule.map(|rule| (rule.copies, rule.media)), Some((3, 2)));
    assert_eq!(db.verify, [(VerificationDepth::Restored, 31 * 86_400_000)]);
    assert_eq!((db.copy_lag_ms, etc.copy_lag_ms), (26 * 3_600_000, 2 * 3_600_000));
    assert!(etc.verify.is_empty(), "an empty verify asks for nothing");
    let [a, b, c] = ["a", "b", "c"].map(|host| HostId::new(host).unwrap());
    assert!(db.is_told_by(&a, "db") && db.is_told_by(&b, "db"));
    assert!(!db.is_told_by(&c, "db") && !db.is_told_by(&a, "etc"));
}

#[test]
fn the_shipped_example_is_in_order() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/config/backup-policy.yml");
    let policy = BackupPolicy::load(&file).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!((policy.places.len(), policy.jobs.len()), (3, 2));
}

#[test]
fn hosts_without_a_plan_are_named() {
    let text = "jobs: [{host: a, backup: db, interval: 1d}]";
    let policy = BackupPolicy::parse(Path::new("backup-policy.yml"), text).unwrap();
    let hosts = ["a", "b"].map(|host| HostId::new(host).unwrap());
    assert_eq!(policy.uncovered(&hosts), [&hosts[1]]);
    let text = "\
jobs: [{host: a, backup: db, interval: 1d, services: [mot-cua]}]
not_needed:
  - {host: b, reason: máy chuyển tiếp}
  - {service: dns, reason: sinh lại từ cấu hình}
";
    let policy = BackupPolicy::parse(Path::new("backup-policy.yml"), text).unwrap();
    assert!(policy.uncovered(&hosts).is_empty());
    let services = ["dns", "mail", "mot-cua"].map(str::to_owned);
    assert_eq!(policy.uncovered_services(&services), ["mail"]);
    check(
        "not_needed: [{host: a, service: b, reason: x}, {reason: y}, {host: c, reason: ' '}]",
        expect![[r#"
            backup-policy.yml:1: name either a host or a service
            backup-policy.yml:1: name either a host or a service
            backup-policy.yml:1: say why no backup is needed"#]],
    );
}
