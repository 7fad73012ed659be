//! People and alerts, with the real binaries: who is on duty is told, nobody takes it, somebody else is told; somebody
//! takes it for a while, stands in for another, comments; and a kill in between changes nothing.

use anyhow::{Context, ensure};
use serde_json::json;
use tests::deadline::eventually;
use tests::house::House;
use tests::webhook::Webhook;

fn routing(lan: &Webhook, minh: &Webhook, lead: &Webhook) -> String {
    format!(
        "alert_budget: {{ per_week: 10 }}
escalations:
  - name: chain
    levels: [{{ after: 2s, receivers: [lead] }}]
people:
  - {{ name: lan, receiver: lan }}
  - {{ name: minh, receiver: minh }}
rosters:
  - name: duty
    rotations: [{{ people: [lan], starts: '2026-01-05 08:00', every: 7d }}]
route:
  receiver: duty
  group_by: [alertname]
  group_wait: 0s
  group_interval: 1s
  repeat_interval: 1h
  escalation: chain
receivers:
  - {{ name: duty, on_call_configs: [{{ roster: duty }}] }}
  - {{ name: lan, webhook_configs: [{{ url: 'http://{}/' }}] }}
  - {{ name: minh, webhook_configs: [{{ url: 'http://{}/' }}] }}
  - {{ name: lead, webhook_configs: [{{ url: 'http://{}/' }}] }}
",
        lan.address, minh.address, lead.address
    )
}

fn said(house: &House, words: &[&str]) -> anyhow::Result<String> {
    let (went_well, said) = house.haidang(words)?;
    ensure!(went_well, "haidang {words:?}: {said}");
    // Columns are as wide as they need to be.
    Ok(said.split_whitespace().collect::<Vec<_>>().join(" "))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_finds_somebody_who_takes_it() -> anyhow::Result<()> {
    let (lan, minh, lead) =
        (Webhook::start().await?, Webhook::start().await?, Webhook::start().await?);
    let mut house = House::new()?;
    house.write("alerting.yml", &routing(&lan, &minh, &lead))?;
    house.start().await?;
    let user = json!({ "name": "minh", "password": "mật khẩu dài 12", "role": "operator" });
    house.post("/api/users", &user).await?;
    let shown = said(&house, &["on-call", "list", "--days", "1"])?;
    ensure!(shown.contains("duty") && shown.contains("lan rotation"), "{shown}");
    let alert = json!([{ "labels": { "alertname": "PortalDown", "service": "dvc" } }]);
    house.post("/api/v2/alerts", &alert).await?;
    lan.expect("PortalDown", "firing").await?;
    lead.expect("PortalDown", "firing").await?;
    ensure!(minh.alerts().is_empty(), "minh is not on duty");

    let alerts = house.get("/api/alerts").await?;
    let open = alerts.as_array().into_iter().flatten().find(|one| one["name"] == "PortalDown");
    let fingerprint = open.and_then(|one| one["fingerprint"].as_str()).context("no alert")?;
    said(&house, &["alert", "ack", fingerprint, "--note", "đang xem", "--for", "8h"])?;
    said(&house, &["alert", "assign", fingerprint, "minh"])?;
    said(&house, &["alert", "comment", fingerprint, "đã gọi nhà mạng"])?;
    let (went_well, words) = house.haidang(&["alert", "assign", fingerprint, "nobody"])?;
    ensure!(!went_well && words.contains("no user"), "{words}");
    let year = ["on-call", "swap", "duty", "minh", "--until", "2099-01-01 08:00"];
    let swap = said(&house, &year)?;
    minh.expect("PortalDown", "firing").await?;

    house.kill_daemon("collector").await?;
    house.start().await?;
    let shown = said(&house, &["alert", "show", fingerprint])?;
    for words in ["taken by: admin.token", "assigned to: minh", "đã gọi nhà mạng", "acknowledged"]
    {
        ensure!(shown.contains(words), "{words}: {shown}");
    }
    let shown = said(&house, &["on-call", "list"])?;
    ensure!(shown.contains("minh swap"), "{shown}");
    said(&house, &["on-call", "unswap", swap.trim()])?;

    let told = lan.received().len();
    said(&house, &["alert", "give-back", fingerprint, "--note", "chuyển ca"])?;
    eventually("Lan is told again", || async {
        ensure!(lan.received().len() > told, "not yet");
        Ok(())
    })
    .await?;
    let lives = house.get("/api/history/lives?matchers=alertname%3DPortalDown").await?;
    let fired = lives["lives"][0]["fired_at_ms"].as_i64().context("no life")?.to_string();
    let life = said(&house, &["alert", "life", fingerprint, &fired])?;
    for words in [
        "told duty webhook/0@duty/lan: sent, 1 attempts",
        "told lead webhook/0: sent",
        "acknowledged admin.token: đang xem",
        "commented admin.token: đã gọi nhà mạng",
        "given_back admin.token: chuyển ca",
    ] {
        ensure!(life.contains(words), "{words}: {life}");
    }
    let budget = said(&house, &["alert", "budget"])?;
    ensure!(budget.contains("PortalDown 1 1 0 1 "), "fired, called, fleeting, taken: {budget}");
    house.eventually_sees("haidang_alert_budget_per_week{part=\"all\"} == 10").await?;
    house.eventually_sees("haidang_alert_budget_fired{part=\"all\"} >= 1").await?;
    let audit = house.get("/api/audit").await?.to_string();
    for action in ["alert.acknowledge", "alert.assign", "alert.comment", "alert.give_back"] {
        ensure!(audit.contains(action), "{action} is not in the audit log");
    }
    ensure!(audit.contains("on_call.swap") && audit.contains("on_call.unswap"), "{audit}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silence_has_a_beginning_and_an_end_by_the_clock_on_the_wall_and_ends_later_when_asked()
-> anyhow::Result<()> {
    let mut house = House::new()?;
    house.start().await?;
    let words = ["silence", "add", "host=dc1", "--start", "2099-11-30 22:00"];
    let id = said(&house, &[&words[..], &["--end", "2099-12-01 02:30"]].concat())?;
    // In Vietnam, whatever this machine's zone is.
    let shown = said(&house, &["silence", "list"])?;
    let wanted = format!("{id} pending 2099-11-30 22:00 +07:00 2099-12-01 02:30 +07:00");
    ensure!(shown.contains(&wanted), "{shown}");
    let told = said(&house, &["silence", "extend", &id, "90m"])?;
    ensure!(told.contains("ends at 2099-12-01 04:00:00 +07:00"), "{told}");
    let silences = house.get("/api/silences").await?;
    ensure!(silences.as_array().map(Vec::len) == Some(1), "{silences}");
    ensure!(
        silences[0]["id"] == *id && silences[0]["ends_at_ms"] == 4_099_755_600_000_i64,
        "{silences}"
    );

    let long = said(&house, &[&words[..], &["--duration", "1h"]].concat())?;
    let shown = said(&house, &["silence", "list"])?;
    ensure!(
        shown.contains(&format!("{long} pending 2099-11-30 22:00 +07:00 2099-11-30 23:00")),
        "{shown}"
    );
    for (words, reason) in [
        (["--end", "2099-11-30 21:00"], "before --start"),
        (["--end", "tomorrow"], "write for example"),
    ] {
        let (went_well, told) = house.haidang(
            &[&["silence", "add", "a=b", "--start", "2099-11-30 22:00"], &words[..]].concat(),
        )?;
        ensure!(!went_well && told.contains(reason), "{told}");
    }
    let (went_well, told) =
        house.haidang(&["silence", "add", "a=b", "--start", "2020-01-01 00:00"])?;
    ensure!(!went_well && told.contains("lies in the past"), "{told}");
    let (went_well, told) = house.haidang(&["silence", "extend", "none", "1h"])?;
    ensure!(!went_well && told.contains("there is no silence none"), "{told}");
    said(&house, &["silence", "expire", &id])?;
    let later = json!({ "ends_at_ms": 4_200_000_000_000_i64 });
    let path = format!("/api/silences/{id}/extend");
    let refused = house.post(&path, &later).await.unwrap_err().to_string();
    ensure!(refused.contains("has ended"), "{refused}");
    let audit = house.get("/api/audit").await?.to_string();
    ensure!(audit.contains("silence.extend"), "{audit}");
    Ok(())
}
