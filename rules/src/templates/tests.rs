//! Annotations filled as Prometheus fills them.

use agent_model::Labels;

use super::{Template, TemplateData};

fn shown(text: &str, value: f64) -> String {
    let labels = Labels::metric("up", [("host", "dc1-srv01"), ("device", "sda")]);
    match Template::parse(text) {
        Ok(template) => template.show(&TemplateData { labels: &labels, value }),
        Err(error) => format!("REFUSED {error}"),
    }
}

#[test]
fn labels_and_values_are_shown_as_prometheus_does() {
    assert_eq!(shown("Máy {{ $labels.host }} mất kết nối", 0.0), "Máy dc1-srv01 mất kết nối");
    assert_eq!(shown("{{ .Labels.device }}={{ .Value }}", 1e21), "sda=1e+21");
    assert_eq!(shown("{{ $value }} {{ $labels.missing }}.", 12.5), "12.5 .");
    assert_eq!(shown("{{ printf \"%.2f\" $value }}", 1.0 / 3.0), "0.33");
    assert_eq!(shown("{{ if gt $value 2.0 }}cao{{ else }}thấp{{ end }}", 3.0), "cao");
    assert_eq!(shown("{{ $value | humanizePercentage }}", 0.1234), "12.34%");
    assert_eq!(shown("{{ if $labels.missing }}có{{ else }}không{{ end }}", 0.0), "không");
}

#[test]
fn numbers_are_for_people() {
    let cases: &[(&str, f64, &str)] = &[
        ("humanize", 0.0, "0"),
        ("humanize", 1_234_567.0, "1.235M"),
        ("humanize", -0.0123, "-12.3m"),
        ("humanize", f64::INFINITY, "+Inf"),
        ("humanize1024", 1_048_576.0, "1Mi"),
        ("humanize1024", 0.5, "0.5"),
        ("humanizeDuration", 0.0, "0s"),
        ("humanizeDuration", 59.5, "59.5s"),
        ("humanizeDuration", 90_061.0, "1d 1h 1m 1s"),
        ("humanizeDuration", -3_600.0, "-1h 0m 0s"),
        ("humanizeDuration", 0.0012, "1.2ms"),
        ("humanizePercentage", 1.0, "100%"),
        ("humanizeTimestamp", 1_435_065_584.128, "2015-06-23 13:19:44.128 +0000 UTC"),
        ("humanizeTimestamp", 0.0, "1970-01-01 00:00:00 +0000 UTC"),
    ];
    for (function, value, wanted) in cases {
        assert_eq!(&shown(&format!("{{{{ {function} $value }}}}"), *value), wanted, "{function}");
    }
}

#[test]
fn texts_are_reshaped() {
    assert_eq!(
        shown(r#"{{ "a.b.vn:9100" | stripPort }} {{ "a.b.vn:9100" | stripDomain }}"#, 0.0),
        "a.b.vn a:9100"
    );
    assert_eq!(shown(r#"{{ reReplaceAll "dc(\\d+)-.*" "site $1" $labels.host }}"#, 0.0), "site 1");
    assert_eq!(shown(r#"{{ if match "^dc" $labels.host }}{{ toUpper "x" }}{{ end }}"#, 0.0), "X");
    assert_eq!(shown(r#"{{ title "hai den" }} {{ parseDuration "1m" }}"#, 0.0), "Hai Den 60");
}

#[test]
fn bad_templates_are_refused_or_say_so_in_their_place() {
    assert!(shown("{{ $nothing }}", 0.0).starts_with("REFUSED"));
    assert!(shown("{{ query \"up\" }}", 0.0).starts_with("REFUSED"));
    assert!(shown("{{ if }}", 0.0).starts_with("REFUSED"));
    assert!(shown("{{ humanize \"x\" }}", 0.0).starts_with("<error expanding template:"));
    assert!(shown("{{ range 9000 }}xxxxxxxxxx{{ end }}", 0.0).starts_with("<error"));
}
