//! Drill plans read, and drills played from their first step to the signed minutes.

use std::path::Path;
use std::sync::Arc;

use expect_test::{Expect, expect};

use super::*;

const PLAN: &str = "\
id: restore-mot-cua-db
title_vi: Phục hồi CSDL <một cửa>
title_en: Restore the one-stop database
site: cmu-dc1
scope_vi: Máy chủ thử, không đụng hệ thống thật
objectives: {rto: 30m, rpo: 24h}
participants:
  - {name: Nguyễn Văn An, duty: chủ trì}
  - {name: Trần Thị Bình}
preconditions:
  - title_vi: Có bản sao lưu dưới 24 giờ
    title_en: A copy younger than 24 hours
    expr: time() - haidang_backup_copy_newest_timestamp_seconds{backup=\"mot-cua-db\"} < 86400
steps:
  - id: stop
    title_vi: Dừng CSDL
    title_en: Stop the database
    timeout: 10m
    measures: rto_start
    manual: {instruction_vi: systemctl stop postgresql}
  - id: restore
    title_vi: Phục hồi
    title_en: Restore
    manual: {instruction_vi: haidang-restore mot-cua-db}
  - id: answers
    title_vi: CSDL trả lời
    title_en: The database answers
    timeout: 5m
    measures: rto_end
    probe: {tcp: 'dc1-srv02:5432'}
  - id: loss
    title_vi: Dữ liệu mất bao lâu
    title_en: How much was lost
    measures: rpo_seconds
    query: {expr: mot_cua_newest_row_age_seconds}
";

fn plan() -> Arc<DrillPlan> {
    Arc::new(DrillPlan::parse(Path::new("drill.yml"), PLAN).unwrap())
}

const MINUTE: i64 = 60_000;
/// 2026-11-21 08:00 in Vietnam.
const START: i64 = 1_795_222_800_000;

/// Runs to the given step, which is then running.
fn running(records: &mut Vec<DrillRecord>) -> DrillRun {
    let mut run = DrillRun::new(plan(), "lan", START);
    records.push(run.precondition(0, true, "tuổi 3,2 giờ", START).unwrap());
    records.push(run.begin("lan", START + MINUTE).unwrap());
    run
}

#[test]
fn a_drill_runs_step_by_step_and_measures() {
    let mut records = Vec::new();
    let mut run = running(&mut records);
    records.push(run.confirm("stop", "an", "đã dừng", START + 2 * MINUTE).unwrap());
    assert_eq!(run.deadline().unwrap().1, START + 32 * MINUTE, "the default timeout");
    records.push(run.confirm("restore", "binh", "", START + 12 * MINUTE).unwrap());
    assert_eq!(run.rto_ms(), None, "not back yet");
    records.push(run.check_passed("answers", "5432 mở", None, START + 13 * MINUTE).unwrap());
    assert_eq!(run.rto_ms(), Some(11 * MINUTE));
    records.push(run.check_passed("loss", "", Some(5_400.0), START + 14 * MINUTE).unwrap());
    assert_eq!((run.state(), run.rpo_seconds()), (DrillState::Passed, Some(5_400.0)));
    assert_eq!(run.finished_ms(), Some(START + 14 * MINUTE));
    // What is stored gives the same run again.
    assert_eq!(DrillRun::replay(plan(), "lan", START, &records).unwrap(), run);
}

#[test]
fn it_does_not_begin_before_every_precondition_is_met() {
    let mut run = DrillRun::new(plan(), "lan", START);
    let unmet = DrillError::Unmet("A copy younger than 24 hours".to_owned());
    assert_eq!(run.begin("lan", START), Err(unmet.clone()));
    run.precondition(0, false, "tuổi 30 giờ", START).unwrap();
    assert_eq!(run.begin("lan", START), Err(unmet));
    run.precondition(0, true, "tuổi 1 giờ", START).unwrap();
    run.begin("lan", START).unwrap();
    let late = run.precondition(0, false, "", START);
    assert!(matches!(late, Err(DrillError::State { state: DrillState::Running, .. })));
    assert!(run.precondition(7, true, "", START).is_err());
}

#[test]
fn a_person_cannot_confirm_what_a_check_proves_nor_a_check_what_a_person_does() {
    let mut run = running(&mut Vec::new());
    let not_running = run.confirm("restore", "an", "", START);
    assert_eq!(not_running, Err(DrillError::NotRunning("restore".to_owned())));
    let by_check = run.check_passed("stop", "", None, START);
    assert_eq!(by_check, Err(DrillError::Manual("stop".to_owned())));
    run.confirm("stop", "an", "", START).unwrap();
    run.confirm("restore", "an", "", START).unwrap();
    let by_person = run.confirm("answers", "an", "", START);
    assert_eq!(by_person, Err(DrillError::NotManual("answers".to_owned())));
    run.check_passed("answers", "", None, START).unwrap();
    let no_seconds = run.check_passed("loss", "", Some(f64::NAN), START);
    assert_eq!(no_seconds, Err(DrillError::NoSeconds("loss".to_owned())));
    assert_eq!(run.state(), DrillState::Running, "a refused change changes nothing");
}

#[test]
fn a_step_past_its_time_fails_the_drill_and_the_rest_is_not_run() {
    let mut records = Vec::new();
    let mut run = running(&mut records);
    assert_eq!(run.tick("", START + 11 * MINUTE - 1), None);
    records.push(run.tick("vẫn chạy", START + 11 * MINUTE).unwrap());
    assert_eq!(run.tick("", START + 99 * MINUTE), None);
    assert_eq!(run.state(), DrillState::Failed);
    let states: Vec<_> = run.steps().iter().map(|step| step.state.name()).collect();
    assert_eq!(states, ["timed_out", "not_run", "not_run", "not_run"]);
    assert_eq!(run.rto_ms(), None);
    assert!(run.confirm("stop", "an", "", START).is_err());
    assert_eq!(DrillRun::replay(plan(), "lan", START, &records).unwrap(), run);
}

#[test]
fn it_can_be_aborted_at_any_time_until_it_is_over() {
    let mut run = DrillRun::new(plan(), "lan", START);
    run.abort("lan", "đổi lịch", START).unwrap();
    assert_eq!((run.state(), run.ending()), (DrillState::Aborted, "đổi lịch"));
    assert!(run.abort("lan", "lần nữa", START).is_err());
    let mut run = running(&mut Vec::new());
    run.fail("stop", "an", "không có quyền", START).unwrap();
    assert_eq!((run.state(), run.ending()), (DrillState::Failed, "không có quyền"));
    assert!(run.abort("lan", "", START).is_err());
}

#[test]
fn records_of_another_plan_are_refused() {
    let strange = DrillRecord { what: "danced".to_owned(), ..DrillRecord::default() };
    let refused = DrillRun::replay(plan(), "lan", START, [&strange]).unwrap_err();
    assert!(matches!(refused, DrillError::Foreign { .. }));
}

#[test]
fn the_minutes_tell_times_figures_and_what_was_not_run_and_escape_everything() {
    let mut run = running(&mut Vec::new());
    run.confirm("stop", "an", "<script>alert(1)</script>", START + 2 * MINUTE).unwrap();
    run.confirm("restore", "binh", "", START + 40 * MINUTE).unwrap();
    run.check_passed("answers", "5432 mở", None, START + 40 * MINUTE + 1_500).unwrap();
    run.abort("lan", "hết giờ", START + 50 * MINUTE).unwrap();
    let html = minutes_html(&run);
    for wanted in [
        "<title>Biên bản diễn tập – Phục hồi CSDL &lt;một cửa&gt;</title>",
        "<th>Bắt đầu</th><td>08:01:00 21/11/2026</td>",
        "<th>Kết luận</th><td>Đã hủy giữa chừng</td>",
        "<th>Lý do</th><td>hết giờ</td>",
        "Thực đo: 38 phút 01 giây; cam kết: 30 phút 00 giây – KHÔNG ĐẠT",
        "Thực đo: không đo được; cam kết: 24 giờ 00 phút",
        "Nguyễn Văn An – chủ trì; Trần Thị Bình",
        "&lt;script&gt;alert(1)&lt;/script&gt;",
        "<td>Hệ thống tự kiểm tra</td>",
        "<td>1,5 giây</td>",
        "Người lập biên bản",
    ] {
        assert!(html.contains(wanted), "{wanted} is not in {html}");
    }
    assert!(!html.contains("<script"));
    let early = minutes_html(&DrillRun::new(plan(), "lan", START));
    assert!(early.contains("Chưa kiểm tra") && early.contains("Chưa bắt đầu"));
    let mut stopped = running(&mut Vec::new());
    stopped.tick("", START + 99 * MINUTE).unwrap();
    let html = minutes_html(&stopped);
    assert!(html.contains("Quá thời hạn") && html.contains("Không thực hiện"));
}

fn check(text: &str, expected: Expect) {
    let problems = DrillPlan::parse(Path::new("drill.yml"), text).unwrap_err();
    expected.assert_eq(&problems.to_string());
}

#[test]
fn every_problem_of_a_plan_is_told_at_once_with_its_line() {
    check(
        "\
id: Restore DB
title_vi: a
title_en: a
objectives: {rto: 1h, rpo: 1h}
preconditions:
  - {title_vi: a, title_en: a, expr: 'up =='}
steps:
  - {id: a, title_vi: a, title_en: a}
  - {id: a, title_vi: a, title_en: a, probe: {tcp: nowhere}, measures: rto_end}
  - {id: b, title_vi: a, title_en: a, probe: {http: 'ftp://x', expect: 99}}
  - {id: c, title_vi: a, title_en: a, probe: {}, measures: rpo_seconds}
  - {id: d, title_vi: a, title_en: a, query: {expr: '1 +'}, manual: {instruction_vi: a}}
site: ' '
",
        expect![[r#"
            drill.yml:1: a drill id is made of a-z, 0-9 and '-', not "Restore DB"
            drill.yml:4: an rto needs a step with `measures: rto_start` and one with `rto_end`
            drill.yml:6: the expression cannot be parsed: invalid promql query
            drill.yml:8: a step is exactly one of `manual`, `probe` and `query`
            drill.yml:9: `rto_end` needs a step with `rto_start` before it
            drill.yml:9: step "a" is given twice
            drill.yml:9: a tcp target is host:port
            drill.yml:10: expect `answers`, `silent` or, of an http target, a status such as 200
            drill.yml:10: an http target begins with http:// or https://
            drill.yml:11: `rpo_seconds` is measured by a `query` step only
            drill.yml:11: a probe has exactly one of `http` and `tcp`
            drill.yml:12: a step is exactly one of `manual`, `probe` and `query`
            drill.yml:13: the site is what whoever starts the drill types; name it"#]],
    );
    check(
        "id: a\ntitle_vi: a\ntitle_en: a\nsteps: []\nsite: dc1\n",
        expect!["drill.yml:4: a drill has 1 to 200 steps"],
    );
}

#[test]
fn one_bad_file_of_a_directory_never_hides_the_others() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("a.yml"), PLAN).unwrap();
    std::fs::write(directory.path().join("b.yml"), PLAN).unwrap();
    std::fs::write(directory.path().join("c.yml"), "id: [").unwrap();
    std::fs::write(directory.path().join("notes.txt"), "x").unwrap();
    let (plans, problems) = DrillPlan::load_directory(directory.path());
    assert_eq!(plans.len(), 1);
    assert_eq!(problems.0.len(), 2);
    assert!(problems.0[0].message.contains("in another file too"), "{problems}");
    let (plans, problems) = DrillPlan::load_directory(&directory.path().join("nowhere"));
    assert_eq!((plans.len(), problems.0.len()), (0, 1));
}
