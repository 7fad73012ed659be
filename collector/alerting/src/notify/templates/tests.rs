//! Templates on a group of three alerts: Alertmanager's data, methods and functions, and our texts.

use std::collections::BTreeMap;
use std::sync::Arc;

use agent_model::Labels;
use expect_test::expect;
use jiff::Timestamp;
use rules_templates::{Value, field, with_more};

use super::*;
use crate::notification::{Notification, NotifiedAlert};

const START_MS: i64 = 1_795_223_520_000;

fn notification() -> Notification {
    let alert = |host: &str, resolved_ms| {
        let labels = Labels::new([
            ("alertname", "DiskFull"),
            ("host", host),
            ("severity", "critical"),
            ("cụm", "a<b"),
        ]);
        NotifiedAlert {
            fingerprint: labels.fingerprint(),
            given: labels.clone(),
            labels,
            annotations: Arc::new(BTreeMap::from([
                ("summary".to_owned(), format!("{host}: disk full & more")),
                ("runbook_url".to_owned(), "http://x/disk".to_owned()),
            ])),
            starts_ms: START_MS,
            resolved_ms,
            generator_url: Some("http://prom/graph?a=1&b=2".into()),
        }
    };
    Notification {
        idempotency_key: "k".to_owned(),
        receiver: "trực.ban".into(),
        group_key: "{}:{alertname=\"DiskFull\"}".to_owned(),
        group_labels: Labels::new([("alertname", "DiskFull")]),
        alerts: vec![
            alert("máy-1", None),
            alert("máy-2", None),
            alert("máy-3", Some(START_MS + 90_500)),
        ],
        created_ms: START_MS + 120_000,
        escalation: None,
    }
}

fn rendered(text: &str) -> String {
    shown_by(&Templates::built_in().text(text), text)
}

fn shown_by(template: &Result<Template, TemplateError>, text: &str) -> String {
    let data = data(&notification(), "http://hd", "");
    let now = Timestamp::from_millisecond(notification().created_ms).unwrap();
    match template {
        Ok(template) => template.render(&data, now).unwrap_or_else(|e| format!("FAILED {e}")),
        Err(error) => panic!("{text}: {error}"),
    }
}

#[test]
fn data_and_methods_are_alertmanagers() {
    for (text, wanted) in [
        ("{{ .Receiver }} {{ .Status }} {{ .ExternalURL }}", r"trực\.ban firing http://hd"),
        ("{{ len .Alerts }} {{ .Alerts.Firing | len }} {{ len .Alerts.Resolved }}", "3 2 1"),
        ("{{ range .Alerts.Resolved }}{{ .Status }} {{ .Labels.host }}{{ end }}", "resolved máy-3"),
        ("{{ .CommonLabels }}", "alertname=DiskFull, cụm=a<b, severity=critical"),
        ("{{ .GroupLabels.SortedPairs.Values | join \" \" }}", "DiskFull"),
        ("{{ (.CommonLabels.Remove .GroupLabels.Names).Names | join \",\" }}", "cụm,severity"),
        (
            "{{ with .CommonLabels.Remove (stringSlice \"cụm\") }}{{ .Values | join \" \" }}{{ end }}",
            "DiskFull critical",
        ),
        (
            "{{ range .CommonAnnotations.SortedPairs }}{{ .Name }}:{{ .Value }}{{ end }}",
            "runbook_url:http://x/disk",
        ),
        ("{{ if gt (len .CommonLabels) (len .GroupLabels) }}more{{ end }}", "more"),
        ("{{ (index .Alerts 0).StartsAt.Format \"15:04\" }}", "01:12"),
        (
            "{{ date \"15:04 MST\" (tz \"Asia/Ho_Chi_Minh\" (index .Alerts 0).StartsAt) }}",
            "08:12 +07",
        ),
        ("{{ since (index .Alerts 0).StartsAt | humanizeDuration }}", "2m 0s"),
        (
            "{{ (index .Alerts 0).EndsAt.IsZero }} {{ (index .Alerts 0).EndsAt }}",
            "true 0001-01-01 00:00:00 +0000 UTC",
        ),
        ("{{ ((index .Alerts 2).EndsAt.Sub (index .Alerts 2).StartsAt).Seconds }}", "90.5"),
        ("{{ (index .Alerts 0).GeneratorURL }}", "http://prom/graph?a=1&b=2"),
        ("{{ len (index .Alerts 0).Fingerprint }}", "16"),
        ("{{ .CommonLabels.none }}.{{ index .CommonLabels \"none\" }}.", ".."),
        ("{{ (index .Alerts 0).Headline }}", "[KHẨN CẤP] máy-1: disk full & more"),
    ] {
        assert_eq!(rendered(text), wanted, "{text}");
    }
    for text in [
        "{{ .Nothing }}",
        "{{ .Alerts.Names }}",
        "{{ .CommonLabels.Remove \"a\" }}",
        "{{ range . }}{{ end }}",
    ] {
        assert!(rendered(text).starts_with("FAILED"), "{text}: {}", rendered(text));
    }
}

#[test]
fn functions_are_alertmanagers() {
    for (text, wanted) in [
        (
            "{{ title \"hello WORLD it's a.b máy-chủ snake_case 5xx\" }}",
            "Hello World It's A.b Máy-Chủ Snake_case 5Xx",
        ),
        ("{{ stringSlice \"a\" \"b\" | join \", \" }}", "a, b"),
        ("{{ urlUnescape \"a%20b+c%e1%bb%91\" }}", "a b cố"),
        ("{{ toJson .GroupLabels }}", r#"{"alertname":"DiskFull"}"#),
        (
            "{{ (index .Alerts 0).Annotations.summary | toJson }}",
            r#""máy-1: disk full \u0026 more""#,
        ),
        ("{{ toJson .GroupLabels.SortedPairs }}", r#"[{"Name":"alertname","Value":"DiskFull"}]"#),
        (
            "{{ match \"^fi\" .Status }} {{ reReplaceAll \"(f)(i)\" \"$2$1\" .Status }}",
            "true ifring",
        ),
        ("{{ trimSpace \" a \" }}{{ toUpper \"ố\" }}{{ safeHtml \"<b>\" }}", "aỐ<b>"),
    ] {
        assert_eq!(rendered(text), wanted, "{text}");
    }
    for text in [
        "{{ join .Alerts \",\" }}",
        "{{ urlUnescape \"%4\" }}",
        "{{ tz \"Nowhere\" (index .Alerts 0).StartsAt }}",
    ] {
        assert!(rendered(text).starts_with("FAILED"), "{text}: {}", rendered(text));
    }
    let json = rendered("{{ toJson . }}");
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let names: Vec<&String> = json.as_object().unwrap().keys().collect();
    assert_eq!(
        names,
        [
            "alerts",
            "commonAnnotations",
            "commonLabels",
            "externalURL",
            "groupLabels",
            "receiver",
            "status"
        ]
    );
    assert_eq!(json["alerts"][0]["endsAt"], "0001-01-01T00:00:00Z");
}

#[test]
fn our_texts_stand_under_alertmanagers_names() {
    expect!["[KHẨN CẤP] máy-1: disk full & more (và 2 cảnh báo khác) | http://hd/#/alerts"]
        .assert_eq(&rendered(r#"{{ template "slack.default.fallback" . }}"#));
    expect![[r#"
        [KHẨN CẤP] máy-1: disk full & more
        Từ 08:12 ngày 21/11/2026 (đã 2 phút).
        Hướng dẫn xử lý: http://x/disk
        Xem chi tiết: http://hd/#/alerts?wanted=b5d80511f56aff7b

        [KHẨN CẤP] máy-2: disk full & more
        Từ 08:12 ngày 21/11/2026 (đã 2 phút).
        Hướng dẫn xử lý: http://x/disk
        Xem chi tiết: http://hd/#/alerts?wanted=aeecf9e8fe0105f4

        [ĐÃ KHẮC PHỤC] máy-3: disk full & more
        Từ 08:12 ngày 21/11/2026 đến 08:13 ngày 21/11/2026 (kéo dài 1 phút).
        Hướng dẫn xử lý: http://x/disk
        Xem chi tiết: http://hd/#/alerts?wanted=439e564466eb3ff5

    "#]]
    .assert_eq(&rendered(r#"{{ template "email.default.text" . }}"#));
    expect![[r#"
        **[KHẨN CẤP] máy-1: disk full & more**
        - Từ 08:12 ngày 21/11/2026 (đã 2 phút).
        - Hướng dẫn xử lý: http://x/disk
        [Xem chi tiết](http://hd/#/alerts?wanted=b5d80511f56aff7b)

        **[KHẨN CẤP] máy-2: disk full & more**
        - Từ 08:12 ngày 21/11/2026 (đã 2 phút).
        - Hướng dẫn xử lý: http://x/disk
        [Xem chi tiết](http://hd/#/alerts?wanted=aeecf9e8fe0105f4)

        **[ĐÃ KHẮC PHỤC] máy-3: disk full & more**
        - Từ 08:12 ngày 21/11/2026 đến 08:13 ngày 21/11/2026 (kéo dài 1 phút).
        - Hướng dẫn xử lý: http://x/disk
        [Xem chi tiết](http://hd/#/alerts?wanted=439e564466eb3ff5)

    "#]]
    .assert_eq(&rendered(r#"{{ template "msteamsv2.default.text" . }}"#));
    let telegram = r#"{{ template "telegram.default.message" . }}"#;
    let page = Templates::built_in().page(telegram);
    expect![[r#"
        <b>[KHẨN CẤP] máy-1: disk full &amp; more</b>
        Từ 08:12 ngày 21/11/2026 (đã 2 phút).
        Hướng dẫn xử lý: http://x/disk
        <a href="http://hd/#/alerts?wanted=b5d80511f56aff7b">Xem chi tiết</a>

        <b>[KHẨN CẤP] máy-2: disk full &amp; more</b>
        Từ 08:12 ngày 21/11/2026 (đã 2 phút).
        Hướng dẫn xử lý: http://x/disk
        <a href="http://hd/#/alerts?wanted=aeecf9e8fe0105f4">Xem chi tiết</a>

        <b>[ĐÃ KHẮC PHỤC] máy-3: disk full &amp; more</b>
        Từ 08:12 ngày 21/11/2026 đến 08:13 ngày 21/11/2026 (kéo dài 1 phút).
        Hướng dẫn xử lý: http://x/disk
        <a href="http://hd/#/alerts?wanted=439e564466eb3ff5">Xem chi tiết</a>

    "#]]
    .assert_eq(&shown_by(&page, telegram));
}

#[test]
fn of_thousands_of_alerts_fifty_are_written() {
    let mut many = notification();
    let one = many.alerts[0].clone();
    many.alerts = vec![one; 10_000];
    let data = data(&many, "http://hd", "");
    let text = |text: &str| {
        Templates::built_in().text(text).unwrap().render(&data, Timestamp::UNIX_EPOCH).unwrap()
    };
    let mail = text(r#"{{ template "email.default.text" . }}"#);
    assert_eq!(mail.matches("[KHẨN CẤP]").count(), 50);
    assert!(mail.ends_with("Còn 9950 cảnh báo khác: http://hd/#/alerts\n"), "{mail}");
    assert_eq!(text("{{ range .Alerts }}{{ .Labels.host }}{{ end }}").len(), 10_000 * 6);
    assert_eq!(
        text("{{ len (index .Alerts 999).Lines }} {{ len (index .Alerts 1000).Lines }}"),
        "2 0"
    );
}

#[test]
fn every_text_of_ours_says_that_nobody_took_it() {
    let escalated = Notification { escalation: Some(1), ..notification() };
    let data = data(&escalated, "http://hd", "");
    let first = field(&data, "Alerts").unwrap().index(&Value::Int(0)).unwrap();
    let data = with_more(&data, [("Alert", first)]);
    let templates = Templates::built_in();
    for name in [
        "email.default.subject",
        "email.default.text",
        "email.default.html",
        "slack.default.title",
        "slack.default.text",
        "mattermost.default.text",
        "telegram.default.message",
        "msteams.default.title",
        "msteams.default.text",
        "msteamsv2.default.text",
        "sms.default.message",
        "syslog.default.message",
        "zalo.default.message",
    ] {
        let template = templates.text(&format!("{{{{ template \"{name}\" . }}}}")).unwrap();
        let text = template.render(&data, Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(text.matches("[CHƯA AI TIẾP NHẬN, MỨC 1] ").count(), 1, "{name}: {text}");
    }
}
