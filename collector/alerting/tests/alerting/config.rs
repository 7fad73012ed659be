//! Configurations that amtool takes are taken, and those that it refuses are refused.

use std::path::Path;
use std::process::{Command, Stdio};

use collector_alerting::Routing;

use crate::harness::{MINUTE, START, World};

/// What stands below a good route and receiver named `x`.
const GOOD: &[&str] = &[
    "",
    "global: {resolve_timeout: 1h30m, http_config: {follow_redirects: false, enable_http2: false}}",
    "global: {smtp_smarthost: 'mail:25', smtp_from: a@b.vn, smtp_hello: h, smtp_require_tls: false, smtp_auth_username: u, smtp_auth_password: p}",
    "global: {slack_api_url: 'https://hooks.example/x', opsgenie_api_key: k, telegram_api_url: 'https://t.example'}",
    "templates: ['/etc/alertmanager/*.tmpl']",
    "inhibit_rules: [{source_match: {a: b}, target_match_re: {c: 'd|e'}, equal: [host]}]",
    "inhibit_rules: [{source_matchers: ['a=b', 'c!=d'], target_matchers: ['e=~\"f.*\"']}]",
    "time_intervals: [{name: n, time_intervals: [{times: [{start_time: '00:00', end_time: '24:00'}]}]}]",
    "time_intervals: [{name: n, time_intervals: [{weekdays: ['monday:friday', 'Sunday'], months: ['1:3', december], years: ['2020:2030', '2031'], days_of_month: ['1:5', '-3:-1', '31']}]}]",
    "time_intervals: [{name: n, time_intervals: [{location: 'Asia/Ho_Chi_Minh'}]}]",
    "time_intervals: [{name: n, time_intervals: [{months: ['13', '0', '-1:12', '1:13']}]}]",
    "mute_time_intervals: [{name: n, time_intervals: [{years: [2025]}]}]",
    "time_intervals: [{name: n}]",
];

const BAD: &[&str] = &[
    "unknown: 1",
    "global: {unknown: 1}",
    "global: {resolve_timeout: soon}",
    "global: {http_config: {basic_auth: {username: a, password: b}, bearer_token: c}}",
    "inhibit_rules: [{source_match: {a: b}, unknown: c}]",
    "inhibit_rules: [{source_match_re: {a: '('}}]",
    "inhibit_rules: [{source_matchers: ['a']}]",
    "time_intervals: [{name: n, time_intervals: [{times: [{start_time: '10:00', end_time: '09:00'}]}]}]",
    "time_intervals: [{name: n, time_intervals: [{times: [{start_time: '10:00', end_time: '24:01'}]}]}]",
    "time_intervals: [{name: n, time_intervals: [{times: [{start_time: '9:00', end_time: '10:00'}]}]}]",
    "time_intervals: [{name: n, time_intervals: [{weekdays: ['friday:monday']}]}]",
    "time_intervals: [{name: n, time_intervals: [{weekdays: [Freitag]}]}]",
    "time_intervals: [{name: n, time_intervals: [{days_of_month: ['0']}]}]",
    "time_intervals: [{name: n, time_intervals: [{days_of_month: ['32']}]}]",
    "time_intervals: [{name: n, time_intervals: [{days_of_month: ['-3:5']}]}]",
    "time_intervals: [{name: n, time_intervals: [{days_of_month: ['5:1']}]}]",
    "time_intervals: [{name: n, time_intervals: [{years: ['2030:2020']}]}]",
    "time_intervals: [{name: n, time_intervals: [{location: 'Asia/Nowhere'}]}]",
    "time_intervals: [{name: n}, {name: n}]",
];

/// Whole files.
const GOOD_FILES: &[&str] = &[
    "route: {receiver: x, group_by: ['...']}\nreceivers: [{name: x}]",
    "route: {receiver: x, group_by: [a, b], group_wait: 0s, group_interval: 1s, repeat_interval: 1d}\nreceivers: [{name: x}]",
    "route: {receiver: x, routes: [{match: {a: b}, match_re: {c: d}, matchers: ['e=f', 'g!~\"h|i\"'], continue: true}]}\nreceivers: [{name: x}]",
    "route: {receiver: x, routes: [{matchers: [a=b], mute_time_intervals: [n], active_time_intervals: [n]}]}\nreceivers: [{name: x}]\ntime_intervals: [{name: n}]",
    "route: {receiver: x}\nreceivers: [{name: x, webhook_configs: [{url: 'http://a/', max_alerts: 3, send_resolved: false, http_config: {basic_auth: {username: a, password_file: /p}, proxy_url: 'http://p:1'}}]}]",
    "route: {receiver: x}\nreceivers: [{name: x, webhook_configs: [{url: 'http://a/', http_config: {authorization: {credentials: c}, tls_config: {insecure_skip_verify: true}}}]}]",
    "route: {receiver: x}\nreceivers: [{name: x, email_configs: [{to: a@b.vn, from: c@d.vn, smarthost: 'm:587', auth_username: u, auth_password: p, tls_config: {insecure_skip_verify: true}}]}]",
    "route: {receiver: x}\nreceivers: [{name: x, slack_configs: [{api_url: 'https://h.example/x', channel: '#a', fields: [{title: a, value: b, short: true}], actions: [{type: button, text: t, url: 'http://x/'}]}]}]",
    "global: {slack_api_url: 'https://h.example/x'}\nroute: {receiver: x}\nreceivers: [{name: x, slack_configs: [{channel: '#a', title: '{{ .Status }}'}]}]",
    "route: {receiver: x}\nreceivers: [{name: x, slack_configs: [{api_url_file: /etc/slack}]}]",
    "route: {receiver: x}\nreceivers: [{name: x, telegram_configs: [{bot_token: t, chat_id: -5, parse_mode: HTML, message: m, disable_notifications: true, api_url: 'https://t.example'}]}]",
    "global: {telegram_api_url: 'https://t.example'}\nroute: {receiver: x}\nreceivers: [{name: x, telegram_configs: [{bot_token: t, chat_id: 5, parse_mode: ''}]}]",
    "route: {receiver: x}\nreceivers: [{name: x, discord_configs: [{webhook_url: 'https://d.example/x', title: t, message: m}]}]",
];

const BAD_FILES: &[&str] = &[
    "",
    "receivers: [{name: x}]",
    "route: {}\nreceivers: [{name: x}]",
    "route: {receiver: y}\nreceivers: [{name: x}]",
    "route: {receiver: x}\nreceivers: [{name: x}, {name: x}]",
    "route: {receiver: x, matchers: [a=b]}\nreceivers: [{name: x}]",
    "route: {receiver: x, match: {a: b}}\nreceivers: [{name: x}]",
    "route: {receiver: x, mute_time_intervals: [n]}\nreceivers: [{name: x}]\ntime_intervals: [{name: n}]",
    "route: {receiver: x, active_time_intervals: [n]}\nreceivers: [{name: x}]\ntime_intervals: [{name: n}]",
    "route: {receiver: x, routes: [{matchers: [a=b], mute_time_intervals: [n]}]}\nreceivers: [{name: x}]",
    "route: {receiver: x, routes: [{matchers: [a=b], receiver: y}]}\nreceivers: [{name: x}]",
    "route: {receiver: x, routes: [{matchers: ['a=~\"(\"']}]}\nreceivers: [{name: x}]",
    "route: {receiver: x, group_by: ['...', a]}\nreceivers: [{name: x}]",
    "route: {receiver: x, group_by: [a, a]}\nreceivers: [{name: x}]",
    "route: {receiver: x, group_interval: 0s}\nreceivers: [{name: x}]",
    "route: {receiver: x, repeat_interval: 0s}\nreceivers: [{name: x}]",
    "route: {receiver: x}\nreceivers: [{name: x, webhook_configs: [{}]}]",
    "route: {receiver: x}\nreceivers: [{name: x, webhook_configs: [{url: 'ftp://a'}]}]",
    "route: {receiver: x}\nreceivers: [{name: x, email_configs: [{to: a@b.vn}]}]",
    "route: {receiver: x}\nreceivers: [{}]",
    "route: {receiver: x}\nreceivers: [{name: x, webhook_configs: [{url: 'http://a/', http_config: {authorization: {credentials: c, credentials_file: /c}}}]}]",
    "route: {receiver: x}\nreceivers: [{name: x, webhook_configs: [{url: 'http://a/', http_config: {basic_auth: {username: u, password: p, password_file: /p}}}]}]",
    "route: {receiver: x}\nreceivers: [{name: x, webhook_configs: [{url: 'http://a/', http_config: {bearer_token: t, bearer_token_file: /t}}]}]",
    "route: [x]\nreceivers: [{name: x}]",
    "route: {receiver: x}\nreceivers: [{name: x, slack_configs: [{channel: '#a'}]}]",
    "route: {receiver: x}\nreceivers: [{name: x, slack_configs: [{api_url: 'https://h/', api_url_file: /f}]}]",
    "route: {receiver: x}\nreceivers: [{name: x, slack_configs: [{api_url: 'ftp://h/'}]}]",
    "route: {receiver: x}\nreceivers: [{name: x, slack_configs: [{api_url: 'https://h/', fields: [{title: a}]}]}]",
    "route: {receiver: x}\nreceivers: [{name: x, slack_configs: [{api_url: 'https://h/', actions: [{type: button, text: t}]}]}]",
    "route: {receiver: x}\nreceivers: [{name: x, slack_configs: [{api_url: 'https://h/', unknown: 1}]}]",
    "route: {receiver: x}\nreceivers: [{name: x, telegram_configs: [{bot_token: t}]}]",
    "route: {receiver: x}\nreceivers: [{name: x, telegram_configs: [{chat_id: 5}]}]",
    "route: {receiver: x}\nreceivers: [{name: x, telegram_configs: [{bot_token: t, chat_id: 5, parse_mode: Rot13}]}]",
    "route: {receiver: x}\nreceivers: [{name: x, discord_configs: [{webhook_url: 'https://d.example/x', webhook_url_file: /etc/discord}]}]",
    "route: {receiver: x}\nreceivers: [{name: x, discord_configs: [{webhook_url: 'https://d.example/x', unknown: 1}]}]",
];

#[test]
fn amtool_and_we_take_and_refuse_the_same_files() {
    let around =
        |part: &&str| format!("route: {{receiver: x}}\nreceivers: [{{name: x}}]\n{part}\n");
    let good = GOOD.iter().map(around).chain(GOOD_FILES.iter().map(ToString::to_string));
    let bad = BAD.iter().map(around).chain(BAD_FILES.iter().map(ToString::to_string));
    let files = good.map(|text| (text, true)).chain(bad.map(|text| (text, false)));
    let mut wrong = Vec::new();
    for (text, expected) in files {
        let ours = Routing::parse(Path::new("a.yml"), &text);
        if ours.is_ok() != expected || amtool_takes(&text) != expected {
            wrong.push((text, expected, ours.err().map(|problems| problems.to_string())));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

fn amtool_takes(text: &str) -> bool {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("alertmanager.yml");
    std::fs::write(&file, text).unwrap();
    let status = Command::new("amtool")
        .arg("check-config")
        .arg(&file)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status.expect("amtool can be run").success()
}

#[test]
fn channels_that_are_not_built_are_refused_by_name() {
    let text = "route: {receiver: x}\nreceivers:\n  - name: x\n    victorops_configs: [{routing_key: a}]\n    sns_configs: []\n  \
                - name: y\n    email_configs: [{to: a@b.vn, from: a@b.vn, smarthost: 'm:1', html: '{{ $x }}'}]\n";
    let problems = Routing::parse(Path::new("a.yml"), text).unwrap_err().to_string();
    expect_test::expect![[r#"
        a.yml:4: `victorops_configs` are not supported yet; there are webhook_configs, email_configs, slack_configs, mattermost_configs, discord_configs, telegram_configs, msteams_configs, msteamsv2_configs, zalo_oa_configs, zalo_zns_configs, sms_configs, smpp_configs, syslog_configs and script_configs
        a.yml:7: the template cannot be used: undefined variable "$x""#]]
    .assert_eq(&problems);
}

#[test]
fn a_secret_is_given_once_and_where_else_is_said() {
    let text = "route: {receiver: x}\nreceivers:\n  - name: x\n    webhook_configs:\n      - url: http://a/\n        \
                http_config:\n          tls_config: {ca: c, ca_file: /c, cert: c, key: k, key_file: /k}\n          \
                basic_auth: {username: u, username_file: /u}\n    \
                email_configs:\n      - {to: a@b.vn, from: a@b.vn, smarthost: 'm:1', auth_username: u, auth_password: p, auth_password_file: /p}\n";
    let problems = Routing::parse(Path::new("a.yml"), text).unwrap_err().to_string();
    expect_test::expect![[r#"
        a.yml:6: give one of `username` and `username_file`, not both
        a.yml:7: give one of `key` and `key_file`, not both
        a.yml:7: give one of `ca` and `ca_file`, not both
        a.yml:10: give one of `auth_password` and `auth_password_file`, not both"#]]
    .assert_eq(&problems);
}

#[test]
fn what_of_tls_cannot_be_had_is_refused_by_name() {
    let text = "route: {receiver: x}\nreceivers:\n  - name: x\n    webhook_configs:\n      - url: http://a/\n        \
                http_config:\n          tls_config: {min_version: TLS14, max_version: TLS12, server_name: a}\n      \
                - {url: http://a/, http_config: {tls_config: {min_version: TLS10, max_version: TLS13}}}\n";
    let problems = Routing::parse(Path::new("a.yml"), text).unwrap_err().to_string();
    expect_test::expect![[r#"
        a.yml:7: `server_name` is not supported for HTTP: put the name into the address
        a.yml:7: `min_version` is one of TLS10, TLS11, TLS12, TLS13
        a.yml:7: `max_version` cannot be less than TLS13"#]]
    .assert_eq(&problems);
}

#[tokio::test]
async fn files_of_secrets_lie_beside_the_configuration() {
    let receiver = crate::harness::Receiver::start().await;
    let directory = tempfile::tempdir().unwrap();
    let beside = |name: &str| directory.path().join(name);
    let text = "
global: {http_config: {tls_config: {ca_file: secrets/ca.pem}}}
route: {receiver: x, group_wait: 0s}
receivers:
  - name: x
    webhook_configs:
      - url_file: secrets/address
        http_config:
          authorization: {credentials_file: secrets/token}
          http_headers: {X-Door: {files: [secrets/door]}}
";
    std::fs::write(beside("alerting.yml"), text).unwrap();
    std::fs::create_dir(beside("secrets")).unwrap();
    for (name, content) in [("address", receiver.address.as_str()), ("token", "t"), ("door", "d")] {
        std::fs::write(beside("secrets").join(name), content).unwrap();
    }
    std::fs::write(beside("secrets/ca.pem"), "").unwrap();
    let routing = Routing::open(&beside("alerting.yml")).unwrap();
    let settings = collector_alerting::AlertingConfig {
        database: beside("alerting.db"),
        external_url: String::new(),
        answers_links: false,
    };
    let alerting = collector_alerting::Alerting::open(settings, routing, START).await.unwrap();
    let found = vec![crate::harness::detection(1, "a", START)];
    alerting.commit_detections(1, b"", found, START).await.unwrap();
    alerting.deliver_due(START).await.unwrap();
    assert_eq!(receiver.take()[0].authorization, "Bearer t");
}

#[test]
fn files_of_templates_are_read_beside_the_file_with_all_problems_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
    std::fs::create_dir(directory.path().join("mau")).unwrap();
    file("mau/a.tmpl", "{{ define \"a\" }}\n{{ nothing 1 }}\n{{ end }}");
    file("mau/b.tmpl", "{{ define \"b\" }}\n\n{{ if }}{{ end }}");
    file("mau/c.tmpl", "{{ define \"c\" }}{{ .Status }}{{ end }}");
    file("mau/d.tmpl", "{{ define \"d\" }}");
    file("mau/e.txt", "{{");
    file(
        "a.yml",
        "templates: ['mau/*.tmpl', 'none/*.tmpl', '[']\nroute: {receiver: x}\nreceivers: [{name: y}]\n",
    );
    let open = || Routing::open(&directory.path().join("a.yml"));
    let problems = open().unwrap_err().to_string();
    let problems = problems.replace(&format!("{}/", directory.path().display()), "");
    expect_test::expect![[r#"
        a.yml:1: "[" is no pattern for names of files
        a.yml:2: there is no receiver "x"
        mau/a.tmpl:2: the template cannot be used: function "nothing" not defined
        mau/b.tmpl:3: the template cannot be used: empty command
        mau/d.tmpl:1: the template cannot be used: a block has no {{end}}, or an {{end}} or {{else}} has no block"#]].assert_eq(&problems);
    for name in ["a", "b", "d"] {
        file(&format!("mau/{name}.tmpl"), "");
    }
    let mail = "{to: a@b.vn, from: a@b.vn, smarthost: 'm:1', text: '{{ template \"c\" . }}'}";
    file(
        "a.yml",
        &format!(
            "templates: ['mau/*.tmpl']\nroute: {{receiver: x}}\nreceivers: [{{name: x, email_configs: [{mail}]}}]\n"
        ),
    );
    assert!(open().is_ok());
    file("mau/d.tmpl", &"x".repeat(1 << 20));
    assert!(open().is_ok());
    file("mau/d.tmpl", &"x".repeat((1 << 20) + 1));
    assert!(open().unwrap_err().to_string().contains("at most 1048576 are read"));
    file("mau/d.tmpl", "");
    for at in 0..100 {
        file(&format!("mau/{at}.tmpl"), "");
    }
    assert!(open().unwrap_err().to_string().contains("more than 100 files"));
}

#[tokio::test]
async fn secrets_may_stand_in_the_file_and_global_options_hold_for_who_has_none() {
    let config = "
global: {http_config: {authorization: {credentials: abc}}}
route: {receiver: x}
receivers:
  - name: x
    webhook_configs:
      - url: URL/a
      - url: URL/b
        http_config: {basic_auth: {username: u, password: p}}
      - url: URL/c
        timeout: 3s
        http_config: {http_headers: {Authorization: {secrets: [Token t]}}, enable_http2: false}
";
    let world = World::new(config).await;
    world.observe(START, &["a"]).await;
    world.alerting.tick(START + MINUTE).await.unwrap();
    world.alerting.deliver_due(START + MINUTE).await.unwrap();
    let mut seen: Vec<_> = world
        .receiver
        .take()
        .into_iter()
        .map(|received| (received.path, received.authorization))
        .collect();
    seen.sort();
    let pair = |path: &str, text: &str| (path.to_owned(), text.to_owned());
    assert_eq!(seen, [pair("/a", "Bearer abc"), pair("/b", "Basic dTpw"), pair("/c", "Token t")]);
}
