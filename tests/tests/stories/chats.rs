//! Words of notifications beside Debian's Alertmanager: the same templates and the same alerts, and what Slack and Telegram
//! are sent, field by field.

use anyhow::ensure;
use serde_json::{Value, json};
use tests::alertmanager::{Alertmanager, Maker};
use tests::chats::Chats;

use super::alertmanager::{HOUR_MS, alert, now_ms};

/// Each becomes the value of a field of Slack's attachment, rendered by both.
const TEMPLATES: &[&str] = &[
    "{{ .Receiver }} {{ .Status }} {{ .ExternalURL }}",
    "{{ .Status | toUpper }}{{ if eq .Status \"firing\" }}:{{ .Alerts.Firing | len }}{{ end }}",
    "{{ .GroupLabels.SortedPairs.Values | join \" \" }}",
    "{{ with .CommonLabels.Remove .GroupLabels.Names }}{{ .Values | join \" \" }}{{ end }}",
    // Sets of labels alone are left out: newer Alertmanagers print them (and so do we) as `a=b, c=d`, 0.25 as Go prints maps.
    "{{ range .CommonLabels.SortedPairs }}{{ . }}{{ end }}|{{ .CommonLabels.Values }}",
    "{{ .CommonLabels.Names }} {{ .CommonLabels.Values | join \",\" }} {{ len .CommonLabels }}",
    "{{ range .Alerts }}{{ .Labels.host }}={{ .Status }};{{ end }}",
    "{{ range .Alerts.Firing }}{{ .Labels.SortedPairs.Names | join \"+\" }};{{ end }}{{ len .Alerts.Resolved }}",
    "{{ range $i, $a := .Alerts }}{{ if $i }}, {{ end }}{{ $a.Annotations.summary }}{{ else }}none{{ end }}",
    "{{ range .CommonLabels.SortedPairs }}{{ .Name }}:{{ .Value }} {{ end }}",
    "{{ range $k, $v := .CommonLabels }}{{ $k }}={{ $v }} {{ end }}",
    "{{ (index .Alerts 0).StartsAt }} {{ (index .Alerts 0).EndsAt }} {{ (index .Alerts 0).EndsAt.IsZero }}",
    "{{ (index .Alerts 0).StartsAt.Format \"Mon Jan _2 15:04:05.000 2006 -0700 MST\" }}",
    "{{ with index .Alerts 0 }}{{ .StartsAt.Year }} {{ .StartsAt.Month }} {{ .StartsAt.Weekday }} {{ .StartsAt.YearDay }}{{ end }}",
    "{{ with index .Alerts 0 }}{{ printf \"%02d/%02d %v %d\" .StartsAt.Month .StartsAt.Day .StartsAt.Month .StartsAt.Weekday }}{{ end }}",
    "{{ with index .Alerts 0 }}{{ if eq .StartsAt.Month 13 }}no{{ else }}yes{{ end }} {{ gt .StartsAt.Month 0 }}{{ end }}",
    "{{ with index .Alerts 0 }}{{ (.StartsAt.Add 90000000000).Sub .StartsAt }} {{ ((.StartsAt.Add 5400000000000).Sub .StartsAt).Hours }}{{ end }}",
    "{{ with index .Alerts 0 }}{{ printf \"%d %s\" (.StartsAt.Sub (.StartsAt.Add 1500000000)) (.StartsAt.Sub (.StartsAt.Add 1500000000)) }}{{ end }}",
    "{{ with index .Alerts 0 }}{{ .StartsAt.AddDate 0 1 40 }} {{ .StartsAt.Truncate 3600000000000 }} {{ .StartsAt.Round 1000000000 }}{{ end }}",
    "{{ with index .Alerts 0 }}{{ .StartsAt.Unix }} {{ .StartsAt.UnixMilli }} {{ .StartsAt.Nanosecond }} {{ .StartsAt.UTC }}{{ end }}",
    "{{ (index .Alerts 0).GeneratorURL }} {{ (index .Alerts 0).Fingerprint }}",
    "{{ .CommonLabels.none }}.{{ index .CommonLabels \"none\" }}.{{ .CommonLabels.alertname | len }}",
    "{{ title \"hello WORLD it's a.b máy-chủ snake_case 5xx 3rd\" }}",
    "{{ title \"ổ cứng đầy (dc1) a/b:c don’t O'NEIL\" }}",
    "{{ toUpper \"đèn hải\" }} {{ toLower \"ĐÈN HẢI\" }}",
    "{{ match \"^fi.*g$\" .Status }} {{ reReplaceAll \"(f)(i)\" \"$2-${1}\" .Status }}",
    "{{ stringSlice \"a\" \"b\" \"c\" | join \", \" }} {{ safeHtml \"<b>&</b>\" }}",
    "{{ printf \"%5.2f|%-6s|%06d|%x|%q|%v|%t\" 3.14159 \"ab\" 42 255 \"x\\\"y\" true false }}",
    "{{ printf \"%s|%v|%d|%q\" .CommonLabels .Alerts.Firing 3 .Status | len | lt 10 }}",
    "{{ print 1 2 \"a\" 3 true nil }}|{{ println \"a\" 1 }}",
    "{{ html \"<a href='x'>\" }} {{ urlquery \"a b&c=ố\" }} {{ js \"it's\" }}",
    "{{ and 1 0 }} {{ or 0 \"x\" }} {{ not true }} {{ eq 1 2 1 }} {{ ne \"a\" \"b\" }} {{ le 1.5 1.5 }}",
    "{{ slice \"abcdef\" 1 3 }} {{ index \"abc\" 1 }} {{ len \"đèn\" }}",
    "{{- /* c */ -}} a {{- 23 -}} b {{ `raw \"text\"` }} {{ 'x' }} {{ 0x10 }} {{ 1e3 }} {{ 1.5e21 }}",
    "{{ $x := 1 }}{{ range .Alerts }}{{ $x = 2 }}{{ end }}{{ $x }} {{ $.Status }}",
    "{{ range .Alerts }}{{ if eq .Labels.host \"b\" }}{{ continue }}{{ end }}{{ .Labels.host }}{{ if eq .Labels.host \"c\" }}{{ break }}{{ end }}{{ end }}",
    "{{ if and (eq .Status \"firing\") (gt (len .Alerts) 2) }}many{{ else if .Alerts }}few{{ end }}",
    "{{ define \"own\" }}<{{ . }}>{{ end }}{{ template \"own\" .Status }}{{ block \"b\" .Receiver }}[{{ . }}]{{ end }}",
    "{{ template \"from.file\" . }} {{ template \"from.file.args\" (stringSlice .Status .Receiver) }}",
    "{{ .Alerts | len | printf \"%03d\" }} {{ (.GroupLabels.SortedPairs.Names | join \" \") | toUpper }}",
];

const FILE: &str = "{{ define \"from.file\" }}{{ range .Alerts }}[{{ .Labels.host | toUpper }}]{{ end }}{{ end }}\n\
                    {{ define \"from.file.args\" }}{{ index . 0 }}/{{ index . 1 }}{{ end }}\n\
                    {{ define \"__subject\" }}[{{ .Status }}] {{ .CommonLabels.alertname }}{{ end }}\n";

fn configuration(chats: &Chats, templates: &std::path::Path) -> anyhow::Result<String> {
    let field = |(at, value): (usize, &&str)| json!({"title": format!("{at}"), "value": value});
    let fields: Vec<Value> = TEMPLATES.iter().enumerate().map(field).collect();
    let slack = json!({
        "api_url": format!("http://{}/slack", chats.address),
        "channel": "#{{ .Status }}", "username": "{{ .Receiver }}", "icon_emoji": ":x:",
        "icon_url": "http://i/", "color": "{{ if eq .Status \"firing\" }}red{{ end }}",
        "title_link": "{{ .ExternalURL }}", "pretext": "p {{ len .Alerts }}", "text": "t\n{{ .CommonLabels.Values }}",
        "fallback": "f {{ .Status }}", "callback_id": "c", "image_url": "http://img/",
        "thumb_url": "{{ .ExternalURL }}/t", "footer": "foot", "short_fields": true, "link_names": true,
        "send_resolved": true, "fields": fields,
        "actions": [{"type": "button", "text": "go {{ .Status }}", "url": "http://x/?a={{ .Status }}", "style": "danger"}],
    });
    let least = json!({
        "api_url": format!("http://{}/least", chats.address), "username": "u", "title_link": "l",
        "fallback": "f", "text": "", "mrkdwn_in": ["text"],
    });
    let telegram = |token: &str, more: Value| {
        let mut telegram = json!({
            "api_url": format!("http://{}", chats.address), "bot_token": token, "chat_id": -100_123,
        });
        for (key, value) in more.as_object().into_iter().flatten() {
            telegram[key] = value.clone();
        }
        telegram
    };
    let telegrams = [
        telegram(
            "page",
            json!({"message": "<b>{{ .Status }}</b> {{ range .Alerts }}{{ .Annotations.summary }} & <{{ .Labels.host }}>{{ end }} {{ safeHtml \"<i>\" }}"}),
        ),
        telegram(
            "plain",
            json!({"message": "*{{ .Status }}* {{ .CommonLabels.Names }}", "parse_mode": "", "disable_notifications": true}),
        ),
        telegram(
            "marks",
            json!({"message": "_{{ .Status }}_ <{{ .Receiver }}>", "parse_mode": "MarkdownV2"}),
        ),
    ];
    Ok(serde_json::to_string(&json!({
        "templates": [format!("{}/*.tmpl", templates.display())],
        "route": {"receiver": "trực.ban+1", "group_by": ["alertname"], "group_wait": "1s", "group_interval": "1s"},
        "receivers": [{
            "name": "trực.ban+1", "slack_configs": [slack, least], "telegram_configs": telegrams,
        }],
    }))?)
}

#[tokio::test(flavor = "multi_thread")]
async fn slack_and_telegram_are_told_what_alertmanager_tells_them() -> anyhow::Result<()> {
    let (our_chats, debians_chats) = (Chats::start().await?, Chats::start().await?);
    let directory = tempfile::tempdir()?;
    std::fs::write(directory.path().join("own.tmpl"), FILE)?;
    let ours = configuration(&our_chats, directory.path())?;
    let ours = Alertmanager::start(Maker::Ours, &ours).await?;
    let debians = configuration(&debians_chats, directory.path())?;
    let debians = Alertmanager::start(Maker::Debians, &debians).await?;
    let now = now_ms();
    let alerts = ["a", "b", "c", "<d>"];
    let alerts = alerts.map(|host| alert("DiskFull", host, "dc", now - HOUR_MS, now + HOUR_MS));
    let alerts = alerts.into_iter().collect::<anyhow::Result<Vec<_>>>()?;
    let alerts = serde_json::to_string(&alerts)?;
    for server in [&ours, &debians] {
        let (status, _, body) = server.ask("POST", "/api/v2/alerts", Some(&alerts)).await?;
        ensure!(status == 200, "{status} {body}");
    }
    for path in [
        "/slack",
        "/least",
        "/botpage/sendMessage",
        "/botplain/sendMessage",
        "/botmarks/sendMessage",
    ] {
        let ours = our_chats.wait_for(path, 1).await?.remove(0);
        let debians = debians_chats.wait_for(path, 1).await?.remove(0);
        if path == "/slack" {
            let values = |message: &Value| {
                let fields = message["attachments"][0]["fields"].as_array().cloned();
                fields.unwrap_or_default().into_iter().map(|field| field["value"].clone())
            };
            let pairs = values(&ours).zip(values(&debians)).zip(TEMPLATES);
            let unlike: Vec<String> = pairs
                .filter(|((ours, debians), _)| ours != debians)
                .map(|((ours, debians), text)| {
                    format!("{text}\n  ours     {ours}\n  Debian's {debians}")
                })
                .collect();
            ensure!(unlike.is_empty(), "{}", unlike.join("\n"));
            ensure!(values(&ours).count() == TEMPLATES.len());
        }
        ensure!(ours == debians, "{path}\nours:     {ours}\nDebian's: {debians}");
    }
    Ok(())
}
