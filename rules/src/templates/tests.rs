//! Annotations filled as Prometheus fills them.

use agent_model::Labels;

use super::{External, Surroundings, Template, TemplateData};

fn shown(text: &str, value: f64) -> String {
    let labels = Labels::metric("up", [("host", "dc1-srv01"), ("device", "sda")]);
    let external = External {
        labels: Labels::new([("tỉnh", "cmu"), ("region", "nam")]),
        url: "https://hd.example/giam-sat/".to_owned(),
    };
    let around = Surroundings { at_ms: 90_000, external: &external, ask: &ask };
    match Template::parse(text) {
        Ok(template) => template.show(&TemplateData { labels: &labels, value, around }),
        Err(error) => format!("REFUSED {error}"),
    }
}

fn ask(expr: &str) -> Result<Vec<(Labels, f64)>, String> {
    let of = |host: &str, value| (Labels::metric("up", [("host", host)]), value);
    match expr {
        "up" => Ok(vec![of("b", 2.0), of("a", 1.0)]),
        "nothing" => Ok(Vec::new()),
        other if other.starts_with("round(") => Ok(vec![(Labels::empty(), 7.0)]),
        other => Err(format!("{other} is not asked here")),
    }
}

#[test]
fn templates_ask_for_data() {
    let cases = [
        (r#"{{ with query "up" }}{{ . | first | value | humanize }}{{ end }}"#, "2"),
        (
            r#"{{ range query "up" | sortByLabel "host" }}{{ .Labels.host }}={{ .Value }} {{ end }}"#,
            "a=1 b=2 ",
        ),
        (
            r#"{{ range query "up" }}{{ label "host" . }}{{ .Labels.absent }}{{ label "no" . }}.{{ end }}"#,
            "b.a.",
        ),
        (r#"{{ query "up" | first | strvalue }}|{{ len (query "nothing") }}"#, "|0"),
        (r#"{{ if query "nothing" }}có{{ else }}không{{ end }}"#, "không"),
        (
            r#"{{ with printf "round(%s)" $labels.host | query }}{{ . | first | value }}{{ end }}"#,
            "7",
        ),
        (r#"{{ query "nothing" | first }}"#, "<error"),
        (
            r#"{{ query "sum(" }}"#,
            "<error expanding template: the query \"sum(\" failed: sum( is not asked here>",
        ),
        (
            r#"{{ range $i := 20 }}{{ query (printf "round(%d)" $i) | first | value }}{{ end }}"#,
            "<error",
        ),
    ];
    for (text, wanted) in cases {
        let got = shown(text, 0.0);
        let alike = if wanted == "<error" { got.starts_with(wanted) } else { got == wanted };
        assert!(alike, "{text}: {got}");
    }
}

#[test]
fn templates_know_the_server_and_the_time() {
    let cases = [
        (
            "{{ $externalLabels.region }}{{ .ExternalLabels.none }} {{ $externalURL }}",
            "nam https://hd.example/giam-sat/",
        ),
        (
            "{{ externalURL }} {{ pathPrefix }} {{ now }}",
            "https://hd.example/giam-sat/ /giam-sat 90",
        ),
        (
            r#"{{ graphLink "up == 0" }} {{ tableLink "a+b" }}"#,
            "/graph?g0.expr=up+%3D%3D+0&g0.tab=0 /graph?g0.expr=a%2Bb&g0.tab=1",
        ),
        (r#"{{ urlQueryEscape "a b/ố" }} {{ safeHtml "<b>" }}"#, "a+b%2F%E1%BB%91 <b>"),
        (
            r#"{{ toTime 0 }} {{ toDuration 5400.5 }} {{ toDuration 0.0012 }}"#,
            "1970-01-01 00:00:00 +0000 UTC 1h30m0.5s 1.2ms",
        ),
        (
            r#"{{ define "x" }}{{ .arg0 }}-{{ .arg1 }}{{ end }}{{ template "x" (args "a" 2) }}"#,
            "a-2",
        ),
        (r#"{{ title "hai-den o.k_ay đèn" }}"#, "Hai-Den O.K_ay Đèn"),
        (
            r#"{{ (toTime 90000).Format "15:04 02/01" }} {{ (toDuration 5400).Hours }}"#,
            "01:00 02/01 1.5",
        ),
    ];
    for (text, wanted) in cases {
        assert_eq!(shown(text, 0.0), wanted, "{text}");
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
    assert!(shown("{{ tmpl \"up\" . }}", 0.0).starts_with("REFUSED"));
    assert!(shown("{{ if true }}x", 0.0).starts_with("REFUSED"));
    assert!(shown("{{ if }}", 0.0).starts_with("REFUSED"));
    assert!(shown("{{ humanize \"x\" }}", 0.0).starts_with("<error expanding template:"));
    assert!(shown("{{ range 9000 }}xxxxxxxxxx{{ end }}", 0.0).starts_with("<error"));
}
