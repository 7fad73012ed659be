//! Our alerting in the place of an Alertmanager: beside Debian's on the same requests, asked by amtool, and told by a
//! real Prometheus.

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use tests::alertmanager::{Alertmanager, Maker};
use tests::deadline::eventually;
use tests::house::House;
use tests::prometheus::Prometheus;
use tests::webhook::Webhook;

const HOUR_MS: i64 = 3_600_000;

fn configuration(webhook: &str) -> String {
    format!(
        "global: {{resolve_timeout: 5m}}\n\
         route:\n  receiver: hook\n  group_by: [alertname]\n  group_wait: 1s\n  group_interval: 1s\n  \
         repeat_interval: 1h\n  routes:\n    - receiver: team\n      matchers: ['team=\"db\"']\n      \
         group_by: [alertname, host]\n      continue: true\n    - receiver: nobody\n      match_re: {{team: 'none|db'}}\n\
         inhibit_rules:\n  - source_matchers: [alertname=\"HostDown\"]\n    target_matchers: [alertname!=\"HostDown\"]\n    \
         equal: [host]\n\
         receivers:\n  - name: hook\n    webhook_configs: [{{url: 'http://{webhook}/'}}]\n  - name: team\n    \
         webhook_configs: [{{url: 'http://{webhook}/', max_alerts: 1}}]\n  - name: nobody\n"
    )
}

/// Both on one configuration.
struct Pair {
    ours: Alertmanager,
    debians: Alertmanager,
    /// What each told.
    our_hook: Webhook,
    debians_hook: Webhook,
}

impl Pair {
    async fn start() -> anyhow::Result<Self> {
        let (our_hook, debians_hook) = (Webhook::start().await?, Webhook::start().await?);
        let ours = configuration(&our_hook.address.to_string());
        let debians = configuration(&debians_hook.address.to_string());
        Ok(Self {
            ours: Alertmanager::start(Maker::Ours, &ours).await?,
            debians: Alertmanager::start(Maker::Debians, &debians).await?,
            our_hook,
            debians_hook,
        })
    }

    /// Asks both and wants one answer.
    async fn alike(&self, method: &str, path: &str, body: Option<&str>) -> anyhow::Result<Value> {
        let mut ours = self.ours.ask(method, path, body).await?;
        let mut debians = self.debians.ask(method, path, body).await?;
        let answer = ours.2.clone();
        tidy(&mut ours.2);
        tidy(&mut debians.2);
        ensure!(
            ours == debians,
            "{method} {path} {body:?}\nours:      {} {} {}\nDebian's:  {} {} {}",
            ours.0,
            ours.1,
            ours.2,
            debians.0,
            debians.1,
            debians.2
        );
        Ok(answer)
    }
}

/// Takes away what differs between two servers that were asked one after the other, and what newer versions add.
fn tidy(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(tidy),
        Value::Object(fields) => {
            fields.remove("mutedBy");
            for name in ["updatedAt", "uptime", "id", "silenceID", "versionInfo", "config"] {
                if let Some(field) = fields.get_mut(name) {
                    *field = json!("…");
                }
            }
            if let Some(Value::Array(ids)) = fields.get_mut("silencedBy") {
                ids.iter_mut().for_each(|id| *id = json!("…"));
            }
            fields.values_mut().for_each(tidy);
        }
        // Later versions say it the other way round.
        Value::String(text) => *text = text.replace("silence invalid:", "invalid silence:"),
        _ => {}
    }
}

fn time(at_ms: i64) -> anyhow::Result<String> {
    Ok(jiff::Timestamp::from_millisecond(at_ms)?.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string())
}

fn now_ms() -> i64 {
    tests::outsider::now_ms()
}

fn alert(name: &str, host: &str, team: &str, from_ms: i64, to_ms: i64) -> anyhow::Result<Value> {
    Ok(json!({
        "labels": {"alertname": name, "host": host, "team": team, "empty": ""},
        "annotations": {"summary": format!("{name} of {host}"), "none": ""},
        "generatorURL": "http://prometheus.example/graph?g0.expr=up",
        "startsAt": time(from_ms)?,
        "endsAt": time(to_ms)?,
    }))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_answers_as_alertmanagers() -> anyhow::Result<()> {
    let pair = Pair::start().await?;
    for path in [
        "/api/v2/alerts",
        "/api/v2/alerts/groups",
        "/api/v2/silences",
        "/api/v2/receivers",
        "/api/v2/status",
    ] {
        pair.alike("GET", path, None).await?;
    }
    let now = now_ms();
    let posts = json!([
        alert("HostDown", "a", "dc", now - HOUR_MS, now + HOUR_MS)?,
        alert("DiskFull", "a", "db", now - 2 * HOUR_MS, now + HOUR_MS)?,
        alert("DiskFull", "b", "db", now - 2 * HOUR_MS, now + HOUR_MS)?,
        alert("Ended", "b", "dc", now - 2 * HOUR_MS, now - HOUR_MS)?,
        alert("Backup", "c", "none", now - HOUR_MS, now + HOUR_MS)?,
    ]);
    let posts = posts.to_string();
    pair.alike("POST", "/api/v2/alerts", Some(&posts)).await?;
    // The same again, from later on: one episode.
    let later = json!([alert("HostDown", "a", "dc", now - 60_000, now + 2 * HOUR_MS)?]).to_string();
    pair.alike("POST", "/api/v2/alerts", Some(&later)).await?;
    let silence = json!({
        "matchers": [{"name": "alertname", "value": "Back.*", "isRegex": true},
                     {"name": "host", "value": "x", "isRegex": false, "isEqual": false}],
        "startsAt": time(now - HOUR_MS)?, "endsAt": time(now + HOUR_MS)?,
        "createdBy": "lan", "comment": "bảo trì",
    });
    let silence = silence.to_string();
    let ours = pair.ours.ask("POST", "/api/v2/silences", Some(&silence)).await?.2;
    let debians = pair.debians.ask("POST", "/api/v2/silences", Some(&silence)).await?.2;
    for (server, answer) in [(&pair.ours, ours), (&pair.debians, debians)] {
        let id = answer["silenceID"].as_str().context("no id")?.to_owned();
        eventually("the alert to be silenced", || async {
            let shown = server.get("/api/v2/alerts?filter=alertname=Backup").await?;
            ensure!(shown[0]["status"]["silencedBy"] == json!([id]), "{shown}");
            Ok(())
        })
        .await?;
    }
    for question in [
        "/api/v2/alerts",
        "/api/v2/alerts?active=false",
        "/api/v2/alerts?silenced=false",
        "/api/v2/alerts?inhibited=false",
        "/api/v2/alerts?silenced=false&inhibited=false&active=no",
        "/api/v2/alerts?unprocessed=false",
        "/api/v2/alerts?receiver=te.*",
        "/api/v2/alerts?receiver=te",
        "/api/v2/alerts?filter=host=%22a%22",
        "/api/v2/alerts?filter=host=a&filter=team!=dc",
        "/api/v2/alerts?filter=host=~%22a|b%22",
        "/api/v2/alerts?filter=nothing=%22%22",
        "/api/v2/alerts?filter=team!=%22%22",
        "/api/v2/alerts?filter=host%3D%3Da",
        "/api/v2/alerts/groups",
        "/api/v2/alerts/groups?receiver=team",
        "/api/v2/alerts/groups?inhibited=false",
        "/api/v2/alerts/groups?filter=host=a",
        "/api/v2/alerts/groups?active=false",
    ] {
        eventually(question, || async { pair.alike("GET", question, None).await }).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_refused_in_alertmanagers_words() -> anyhow::Result<()> {
    let pair = Pair::start().await?;
    for (method, path, body) in [
        ("POST", "/api/v2/alerts", Some(r#"[{"labels":{"alertname":"A","x":""}},{"labels":{}}]"#)),
        ("POST", "/api/v2/alerts", Some(r#"[{"annotations":{}}]"#)),
        ("POST", "/api/v2/alerts", Some(r#"[{"labels":{"a":"b"},"generatorURL":"no url"}]"#)),
        ("POST", "/api/v2/alerts", Some("")),
        ("POST", "/api/v2/alerts", Some("null")),
        ("POST", "/api/v2/alerts", Some("[]")),
        (
            "POST",
            "/api/v2/alerts",
            Some(
                r#"[{"labels":{"a":"b"},"startsAt":"2026-11-22T00:00:00Z","endsAt":"2026-11-21T00:00:00Z"}]"#,
            ),
        ),
        ("GET", "/api/v2/nothing", None),
        ("GET", "/api/v2/silence/abc", None),
        ("GET", "/api/v2/silence/00000000-0000-0000-0000-000000000000", None),
        (
            "POST",
            "/api/v2/silences",
            Some(
                r#"{"matchers":[{"name":"a","value":"b","isRegex":false}],"startsAt":"2026-01-02T00:00:00Z","endsAt":"2026-01-01T00:00:00Z","createdBy":"","comment":""}"#,
            ),
        ),
        (
            "POST",
            "/api/v2/silences",
            Some(
                r#"{"matchers":[{"name":"a","value":"b","isRegex":false}],"startsAt":"2026-01-01T00:00:00Z","endsAt":"2026-01-02T00:00:00Z","createdBy":"","comment":""}"#,
            ),
        ),
        (
            "POST",
            "/api/v2/silences",
            Some(
                r#"{"matchers":[{"name":"a","value":"","isRegex":false}],"startsAt":"2026-01-01T00:00:00Z","endsAt":"2099-01-02T00:00:00Z","createdBy":"","comment":""}"#,
            ),
        ),
        (
            "POST",
            "/api/v2/silences",
            Some(
                r#"{"id":"00000000-0000-0000-0000-000000000000","matchers":[{"name":"a","value":"b","isRegex":false}],"startsAt":"2026-01-01T00:00:00Z","endsAt":"2099-01-02T00:00:00Z","createdBy":"","comment":""}"#,
            ),
        ),
    ] {
        pair.alike(method, path, body).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn webhooks_say_what_alertmanagers_say() -> anyhow::Result<()> {
    let pair = Pair::start().await?;
    let now = now_ms();
    let firing = json!([
        alert("DiskFull", "a", "dc", now - HOUR_MS, now + HOUR_MS)?,
        alert("DiskFull", "b", "dc", now - HOUR_MS, now + HOUR_MS)?,
        alert("Backup", "c", "db", now - HOUR_MS, now + HOUR_MS)?,
    ]);
    let firing = firing.to_string();
    pair.alike("POST", "/api/v2/alerts", Some(&firing)).await?;
    for hook in [&pair.our_hook, &pair.debians_hook] {
        hook.expect("DiskFull", "firing").await?;
        hook.expect("Backup", "firing").await?;
    }
    let resolved = json!([alert("DiskFull", "a", "dc", now - HOUR_MS, now - 1_000)?]).to_string();
    pair.alike("POST", "/api/v2/alerts", Some(&resolved)).await?;
    for hook in [&pair.our_hook, &pair.debians_hook] {
        hook.expect("DiskFull", "resolved").await?;
    }
    let payloads = |hook: &Webhook| {
        let mut payloads: Vec<Value> =
            hook.received().into_iter().map(|received| received.payload).collect();
        payloads.sort_by_key(|payload| {
            (payload["groupKey"].to_string(), payload["alerts"][0]["status"].to_string())
        });
        payloads
    };
    assert_eq!(payloads(&pair.our_hook), payloads(&pair.debians_hook));
    Ok(())
}

/// What a hook was told of one alert's name, in order: `firing[a, b] resolved[c]`.
fn told(hook: &Webhook, name: &str) -> Vec<String> {
    let mut told = Vec::new();
    for payload in hook.received().into_iter().map(|received| received.payload) {
        if payload["commonLabels"]["alertname"] != name {
            continue;
        }
        let hosts = |status: &str| {
            let alerts = payload["alerts"].as_array().into_iter().flatten();
            let alerts = alerts.filter(|alert| alert["status"] == status);
            alerts
                .filter_map(|alert| alert["labels"]["host"].as_str())
                .collect::<Vec<_>>()
                .join(", ")
        };
        told.push(format!("firing[{}] resolved[{}]", hosts("firing"), hosts("resolved")));
    }
    // The same again, right after a start or a repeat, says nothing new.
    told.dedup();
    told
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_is_told_step_by_step_what_alertmanager_tells() -> anyhow::Result<()> {
    let pair = Pair::start().await?;
    let now = now_ms();
    let firing = |host: &str| alert("DiskFull", host, "dc", now - HOUR_MS, now + HOUR_MS);
    let ended = |host: &str| alert("DiskFull", host, "dc", now - HOUR_MS, now - 1_000);
    let silence = json!({
        "matchers": [{"name": "host", "value": "x|y", "isRegex": true}],
        "startsAt": time(now)?, "endsAt": time(now + HOUR_MS)?, "createdBy": "lan", "comment": "",
    });
    pair.ours.ask("POST", "/api/v2/silences", Some(&silence.to_string())).await?;
    pair.debians.ask("POST", "/api/v2/silences", Some(&silence.to_string())).await?;
    let mut wanted: Vec<String> = Vec::new();
    for (posts, said) in [
        (vec![firing("a")?, firing("x")?], "firing[a] resolved[]"),
        (vec![firing("b")?], "firing[a, b] resolved[]"),
        // What is silenced is told neither when it begins nor when it ends.
        (vec![ended("x")?, firing("y")?, firing("c")?], "firing[a, b, c] resolved[]"),
        (vec![ended("a")?], "firing[b, c] resolved[a]"),
        (vec![ended("b")?, ended("c")?], "firing[] resolved[b, c]"),
    ] {
        wanted.push(said.to_owned());
        pair.alike("POST", "/api/v2/alerts", Some(&json!(posts).to_string())).await?;
        for (who, hook) in [("ours", &pair.our_hook), ("Debian's", &pair.debians_hook)] {
            eventually(&format!("{who}: {said}"), || async {
                let so_far = told(hook, "DiskFull");
                ensure!(so_far == wanted, "{so_far:?}");
                Ok(())
            })
            .await?;
        }
    }
    Ok(())
}

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
    assert!(metrics.contains("alertmanager_config_last_reload_successful 1"), "{metrics}");
    Ok(())
}

/// Asks a collector with a token; gives status and body.
async fn ask(
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
    for (method, path, body) in [
        ("POST", "/api/v2/alerts", &posts),
        ("POST", "/api/v2/silences", &silence),
        ("DELETE", unknown, &nothing),
    ] {
        for token in [&viewer, &writer] {
            assert_eq!(ask(&house, token, method, path, body).await?.0, 403, "{method} {path}");
        }
    }
    assert_eq!(ask(&house, &viewer, "GET", "/api/v2/alerts", &nothing).await?, (200, json!([])));
    assert_eq!(ask(&house, &writer, "GET", "/api/v2/alerts", &nothing).await?.0, 403);

    assert_eq!(ask(&house, &operator, "POST", "/api/v2/alerts", &posts).await?.0, 200);
    let (status, made) = ask(&house, &operator, "POST", "/api/v2/silences", &silence).await?;
    assert_eq!(status, 200, "{made}");
    let shown = ask(&house, &viewer, "GET", "/api/v2/silences", &nothing).await?.1;
    assert_eq!(shown[0]["createdBy"], "api-token acts");
    let shown = ask(&house, &viewer, "GET", "/api/v2/alerts", &nothing).await?.1;
    assert_eq!(shown[0]["status"]["silencedBy"], json!([made["silenceID"]]));
    let audit = house.get("/api/audit").await?.to_string();
    for action in ["alert.post", "silence.create"] {
        assert!(audit.contains(action), "{audit}");
    }
    // What others post is among the alerts of the pages.
    let pages = house.get("/api/alerts").await?;
    assert_eq!(pages[0]["name"], "DiskFull");
    assert_eq!(pages[0]["silenced"], true);
    Ok(())
}
