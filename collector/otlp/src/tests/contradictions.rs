//! Points that say different things of one series: the first is taken, whole, and the others are refused, whole.

use expect_test::expect;

use super::{attribute, check, decode, request};
use crate::Encoding;

#[test]
fn of_two_points_that_contradict_each_other_the_first_is_taken_and_its_neighbours_stay() {
    let metric = |name: &str, value: i32| {
        format!(
            r#"{{"name": "{name}", "gauge": {{"dataPoints": [{{"timeUnixNano": "1000000", "asInt": "{value}"}}]}}}}"#
        )
    };
    let all = [metric("a", 1), metric("b", 1), metric("a", 2), metric("a", 1), metric("c", 3)];
    let json = request("", &all.join(","));
    check(
        &json,
        expect![[r#"
            a 1@1
            b 1@1
            a 1@1
            c 3@1
            1 points refused: 1 samples are not taken (point_repeated 1); the first: two points say different things of one series at one time (of two scopes?): a
        "#]],
    );
    let translated = decode(json.as_bytes(), Encoding::Json, false).unwrap();
    assert_eq!(translated.points, [0..1, 1..2, 2..3, 3..4]);
}

#[test]
fn a_point_that_is_left_out_for_a_contradiction_contradicts_nobody() {
    let point = |count: i32, sum: &str| {
        format!(r#"{{"timeUnixNano": "1000000", "count": "{count}"{sum}}}"#)
    };
    // The second says another count, and a sum that goes with it.
    let points = [point(3, ""), point(4, r#", "sum": 8"#), point(3, r#", "sum": 9"#)].join(",");
    let histogram = format!(r#"{{"aggregationTemporality": 2, "dataPoints": [{points}]}}"#);
    check(
        &request("", &format!(r#"{{"name": "h", "histogram": {histogram}}}"#)),
        expect![[r#"
            h_count 3@1
            h_bucket{le="+Inf"} 3@1
            h_sum 9@1
            h_count 3@1
            h_bucket{le="+Inf"} 3@1
            1 points refused: 3 samples are not taken (point_repeated 3); the first: two points say different things of one series at one time (of two scopes?): h_sum
        "#]],
    );
}

#[test]
fn a_label_with_an_empty_value_is_none_so_a_point_with_it_contradicts_one_without() {
    let point = |attributes: &str, value: i32| {
        format!(
            r#"{{"timeUnixNano": "1000000", "asInt": "{value}", "attributes": [{attributes}]}}"#
        )
    };
    let empty = [attribute("a", ""), r#"{"key": "b", "value": {}}"#.to_owned()].join(",");
    let points = [point("", 1), point(&empty, 2)].join(",");
    let metrics = format!(r#"{{"name": "g", "gauge": {{"dataPoints": [{points}]}}}}"#);
    check(
        &request(&attribute("service.name", ""), &metrics),
        expect![[r#"
            g 1@1
            1 points refused: 1 samples are not taken (point_repeated 1); the first: two points say different things of one series at one time (of two scopes?): g
        "#]],
    );
}
