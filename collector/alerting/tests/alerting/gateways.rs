//! Channels of ours: SMS through a gateway that judges what it gets, and programs that really run.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use collector_alerting::Routing;
use serde_json::json;

use crate::harness::{Answer, MINUTE, START, World, detection, routing};

const TAKEN: &str = r#"{"CodeResult":"100"}"#;

fn sms(more: &str) -> String {
    format!(
        r#"
route: {{receiver: phone}}
receivers:
  - name: phone
    sms_configs:
      - url: URL/MainService.svc/json
        headers: {{Content-Type: application/json}}
        body: '{{"Phone": {{{{ toJson .To }}}}, "Content": {{{{ toJson .Message }}}}}}'
        to: ['0900000001', '0900000002']
        success: '"CodeResult"\s*:\s*"100"'
        {more}
"#
    )
}

async fn world(config: &str) -> World {
    let world = World::new(config).await;
    let found = vec![detection(1, "máy-1", START)];
    world.alerting.commit_detections(1, b"", found, START + MINUTE).await.unwrap();
    world
}

#[tokio::test]
async fn each_number_gets_each_part_once_whatever_fails_between() {
    let config = sms("fold_diacritics: true\n        part_chars: 40");
    let world = world(&config).await;
    // The first number is no number to the gateway.
    world.receiver.answer([
        Answer::Json(200, r#"{"CodeResult":"99"}"#),
        Answer::Status(400),
        Answer::Json(200, TAKEN),
        Answer::Json(200, TAKEN),
        Answer::Json(200, TAKEN),
        Answer::Json(200, TAKEN),
    ]);
    world.alerting.deliver_due(START + MINUTE).await.unwrap();
    let first = world.receiver.take();
    assert_eq!(first.len(), 4, "who stands behind it is told all the same");
    let record = world.alerting.notifications(1).await.unwrap().remove(0);
    assert!(record.last_error.contains(r#"{"CodeResult":"99"}"#), "{}", record.last_error);
    let again = routing(&world.receiver, &config);
    world.alerting.reload(again, START + MINUTE).await.unwrap();
    world.alerting.deliver_due(START + 2 * MINUTE).await.unwrap();
    let second = world.receiver.take();
    assert_eq!(world.alerting.stats(START).await.unwrap().sent, 1);
    let said: Vec<_> = second
        .iter()
        .chain(&first[2..])
        .map(|one| (one.body["Phone"].clone(), one.body["Content"].clone()))
        .collect();
    let [one, two] =
        ["1/2 (KHAN CAP) may-1 - do mat khau. Tu", "2/2 08:12 ngay 21/11/2026 (da 1 phut)."];
    assert_eq!(
        said,
        [("0900000001", one), ("0900000001", two), ("0900000002", one), ("0900000002", two)]
            .map(|(phone, text)| (json!(phone), json!(text)))
    );
    let keys: std::collections::BTreeSet<_> =
        first.iter().chain(&second).map(|one| &one.key).collect();
    assert_eq!(keys.len(), 4, "a part has one key in all attempts");
}

#[tokio::test]
async fn a_template_that_names_nobody_is_said_and_keeps_nothing_from_the_others() {
    let config = sms("").replace("'0900000001'", "'{{ .CommonLabels.phone }}'");
    let world = world(&config).await;
    world.receiver.answer([Answer::Json(200, TAKEN), Answer::Json(200, TAKEN)]);
    world.alerting.deliver_due(START + MINUTE).await.unwrap();
    let phones: Vec<_> =
        world.receiver.take().iter().map(|one| one.body["Phone"].clone()).collect();
    assert!(!phones.is_empty() && phones.iter().all(|phone| phone == "0900000002"), "{phones:?}");
    let record = world.alerting.notifications(1).await.unwrap().remove(0);
    assert!(record.last_error.contains("`to` names nobody"), "{}", record.last_error);
}

#[tokio::test]
async fn secrets_of_a_gateway_come_from_files_and_stay_out_of_failures() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("key");
    std::fs::write(&file, "bí-mật\n").unwrap();
    let more = format!(
        "secret_files: {{key: {}}}\n        http_config: {{http_headers: {{Authorization: {{values: [x]}}}}}}",
        file.display()
    );
    let config = sms(&more).replace("/json\n", "/json?k={{ .Secrets.key | urlquery }}\n");
    let world = world(&config).await;
    world.receiver.answer([Answer::Status(500)]);
    world.alerting.deliver_due(START + MINUTE).await.unwrap();
    let record = world.alerting.notifications(1).await.unwrap().remove(0);
    assert!(record.last_error.contains("500"), "{}", record.last_error);
    assert!(!record.last_error.contains("bí-mật") && !record.last_error.contains("k=b"));
    let received = world.receiver.take();
    assert_eq!(
        received[0].body["Content"],
        "[KHẨN CẤP] máy-1 – dò mật khẩu. Từ 08:12 ngày 21/11/2026 (đã 1 phút)."
    );
    assert_eq!(received[0].authorization, "x");
}

/// A program with this body, and the configuration that runs it.
fn script(directory: &Path, body: &str, more: &str) -> String {
    let path = directory.join("tell.sh");
    std::fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
    format!(
        "route: {{receiver: own}}\nreceivers:\n  - name: own\n    script_configs:\n      - path: {}\n        \
         arguments: ['a b', '$(id)', '{{{{ .Status }}}}']\n        {more}\n",
        path.display()
    )
}

#[tokio::test]
async fn a_program_gets_the_webhooks_json_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("out");
    let body =
        format!("exec > {}\nprintf '%s|' \"$@\"\nenv | sort | tr '\\n' '|'\ncat", out.display());
    let world = world(&script(directory.path(), &body, "")).await;
    world.alerting.deliver_due(START + MINUTE).await.unwrap();
    assert_eq!(world.alerting.stats(START).await.unwrap().sent, 1);
    let said = std::fs::read_to_string(&out).unwrap();
    assert!(said.starts_with("a b|$(id)|{{ .Status }}|"), "{said}");
    let json = &said[said.find("{\"receiver\"").unwrap()..];
    let payload: serde_json::Value = serde_json::from_str(json).unwrap();
    assert_eq!(payload["status"], "firing");
    let environment = &said[..said.find("{\"receiver\"").unwrap()];
    let names = environment.split('|').filter_map(|line| Some(line.split_once('=')?.0));
    let known = ["IDEMPOTENCY_KEY", "LANG", "PATH", "PWD", "OLDPWD", "SHLVL", "_"];
    assert!(names.clone().all(|name| known.contains(&name)), "{environment}");
    assert!(names.count() >= 3, "{environment}");
}

#[tokio::test]
async fn a_program_that_fails_hangs_or_talks_without_end_is_a_failure() {
    for (body, more, wanted) in [
        ("echo 'modem gone' >&2; exit 3", "", "exit status: 3: modem gone"),
        ("exec sleep 60", "timeout: 1s", "no answer within 1 s"),
        ("yes x >&2 & p=$!; sleep 0.2; kill $p; exit 1", "timeout: 1m", "exit status: 1: x"),
        ("echo gone >&2; sleep 60 >/dev/null & exit 1", "timeout: 1m", "exit status: 1: gone"),
        ("kill -9 $$", "", "signal: 9"),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let world = world(&script(directory.path(), body, more)).await;
        world.alerting.deliver_due(START + MINUTE).await.unwrap();
        let record = world.alerting.notifications(1).await.unwrap().remove(0);
        assert!(record.last_error.contains(wanted), "{body}: {}", record.last_error);
        assert!(record.last_error.len() < 1_000);
    }
}

#[tokio::test]
async fn a_program_whose_time_is_over_ends_with_all_that_it_started() {
    let directory = tempfile::tempdir().unwrap();
    let pid = directory.path().join("pid");
    let body = format!("sleep 600 & echo $! > {}; wait", pid.display());
    let world = world(&script(directory.path(), &body, "timeout: 5s")).await;
    world.alerting.deliver_due(START + MINUTE).await.unwrap();
    let record = world.alerting.notifications(1).await.unwrap().remove(0);
    assert!(record.last_error.contains("no answer within 5 s"), "{}", record.last_error);
    let started = std::fs::read_to_string(&pid).unwrap();
    let status = format!("/proc/{}/stat", started.trim());
    // Gone, or dead and not yet waited for by whoever inherited it.
    let ended = || std::fs::read_to_string(&status).map_or(true, |stat| stat.contains(") Z "));
    for _ in 0..500 {
        if ended() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("what the program started goes on");
}

#[test]
fn what_cannot_work_is_refused_when_it_is_read() {
    let text = "
route: {receiver: x}
receivers:
  - name: x
    sms_configs:
      - {url: 'ftp://a', to: []}
      - {url: 'http://a', to: ['1'], method: DELETE, success: '(', part_chars: 5, parts_max: 11, body: '{{ $x }}'}
    script_configs:
      - {path: tell.sh}
      - {path: /nowhere/tell.sh, timeout: 11m}
";
    let problems = Routing::parse(Path::new("a.yml"), text).unwrap_err().to_string();
    expect_test::expect![[r#"
        a.yml:6: "ftp://a" is not an http:// or https:// address
        a.yml:6: `to` names 1 to 50 numbers
        a.yml:7: `method` is GET, POST or PUT
        a.yml:7: regex parse error:
            (
            ^
        error: unclosed group
        a.yml:7: `part_chars` is between 20 and 2000
        a.yml:7: `parts_max` is between 1 and 10
        a.yml:7: the template cannot be used: undefined variable "$x"
        a.yml:9: `path` begins with /: nothing is looked for
        a.yml:10: /nowhere/tell.sh is no program that can be run
        a.yml:10: `timeout` is 1 s to 600 s"#]]
    .assert_eq(&problems);
}
