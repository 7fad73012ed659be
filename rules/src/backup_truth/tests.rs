//! Two sites and what can be wrong with the copies at the second: each named, none rounded up.

use std::path::Path;

use agent_model::CopyEntry;
use expect_test::{Expect, expect};

use super::*;

const HOUR_MS: Millis = 3_600_000;
const NOW_MS: Millis = 1_000 * HOUR_MS;

const POLICY: &str = "\
defaults:
  rule: {}
  verify: {checked: 7d, restored: 30d}
places:
  - {id: san, site: dc1, locations: [/san/*]}
  - {id: vnpt, site: bk, medium: object, immutable: true, locations: ['rest:*']}
  - {id: két, site: dc1, medium: removable, offline: true, max_age: 8d, locations: [/usb/*]}
  - {id: riêng, site: bk, copied: false, locations: [/own/*]}
jobs:
  - {host: srv02, backup: db, interval: 1h, rpo: 2h, seen_by: [bk01]}
";

/// A repository with hourly copies of these numbers, as a look at `hours_ago` saw it.
struct Seen {
    host: HostId,
    copy: BackupCopy,
    error_ms: Option<Millis>,
}

fn seen(
    host: &str,
    location: &str,
    depth: VerificationDepth,
    contents: &[i64],
    hours_ago: i64,
) -> Seen {
    let made = |content: i64| content * HOUR_MS;
    let entry = |content: &i64| CopyEntry {
        content_id: format!("tree{content}"),
        consistent_ms: Some(made(*content)),
        bytes: Some(100),
    };
    let copy = BackupCopy {
        job: "db".to_owned(),
        tool: "restic".to_owned(),
        location: location.to_owned(),
        observed_ms: NOW_MS - hours_ago * HOUR_MS,
        newest_ms: contents.first().copied().map(made),
        consistent_ms: contents.first().copied().map(made),
        oldest_ms: contents.last().copied().map(made),
        bytes: Some(100),
        copies: contents.len() as u64,
        content_id: contents.first().map(|content| format!("tree{content}")),
        recent: contents.iter().map(entry).collect(),
        depth,
        error: None,
    };
    Seen { host: HostId::new(host).unwrap(), copy, error_ms: None }
}

fn failed(mut seen: Seen, why: &str) -> Seen {
    seen.error_ms = Some(NOW_MS);
    seen.copy.error = Some(why.to_owned());
    seen
}

fn judged(all: &[Seen]) -> BackupTruth {
    let policy = BackupPolicy::parse(Path::new("p.yml"), POLICY).unwrap();
    let looks: Vec<Look<'_>> = all
        .iter()
        .map(|one| {
            let site = Some(if one.host.as_str() == "bk01" { "bk" } else { "dc1" });
            Look { host: &one.host, site, copy: &one.copy, error_ms: one.error_ms }
        })
        .collect();
    judge(&policy, &policy.jobs[0], Some("dc1"), &looks, NOW_MS)
}

fn state_at_the_second_site(here: &[i64], there: &[i64]) -> CopyState {
    let truth = judged(&[
        seen("srv02", "/san/db", VerificationDepth::Listed, here, 0),
        seen("bk01", "rest:bk/db", VerificationDepth::Listed, there, 0),
    ]);
    assert_eq!(truth.places[0].state, CopyState::Current);
    truth.places[1].state
}

#[test]
fn the_copies_at_the_second_site_are_named_by_their_content() {
    let primary = [1000, 999, 998, 997, 996];
    let state = |there: &[i64]| state_at_the_second_site(&primary, there);
    assert_eq!(state(&[1000, 999]), CopyState::Current);
    // On its way: within the interval.
    assert_eq!(state(&[999, 998]), CopyState::Current);
    assert_eq!(state(&[998, 997]), CopyState::Behind { by_ms: 2 * HOUR_MS });
    assert_eq!(state(&[997]), CopyState::Stopped { by_ms: 3 * HOUR_MS });
    // Nothing in common, because it is older than all that is listed here.
    assert_eq!(state(&[900, 899]), CopyState::Stopped { by_ms: 100 * HOUR_MS });
    assert_eq!(state(&[]), CopyState::Missing);
    let mut other = seen("bk01", "rest:bk/db", VerificationDepth::Listed, &primary, 0);
    for entry in &mut other.copy.recent {
        entry.content_id.push('x');
    }
    let here = seen("srv02", "/san/db", VerificationDepth::Listed, &primary, 0);
    let truth = judged(&[here, other]);
    assert_eq!(truth.places[1].state, CopyState::Different, "the same times, other data");
    assert_eq!(truth.sites[1].listed_ms, None, "other data is no copy");
}

#[test]
fn what_cannot_be_compared_by_content_is_compared_by_time() {
    let here = seen("srv02", "/san/db", VerificationDepth::Listed, &[1000], 0);
    for (content, tool) in [("size:100:db.dump", "restic"), ("tree1000", "borg")] {
        let mut there = seen("bk01", "rest:bk/db", VerificationDepth::Listed, &[990], 0);
        there.copy.tool = tool.to_owned();
        there.copy.recent[0].content_id = content.to_owned();
        let truth =
            judged(&[seen("srv02", "/san/db", VerificationDepth::Listed, &[1000], 0), there]);
        assert_eq!(truth.places[1].state, CopyState::Behind { by_ms: 10 * HOUR_MS }, "{tool}");
    }
    assert_eq!(judged(&[here]).places[0].state, CopyState::Current);
}

#[test]
fn databases_are_known_by_their_system_and_backups_of_a_places_own_by_time() {
    let named = |location: &str, tool: &str, hour: i64, content: &str| {
        let mut seen = seen("bk01", location, VerificationDepth::Listed, &[hour], 0);
        seen.copy.tool = tool.to_owned();
        seen.copy.recent[0].content_id = content.to_owned();
        seen
    };
    let state = |here: &str, location: &str, tool: &str, there: &str| {
        let mut primary = named("/san/db", tool, 1000, here);
        primary.host = HostId::new("srv02").unwrap();
        judged(&[primary, named(location, tool, 1000, there)]).places[1].state
    };
    // Each repository has backups of its own; a standby has none.
    let (one, other) = ("7300:20261123F:1:2", "7300:20261122F:3:4");
    assert_eq!(state(one, "rest:bk/db", "pgbackrest", other), CopyState::Current);
    let another_cluster = "7301:20261123F:1:2";
    assert_eq!(state(one, "rest:bk/db", "pgbackrest", another_cluster), CopyState::Different);
    assert_eq!(state("gtid:0-1-5", "rest:bk/db", "mariadb", "gtid:0-1-9"), CopyState::Current);
    assert_eq!(state("ab", "rest:bk/db", "borg", "cd"), CopyState::Different);
    assert_eq!(state("ab", "/own/db", "borg", "cd"), CopyState::Current);
}

#[test]
fn a_look_that_failed_or_is_old_is_not_knowledge_and_damage_is_no_copy() {
    let listed = |location, hours_ago| {
        seen("srv02", location, VerificationDepth::Listed, &[1000], hours_ago)
    };
    let truth = judged(&[failed(listed("/san/db", 0), "no answer")]);
    assert_eq!(truth.places[0].state, CopyState::Unseen);
    assert_eq!(truth.places[0].error.as_deref(), Some("no answer"));
    assert_eq!(judged(&[listed("/san/db", 4)]).places[0].state, CopyState::Unseen);
    assert_eq!(judged(&[listed("/usb/db", 4)]).places[0].state, CopyState::Current, "in the safe");
    let damaged =
        failed(seen("srv02", "/san/db", VerificationDepth::DataRead, &[1000], 5), "bad pack");
    let again = failed(seen("srv02", "/san/db", VerificationDepth::DataRead, &[1000], 5), "bad");
    let gone = seen("srv02", "/san/db", VerificationDepth::Listed, &[], 0);
    assert_eq!(judged(&[gone, again]).places[0].state, CopyState::Missing);
    let truth = judged(&[listed("/san/db", 0), damaged]);
    assert_eq!(truth.places[0].state, CopyState::Damaged);
    assert_eq!(truth.sites[0].verified_ms, None);
    assert!(truth.broken.unwrap().contains(&Digit::Errors));
}

fn shown(all: &[Seen], expected: Expect) {
    let policy = BackupPolicy::parse(Path::new("p.yml"), POLICY).unwrap();
    let metrics = judged(all).metrics(&policy.jobs[0], NOW_MS);
    let lines: String =
        metrics.into_iter().map(|(labels, value)| format!("{labels} {value}\n")).collect();
    expected.assert_eq(&lines.replace("backup=\"db\",", "").replace(",host=\"srv02\"", ""));
}

#[test]
fn three_copies_at_two_sites_keep_the_rule_and_exposure_counts_from_what_was_read() {
    let read = |host, location, contents: &[i64], hours_ago| {
        seen(host, location, VerificationDepth::Restored, contents, hours_ago)
    };
    let listed = |host, location, contents: &[i64]| {
        seen(host, location, VerificationDepth::Listed, contents, 0)
    };
    shown(
        &[
            listed("srv02", "/san/db", &[1000, 999, 998]),
            read("srv02", "/san/db", &[998], 2),
            listed("bk01", "rest:bk/db", &[1000, 999]),
            read("bk01", "rest:bk/db", &[976], 24),
            listed("srv02", "/usb/db", &[1000 - 168]),
        ],
        expect![[r#"
            haidang_backup_copy_behind_seconds{copy_site="dc1",place="san"} 0
            haidang_backup_verified_timestamp_seconds{copy_site="dc1",depth="restored",place="san"} 3592800
            haidang_backup_copy_behind_seconds{copy_site="bk",place="vnpt"} 0
            haidang_backup_verified_timestamp_seconds{copy_site="bk",depth="restored",place="vnpt"} 3513600
            haidang_backup_copy_trouble{copy_site="dc1",place="két",trouble="stopped"} 1
            haidang_backup_copy_behind_seconds{copy_site="dc1",place="két"} 604800
            haidang_backup_exposure_seconds{copy_site="dc1",depth="listed"} 0
            haidang_backup_exposure_seconds{copy_site="dc1",depth="verified"} 7200
            haidang_backup_exposure_seconds{copy_site="bk",depth="listed"} 0
            haidang_backup_exposure_seconds{copy_site="bk",depth="verified"} 86400
        "#]],
    );
    shown(
        &[listed("srv02", "/san/db", &[1000])],
        expect![[r#"
        haidang_backup_copy_behind_seconds{copy_site="dc1",place="san"} 0
        haidang_backup_exposure_seconds{copy_site="dc1",depth="listed"} 0
        haidang_backup_rule_broken{digit="copies"} 1
        haidang_backup_rule_broken{digit="media"} 1
        haidang_backup_rule_broken{digit="offsite"} 1
        haidang_backup_rule_broken{digit="offline"} 1
        haidang_backup_rule_broken{digit="errors"} 1
        haidang_backup_verification_overdue{depth="checked",place="san"} 1
        haidang_backup_verification_overdue{depth="restored",place="san"} 1
    "#]],
    );
}

#[test]
fn a_copy_of_an_unusual_size_is_told_both_ways() {
    let entries = |sizes: &[u64]| -> Vec<CopyEntry> {
        sizes.iter().map(|size| CopyEntry { bytes: Some(*size), ..CopyEntry::default() }).collect()
    };
    let unusual = |sizes: &[u64]| Sizes::of(&entries(sizes)).map(|sizes| sizes.unusual);
    assert_eq!(unusual(&[100, 100, 101, 99, 100]), None, "too few to say what is usual");
    assert_eq!(unusual(&[100, 100, 101, 99, 100, 102]), Some(false));
    assert_eq!(unusual(&[60, 100, 101, 99, 100, 102]), Some(true));
    assert_eq!(unusual(&[140, 100, 101, 99, 100, 102]), Some(true));
    // What differs from day to day may differ again.
    assert_eq!(unusual(&[140, 100, 150, 60, 130, 80]), Some(false));
    assert_eq!(unusual(&[0, 0, 0, 0, 0, 0]), None, "nothing is not a size");
    assert_eq!(unusual(&[0, 100, 101, 99, 100, 102]), Some(true));
}
