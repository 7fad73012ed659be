//! Templates with fields, methods, times and bounds.

use super::*;

fn alert(name: &str, site: &str) -> Value {
    record(
        "Alert",
        [
            ("Labels", map([("alertname", name), ("site", site)])),
            ("StartsAt", time("2026-11-22T01:02:03.5Z".parse().unwrap())),
            ("EndsAt", time("2026-11-22T02:32:03.5Z".parse().unwrap())),
            ("Value", Value::Float(12.5)),
        ],
    )
}

fn data() -> Value {
    let alerts = vec![alert("A", "x"), alert("B", "y")];
    record("Data", [("Alerts", Value::List(alerts.into())), ("Receiver", shown("trực"))])
}

/// `.Sites` of a list of alerts, `.Nth 1` of it.
fn methods(receiver: &Value, name: &str, given: &[Value]) -> Option<Result<Value, EngineError>> {
    let Value::List(alerts) = receiver else { return None };
    match (name, given) {
        ("Names", []) => {
            let names = alerts.iter().map(|alert| {
                fields::field(&[alert.clone(), shown("Labels")], |_, _, _| None)
                    .and_then(|labels| fields::index(&[labels, shown("alertname")]))
            });
            Some(names.collect::<Result<Vec<_>, _>>().map(|names| Value::List(names.into())))
        }
        ("Nth", [Value::Int(at)]) => Some(Value::index(receiver, &Value::Int(*at))),
        _ => None,
    }
}

fn rendered(text: &str) -> String {
    let library = Library::new(1_000).with_methods(methods);
    let library =
        library.with_named(r#"{{ define "greet" }}Chào {{ .Receiver }}{{ end }}"#).unwrap();
    match library.template(text) {
        Ok(template) => template.render(&data()).unwrap_or_else(|error| format!("FAILED {error}")),
        Err(error) => format!("REFUSED {error}"),
    }
}

#[test]
fn fields_of_records_maps_and_results_are_found() {
    for (text, wanted) in [
        ("{{ .Receiver }} {{ $.Receiver }}", "trực trực"),
        ("{{ range .Alerts }}{{ .Labels.site }}{{ .Labels.none }};{{ end }}", "x;y;"),
        ("{{ range $at, $one := .Alerts }}{{ $at }}{{ $one.Labels.alertname }}{{ end }}", "0A1B"),
        ("{{ (index .Alerts 1).Labels.site }}", "y"),
        (r#"{{ index (index .Alerts 0).Labels "none" }}."#, "."),
        ("{{ with (index .Alerts 0) }}{{ .Value }}{{ end }}", "12.5"),
        (r#"{{ if (index .Alerts 0).Labels.none }}có{{ else }}không{{ end }}"#, "không"),
        ("{{ .Receiver | toUpper | printf \"%s!\" }}", "TRỰC!"),
        ("{{ len .Alerts }}", "2"),
    ] {
        assert_eq!(rendered(text), wanted, "{text}");
    }
    for text in
        ["{{ .Nothing }}", "{{ .Receiver.Name }}", "{{ .Receiver 1 }}", "{{ 1 | .Receiver }}"]
    {
        assert!(rendered(text).starts_with("FAILED"), "{text}: {}", rendered(text));
    }
}

#[test]
fn methods_take_what_stands_behind_them_and_what_is_piped() {
    for (text, wanted) in [
        ("{{ .Alerts.Names }} {{ len .Alerts.Names }}", "[A B] 2"),
        ("{{ (.Alerts.Nth 1).Labels.site }}", "y"),
        ("{{ (1 | .Alerts.Nth).Labels.site }}", "y"),
        ("{{ $all := .Alerts }}{{ ($all.Nth 0).Labels.site }}", "x"),
        ("{{ range .Alerts.Names }}{{ . | toLower }}{{ end }}", "ab"),
    ] {
        assert_eq!(rendered(text), wanted, "{text}");
    }
}

#[test]
fn times_are_shown_and_counted_as_go_does() {
    let of = |text: &str| rendered(&format!("{{{{ $at := (index .Alerts 0).StartsAt }}}}{text}"));
    for (text, wanted) in [
        ("{{ $at }}", "2026-11-22 01:02:03.5 +0000 UTC"),
        (r#"{{ $at.Format "15:04 02/01/2006" }}"#, "01:02 22/11/2026"),
        (
            r#"{{ $at.Format "Mon Monday Jan January 2 _2 3:4:5 PM pm 06 MST" }}"#,
            "Sun Sunday Nov November 22 22 1:2:3 AM am 26 UTC",
        ),
        (
            r#"{{ $at.Format "2006-01-02T15:04:05.000Z07:00 -0700 -07 .99" }}"#,
            "2026-11-22T01:02:03.500Z +0000 +00 .5",
        ),
        (r#"{{ $at.Format "ngày 002 Month Janus" }}"#, "ngày 326 Month Janus"),
        (
            "{{ $at.Unix }} {{ $at.Year }} {{ $at.Month }} {{ $at.Weekday }}",
            "1795309323 2026 November Sunday",
        ),
        ("{{ (index .Alerts 0).EndsAt.Sub $at }}", "1h30m0s"),
        ("{{ ((index .Alerts 0).EndsAt.Sub $at).Minutes }}", "90"),
        ("{{ (index .Alerts 0).EndsAt.Sub $at | humanizeDuration }}", "1h 30m 0s"),
        ("{{ $at.Before (index .Alerts 0).EndsAt }} {{ $at.IsZero }}", "true false"),
        (r#"{{ ($at.Add "90m").Format "15:04" }}"#, "02:32"),
    ] {
        assert_eq!(of(text), wanted, "{text}");
    }
    assert!(of("{{ $at.Format }}").starts_with("FAILED"));
    assert!(of("{{ $at.Sub 1 }}").starts_with("FAILED"));
}

#[test]
fn named_templates_are_called_and_the_later_one_counts() {
    assert_eq!(rendered(r#"{{ template "greet" . }}!"#), "Chào trực!");
    assert_eq!(rendered(r#"{{ define "greet" }}mine{{ end }}{{ template "greet" . }}"#), "mine");
    assert!(rendered(r#"{{ template "none" . }}"#).starts_with("FAILED"));
}

#[test]
fn what_go_refuses_when_it_loads_is_refused_when_it_is_loaded() {
    for text in [
        "{{ $nothing }}",
        "{{ $nothing.Field }}",
        "{{ nothing 1 }}",
        "{{ if true }}{{ $x := 1 }}{{ end }}{{ $x }}",
        "{{ $x = 1 }}",
        r#"{{ define "d" }}{{ $outer }}{{ end }}"#,
        "{{ if }}",
        "{{ .Receiver",
        "{{ end }}",
        "a{{ end }}b",
        "{{ else }}b",
        "{{ if true }}x",
        "{{ range .Alerts }}{{ if true }}x{{ end }}",
        r#"{{ define "d" }}x"#,
        "{{ if true }}x{{ end }}{{ end }}",
    ] {
        assert!(rendered(text).starts_with("REFUSED"), "{text}: {}", rendered(text));
    }
    assert_eq!(rendered("{{ $x := 1 }}{{ if true }}{{ $x = 2 }}{{ end }}{{ $x }}"), "2");
    assert_eq!(rendered("{{ if $x := 0 }}{{ else }}{{ $x }}{{ end }}"), "0");
}

#[test]
fn a_rendering_is_bounded() {
    assert!(rendered("{{ range 1001 }}x{{ end }}").contains("longer than 1000 bytes"));
    assert_eq!(rendered("{{ range 1000 }}x{{ end }}").len(), 1_000);
    assert!(rendered("{{ range 100000000 }}{{ end }}").starts_with("FAILED"));
    assert!(
        rendered(r#"{{ define "x" }}{{ template "x" . }}{{ end }}{{ template "x" . }}"#)
            .starts_with("FAILED")
    );
}
