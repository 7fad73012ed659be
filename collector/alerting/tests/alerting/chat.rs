//! Slack, Mattermost, Discord, Telegram and Teams, over HTTP: what they are told, and which of their answers are failures.

use serde_json::json;

use crate::harness::{Answer, MINUTE, START, World, detection};

async fn world(configs: &str) -> World {
    let config = format!("route: {{receiver: chat}}\nreceivers:\n  - name: chat\n{configs}");
    let world = World::new(&config).await;
    let found = vec![detection(1, "máy-1", START)];
    world.alerting.commit_detections(1, b"", found, START + MINUTE).await.unwrap();
    world
}

/// Sends once with each answer; gives what became of it: `ok`, or the failure.
async fn outcome(configs: &str, answer: Answer) -> String {
    let world = world(configs).await;
    world.receiver.answer([answer]);
    world.alerting.deliver_due(START + MINUTE).await.unwrap();
    let record = world.alerting.notifications(1).await.unwrap().remove(0);
    let stats = world.alerting.stats(START + MINUTE).await.unwrap();
    let sent = stats.sent == 1 && stats.outbox_length == 0;
    assert_ne!(sent, record.last_error.contains("answered"), "{}", record.last_error);
    if sent { "ok".to_owned() } else { record.last_error }
}

const SLACK: &str = "    slack_configs: [{api_url: URL/hook, channel: '#soc'}]\n";
const TELEGRAM: &str = "    telegram_configs: [{api_url: URL/, bot_token: 1:a, chat_id: -5}]\n";
const MATTERMOST: &str = "    mattermost_configs: [{webhook_url: URL/mattermost, channel: soc}]\n";
const DISCORD: &str = "    discord_configs: [{webhook_url: URL/discord}]\n";
const TEAMS: &str = "    msteamsv2_configs: [{webhook_url: URL/teams}]\n";

#[tokio::test]
async fn a_200_that_says_no_is_a_failure() {
    for (configs, answer, wanted) in [
        (SLACK, Answer::Says("ok"), "ok"),
        (SLACK, Answer::Says("ok\n"), "ok"),
        (SLACK, Answer::Json(200, r#"{"ok":true}"#), "ok"),
        (SLACK, Answer::Says("invalid_payload"), "200: invalid_payload"),
        (SLACK, Answer::Says(""), "200: "),
        (SLACK, Answer::Json(200, r#"{"ok":false,"error":"x"}"#), r#"200: {"ok":false"#),
        (SLACK, Answer::Json(200, "{"), "200: {"),
        (SLACK, Answer::Status(404), "404: not today"),
        (TELEGRAM, Answer::Json(200, r#"{"ok":true,"result":{}}"#), "ok"),
        (TELEGRAM, Answer::Json(200, r#"{"ok":false}"#), r#"200: {"ok":false}"#),
        (TELEGRAM, Answer::Says("ok"), "200: ok"),
        (TELEGRAM, Answer::Json(403, r#"{"ok":false}"#), "403: "),
        (MATTERMOST, Answer::Says("ok"), "ok"),
        (MATTERMOST, Answer::Says("<html>sign in</html>"), "200: <html>"),
        (MATTERMOST, Answer::Json(400, r#"{"id":"web.incoming_webhook.text.app_error"}"#), "400: "),
        (DISCORD, Answer::Status(204), "ok"),
        (DISCORD, Answer::Json(400, r#"{"code":50006}"#), "400: "),
        (TEAMS, Answer::Status(202), "ok"),
        (TEAMS, Answer::Status(400), "400: not today"),
    ] {
        let outcome = outcome(configs, answer.clone()).await;
        assert!(outcome.contains(wanted), "{configs} {answer:?}: {outcome}");
        assert!(!outcome.contains("1:a"), "the token is a secret: {outcome}");
    }
}

#[tokio::test]
async fn how_long_to_wait_stands_in_the_head_or_in_telegrams_body() {
    let telegram = r#"{"ok":false,"error_code":429,"parameters":{"retry_after":90}}"#;
    for (configs, answer) in [
        (SLACK, Answer::RetryAfter(429, 90)),
        (DISCORD, Answer::RetryAfter(429, 90)),
        (TELEGRAM, Answer::Json(429, telegram)),
    ] {
        let world = world(configs).await;
        world.receiver.answer([answer]);
        world.alerting.deliver_due(START + MINUTE).await.unwrap();
        let record = world.alerting.notifications(1).await.unwrap().remove(0);
        assert!(record.next_attempt_ms >= START + MINUTE + 90_000, "{record:?}");
    }
}

#[tokio::test]
async fn each_is_told_in_its_own_shape() {
    let world = world(&format!(
        "{SLACK}{}{TEAMS}    msteams_configs: [{{webhook_url: URL/card, text: 't {{{{ .Status }}}}'}}]\n",
        TELEGRAM.replace("chat_id: -5", "chat_id: -5, message_thread_id: 7, disable_notifications: true")
    ))
    .await;
    world.alerting.deliver_due(START + MINUTE).await.unwrap();
    let mut received = world.receiver.take();
    received.sort_by(|one, other| one.path.cmp(&other.path));
    let paths: Vec<&str> = received.iter().map(|one| one.path.as_str()).collect();
    assert_eq!(paths, ["/bot1:a/sendMessage", "/card", "/hook", "/teams"]);
    let [telegram, card, slack, teams] = [0, 1, 2, 3].map(|at| &received[at].body);
    assert_eq!(telegram["chat_id"], "-5");
    assert_eq!(
        (&telegram["message_thread_id"], &telegram["parse_mode"]),
        (&json!("7"), &json!("HTML"))
    );
    assert_eq!(telegram["disable_notification"], "true");
    assert!(
        telegram["text"]
            .as_str()
            .unwrap()
            .starts_with("<b>[KHẨN CẤP] máy-1 – dò mật khẩu</b>\nTừ 08:12")
    );
    assert_eq!((&card["text"], &card["themeColor"]), (&json!("t firing"), &json!("8C1A1A")));
    assert_eq!(slack["channel"], "#soc");
    assert_eq!(slack["attachments"][0]["color"], "danger");
    assert_eq!(slack["attachments"][0]["title"], "[KHẨN CẤP] máy-1 – dò mật khẩu");
    let body = &teams["attachments"][0]["content"]["body"];
    assert_eq!(
        (&body[0]["color"], &body[0]["text"]),
        (&json!("Attention"), &json!("[KHẨN CẤP] máy-1 – dò mật khẩu"))
    );
    assert!(body[1]["text"].as_str().unwrap().contains("**[KHẨN CẤP] máy-1"));
}

#[tokio::test]
async fn mattermost_and_discord_are_told_in_theirs() {
    let mattermost = "    mattermost_configs:
      - webhook_url: URL/m
        channel: soc
        icon_emoji: ''
        type: custom_alert
        text: '{{ range 17000 }}đ{{ end }}'
        props: {card: 'thẻ {{ .Status }}'}
        priority: {priority: Urgent, requested_ack: true, persistent_notifications: true}
        attachments:
          - title: '{{ .GroupLabels.alertname }}'
            color: '#f00'
            footer: ''
            fields: [{title: Máy, value: '{{ .CommonLabels.host }}', short: true}]
      - webhook_url: URL/n
        priority: {priority: loud, requested_ack: true}
";
    let discord = "    discord_configs: [{webhook_url: URL/d, content: '<@&1>', message: '{{ range 5000 }}đ{{ end }}', username: Hải Đăng, avatar_url: 'https://a.example/h.png'}]\n";
    let world = world(&format!("{mattermost}{discord}")).await;
    world.alerting.deliver_due(START + MINUTE).await.unwrap();
    let mut received = world.receiver.take();
    received.sort_by(|one, other| one.path.cmp(&other.path));
    let [discord, whole, plain] = [0, 1, 2].map(|at| received[at].body.clone());
    let text = whole["text"].as_str().unwrap();
    assert!(text.chars().count() == 16_383 && text.ends_with('…'));
    let mut rest = whole.clone();
    rest.as_object_mut().unwrap().remove("text");
    assert_eq!(
        rest,
        json!({
            "channel": "soc", "type": "custom_alert", "username": "Hải Đăng",
            "props": {"card": "thẻ firing"},
            "priority": {"priority": "urgent", "requested_ack": true, "persistent_notifications": true},
            "attachments": [{
                "title": "BruteForce", "color": "#f00",
                "fields": [{"title": "Máy", "value": "máy-1", "short": true}],
            }],
        })
    );
    assert_eq!(plain["priority"], json!({"priority": "standard"}));
    assert!(plain["text"].as_str().unwrap().starts_with("**[KHẨN CẤP] máy-1"), "{plain}");
    let embed = &discord["embeds"][0];
    assert_eq!(embed["title"], "[KHẨN CẤP] máy-1 – dò mật khẩu");
    assert_eq!((&embed["color"], &discord["content"]), (&json!(0x99_2D_22), &json!("<@&1>")));
    assert_eq!(discord["username"], "Hải Đăng");
    assert_eq!(discord["avatar_url"], "https://a.example/h.png");
    let message = embed["description"].as_str().unwrap();
    assert!(message.chars().count() == 4_096 && message.ends_with('…'));
}

#[tokio::test]
async fn texts_that_fail_or_are_too_long_are_told_all_the_same() {
    let long = TELEGRAM.replace("chat_id", "message: '<b>{{ range 5000 }}đ{{ end }}</b>', chat_id");
    let bad = SLACK.replace("channel", "text: '{{ .Nothing }}', channel");
    let plain = long.replace("chat_id", "parse_mode: '', chat_id");
    let configs = format!(
        "{bad}{}      - {}",
        long.replace('[', "\n      - ").replace("]\n", "\n"),
        plain.split_once('[').unwrap().1.replace("]\n", "\n")
    );
    let world = world(&configs).await;
    world.alerting.deliver_due(START + MINUTE).await.unwrap();
    let received = world.receiver.take();
    assert_eq!(received.len(), 3);
    for one in &received {
        let body = &one.body;
        if one.path == "/hook" {
            let text = body["attachments"][0]["text"].as_str().unwrap();
            assert!(
                text.starts_with("[KHẨN CẤP] máy-1") && text.contains("A template failed"),
                "{text}"
            );
            continue;
        }
        let text = body["text"].as_str().unwrap();
        assert_eq!(body["parse_mode"], json!(null));
        let cut = text.starts_with("<b>đ") && text.ends_with('…') && text.chars().count() == 4_096;
        assert!(cut || text.starts_with("[KHẨN CẤP] máy-1"), "{text}");
    }
    assert_eq!(world.alerting.stats(START).await.unwrap().template_failures, 1);
}

#[tokio::test]
async fn marks_that_telegram_does_not_take_are_sent_as_they_stand() {
    let no = r#"{"ok":false,"description":"Bad Request: can't parse entities: Can't find end"}"#;
    let yes = r#"{"ok":true,"result":{}}"#;
    let markdown = TELEGRAM.replace("chat_id", "parse_mode: Markdown, chat_id");
    let world = world(&markdown).await;
    world.receiver.answer([Answer::Json(400, no), Answer::Json(200, yes)]);
    world.alerting.deliver_due(START + MINUTE).await.unwrap();
    let received = world.receiver.take();
    assert_eq!(received.len(), 2);
    assert_eq!(received[0].body["parse_mode"], "Markdown");
    assert_eq!(received[1].body["parse_mode"], json!(null));
    let text = received[0].body["text"].as_str().unwrap();
    assert!(text.starts_with("[KHẨN CẤP] máy-1") && !text.contains("<b>"), "{text}");
    assert_eq!(received[1].body["text"], text);
    assert_eq!(world.alerting.stats(START).await.unwrap().sent, 1);
}
