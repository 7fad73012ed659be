//! Lines as exporters write them, and lines that are none.

use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;

fn check(format: Format, text: &str, expected: Expect) {
    let mut shown = String::new();
    for line in text.split('\n') {
        let said = match super::line(format, line, "") {
            Ok(Line::Sample(sample)) => match labels(sample.series) {
                Ok(pairs) => format!("{pairs:?} {} timed={}", sample.value, sample.timed),
                Err(error) => format!("error: {error}"),
            },
            Ok(other) => format!("{other:?}"),
            Err(error) => format!("error: {error}"),
        };
        shown += &format!("{said}\n");
    }
    expected.assert_eq(&shown);
}

#[test]
fn the_text_format_is_read_with_its_blanks_escapes_and_times() {
    check(
        Format::Text,
        "# HELP a whatever \\ stands here\n# TYPE a counter\n# any comment\n\n\
         a 1\na:b_c{} -2.5e-3\n a\t {x = \"1\" , y=\"C:\\\\d \\\"q\\\" \\n \\t\",}\tNaN \t-1520879607789\n\
         a{x=\"}\",y=\"{,#\"}+Inf\n\
         {\"a.b\",\"đơn vị\"=\"Sở\"} -inf\n{\"a.b\"} 1.\n{__name__=\"c\"} .5",
        expect![[r#"
            Other
            Other
            Other
            Other
            [("__name__", "a")] 1 timed=false
            [("__name__", "a:b_c")] -0.0025 timed=false
            [("__name__", "a"), ("x", "1"), ("y", "C:\\d \"q\" \n \\t")] NaN timed=true
            [("__name__", "a"), ("x", "}"), ("y", "{,#")] inf timed=false
            [("__name__", "a.b"), ("đơn vị", "Sở")] -inf timed=false
            [("__name__", "a.b")] 1 timed=false
            [("__name__", "c")] 0.5 timed=false
        "#]],
    );
}

#[test]
fn open_metrics_has_exemplars_times_in_seconds_and_an_end() {
    check(
        Format::OpenMetrics,
        "# TYPE a histogram\n# UNIT a seconds\na_bucket{le=\"+Inf\"} 5 # {trace=\"x # y\"} 0.5 1.5\n\
         a_total{x=\" # \"} 1 1520879607.789 # {} 1\na_created 1.5e9\n# EOF",
        expect![[r#"
            Other
            Other
            [("__name__", "a_bucket"), ("le", "+Inf")] 5 timed=false
            [("__name__", "a_total"), ("x", " # ")] 1 timed=true
            [("__name__", "a_created")] 1500000000 timed=false
            End
        "#]],
    );
}

#[test]
fn what_is_no_line_is_told_by_its_reason() {
    check(
        Format::Text,
        "a\na x\na 1 x\na 1 2 3\n1a 1\n{x=\"1\"} 1\na{x=1} 1\na{x=\"1\"\na{x=\"1\" 1\na{x=\"1\"y=\"2\"} 1\n\
         a{=\"1\"} 1\na{,} 1\na{x=\"1\",x=\"2\"} 1\na{1x=\"1\"} 1\na{\"b\"} 1\n# TYPE a strange\n\
         a 1e999\na 0x10\na 1_000\na -nan\na 1 # {} 1\n<html>\na 1\r\n\u{feff}a 1",
        expect![[r#"
            error: a sample has no metric name
            error: the value is no number
            error: the time is no number
            error: something follows behind the sample
            error: a sample has no metric name
            error: a sample has no metric name
            error: the labels are not `{name="value",…}`
            error: the labels are not `{name="value",…}`
            error: the labels are not `{name="value",…}`
            error: the labels are not `{name="value",…}`
            error: the labels are not `{name="value",…}`
            error: the labels are not `{name="value",…}`
            error: a label stands twice
            error: the labels are not `{name="value",…}`
            error: the labels are not `{name="value",…}`
            error: the type of a metric is none of the format's
            error: the value is no number
            error: the value is no number
            error: the value is no number
            error: the value is no number
            error: the time is no number
            error: a sample has no metric name
            error: the value is no number
            error: a sample has no metric name
        "#]],
    );
}

#[test]
fn every_nan_is_the_ordinary_one() {
    for text in ["a NaN", "a nan"] {
        let Ok(Line::Sample(sample)) = super::line(Format::Text, text, "") else {
            panic!("{text} is no value");
        };
        assert_eq!(sample.value.to_bits(), NORMAL_NAN.to_bits());
    }
}

/// Lines that are nearly right, so that the edges are met.
fn nearly() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("a".to_owned()),
        Just("__name__".to_owned()),
        "[a-z_:0-9]{0,4}",
        Just("{".to_owned()),
        Just("}".to_owned()),
        Just("\"".to_owned()),
        Just("\\".to_owned()),
        Just("=\"x\"".to_owned()),
        Just(",".to_owned()),
        Just(" ".to_owned()),
        Just("\t".to_owned()),
        Just("#".to_owned()),
        Just(" # {} 1".to_owned()),
        Just("TYPE a ".to_owned()),
        Just("NaN".to_owned()),
        Just("+Inf".to_owned()),
        Just("1e5".to_owned()),
        Just("ợ".to_owned()),
        any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(piece, 0..14).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn rubbish_never_panics_and_a_known_line_is_read_as_an_unknown_one(
        line in nearly(), other in nearly(), open in any::<bool>(),
    ) {
        let format = if open { Format::OpenMetrics } else { Format::Text };
        let read = super::line(format, &line, "");
        if let Ok(Line::Sample(sample)) = &read {
            drop(labels(sample.series));
            // What was expected is compared only with lines that were read before.
            if let Ok(Line::Sample(before)) = super::line(format, &other, "")
                && labels(before.series).is_ok()
            {
                let again = super::line(format, &line, before.series);
                prop_assert_eq!(shown(&again), shown(&read), "after {}", before.series);
            }
            let again = super::line(format, &line, sample.series);
            prop_assert_eq!(shown(&again), shown(&read));
        }
    }

    #[test]
    fn what_is_written_is_read(
        names in prop::collection::vec("[a-z][a-z0-9_]{0,5}", 1..5),
        values in prop::collection::vec(any::<String>(), 4),
        value in any::<f64>(),
    ) {
        let escaped = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let mut pairs: Vec<(String, String)> = vec![("__name__".to_owned(), "m".to_owned())];
        for (name, value) in names.into_iter().zip(values) {
            if !pairs.iter().any(|(other, _)| *other == name) {
                pairs.push((name, value));
            }
        }
        let inner: Vec<_> =
            pairs[1..].iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
        let line = format!("m{{{}}} {value}", inner.join(","));
        let Ok(Line::Sample(sample)) = super::line(Format::Text, &line, "") else {
            panic!("{line}");
        };
        let got: Vec<(String, String)> = labels(sample.series)
            .unwrap()
            .into_iter()
            .map(|(name, value)| (name.into_owned(), value.into_owned()))
            .collect();
        prop_assert_eq!(got, pairs);
        prop_assert!(sample.value == value || value.is_nan());
    }
}

/// `NaN` differs from itself.
fn shown(line: &Result<Line<'_>, LineError>) -> String {
    format!("{line:?}")
}
