//! Alerts that others post, and whoever looks after them: a real Prometheus, a kill, a reload, roles on the collector.

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use tests::alertmanager::{Alertmanager, Maker};
use tests::deadline::eventually;
use tests::house::House;
use tests::prometheus::Prometheus;
use tests::webhook::Webhook;

use super::alertmanager::{HOUR_MS, alert, configuration, now_ms, time};

#[tokio::test(flavor = "multi_thread")]
async fn a_real_prometheus_sends_its_alerts() -> anyhow::Result<()> {
    let hook = Webhook::start().await?;
    let manager =
        Alertmanager::start(Maker::Ours, &configuration(&hook.address.to_string())).await?;
    let prometheus = Prometheus::alerting_to(&manager.address).await?;
    let (labels, _) = hook.expect("AlwaysTrue", "firing").await?;
    assert_eq!(labels, json!({"alertname": "AlwaysTrue", "severity": "critical"}));
    let shown = manager.get("/api/v2/alerts").await?;
    assert_eq!(shown[0]["annotations"], json!({"summary": "it is 1"}));
    let url = shown[0]["generatorURL"].as_str().context("no generator")?;
    assert!(url.contains("/graph?g0.expr="), "{url}");
    drop(prometheus);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_posted_and_told_survives_a_kill() -> anyhow::Result<()> {
    let hook = Webhook::start().await?;
    let mut manager =
        Alertmanager::start(Maker::Ours, &configuration(&hook.address.to_string())).await?;
    let now = now_ms();
    let posts = json!([alert("DiskFull", "a", "dc", now - HOUR_MS, now + HOUR_MS)?]).to_string();
    manager.ask("POST", "/api/v2/alerts", Some(&posts)).await?;
    hook.expect("DiskFull", "firing").await?;
    let before = manager.get("/api/v2/alerts").await?;
    manager.kill_and_start(Maker::Ours).await?;
    assert_eq!(manager.get("/api/v2/alerts").await?, before);
    let resolved = json!([alert("DiskFull", "a", "dc", now - HOUR_MS, now - 1_000)?]).to_string();
    manager.ask("POST", "/api/v2/alerts", Some(&resolved)).await?;
    hook.expect("DiskFull", "resolved").await?;
    // What came right before the kill may come again, under the same key.
    let keys: BTreeSet<String> = hook.received().into_iter().map(|one| one.key).collect();
    assert_eq!(keys.len(), 2, "{:?}", hook.received());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_configuration_leaves_the_one_that_runs() -> anyhow::Result<()> {
    let manager = Alertmanager::start(Maker::Ours, &configuration("127.0.0.1:1")).await?;
    fs::write(manager.configuration(), "route: {receiver: nobody}\nreceivers: []\n")?;
    let (status, _, said) = manager.ask("POST", "/-/reload", None).await?;
    assert_eq!(status, 500);
    assert!(
        said.as_str().unwrap_or_default().contains("alertmanager.yml:1: there is no receiver"),
        "{said}"
    );
    assert_eq!(manager.get("/api/v2/receivers").await?.as_array().map(Vec::len), Some(3));
    let good =
        "route: {receiver: x}\nreceivers: [{name: x, webhook_configs: [{url: 'http://a/'}]}]\n";
    fs::write(manager.configuration(), good)?;
    let pid = nix::unistd::Pid::from_raw(i32::try_from(manager.pid())?);
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGHUP)?;
    eventually("the new receivers", || async {
        let receivers = manager.get("/api/v2/receivers").await?;
        ensure!(receivers == json!([{"name": "x"}]), "{receivers}");
        Ok(())
    })
    .await?;
    let metrics = manager.get("/metrics").await?;
    let metrics = metrics.as_str().unwrap_or_default().to_owned();
    assert!(metrics.contains("# TYPE alertmanager_notifications_total counter"), "{metrics}");
    let requests = "# TYPE alertmanager_notification_requests_failed_total counter";
    assert!(metrics.contains(requests), "{metrics}");
    assert!(metrics.contains("alertmanager_build_info{version="), "{metrics}");
    assert!(metrics.contains("alertmanager_config_last_reload_successful 1"), "{metrics}");
    assert!(metrics.contains("haidang_collector_alerting{what=\"outbox_length\"} 0"), "{metrics}");
    Ok(())
}

/// Asks a collector with a token; gives status and body.
pub(super) async fn ask(
    house: &House,
    token: &str,
    method: &str,
    path: &str,
    body: &Value,
) -> anyhow::Result<(u16, Value)> {
    let url = format!("http://{}{path}", house.web_address());
    let request = reqwest::Client::new().request(method.parse()?, url).bearer_auth(token);
    let request = if method == "GET" { request } else { request.json(body) };
    let answer = request.send().await?;
    let status = answer.status().as_u16();
    Ok((status, serde_json::from_str(&answer.text().await?).unwrap_or_default()))
}

#[tokio::test(flavor = "multi_thread")]
async fn on_the_collector_roles_hold_and_silences_carry_the_name_of_who_made_them()
-> anyhow::Result<()> {
    let mut house = House::new()?;
    house.start().await?;
    let viewer = house.token_of_role("looks", "viewer").await?;
    let operator = house.token_of_role("acts", "operator").await?;
    let writer = house.write_token("writes").await?;
    let now = now_ms();
    let posts = json!([alert("DiskFull", "a", "dc", now - HOUR_MS, now + HOUR_MS)?]);
    let silence = json!({
        "matchers": [{"name": "alertname", "value": "DiskFull", "isRegex": false}],
        "startsAt": time(now)?, "endsAt": time(now + HOUR_MS)?,
        "createdBy": "somebody else", "comment": "bảo trì",
    });
    let nothing = json!(null);
    let unknown = "/api/v2/silence/00000000-0000-0000-0000-000000000000";
    assert_eq!(house.status_without_sign_in("/api/v2/alerts").await?, 401);
    for (method, path, body) in
        [("POST", "/api/v2/silences", &silence), ("DELETE", unknown, &nothing)]
    {
        for token in [&viewer, &writer] {
            assert_eq!(ask(&house, token, method, path, body).await?.0, 403, "{method} {path}");
        }
    }
    assert_eq!(ask(&house, &viewer, "POST", "/api/v2/alerts", &posts).await?.0, 403);
    assert_eq!(ask(&house, &viewer, "GET", "/api/v2/alerts", &nothing).await?, (200, json!([])));
    // A token that writes posts alerts, and neither reads them nor does anything else.
    for path in ["/api/v2/alerts", "/api/v2/alerts/groups", "/api/v2/status", "/api/alerts"] {
        assert_eq!(ask(&house, &writer, "GET", path, &nothing).await?.0, 403, "{path}");
    }
    let other = json!([
        alert("HostDown", "b", "dc", now - HOUR_MS, now + HOUR_MS)?,
        {"labels": {}},
    ]);
    // Of a post that is wrong in part the rest is taken, and stands in the audit log once.
    for _ in 0..2 {
        assert_eq!(ask(&house, &writer, "POST", "/api/v2/alerts", &other).await?.0, 400);
    }
    assert_eq!(ask(&house, &operator, "POST", "/api/v2/alerts", &posts).await?.0, 200);
    let (status, made) = ask(&house, &operator, "POST", "/api/v2/silences", &silence).await?;
    assert_eq!(status, 200, "{made}");
    let shown = ask(&house, &viewer, "GET", "/api/v2/silences", &nothing).await?.1;
    assert_eq!(shown[0]["createdBy"], "api-token acts");
    let wanted = "/api/v2/alerts?filter=alertname%3DDiskFull";
    let shown = ask(&house, &viewer, "GET", wanted, &nothing).await?.1;
    assert_eq!(shown[0]["status"]["silencedBy"], json!([made["silenceID"]]));
    let audit = house.get("/api/audit").await?.to_string();
    for entry in ["silence.create", "fires: DiskFull"] {
        assert!(audit.contains(entry), "{audit}");
    }
    assert_eq!(audit.matches("fires: HostDown").count(), 1, "{audit}");
    // Alerting's figures are taken over now and then.
    eventually("the posts that were wrong are counted", || async {
        let metrics = house.get_text("/metrics").await?;
        let wanted = "haidang_collector_alerting{what=\"posts_invalid\"} 2";
        ensure!(metrics.contains(wanted), "{metrics}");
        Ok(())
    })
    .await?;
    // What others post is among the alerts of the pages.
    let pages = house.get("/api/alerts").await?;
    let shown = pages.as_array().and_then(|all| all.iter().find(|one| one["name"] == "DiskFull"));
    assert_eq!(shown.context("the page lacks it")?["silenced"], true);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn names_of_labels_may_be_any_text() -> anyhow::Result<()> {
    let hook = Webhook::start().await?;
    let text = format!(
        "route:\n  receiver: nobody\n  routes:\n    - receiver: hook\n      matchers: ['🙂=đỏ']\n      \
         group_by: ['phòng máy']\n      group_wait: 0s\nreceivers:\n  - name: nobody\n  - name: hook\n    \
         webhook_configs: [{{url: 'http://{}/'}}]\n",
        hook.address
    );
    let manager = Alertmanager::start(Maker::Ours, &text).await?;
    let labels = json!({"alertname": "Nóng", "phòng máy": "A", "00": "x", "🙂": "đỏ"});
    let ends = time(now_ms() + HOUR_MS)?;
    let posts = json!([{ "labels": labels, "endsAt": ends }, { "labels": {"alertname": "X"} }]);
    assert_eq!(manager.ask("POST", "/api/v2/alerts", Some(&posts.to_string())).await?.0, 200);
    assert_eq!(hook.expect("Nóng", "firing").await?.0, labels);
    let query = |filters: &[&str]| {
        let pairs = filters.iter().map(|filter| ("filter", *filter));
        let url = reqwest::Url::parse_with_params("http://x/", pairs)?;
        Ok::<_, anyhow::Error>(url.query().unwrap_or_default().to_owned())
    };
    let wanted = query(&["00=x", "🙂=đỏ", "\"phòng máy\"=~\"A|B\""])?;
    for path in ["alerts", "alerts/groups"] {
        let found = manager.get(&format!("/api/v2/{path}?{wanted}")).await?;
        assert_eq!(found.as_array().map(Vec::len), Some(1), "{found}");
    }
    let silence = json!({
        "matchers": [{"name": "phòng máy", "value": "A", "isRegex": false}],
        "startsAt": time(now_ms())?, "endsAt": ends, "createdBy": "lan", "comment": "bảo trì",
    });
    manager.ask("POST", "/api/v2/silences", Some(&silence.to_string())).await?;
    let wanted = query(&["\"phòng máy\"=A"])?;
    let found = manager.get(&format!("/api/v2/silences?{wanted}")).await?;
    assert_eq!(found[0]["matchers"][0]["name"], "phòng máy", "{found}");
    let shown = manager.get("/api/v2/alerts?silenced=false").await?;
    assert_eq!(shown.as_array().map(Vec::len), Some(1), "{shown}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_without_the_oldest_ends_says_how_many_it_leaves_out() -> anyhow::Result<()> {
    let mut house = House::new()?;
    house.start().await?;
    let now = now_ms();
    for end in [now + HOUR_MS, now - 1_000] {
        let one = |at: usize| alert("CameraDown", &format!("cam-{at}"), "dc", now - HOUR_MS, end);
        let posts: Result<Vec<Value>, _> = (0..510).map(one).collect();
        house.post("/api/v2/alerts", &json!(posts?)).await?;
    }
    eventually("ten beyond the list", || async {
        let (went_well, said) = house.haidang(&["alert", "list"])?;
        let shown = said.matches("CameraDown").count();
        ensure!(went_well && said.contains("10 more resolved within the day"), "{shown}: {said}");
        Ok(())
    })
    .await
}
