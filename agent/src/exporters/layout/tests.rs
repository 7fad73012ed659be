//! Bodies one after the other, and bodies beyond each limit.

use std::path::Path;
use std::time::Duration;

use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;
use crate::clock::Clock;

const LIMITS: Limits = Limits { samples_max: 5, labels_max: 3, label_bytes_max: 13 };

fn layout_with(rules: &str, limits: Limits) -> Layout {
    let text = format!(
        "collectors: [{{address: 'c:1'}}]\nexporters:\n  - job: x\n    url: http://h:1/\n    \
         metric_relabel: [{rules}]\n"
    );
    let config = crate::Config::parse(Path::new("agent.yml"), &text).unwrap();
    let rules = config.exporters[0].metric_relabel.iter();
    let rules = rules.map(|rule| rule.value.rule().unwrap()).collect();
    let target = [("host", "h"), ("job", "x"), ("instance", "i"), ("unit", "so")];
    let target = target.map(|(name, value)| (name.to_owned(), value.to_owned()));
    Layout::new(limits, rules, target.into())
}

fn take(layout: &mut Layout, body: &str) -> Result<Taken, BodyError> {
    layout.take(Format::Text, body.as_bytes(), Clock.instant())
}

fn samples(columns: &[Column]) -> Vec<String> {
    let samples = columns.iter().flat_map(|(_, schema, values)| schema.series.iter().zip(values));
    let shown = |value: f64| if is_stale(value) { "ended".to_owned() } else { value.to_string() };
    let mut samples: Vec<_> =
        samples.map(|(labels, value)| format!("{labels} {}", shown(*value))).collect();
    samples.sort();
    samples
}

fn check(layout: &mut Layout, body: &str, expected: Expect) {
    let shown = match take(layout, body) {
        Ok(taken) => {
            let Taken { scraped, kept, added, duplicates, timed, described, columns, .. } = taken;
            let counts = format!(
                "scraped={scraped} kept={kept} added={added} duplicates={duplicates} timed={timed} described={described}"
            );
            format!("{counts}\n{}\n", samples(&columns).join("\n"))
        }
        Err(error) => format!("{}\n", crate::chain(&error)),
    };
    expected.assert_eq(&shown);
}

#[test]
fn lines_become_series_with_the_targets_labels() {
    let mut layout = layout_with("", LIMITS);
    check(
        &mut layout,
        "# TYPE a gauge\na 1\nb{host=\"own\",unit=\"theirs\"} 2 1000\na 3\n",
        expect![[r#"
            scraped=3 kept=3 added=2 duplicates=1 timed=1 described=2
            a{unit="so"} 1
            b{exported_host="own",exported_unit="theirs",unit="so"} 2
        "#]],
    );
    check(
        &mut layout,
        "b{unit=\"theirs\",host=\"own\"} 5\nb{host=\"own\",unit=\"theirs\"} 2\nc{x=\"\"} 1\nc 2\n",
        expect![[r#"
            scraped=4 kept=4 added=1 duplicates=2 timed=0 described=3
            a{unit="so"} ended
            b{exported_host="own",exported_unit="theirs",unit="so"} 2
            c{unit="so"} 1
        "#]],
    );
    assert!(samples(&layout.end()).iter().all(|one| one.ends_with(" ended")));
}

#[test]
fn rules_drop_series_and_one_that_leaves_no_name_is_refused() {
    let mut layout = layout_with("{source_labels: [__name__], regex: 'b.*', action: drop}", LIMITS);
    for _ in 0..2 {
        let taken = take(&mut layout, "a 1\nb 2\nb_c 3\n").unwrap();
        assert_eq!((taken.scraped, taken.kept), (3, 1));
    }
    let mut layout = layout_with("{regex: __name__, action: labeldrop}", LIMITS);
    check(
        &mut layout,
        "a{x=\"1\"} 1\n",
        expect![[r#"
            the rules of metric_relabel leave a{x="1"} without a name
        "#]],
    );
}

#[test]
fn a_body_beyond_a_limit_is_refused_whole_and_changes_nothing() {
    let mut layout = layout_with("", LIMITS);
    let five = "a 1\nb 1\nc 1\nd 1\ne 1\n";
    assert_eq!(take(&mut layout, five).unwrap().kept, 5);
    check(
        &mut layout,
        &format!("{five}f 1\n"),
        expect![[r#"
        it has more than 5 samples (samples_max)
    "#]],
    );
    let many: String = (0..51).map(|_| "a 1\n").collect();
    check(
        &mut layout,
        &many,
        expect![[r#"
        it has more than 50 samples before the rules of metric_relabel, 10 times samples_max
    "#]],
    );
    let fifty: String = (0..50).map(|_| "a 1\n").collect();
    assert!(matches!(take(&mut layout, &fifty), Err(BodyError::Samples { max: 5 })));
    assert_eq!(take(&mut layout, five).unwrap().described, 0);
    check(
        &mut layout,
        "a{x=\"1\",y=\"1\",z=\"1\",w=\"1\"} 1\n",
        expect![[r#"
        a{x="1",y="1",z="1",w="1"} has 4 labels, more than 3 (labels_max)
    "#]],
    );
    check(
        &mut layout,
        "a{x=\"12345678901234\"} 1\n",
        expect![[r#"
            a label's name or value in a{x="12345678901234"} has 14 bytes, more than 13 (label_bytes_max)
        "#]],
    );
    check(
        &mut layout,
        "a{x12345678901234=\"1\"} 1\n",
        expect![[r#"
            a label's name or value in a{x12345678901234="1"} has 15 bytes, more than 13 (label_bytes_max)
        "#]],
    );
    check(
        &mut layout,
        "a 1\nb{x=\"1\" 2\n",
        expect![[r#"
        line 2 is not of the format: "b{x=\"1\" 2": the labels are not `{name="value",…}`
    "#]],
    );
    assert!(matches!(
        layout.take(Format::Text, b"a \xff\n", Clock.instant()),
        Err(BodyError::NotText)
    ));
    assert_eq!(take(&mut layout, five).unwrap().described, 0);
}

#[test]
fn open_metrics_must_be_whole() {
    let mut layout = layout_with("", LIMITS);
    let mut take = |body: &str| layout.take(Format::OpenMetrics, body.as_bytes(), Clock.instant());
    assert!(matches!(take("a 1\n"), Err(BodyError::NotWhole)));
    assert!(matches!(take("a 1\n# EOF\nb 1\n"), Err(BodyError::Line { number: 3, .. })));
    assert_eq!(take("a 1\n# EOF").unwrap().kept, 1);
    assert_eq!(take("a 1\n# EOF\n").unwrap().kept, 1);
}

#[test]
fn series_that_change_too_fast_are_refused_until_the_hour_allows_more() {
    let mut layout = layout_with("", LIMITS);
    let start = Clock.instant();
    let mut body = |number: u32, after: u64| {
        let text = format!("a{{n=\"{number}\"}} 1\n");
        layout.take(Format::Text, text.as_bytes(), start + Duration::from_secs(after))
    };
    for number in 0..25 {
        body(number, 0).unwrap();
    }
    assert!(matches!(body(25, 0), Err(BodyError::Churn { fresh: 1, left: 0, per_hour: 25 })));
    // One more is allowed after each 144 seconds; what is known is always taken.
    assert!(body(24, 1).is_ok());
    assert!(body(25, 143).is_err());
    assert!(body(25, 145).is_ok());
}

#[test]
fn lines_that_are_not_written_any_more_are_forgotten() {
    let limits = Limits { samples_max: 10_000, ..LIMITS };
    let mut layout = layout_with("", limits);
    for round in 0..20 {
        let body: String =
            (0..100).map(|at| format!("a{{r=\"{round}\",n=\"{at}\"}} 1\n")).collect();
        take(&mut layout, &body).unwrap();
        assert!(layout.lines.len() <= 600, "{} lines", layout.lines.len());
    }
    assert!(layout.texts.len() < 800, "{} texts", layout.texts.len());
}

/// A body written plainly: what `take` must come to.
fn plain(body: &[(u8, u8, u8)]) -> Vec<String> {
    let mut seen: Vec<(String, String)> = Vec::new();
    for (name, label, value) in body {
        let series = Labels::metric(
            format!("m{}", name % 6),
            [("l", format!("{}", label % 4)), ("unit", "so".to_owned())],
        );
        let series = series.to_string();
        if !seen.iter().any(|(other, _)| *other == series) {
            seen.push((series, value.to_string()));
        }
    }
    let mut shown: Vec<_> =
        seen.into_iter().map(|(series, value)| format!("{series} {value}")).collect();
    shown.sort();
    shown
}

proptest! {
    #[test]
    fn any_row_of_bodies_is_read_as_if_each_were_the_first(
        bodies in prop::collection::vec(prop::collection::vec(any::<(u8, u8, u8)>(), 0..30), 1..12),
    ) {
        let mut layout = layout_with("", Limits { samples_max: 1_000, ..LIMITS });
        for body in bodies {
            let text: String = body
                .iter()
                .map(|(name, label, value)| {
                    let blank = if label % 2 == 0 { "" } else { " " };
                    format!("m{}{{{blank}l=\"{}\"}} {value}\n", name % 6, label % 4)
                })
                .collect();
            let taken = take(&mut layout, &text).unwrap();
            let living: Vec<_> =
                samples(&taken.columns).into_iter().filter(|one| !one.ends_with("ended")).collect();
            prop_assert_eq!(living, plain(&body));
        }
    }

    #[test]
    fn rubbish_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..500), open in any::<bool>()) {
        let format = if open { Format::OpenMetrics } else { Format::Text };
        let mut layout = layout_with("", LIMITS);
        for _ in 0..2 {
            drop(layout.take(format, &bytes, Clock.instant()));
        }
    }
}
