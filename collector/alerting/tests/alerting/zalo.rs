//! Zalo, as a server that keeps its rules: a refresh token works once, a message needs the token of now, all answers are 200.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::harness::{MINUTE, START, World, detection};

#[derive(Default)]
struct Rules {
    access: String,
    refresh: String,
    renewals: usize,
    /// Recipients that are refused.
    refused: Vec<String>,
    taken: Vec<Value>,
    file: PathBuf,
    /// Messages that came with a token which was not in the file yet.
    unstored: usize,
}

#[derive(Clone)]
struct Zalo {
    address: String,
    rules: Arc<Mutex<Rules>>,
    _directory: Arc<tempfile::TempDir>,
}

impl Zalo {
    /// One whose access token has run out.
    async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("zalo.json");
        std::fs::write(&file, r#"{"access_token": "old", "refresh_token": "r-0"}"#).unwrap();
        let rules = Rules { access: "a0".into(), refresh: "r-0".into(), file, ..Rules::default() };
        let rules = Arc::new(Mutex::new(rules));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let app = Router::new().fallback(answer).with_state(Arc::clone(&rules));
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { address, rules, _directory: Arc::new(directory) }
    }

    fn file(&self) -> PathBuf {
        self.rules.lock().unwrap().file.clone()
    }

    fn kept(&self) -> Value {
        serde_json::from_str(&std::fs::read_to_string(self.file()).unwrap()).unwrap()
    }

    async fn world(&self, kind: &str, more: &str) -> World {
        let (address, file) = (&self.address, self.file());
        let config = format!(
            "route: {{receiver: zalo}}\nreceivers:\n  - name: zalo\n    {kind}:\n      - {{api_url: '{address}', oauth_url: \
             '{address}/', app_id: 42, secret_key: s, token_file: '{}', {more}}}\n",
            file.display()
        );
        let world = World::new(&config).await;
        let found = vec![detection(1, "máy-1", START)];
        world.alerting.commit_detections(1, b"", found, START + MINUTE).await.unwrap();
        world
    }
}

async fn answer(
    State(rules): State<Arc<Mutex<Rules>>>,
    uri: Uri,
    headers: HeaderMap,
    body: String,
) -> Json<Value> {
    let mut rules = rules.lock().unwrap();
    let header = |name: &str| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    if uri.path() == "/v4/oa/access_token" {
        let wanted = format!("refresh_token={}&app_id=42&grant_type=refresh_token", rules.refresh);
        if header("secret_key").as_deref() != Some("s") || body != wanted {
            return Json(json!({"error": -14014, "error_name": "Invalid refresh token."}));
        }
        rules.renewals += 1;
        rules.access = format!("a{}", rules.renewals);
        rules.refresh = format!("r{}", rules.renewals);
        let (access, refresh) = (&rules.access, &rules.refresh);
        return Json(
            json!({"access_token": access, "refresh_token": refresh, "expires_in": "90000"}),
        );
    }
    if header("access_token") != Some(rules.access.clone()) {
        let code = if uri.path().starts_with("/v3.0") { -216 } else { -124 };
        return Json(json!({"error": code, "message": "Access token is invalid"}));
    }
    let stored = std::fs::read_to_string(&rules.file).unwrap();
    rules.unstored += usize::from(!stored.contains(&rules.access));
    let mut message: Value = serde_json::from_str(&body).unwrap();
    let to = message["recipient"]["user_id"].as_str().or(message["phone"].as_str()).unwrap();
    if rules.refused.iter().any(|refused| refused == to) {
        return Json(json!({"error": -213, "message": "User has not followed"}));
    }
    message["path"] = json!(uri.path());
    rules.taken.push(message);
    Json(json!({"error": 0, "message": "Success", "data": {"message_id": "1"}}))
}

#[tokio::test]
async fn a_token_that_ran_out_is_renewed_once_and_kept_before_it_is_used() {
    let zalo = Zalo::start().await;
    let world = zalo.world("zalo_oa_configs", "to: ['1', '2']").await;
    // Another notification at the same time.
    let found = vec![detection(2, "máy-2", START)];
    world.alerting.commit_detections(2, b"", found, START + MINUTE).await.unwrap();
    world.alerting.deliver_due(START + MINUTE).await.unwrap();
    assert_eq!(world.alerting.stats(START).await.unwrap().sent, 2);
    assert_eq!(zalo.kept(), json!({"access_token": "a1", "refresh_token": "r1"}));
    let rules = zalo.rules.lock().unwrap();
    assert_eq!((rules.renewals, rules.taken.len(), rules.unstored), (1, 4, 0));
    assert_eq!(rules.taken[0]["path"], "/v3.0/oa/message/cs");
    let text = rules.taken[0]["message"]["text"].as_str().unwrap();
    assert!(text.starts_with("[KHẨN CẤP] máy-") && text.contains("Xem chi tiết: http"), "{text}");
}

#[tokio::test]
async fn an_error_within_a_200_is_a_failure_and_who_was_told_is_not_told_again() {
    let zalo = Zalo::start().await;
    zalo.rules.lock().unwrap().refused.push("84900000001".to_owned());
    let more = "to: ['0900 000 001', '+84900000002'], template_id: 7895, \
                template_data: {may: '{{ (index .Alerts 0).Labels.host }}', muc: '{{ .Status }}'}";
    let world = zalo.world("zalo_zns_configs", more).await;
    world.alerting.deliver_due(START + MINUTE).await.unwrap();
    let record = world.alerting.notifications(1).await.unwrap().remove(0);
    assert!(record.last_error.contains("-213"), "{}", record.last_error);
    zalo.rules.lock().unwrap().refused.clear();
    world.alerting.deliver_due(START + 2 * MINUTE).await.unwrap();
    assert_eq!(world.alerting.stats(START).await.unwrap().sent, 1);
    let rules = zalo.rules.lock().unwrap();
    let phones: Vec<&str> = rules.taken.iter().map(|one| one["phone"].as_str().unwrap()).collect();
    assert_eq!(phones, ["84900000002", "84900000001"]);
    assert_eq!(rules.taken[0]["path"], "/message/template");
    assert_eq!(rules.taken[0]["template_id"], "7895");
    assert_eq!(rules.taken[0]["template_data"], json!({"may": "máy-1", "muc": "firing"}));
}

#[tokio::test]
async fn tokens_that_cannot_be_kept_are_not_used_and_not_lost() {
    let zalo = Zalo::start().await;
    let world = zalo.world("zalo_oa_configs", "to: ['1']").await;
    let in_the_way = zalo.file().with_file_name("zalo.json.new");
    std::fs::create_dir(&in_the_way).unwrap();
    world.alerting.deliver_due(START + MINUTE).await.unwrap();
    assert_eq!(zalo.kept()["access_token"], "old");
    assert_eq!(zalo.rules.lock().unwrap().taken.len(), 0);
    std::fs::remove_dir(&in_the_way).unwrap();
    world.alerting.deliver_due(START + 2 * MINUTE).await.unwrap();
    assert_eq!(zalo.kept(), json!({"access_token": "a1", "refresh_token": "r1"}));
    let rules = zalo.rules.lock().unwrap();
    assert_eq!((rules.renewals, rules.taken.len()), (1, 1));
}

#[tokio::test]
async fn a_refresh_token_that_was_used_up_is_told_with_what_to_do() {
    let zalo = Zalo::start().await;
    zalo.rules.lock().unwrap().refresh = "other".to_owned();
    let world = zalo.world("zalo_oa_configs", "to: ['1'], message_type: transaction").await;
    world.alerting.deliver_due(START + MINUTE).await.unwrap();
    let record = world.alerting.notifications(1).await.unwrap().remove(0);
    assert!(record.last_error.contains("error -14014"), "{}", record.last_error);
    assert!(record.last_error.contains("sign in to the Official Account anew"));
    assert!(!record.last_error.contains("r-0"), "a token is a secret");
    std::fs::write(zalo.file(), r#"{"access_token": "a0", "refresh_token": "other"}"#).unwrap();
    world.alerting.deliver_due(START + 2 * MINUTE).await.unwrap();
    assert_eq!(world.alerting.stats(START).await.unwrap().sent, 1);
    assert_eq!(zalo.rules.lock().unwrap().taken[0]["path"], "/v3.0/oa/message/transaction");
}
