//! Our alerting in the place of an Alertmanager, beside Debian's: the same requests, the same answers and notifications.

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use tests::alertmanager::{Alertmanager, Maker};
use tests::deadline::eventually;
use tests::webhook::Webhook;

pub(super) const HOUR_MS: i64 = 3_600_000;

pub(super) fn configuration(webhook: &str) -> String {
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

pub(super) fn time(at_ms: i64) -> anyhow::Result<String> {
    Ok(jiff::Timestamp::from_millisecond(at_ms)?.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string())
}

pub(super) fn now_ms() -> i64 {
    tests::outsider::now_ms()
}

pub(super) fn alert(
    name: &str,
    host: &str,
    team: &str,
    from_ms: i64,
    to_ms: i64,
) -> anyhow::Result<Value> {
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
async fn what_a_silence_kept_out_of_a_message_is_told_again_when_it_ends() -> anyhow::Result<()> {
    let pair = Pair::start().await?;
    let now = now_ms();
    let post = |host: &str| {
        let alert = alert("DiskFull", host, "dc", now - HOUR_MS, now + HOUR_MS)?;
        Ok::<_, anyhow::Error>(json!([alert]).to_string())
    };
    let silence = json!({
        "matchers": [{"name": "host", "value": "a", "isRegex": false}],
        "startsAt": time(now)?, "endsAt": time(now + HOUR_MS)?, "createdBy": "lan", "comment": "",
    });
    for (manager, hook) in [(&pair.ours, &pair.our_hook), (&pair.debians, &pair.debians_hook)] {
        let hears = async |wanted: &[&str]| {
            eventually("what is told", || async {
                let so_far = told(hook, "DiskFull");
                ensure!(so_far == wanted, "{so_far:?}, {}", manager.log());
                Ok(())
            })
            .await
        };
        let first = "firing[a] resolved[]";
        manager.ask("POST", "/api/v2/alerts", Some(&post("a")?)).await?;
        hears(&[first]).await?;
        let made = manager.ask("POST", "/api/v2/silences", Some(&silence.to_string())).await?.2;
        manager.ask("POST", "/api/v2/alerts", Some(&post("b")?)).await?;
        let without = "firing[b] resolved[]";
        hears(&[first, without]).await?;
        let id = made["silenceID"].as_str().context("no silence")?;
        manager.ask("DELETE", &format!("/api/v2/silence/{id}"), None).await?;
        hears(&[first, without, "firing[a, b] resolved[]"]).await?;
    }
    Ok(())
}
