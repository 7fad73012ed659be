//! inventory.yml read, and mistakes in it told.

use agent_model::MatchOp;
use expect_test::{Expect, expect};

use super::*;

const PROVINCE: &str = "\
sites:
  - {id: cmu, name: Tỉnh Cà Mau, type: province}
  - {id: cmu-dc1, name: Trung tâm Dữ liệu tỉnh, type: datacenter, parent: cmu}
  - {id: cmu-dc2, name: Trung tâm Dữ liệu thứ 2, type: datacenter, state: planned, parent: cmu}
  - {id: cmu-bk-vnpt, name: Lưu trữ dự phòng thuê tại VNPT, type: backup-site, parent: cmu}
units:
  - {id: ubnd, name: Ủy ban nhân dân tỉnh}
  - {id: so-tttt, name: Sở Thông tin và Truyền thông, parent: ubnd, to: 2025-06-30}
  - {id: so-khcn, name: Sở Khoa học và Công nghệ, parent: ubnd, from: 2025-07-01}
hosts:
  - {id: dc1-srv01, site: cmu-dc1, unit: so-tttt, level: 3, role: web, to: 2025-06-30}
  - {id: dc1-srv01, site: cmu-dc1, unit: so-khcn, level: 3, role: web, from: 2025-07-01}
  - {id: dc1-srv02, site: cmu-dc1, role: database}
  - {id: bk-srv01, site: cmu-bk-vnpt}
services:
  - {id: sso, name: Đăng nhập một lần, hosts: [dc1-srv02], probes: [sso]}
  - id: motcua
    name: Một cửa điện tử
    level: 3
    hosts: [dc1-srv01, dc1-srv02]
    probes: [motcua, motcua-db]
    depends_on: [sso]
    rpo: 1h
    rto: 4h
  - {id: mail, name: Thư điện tử công vụ, hosts: [bk-srv01]}
";

/// 2025-06-30 16:59:59.999 UTC: the last moment of the 30th in Vietnam.
const LAST_OF_JUNE_MS: Millis = 1_751_302_799_999;

fn province() -> InventoryConfig {
    InventoryConfig::parse(Path::new("inventory.yml"), PROVINCE).unwrap()
}

fn host(name: &str) -> HostId {
    HostId::new(name).unwrap()
}

fn check(text: &str, expected: Expect) {
    let problems = InventoryConfig::parse(Path::new("inventory.yml"), text).unwrap_err();
    expected.assert_eq(&problems.to_string());
}

#[test]
fn every_problem_is_told_at_once_with_its_line() {
    check(
        "\
sites:
  - {id: dc1, name: A, type: datacentre, parent: dc9}
",
        expect![[
            r#"inventory.yml:2: "datacentre" is none of: province, datacenter, backup-site, one-stop, server-room, office, district, commune"#
        ]],
    );
    check(
        "\
sites:
  - {id: dc1, name: A, type: datacenter, parent: dc3}
  - {id: dc1, name: B, type: datacenter, from: yesterday}
  - {id: dc3, name: C, type: office, parent: dc1}
units:
  - {id: a, name: A, parent: a}
hosts:
  - {id: SRV01, site: dc1}
  - {id: srv02, site: somewhere, unit: b, level: 6}
  - {id: srv02, site: dc1, from: 2025-07-01, to: 2025-06-30}
services:
  - id: web
    name: Web
    hosts: [srv2, srv99-nowhere]
    depends_on: [db]
  - {id: db, name: DB, depends_on: [cache]}
  - {id: cache, name: Cache, depends_on: [db]}
",
        expect![[r#"
            inventory.yml:2: its parents lead back to itself: dc1 → dc3 → dc1
            inventory.yml:3: site "dc1" is given twice
            inventory.yml:3: "yesterday" is not a day; write for example 2025-07-01
            inventory.yml:6: its parents lead back to itself: a → a
            inventory.yml:8: host id "SRV01" may only hold a-z, 0-9, '.', '_' and '-', and begins and ends with a-z or 0-9
            inventory.yml:9: there is no site "somewhere"; add it to this file
            inventory.yml:9: there is no unit "b"; did you mean "a"?
            inventory.yml:9: a security level is 1 to 5, not 6
            inventory.yml:10: `to` lies before `from`
            inventory.yml:10: host srv02 stands at two places at once; give `to` where it was and `from` where it moved
            inventory.yml:14: there is no host "srv2"; did you mean "srv02"?
            inventory.yml:14: there is no host "srv99-nowhere"; add it to this file
            inventory.yml:16: its dependencies lead back to itself: db → cache → db"#]],
    );
}

#[test]
fn an_empty_file_is_an_empty_inventory() {
    let empty = InventoryConfig::parse(Path::new("inventory.yml"), "# later\n").unwrap();
    assert_eq!(empty, InventoryConfig::default());
}

#[test]
fn matchers_mean_hosts_and_sites_hold_what_is_below_them() {
    let config = province();
    let hosts = |label: &str, op, value: &str| {
        let matcher = Matcher::new(label, op, value).unwrap();
        let hosts = config.hosts_where(&[matcher], LAST_OF_JUNE_MS + 1);
        hosts.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    };
    use agent_model::Matcher;
    assert_eq!(hosts("site", MatchOp::Equal, "cmu-dc1"), "dc1-srv01 dc1-srv02");
    assert_eq!(hosts("site", MatchOp::Equal, "cmu"), "bk-srv01 dc1-srv01 dc1-srv02");
    assert_eq!(hosts("site", MatchOp::NotEqual, "cmu-dc1"), "bk-srv01");
    assert_eq!(hosts("site", MatchOp::Matches, "cmu-(bk|dc2).*"), "bk-srv01");
    assert_eq!(hosts("unit", MatchOp::Equal, ""), "bk-srv01 dc1-srv02");
    assert_eq!(hosts("unit", MatchOp::Equal, "ubnd"), "dc1-srv01");
    assert_eq!(hosts("service", MatchOp::Equal, "sso"), "dc1-srv02");
    assert_eq!(hosts("service", MatchOp::NotEqual, "sso"), "bk-srv01 dc1-srv01");
    assert_eq!(hosts("level", MatchOp::Equal, "3"), "dc1-srv01");
    assert_eq!(hosts("role", MatchOp::Matches, "web|database"), "dc1-srv01 dc1-srv02");
    let stranger = Matcher::equal("site", "");
    assert!(config.host_matches(&host("stranger"), &[stranger], 0));
}

#[test]
fn a_move_holds_from_the_first_day_to_the_last_in_vietnams_time() {
    let config = province();
    let unit = |at_ms| config.place(&host("dc1-srv01"), at_ms).unwrap().unit.clone().unwrap();
    assert_eq!(unit(LAST_OF_JUNE_MS), "so-tttt");
    assert_eq!(unit(LAST_OF_JUNE_MS + 1), "so-khcn");
}

#[test]
fn only_proof_makes_a_service_up() {
    let config = province();
    let status = |probes: &[(&str, bool)], hosts: &[(&str, bool)], alerts: &[&str]| {
        let inputs = ServiceInputs {
            probes: probes.iter().map(|(name, up)| ((*name).to_owned(), *up)).collect(),
            hosts: hosts.iter().map(|(name, up)| (host(name), *up)).collect(),
            alerts: alerts.iter().map(|id| (*id).to_owned()).collect(),
        };
        let reports = config.service_statuses(&inputs);
        let of = |id: &str| reports[id].status.name();
        format!("motcua {} sso {} mail {}", of("motcua"), of("sso"), of("mail"))
    };
    let all_up = [("motcua", true), ("motcua-db", true), ("sso", true)];
    let hosts_up = [("dc1-srv01", true), ("dc1-srv02", true), ("bk-srv01", true)];
    assert_eq!(status(&[], &[], &[]), "motcua unknown sso unknown mail unknown");
    assert_eq!(status(&[], &hosts_up, &[]), "motcua unknown sso unknown mail unknown");
    assert_eq!(status(&all_up, &hosts_up, &[]), "motcua up sso up mail unknown");
    assert_eq!(status(&all_up, &[], &[]), "motcua up sso up mail unknown");
    assert_eq!(status(&all_up[..1], &hosts_up, &[]), "motcua unknown sso unknown mail unknown");
    let one_fails = [("motcua", true), ("motcua-db", false), ("sso", true)];
    assert_eq!(status(&one_fails, &hosts_up, &[]), "motcua degraded sso up mail unknown");
    let sso_fails = [("motcua", true), ("motcua-db", true), ("sso", false)];
    assert_eq!(status(&sso_fails, &hosts_up, &[]), "motcua degraded sso down mail unknown");
    let hosts_down = [("dc1-srv01", false), ("dc1-srv02", true), ("bk-srv01", false)];
    assert_eq!(status(&all_up, &hosts_down, &[]), "motcua degraded sso up mail down");
    assert_eq!(status(&all_up, &hosts_up, &["sso"]), "motcua up sso degraded mail unknown");
}

#[test]
fn the_reasons_lead_to_the_cause() {
    let inputs = ServiceInputs {
        probes: BTreeMap::from([("motcua".to_owned(), true), ("sso".to_owned(), false)]),
        hosts: BTreeMap::from([(host("dc1-srv01"), false)]),
        ..ServiceInputs::default()
    };
    let report = &province().service_statuses(&inputs)["motcua"];
    assert_eq!(
        report.reasons,
        [
            Reason::ProbeSilent("motcua-db".to_owned()),
            Reason::HostDown(host("dc1-srv01")),
            Reason::HostSilent(host("dc1-srv02")),
            Reason::DependencyDown("sso".to_owned()),
        ]
    );
}
