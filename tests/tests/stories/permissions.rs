//! Who may do what, with the real binaries: a vendor sees and silences its own systems only, at every route there is; a wide
//! silence waits for a second person; a token that writes speaks for nobody else.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use tests::house::House;

use super::alertmanager::{HOUR_MS, now_ms, time};
use super::posted_alerts::ask;

/// Where a vendor is let in, because it is answered within its scope.
const OPEN_TO_VENDORS: [&str; 26] = [
    "/federate",
    "/api/live",
    "/api/hosts",
    "/api/hosts/{id}",
    "/api/alerts",
    "/api/alerts/{fingerprint}",
    "/api/alerts/{fingerprint}/acknowledge",
    "/api/alerts/{fingerprint}/give-back",
    "/api/alerts/{fingerprint}/assign",
    "/api/alerts/{fingerprint}/comment",
    "/api/alerts/{fingerprint}/put-off",
    "/api/history/lives",
    "/api/history/lives/{fingerprint}/{fired_at_ms}",
    "/api/history/summary",
    "/api/silences",
    "/api/silences/{id}",
    "/api/silences/{id}/extend",
    "/api/users/{name}/password",
    "/api/v1/query",
    "/api/v1/query_range",
    "/api/v1/series",
    "/api/v1/labels",
    "/api/v1/label/{name}/values",
    "/api/v2/alerts/groups",
    "/api/v2/silences",
    "/api/v2/silence/{id}",
];

/// There a vendor only looks.
const LOOKED_AT_BY_VENDORS: &str = "/api/v2/alerts";

/// Behind no guard: they ask for proof by themselves, or for none.
const UNGUARDED: [&str; 7] = [
    "/acknowledge/{link}",
    "/api/session",
    "/api/setup",
    "/api/v1/write",
    "/api/v1/otlp/v1/metrics",
    "/-/ready",
    "/-/healthy",
];

/// Every route that the collector's source declares, so that a new one cannot be forgotten here.
fn routes() -> anyhow::Result<BTreeSet<String>> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../collector/src");
    let mut files = vec![source.join("http.rs"), source.join("alertmanager.rs")];
    let mut folders = vec![source.join("http")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    let mut found = BTreeSet::new();
    for file in files {
        let text = fs::read_to_string(&file)?;
        for declared in text.split(".route(").skip(1) {
            let path =
                declared.trim_start().strip_prefix('"').and_then(|rest| rest.split_once('"'));
            // What takes the rest answers that there is nothing.
            let path = path.map(|(path, _)| path).filter(|path| !path.contains("{*"));
            found.extend(path.map(str::to_owned));
        }
    }
    ensure!(found.len() > 60, "routes were not found: {found:?}");
    Ok(found)
}

/// The token of a vendor, made as a person makes it.
fn vendor(house: &House, name: &str, scope: &str) -> anyhow::Result<String> {
    let words = ["api-token", "create", "--name", name, "--role", "vendor", "--scope", scope];
    let (went_well, said) = house.haidang(&words)?;
    ensure!(went_well, "{said}");
    Ok(said.trim().to_owned())
}

fn names(alerts: &Value) -> Vec<&str> {
    let all = alerts.as_array().into_iter().flatten();
    all.filter_map(|one| one["labels"]["alertname"].as_str()).collect()
}

async fn post_three(house: &House) -> anyhow::Result<()> {
    let one = |name: &str, vendor: &str, host: &str| json!({ "labels": { "alertname": name, "vendor": vendor, "host": host } });
    let posts = json!([
        one("CameraDown", "vnpt", "cam-1"),
        one("CameraDark", "vnpt", "cam-2"),
        one("PortalDown", "fpt", "portal-1"),
    ]);
    house.post("/api/v2/alerts", &posts).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vendor_is_let_in_only_where_it_is_answered_within_its_scope() -> anyhow::Result<()> {
    let mut house = House::new()?;
    house.start().await?;
    let (writer, viewer) = (house.write_token("dc2").await?, house.read_token().await?);
    let vendor = vendor(&house, "vnpt", "vendor=\"vnpt\"")?;
    for route in routes()?.iter().filter(|route| !UNGUARDED.contains(&route.as_str())) {
        // What stands for a part of the path is nothing that there is.
        let path: String = route
            .split('{')
            .enumerate()
            .map(|(at, part)| match part.split_once('}') {
                Some((_, rest)) if at > 0 => format!("none{rest}"),
                _ => part.to_owned(),
            })
            .collect();
        for method in ["GET", "POST", "PUT", "DELETE"] {
            let open = OPEN_TO_VENDORS.contains(&route.as_str())
                || method == "GET" && route == LOOKED_AT_BY_VENDORS;
            // The stream of news has no end.
            if route == "/api/live" && method == "GET" {
                continue;
            }
            let (status, said) = ask(&house, &vendor, method, &path, &json!({})).await?;
            ensure!(open || status == 403, "{method} {path}: {status} {said}");
            let (status, said) = ask(&house, &writer, method, &path, &json!({})).await?;
            let posts = method != "GET" && route == "/api/v2/alerts";
            ensure!(posts || status == 403, "{method} {path}: {status} {said}");
            ensure!(!said.to_string().contains("nobody may do this"), "{method} {path}: {said}");
        }
    }
    let (_, said) = ask(&house, &viewer, "POST", "/api/drills/x/start", &json!({})).await?;
    let text = said["error"].as_str().unwrap_or_default();
    ensure!(text.contains("it takes admin, operator, security, it-staff"), "{said}");
    let audit = house.get("/api/audit").await?.to_string();
    ensure!(audit.matches("run_drills: POST /api/drills/x/start").count() == 1, "{audit}");
    let metrics = house.get_text("/metrics").await?;
    let wanted =
        "haidang_collector_requests_refused_total{action=\"run_drills\",role=\"viewer\"} 1";
    ensure!(metrics.contains(wanted), "{metrics}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vendor_sees_and_handles_its_own_systems() -> anyhow::Result<()> {
    let mut house = House::new()?;
    house.start().await?;
    post_three(&house).await?;
    let vendor_token = vendor(&house, "vnpt", "vendor=\"vnpt\"")?;
    let nothing = Value::Null;
    let get = async |path: &str| ask(&house, &vendor_token, "GET", path, &nothing).await;
    for path in ["/api/v2/alerts", "/api/alerts", "/api/v2/alerts?filter=vendor%3Dfpt"] {
        let (status, seen) = get(path).await?;
        ensure!(status == 200 && !seen.to_string().contains("PortalDown"), "{path}: {seen}");
        ensure!(path.contains('?') || names(&seen).len() == 2, "{path}: {seen}");
    }
    let groups = get("/api/v2/alerts/groups").await?.1;
    ensure!(!groups.to_string().contains("portal-1"), "{groups}");
    let all = house.get("/api/alerts").await?;
    let fingerprint = |name: &str| {
        let found = all.as_array().into_iter().flatten().find(|one| one["name"] == name);
        found.and_then(|one| one["fingerprint"].as_str()).context("no alert")
    };
    for (name, path, status) in [
        ("CameraDown", "", 200),
        ("PortalDown", "", 404),
        ("PortalDown", "/acknowledge", 404),
        ("CameraDown", "/comment", 200),
    ] {
        let path = format!("/api/alerts/{}{path}", fingerprint(name)?);
        let (method, body) = if path.ends_with("comment") {
            ("POST", json!({"text": "đang xem"}))
        } else if path.ends_with("acknowledge") {
            ("POST", json!({}))
        } else {
            ("GET", json!({}))
        };
        let (found, said) = ask(&house, &vendor_token, method, &path, &body).await?;
        ensure!(found == status, "{method} {path}: {found} {said}");
    }
    let lives = get("/api/history/lives").await?.1;
    ensure!(
        !lives.to_string().contains("PortalDown")
            && lives["lives"].as_array().map(Vec::len) == Some(2),
        "{lives}"
    );

    let all = house.get("/api/history/lives").await?;
    for life in all["lives"].as_array().context("no lives")? {
        let path = format!(
            "/api/history/lives/{}/{}",
            life["fingerprint"].as_str().context("no fingerprint")?,
            life["fired_at_ms"]
        );
        let wanted = if life["labels"]["vendor"] == "vnpt" { 200 } else { 404 };
        let (status, said) = get(&path).await?;
        ensure!(status == wanted, "{path}: {status} {said}");
    }

    let who = get("/api/session").await?.1;
    ensure!(who["user"]["scope"] == "{vendor=\"vnpt\"}", "{who}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn series_beyond_a_vendors_scope_are_as_if_there_were_none() -> anyhow::Result<()> {
    let mut house = House::new()?;
    house.start().await?;
    let nothing = Value::Null;
    let host = house.host().await?;
    let own = vendor(&house, "own", &format!("host=\"{host}\",job=\"node\""))?;
    let other = vendor(&house, "other", "host=\"elsewhere\"")?;
    for path in [
        "/api/v1/query?query=up",
        "/api/v1/query?query=%7B__name__%3D~%22.%2B%22%7D",
        "/api/v1/query?query=up%20or%20up%7Bhost%3D~%22.*%22%7D",
        "/api/v1/series?match%5B%5D=up",
        "/api/v1/label/host/values",
    ] {
        let seen = ask(&house, &own, "GET", path, &nothing).await?.1.to_string();
        ensure!(seen.contains(&host), "{path}: {seen}");
        let seen = ask(&house, &other, "GET", path, &nothing).await?.1.to_string();
        ensure!(!seen.contains(&host) && !seen.contains("\"host\""), "{path}: {seen}");
    }
    for (token, hosts) in [(&own, 1), (&other, 0)] {
        let seen = ask(&house, token, "GET", "/api/hosts", &nothing).await?.1;
        ensure!(seen.as_array().map(Vec::len) == Some(hosts), "{seen}");
        let path = format!("/api/hosts/{host}");
        let (status, seen) = ask(&house, token, "GET", &path, &nothing).await?;
        ensure!(status == if hosts == 1 { 200 } else { 404 }, "{status} {seen}");
    }
    let jobs = ask(&house, &own, "GET", "/api/v1/label/job/values", &nothing).await?.1;
    ensure!(jobs["data"] == json!(["node"]), "{jobs}");
    for (token, sees) in [(&own, true), (&other, false)] {
        let url =
            format!("http://{}/federate?match%5B%5D=%7Bjob%3D~%22.%2B%22%7D", house.web_address());
        let answer = reqwest::Client::new().get(url).bearer_auth(token).send().await?;
        let seen = answer.error_for_status()?.text().await?;
        ensure!(seen.is_empty() != sees, "{seen}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wide_silence_waits_for_a_second_person_and_a_vendor_keeps_to_its_own()
-> anyhow::Result<()> {
    let mut house = House::new()?;
    house.start().await?;
    post_three(&house).await?;
    let lan = house.token_of_role("lan", "operator").await?;
    let staff = house.token_of_role("staff", "it-staff").await?;
    let vnpt = vendor(&house, "vnpt", "vendor=\"vnpt\"")?;
    let silence = |pairs: &[(&str, &str)]| {
        let matchers: Vec<Value> = pairs
            .iter()
            .map(|(name, value)| json!({"name": name, "op": "=", "value": value}))
            .collect();
        json!({ "matchers": matchers, "ends_at_ms": now_ms() + HOUR_MS, "comment": "bảo trì" })
    };
    let make = async |token: &str, pairs: &[(&str, &str)]| {
        ask(&house, token, "POST", "/api/silences", &silence(pairs)).await
    };
    let (status, said) = make(&vnpt, &[("host", "cam-1")]).await?;
    ensure!(status == 403 && said.to_string().contains("your scope"), "{status} {said}");
    let (status, own) = make(&vnpt, &[("vendor", "vnpt"), ("host", "cam-1")]).await?;
    ensure!(status == 200 && own["waits_because"].is_null(), "{status} {own}");
    let silenced = async || {
        let alerts = house.get("/api/v2/alerts").await?;
        let all = alerts.as_array().into_iter().flatten();
        let muted = all.filter(|one| one["status"]["state"] == "suppressed");
        Ok::<_, anyhow::Error>(names(&Value::Array(muted.cloned().collect())).join(","))
    };
    ensure!(silenced().await? == "CameraDown", "{}", silenced().await?);

    let (_, narrow) = make(&lan, &[("alertname", "PortalDown")]).await?;
    let narrow = narrow["id"].as_str().context("no id")?.to_owned();
    let gone = format!("/api/silences/{narrow}");
    ensure!(ask(&house, &vnpt, "DELETE", &gone, &Value::Null).await?.0 == 403, "it is lan's");
    ensure!(ask(&house, &lan, "DELETE", &gone, &Value::Null).await?.0 == 200, "it is lan's");

    // By way of API v2, as amtool asks: an id, and a silence that is pending.
    let now = now_ms();
    let wide = json!({
        "matchers": [{"name": "vendor", "value": ".+", "isRegex": true}],
        "startsAt": time(now)?, "endsAt": time(now + HOUR_MS)?,
        "createdBy": "somebody", "comment": "bảo trì",
    });
    let (status, made) = ask(&house, &lan, "POST", "/api/v2/silences", &wide).await?;
    let id = made["silenceID"].as_str().with_context(|| format!("{status} {made}"))?.to_owned();
    let shown = house.get(&format!("/api/v2/silence/{id}")).await?;
    ensure!(shown["status"]["state"] == "pending", "{shown}");
    ensure!(silenced().await? == "CameraDown", "it waits");
    let confirm = format!("/api/silences/{id}/confirm");
    for (token, wanted) in [(&vnpt, 403), (&staff, 403), (&lan, 409)] {
        let (status, said) = ask(&house, token, "POST", &confirm, &json!({})).await?;
        ensure!(status == wanted, "{status} {said}");
    }
    let (went_well, said) = house.haidang(&["silence", "list"])?;
    ensure!(went_well && said.contains("unconfirmed"), "{said}");
    let (went_well, said) = house.haidang(&["silence", "confirm", &id])?;
    ensure!(went_well, "{said}");
    let all = silenced().await?;
    ensure!(all.contains("PortalDown") && all.contains("CameraDark"), "{all}");
    // Longer is another question.
    let mut longer = house.get(&format!("/api/v2/silence/{id}")).await?;
    longer["endsAt"] = time(now + 2 * HOUR_MS)?.into();
    let (status, made) = ask(&house, &lan, "POST", "/api/v2/silences", &longer).await?;
    ensure!(status == 200, "{status} {made}");
    ensure!(silenced().await? == "CameraDown", "it waits again");
    let audit = house.get("/api/audit").await?.to_string();
    for entry in ["waits for a second person", "silence.confirm", "whoever asked for it cannot"] {
        ensure!(audit.contains(entry), "{entry}: {audit}");
    }
    let (_, said) = house.haidang(&["silence", "add", "severity=~.*,x=y", "--duration", "1h"])?;
    ensure!(said.contains("haidang silence confirm"), "{said}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_writes_posts_and_ends_alerts_under_its_labels_only() -> anyhow::Result<()> {
    let mut house = House::new()?;
    house.start().await?;
    let host = house.host().await?;
    let writer = house.write_token("dc2").await?;
    let post = async |labels: Value, more: Value| {
        let mut one = json!({ "labels": labels });
        one["endsAt"] = more;
        ask(&house, &writer, "POST", "/api/v2/alerts", &json!([one])).await
    };
    house.post("/api/v2/alerts", &json!([{ "labels": { "alertname": "Theirs" } }])).await?;
    let over = json!(time(now_ms() - 1_000)?);
    ensure!(post(json!({"alertname": "Theirs"}), over).await?.0 == 200, "it is taken");
    post(json!({"alertname": "Own", "origin": "dc1", "host": "dc2-srv09"}), Value::Null).await?;
    let (status, said) = post(json!({"alertname": "HostDown", "host": host}), Value::Null).await?;
    ensure!(status == 400 && said.to_string().contains("may not speak for it"), "{status} {said}");
    let alerts = house.get("/api/v2/alerts").await?;
    let names = names(&alerts);
    ensure!(names.contains(&"Theirs") && !names.contains(&"HostDown"), "{alerts}");
    let all = alerts.as_array().into_iter().flatten();
    let own = all.map(|one| &one["labels"]).find(|labels| labels["alertname"] == "Own");
    let wanted = json!({
        "alertname": "Own", "origin": "dc2", "exported_origin": "dc1", "host": "dc2-srv09",
    });
    ensure!(own == Some(&wanted), "{alerts}");
    Ok(())
}

/// A request by hand: what a person who tries the API gets wrong.
async fn wrong(
    house: &House,
    method: &str,
    path: &str,
    kind: &str,
    body: &str,
) -> anyhow::Result<(u16, Value)> {
    let token = fs::read_to_string(house.state_dir.join("admin.token"))?;
    let url = format!("http://{}{path}", house.web_address());
    let request = reqwest::Client::new().request(method.parse()?, url).bearer_auth(token.trim());
    let answer = request.header("content-type", kind).body(body.to_owned()).send().await?;
    let (status, said) = (answer.status().as_u16(), answer.text().await?);
    let said = serde_json::from_str(&said);
    Ok((status, said.with_context(|| format!("{method} {path} is not answered in JSON"))?))
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_wrong_with_a_request_is_said_in_the_words_of_its_api() -> anyhow::Result<()> {
    let mut house = House::new()?;
    house.start().await?;
    let json = "application/json";
    for (method, path, kind, body, status, words) in [
        ("POST", "/api/silences", json, "{", 400, "EOF while parsing"),
        ("POST", "/api/silences", json, "{}", 422, "missing field `matchers`"),
        ("POST", "/api/silences", "text/plain", "{}", 415, "application/json"),
        ("GET", "/api/on-call?days=many", json, "", 400, "days"),
        ("PUT", "/api/users", json, "{}", 405, "`Allow` says"),
        ("DELETE", "/api/silences/%ff", json, "", 400, "UTF-8"),
        ("POST", "/api/session", json, "[", 400, "EOF while parsing"),
    ] {
        let (found, said) = wrong(&house, method, path, kind, body).await?;
        let text = said["error"].as_str().unwrap_or_default();
        ensure!(found == status && text.contains(words), "{method} {path} {body}: {found} {said}");
    }
    let (status, said) = wrong(&house, "GET", "/api/v1/label/%ff/values", json, "").await?;
    ensure!(status == 400 && said["errorType"] == "bad_data", "{status} {said}");
    let (status, said) = wrong(&house, "GET", "/api/v2/silence/%ff", json, "").await?;
    ensure!(status == 400 && said["code"] == 400, "{status} {said}");
    let audit = house.get("/api/audit").await?.to_string();
    ensure!(!audit.contains("silence"), "what was refused changed nothing: {audit}");
    Ok(())
}
