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
    let library = Library::new(1_000).with_methods(methods).with_function("args", numbered);
    let library =
        library.with_named(r#"{{ define "greet" }}Chào {{ .Receiver }}{{ end }}"#).unwrap();
    match library.template(text) {
        Ok(template) => template
            .render(&data(), Timestamp::UNIX_EPOCH)
            .unwrap_or_else(|error| format!("FAILED {error}")),
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
        (r#"{{ ($at.Add 5400000000000).Format "15:04" }}"#, "02:32"),
        (r#"{{ ($at.Add ((index .Alerts 0).EndsAt.Sub $at)).Format "15:04" }}"#, "02:32"),
        (
            r#"{{ printf "%02d %s %v" $at.Month $at.Month $at.Weekday }} {{ eq $at.Month 11 }}"#,
            "11 November Sunday true",
        ),
        (
            r#"{{ $at.Weekday | eq 0 }} {{ lt $at.Month 12 }} {{ $at.Month.String }}"#,
            "true true November",
        ),
        ("{{ $at.Nanosecond }} {{ $at.UnixMicro }}", "500000000 1795309323500000"),
        (r#"{{ ($at.AddDate 0 3 10).Format "2006-01-02" }}"#, "2027-03-04"),
        (r#"{{ ($at.Truncate 3600000000000).Format "15:04:05.0" }}"#, "01:00:00.0"),
        (r#"{{ ($at.Round 1000000000).Format "15:04:05.0" }}"#, "01:02:04.0"),
        ("{{ ((index .Alerts 0).EndsAt.Sub $at).Microseconds }}", "5400000000"),
        ("{{ (((index .Alerts 0).EndsAt.Sub $at).Round 3600000000000) }}", "2h0m0s"),
        ("{{ gt ((index .Alerts 0).EndsAt.Sub $at) 3600000000000 }}", "true"),
        ("{{ $at.Compare (index .Alerts 0).EndsAt }}", "-1"),
        (r#"{{ print $at.Year $at.Month "x" }}"#, "2026 Novemberx"),
    ] {
        assert_eq!(of(text), wanted, "{text}");
    }
    assert!(of("{{ $at.Format }}").starts_with("FAILED"));
    assert!(of("{{ $at.Sub 1 }}").starts_with("FAILED"));
    for text in ["{{ $at.ISOWeek }}", r#"{{ $at.Add "90m" }}"#, "{{ $at.AddDate 90000 0 0 }}"] {
        assert!(of(text).starts_with("FAILED"), "{text}: {}", of(text));
    }
}

#[test]
fn a_text_is_no_time_and_no_duration_whatever_it_says() {
    for text in [
        r#"{{ ("2026-11-22 01:02:03 +0000 UTC").Year }}"#,
        r#"{{ ("1h30m0s").Minutes }}"#,
        r#"{{ humanizeDuration "1h30m" }}"#,
        r#"{{ ((index .Alerts 0).StartsAt.String).Unix }}"#,
    ] {
        assert!(rendered(text).starts_with("FAILED"), "{text}: {}", rendered(text));
    }
    assert_eq!(rendered(r#"{{ humanizeDuration "5400" }}"#), "1h 30m 0s");
}

#[test]
fn what_records_are_made_of_is_hidden() {
    for (text, wanted) in [
        (
            "{{ index .Alerts 0 }}",
            "{map[alertname:A site:x] 2026-11-22 01:02:03.5 +0000 UTC \
             2026-11-22 02:32:03.5 +0000 UTC 12.5}",
        ),
        (
            r#"{{ printf "%s|%v" .Receiver (index .Alerts 0).Labels }}"#,
            "trực|map[alertname:A site:x]",
        ),
        (
            r#"{{ with args 1 "x" }}{{ range $k, $v := . }}{{ $k }}={{ $v }};{{ end }}{{ len . }}{{ end }}"#,
            "arg0=1;arg1=x;2",
        ),
        (r#"{{ with args 1 "x" }}{{ . }}{{ .arg5 }}{{ end }}"#, "map[arg0:1 arg1:x]"),
        (r#"{{ index (index .Alerts 0).Labels "\x00kind" }}."#, "."),
    ] {
        assert_eq!(rendered(text), wanted, "{text}");
    }
    for text in [
        "{{ range . }}x{{ end }}",
        "{{ len . }}",
        "{{ len (index .Alerts 0).StartsAt }}",
        "{{ range (index .Alerts 0).StartsAt }}x{{ end }}",
        r#"{{ index . "Receiver" }}"#,
    ] {
        assert!(rendered(text).starts_with("FAILED"), "{text}: {}", rendered(text));
    }
}

#[test]
fn names_and_parentheses_within_each_other_are_bounded() {
    let chain = |length: usize| {
        format!(
            "{{{{ $x := 1 }}}}{{{{ if false }}}}{{{{ $x{} }}}}{{{{ end }}}}",
            ".a".repeat(length)
        )
    };
    assert_eq!(rendered(&chain(99)), "");
    assert!(rendered(&chain(101)).contains("more than 100 names"));
    assert!(rendered(&format!("{{{{ {} }}}}", ".a".repeat(50_000))).starts_with("REFUSED"));
    // Each pair of parentheses alone has few names.
    let pairs = (0..50).fold(".a".to_owned(), |inner, _| format!("({inner}).a.a"));
    assert!(rendered(&format!("{{{{ {pairs} }}}}")).contains("more than 100 names"));
}

#[test]
fn a_text_is_bounded_while_it_is_made() {
    let doubled = "{{ $x := \"0123456789\" }}{{ range 40 }}{{ $x = print $x $x }}{{ end }}";
    assert!(rendered(doubled).contains("longer than 1000 bytes"), "{}", rendered(doubled));
    assert_eq!(rendered(r#"{{ printf "%1000s" "x" | len }}"#), "1000");
    for text in [
        r#"{{ printf "%1001s" "x" | len }}"#,
        r#"{{ printf "%*d" 60000 1 | len }}"#,
        r#"{{ $x := printf "%999s" "x" }}{{ printf "%[1]s%[1]s%[1]s" $x | len }}"#,
        r#"{{ $x := printf "%600s" "x" }}{{ len (toUpper (print $x $x)) }}"#,
        r#"{{ $x := 1 }}{{ range 15 }}{{ $x = args $x $x }}{{ end }}{{ print $x | len }}"#,
        r#"{{ $x := 1 }}{{ range 17 }}{{ $x = args $x }}{{ end }}"#,
    ] {
        assert!(rendered(text).starts_with("FAILED"), "{text}: {}", rendered(text));
    }
}

#[test]
fn work_is_bounded_too() {
    assert_eq!(rendered("{{ range 100000 }}{{ end }}"), "");
    assert!(rendered("{{ range 100001 }}{{ end }}").starts_with("FAILED"));
    let patterns = |times: usize| {
        rendered(&format!(
            r#"{{{{ range {times} }}}}{{{{ if match "a+" "x" }}}}{{{{ end }}}}{{{{ end }}}}"#
        ))
    };
    assert_eq!(patterns(1_000), "");
    assert!(patterns(10_000).contains("read and write more than"));
    assert!(rendered(r#"{{ match "(\\pL{500}){500}" "x" }}"#).starts_with("FAILED"));
}

#[test]
fn pages_are_escaped_for_the_place_of_each_action() {
    let page = |text: &str| {
        let library = Library::new(1_000).with_methods(methods);
        let data =
            record("Data", [("Alerts", Value::List([].into())), ("Receiver", shown("<b>&\"'"))]);
        match library.page(text) {
            Ok(page) => {
                page.render(&data, Timestamp::UNIX_EPOCH).unwrap_or_else(|e| format!("FAILED {e}"))
            }
            Err(error) => format!("REFUSED {error}"),
        }
    };
    for (text, wanted) in [
        ("<p>{{ .Receiver }}</p>", "<p>&lt;b&gt;&amp;&#34;&#39;</p>"),
        ("<p>{{ .Receiver | safeHtml }}</p>", "<p><b>&\"'</p>"),
        ("<p>{{ .Receiver | html }}</p>", "<p>&lt;b&gt;&amp;&#34;&#39;</p>"),
        (r#"<a href="/x?q={{ .Receiver }}">"#, r#"<a href="/x?q=%3cb%3e%26%22%27">"#),
        (r#"<a href="{{ print "javascript:alert(1)" }}">"#, r##"<a href="#ZgotmplZ">"##),
        (
            r#"{{ define "x" }}{{ . }}{{ end }}<i>{{ template "x" .Receiver }}"#,
            "<i>&lt;b&gt;&amp;&#34;&#39;",
        ),
        ("<p>{{ print 1 2 }} {{ len .Alerts }}", "<p>1 2 0"),
    ] {
        assert_eq!(page(text), wanted, "{text}");
    }
    assert!(page("<a href='{{ if .Receiver }}'{{ end }}>").starts_with("REFUSED"));
    assert!(page("{{ $x }}").starts_with("REFUSED"));
    assert!(page("<p>{{ range 1001 }}x{{ end }}").contains("longer than 1000 bytes"));
}

#[test]
fn definitions_are_bounded_also_those_that_call_each_other() {
    let chain = |count: usize| {
        let define = |at: usize| {
            format!(r#"{{{{ define "{at}" }}}}<b>{{{{ template "{}" . }}}}{{{{ end }}}}"#, at + 1)
        };
        let all: String = (0..count - 1).map(define).collect();
        format!(
            r#"{all}{{{{ define "{}" }}}}{{{{ . }}}}{{{{ end }}}}{{{{ template "0" . }}}}"#,
            count - 1
        )
    };
    let library = Library::new(100_000);
    let page = library.page(&chain(180)).unwrap();
    assert!(page.render(&shown("<"), Timestamp::UNIX_EPOCH).unwrap().ends_with("<b>&lt;"));
    let deep = library.page(&chain(256)).unwrap();
    assert!(deep.render(&shown("<"), Timestamp::UNIX_EPOCH).is_err());
    assert!(library.page(&chain(257)).unwrap_err().to_string().contains("more than 256"));
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

#[test]
fn lists_that_are_made_again_and_again_are_work() {
    let alerts: Vec<Value> = (0..10_000).map(|_| alert("A", "x")).collect();
    let data = record("Data", [("Alerts", Value::List(alerts.into()))]);
    let text = "{{ range .Alerts }}{{ len $.Alerts.Names }}{{ end }}";
    let template = Library::new(1_000_000).with_methods(methods).template(text).unwrap();
    let failed = template.render(&data, Timestamp::UNIX_EPOCH).unwrap_err().to_string();
    assert!(failed.contains("its functions read and write more than"), "{failed}");
}

#[test]
fn a_rendering_ends_when_it_is_told_to() {
    let calls = std::rc::Rc::new(std::cell::Cell::new(0));
    let stop = {
        let calls = std::rc::Rc::clone(&calls);
        move || calls.replace(calls.get() + 1) == 10
    };
    let text = "{{ range 1000 }}{{ toUpper \"a\" }}{{ end }}";
    let template = Library::new(10_000).template(text).unwrap();
    let render = || template.render(&data(), Timestamp::UNIX_EPOCH);
    let failed = stoppable(stop, render).unwrap_err().to_string();
    assert!(failed.contains("it takes too long"), "{failed}");
    assert_eq!(calls.get(), 11);
    assert_eq!(render().unwrap().len(), 1_000);
}
