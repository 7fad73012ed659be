//! The translation against golden lists, in both encodings, the protobuf written by another program.

mod contradictions;
mod described;
mod limits;

use agent_model::Millis;
use collector_remote_write::labels;
use expect_test::{Expect, expect};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use prost::Message;

use crate::{Allowed, Encoding, OtlpError, Translated};

/// Points of any time are taken.
fn decode(body: &[u8], encoding: Encoding, gzip: bool) -> Result<Translated, OtlpError> {
    crate::decode(body, encoding, gzip, &allowed(usize::MAX))
}

/// Any time, and so much memory for the messages and for what they become.
fn allowed(bytes: usize) -> Allowed {
    Allowed { times: Millis::MIN..=Millis::MAX, parts_bytes: bytes, push_bytes: bytes }
}

/// A request in JSON: one resource, one scope, these metrics.
fn request(resource: &str, metrics: &str) -> String {
    format!(
        r#"{{"resourceMetrics": [{{"resource": {{"attributes": [{resource}]}}, "scopeMetrics": [
            {{"scope": {{"name": "story", "version": "1"}}, "metrics": [{metrics}]}}
        ]}}]}}"#
    )
}

fn attribute(key: &str, value: &str) -> String {
    format!(r#"{{"key": "{key}", "value": {{"stringValue": "{value}"}}}}"#)
}

/// The same request as another program writes it.
fn in_protobuf(json: &str) -> Vec<u8> {
    let request: ExportMetricsServiceRequest = serde_json::from_str(json).unwrap();
    request.encode_to_vec()
}

fn shown(translated: &Translated) -> String {
    let mut out = String::new();
    for series in translated.push.series() {
        let labels = labels(series.labels).unwrap();
        let samples = series.samples.iter().map(|sample| {
            let stale = agent_model::stale_marker().to_bits() == sample.value.to_bits();
            let value = if stale { "stale".to_owned() } else { sample.value.to_string() };
            format!(" {value}@{}", sample.timestamp_ms)
        });
        out += &format!("{labels}{}\n", samples.collect::<String>());
    }
    if translated.push.refusals.samples() > 0 {
        let refusals = translated.push.refusals.text();
        out += &format!("{} points refused: {refusals}\n", translated.points_refused);
    }
    out
}

/// Both encodings give the same, and it is this.
fn check(json: &str, expected: Expect) {
    let from_json = shown(&decode(json.as_bytes(), Encoding::Json, false).unwrap());
    let protobuf = in_protobuf(json);
    let from_protobuf = shown(&decode(&protobuf, Encoding::Protobuf, false).unwrap());
    assert_eq!(from_json, from_protobuf, "the encodings differ");
    expected.assert_eq(&from_json);
}

fn service() -> String {
    [("service.namespace", "shop"), ("service.name", "cart"), ("service.instance.id", "627cc493")]
        .map(|(key, value)| attribute(key, value))
        .join(",")
}

#[test]
fn gauges_and_sums_get_their_units_and_the_labels_of_their_service() {
    let points = r#""dataPoints": [{"timeUnixNano": "1700000000123456789", "asInt": "5",
        "attributes": [{"key": "http.method", "value": {"stringValue": "GET"}}]}]"#;
    let cumulative = r#""aggregationTemporality": 2"#;
    let metrics = [
        format!(r#"{{"name": "queue.size", "unit": "{{messages}}", "gauge": {{{points}}}}}"#),
        format!(r#"{{"name": "cpu.utilization", "unit": "1", "gauge": {{{points}}}}}"#),
        format!(
            r#"{{"name": "http.requests", "unit": "1", "sum": {{{points}, {cumulative}, "isMonotonic": true}}}}"#
        ),
        format!(
            r#"{{"name": "io.total.bytes", "unit": "By", "sum": {{{points}, {cumulative}, "isMonotonic": true}}}}"#
        ),
        format!(
            r#"{{"name": "9lives", "unit": "By/s", "sum": {{{points}, {cumulative}, "isMonotonic": false}}}}"#
        ),
        r#"{"name": "t", "gauge": {"dataPoints": [
            {"timeUnixNano": 3000000, "asDouble": 1e-9},
            {"timeUnixNano": 4000000, "asDouble": 0.5, "flags": 1}]}}"#
            .to_owned(),
    ];
    check(
        &request(&service(), &metrics.join(",")),
        expect![[r#"
            queue_size{http_method="GET",instance="627cc493",job="shop/cart"} 5@1700000000123
            cpu_utilization_ratio{http_method="GET",instance="627cc493",job="shop/cart"} 5@1700000000123
            http_requests_total{http_method="GET",instance="627cc493",job="shop/cart"} 5@1700000000123
            io_bytes_total{http_method="GET",instance="627cc493",job="shop/cart"} 5@1700000000123
            _9lives_bytes_per_second{http_method="GET",instance="627cc493",job="shop/cart"} 5@1700000000123
            t{instance="627cc493",job="shop/cart"} 0.000000001@3
            t{instance="627cc493",job="shop/cart"} stale@4
        "#]],
    );
}

/// The other program loses them, so it is not asked.
#[test]
fn numbers_that_json_has_no_word_for_come_as_texts() {
    let metrics = r#"{"name": "t", "gauge": {"dataPoints": [
        {"timeUnixNano": "1000000", "asDouble": "NaN"}, {"timeUnixNano": "2000000", "asDouble": "-Infinity"}]}},
        {"name": "h", "histogram": {"aggregationTemporality": 2, "dataPoints": [
        {"timeUnixNano": "1000000", "count": 1, "bucketCounts": [1, 0], "explicitBounds": ["Infinity"]}]}}"#;
    let translated = decode(request("", metrics).as_bytes(), Encoding::Json, false).unwrap();
    expect![[r#"
        t NaN@1
        t -inf@2
        1 points refused: 1 samples are not taken (point 1); the first: a point has no value, or its buckets or quantiles do not fit together: h
    "#]]
    .assert_eq(&shown(&translated));
}

#[test]
fn histograms_and_summaries_become_prometheus_classic_series() {
    let metrics = r#"
        {"name": "latency", "unit": "s", "histogram": {"aggregationTemporality": 2, "dataPoints": [
            {"timeUnixNano": "1000000", "count": "10", "sum": 7.5, "bucketCounts": ["1", "2", 7], "explicitBounds": [0.1, 2.5]},
            {"timeUnixNano": "2000000", "count": "3"},
            {"timeUnixNano": "3000000", "flags": 1, "explicitBounds": [0.1, 2.5]}]}},
        {"name": "rpc", "unit": "ms", "summary": {"dataPoints": [
            {"timeUnixNano": "1000000", "count": "4", "sum": 9, "quantileValues": [{"quantile": 0.5, "value": 2}, {"quantile": 1, "value": 3}]}]}}"#;
    check(
        &request(&attribute("service.name", "cart"), metrics),
        expect![[r#"
            latency_seconds_sum{job="cart"} 7.5@1
            latency_seconds_count{job="cart"} 10@1
            latency_seconds_bucket{job="cart",le="0.1"} 1@1
            latency_seconds_bucket{job="cart",le="2.5"} 3@1
            latency_seconds_bucket{job="cart",le="+Inf"} 10@1
            latency_seconds_count{job="cart"} 3@2
            latency_seconds_bucket{job="cart",le="+Inf"} 3@2
            latency_seconds_count{job="cart"} stale@3
            latency_seconds_bucket{job="cart",le="0.1"} stale@3
            latency_seconds_bucket{job="cart",le="2.5"} stale@3
            latency_seconds_bucket{job="cart",le="+Inf"} stale@3
            rpc_milliseconds_sum{job="cart"} 9@1
            rpc_milliseconds_count{job="cart"} 4@1
            rpc_milliseconds{job="cart",quantile="0.5"} 2@1
            rpc_milliseconds{job="cart",quantile="1"} 3@1
        "#]],
    );
}

fn gauge(attributes: &str) -> String {
    format!(
        r#"{{"name": "g", "gauge": {{"dataPoints": [{{"timeUnixNano": "1000000", "asInt": "1", "attributes": [{attributes}]}}]}}}}"#
    )
}

#[test]
fn attributes_of_every_kind_become_labels_and_those_of_one_name_are_joined() {
    let of = |key: &str, value: &str| format!(r#"{{"key": "{key}", "value": {value}}}"#);
    let attributes = [
        of("b.c", r#"{"stringValue": "second"}"#),
        of("b c", r#"{"stringValue": "first"}"#),
        of("bool", r#"{"boolValue": true}"#),
        of("int", r#"{"intValue": "-7"}"#),
        of("double", r#"{"doubleValue": 1e21}"#),
        of("small", r#"{"doubleValue": 0.25}"#),
        of("list", r#"{"arrayValue": {"values": [{"intValue": "1"}, {"stringValue": "a"}]}}"#),
        of(
            "map",
            r#"{"kvlistValue": {"values": [{"key": "z", "value": {"boolValue": false}}, {"key": "a", "value": {"doubleValue": 1.5}}]}}"#,
        ),
        of("bytes", r#"{"bytesValue": "AAEC"}"#),
        of("none", "{}"),
        of("_private", r#"{"stringValue": "x"}"#),
        of("9", r#"{"stringValue": "x"}"#),
        of("tên", r#"{"stringValue": "đèn \"biển\""}"#),
        of("__name__", r#"{"stringValue": "other"}"#),
        of("job", r#"{"stringValue": "gives way"}"#),
    ];
    check(
        &request(&attribute("service.name", "cart"), &gauge(&attributes.join(","))),
        expect![[r#"
            g{b_c="first;second",bool="true",bytes="AAEC",double="1e+21",int="-7",job="cart",key_9="x",key_private="x",list="[1,\"a\"]",map="{\"a\":1.5,\"z\":false}",small="0.25",t_n="đèn \"biển\""} 1@1
        "#]],
    );
}

#[test]
fn what_else_a_resource_says_stands_in_target_info_for_as_long_as_its_points_reach() {
    let resource = [service(), attribute("host.name", "dc1"), attribute("os.type", "linux")];
    let metrics = r#"{"name": "g", "gauge": {"dataPoints": [
        {"timeUnixNano": "1000000000000", "asInt": 1}, {"timeUnixNano": "1400000000000", "asInt": 2}]}}"#;
    check(
        &request(&resource.join(","), metrics),
        expect![[r#"
            g{instance="627cc493",job="shop/cart"} 1@1000000
            g{instance="627cc493",job="shop/cart"} 2@1400000
            target_info{host_name="dc1",instance="627cc493",job="shop/cart",os_type="linux"} 1@1000000 1@1150000 1@1300000 1@1400000
        "#]],
    );
    // Nobody would know whose it is, or it would say nothing.
    check(&request(&attribute("host.name", "dc1"), &gauge("")), expect!["g 1@1\n"]);
    // A time of long ago brings no more of them than late data may be old.
    let ages = r#"{"name": "g", "gauge": {"dataPoints": [
        {"timeUnixNano": "1", "asInt": 1}, {"timeUnixNano": "18446744073709551615", "asInt": 2}]}}"#;
    let json = request(&resource.join(","), ages);
    let translated = decode(json.as_bytes(), Encoding::Json, false).unwrap();
    let samples = translated.push.series().last().unwrap().samples.len();
    assert_eq!(samples, usize::try_from(crate::limits::TARGET_INFO_SAMPLES_MAX).unwrap() + 1);
}

#[test]
fn a_point_of_a_wrong_clock_is_refused_and_stretches_nobodys_target_info() {
    let resource = [service(), attribute("os.type", "linux")].join(",");
    let metrics = r#"{"name": "g", "gauge": {"dataPoints": [
        {"timeUnixNano": "1", "asInt": 1}, {"timeUnixNano": "1000000000", "asInt": 2},
        {"timeUnixNano": "2000000000", "asInt": 3}, {"timeUnixNano": "2001000000", "asInt": 4},
        {"timeUnixNano": "18446744073709551615", "asInt": 5}]}}"#;
    let json = request(&resource, metrics);
    let allowed = Allowed { times: 1_000..=2_000, ..allowed(usize::MAX) };
    let translated = crate::decode(json.as_bytes(), Encoding::Json, false, &allowed);
    expect![[r#"
        g{instance="627cc493",job="shop/cart"} 2@1000
        g{instance="627cc493",job="shop/cart"} 3@2000
        target_info{instance="627cc493",job="shop/cart",os_type="linux"} 1@1000 1@2000
        3 points refused: 3 samples are not taken (time 3); the first: the time lies too far ahead or too far back (agents.future_max, agents.past_max): g{instance="627cc493",job="shop/cart"}
    "#]]
    .assert_eq(&shown(&translated.unwrap()));
}

/// What is no number is not read further: its size would be nobody's matter.
#[test]
fn numbers_are_numbers_or_texts_and_a_list_ends_at_its_first_letter() {
    let error = |time: &str| {
        let metrics =
            format!(r#"{{"name": "g", "gauge": {{"dataPoints": [{{"timeUnixNano": {time}}}]}}}}"#);
        match decode(request("", &metrics).as_bytes(), Encoding::Json, false) {
            Err(OtlpError::Json(error)) => Some(error.classify()),
            _ => None,
        }
    };
    let wrong = Some(serde_json::error::Category::Data);
    assert_eq!([error("7"), error(r#""7""#), error(r#""\u0037""#)], [None; 3]);
    for time in ["-1", "1.5", r#""x""#, "true", "[1, no JSON", r#"{"a": no JSON"#] {
        assert_eq!(error(time), wrong, "{time}");
    }
}

#[test]
fn what_would_be_a_wrong_number_is_left_out_by_its_reason() {
    let point = r#"{"timeUnixNano": "1000000", "asInt": "1"}"#;
    let histogram = |counts: &str, bounds: &str| {
        format!(
            r#"{{"name": "h", "histogram": {{"aggregationTemporality": 2, "dataPoints": [
            {{"timeUnixNano": "1000000", "count": "3", "bucketCounts": [{counts}], "explicitBounds": [{bounds}]}}]}}}}"#
        )
    };
    let reasons = |metrics: &str| {
        let json = request("", metrics);
        let translated = decode(json.as_bytes(), Encoding::Json, false).unwrap();
        let again = decode(&in_protobuf(&json), Encoding::Protobuf, false).unwrap();
        assert_eq!(shown(&translated), shown(&again));
        let reasons = translated.push.refusals.iter().map(|(why, count)| (why.name(), count));
        (reasons.collect::<Vec<_>>(), translated.points_refused, translated.push.series_count())
    };
    let sum = |temporality: i32| {
        format!(
            r#"{{"name": "s", "sum": {{"dataPoints": [{point}, {point}], "aggregationTemporality": {temporality}, "isMonotonic": true}}}}"#
        )
    };
    assert_eq!(reasons(&sum(2)), (vec![], 0, 2));
    assert_eq!(reasons(&sum(1)), (vec![("temporality", 2)], 2, 0));
    assert_eq!(reasons(&sum(0)), (vec![("temporality", 2)], 2, 0));
    let exponential = r#"{"name": "e", "exponentialHistogram": {"aggregationTemporality": 2, "dataPoints": [{"scale": 1, "count": "1"}]}}"#;
    assert_eq!(reasons(exponential), (vec![("exponential_histogram", 1)], 1, 0));
    assert_eq!(reasons(r#"{"name": "new"}"#), (vec![("metric_kind", 1)], 1, 0));
    assert_eq!(reasons(&histogram(r#""1", "2""#, "5")), (vec![], 0, 3));
    let refused = (vec![("point", 1)], 1, 0);
    for (counts, bounds) in [
        (r#""1", "1""#, "5"),
        (r#""3""#, "5"),
        (r#""1", "1", "1""#, "5, 5"),
        (r#""1", "1", "1""#, "5, 4"),
    ] {
        assert_eq!(reasons(&histogram(counts, bounds)), refused, "{counts} {bounds}");
    }
    let single = |point: &str| format!(r#"{{"name": "g", "gauge": {{"dataPoints": [{point}]}}}}"#);
    assert_eq!(reasons(&single(r#"{"timeUnixNano": "1000000"}"#)), refused);
    assert_eq!(reasons(&single(r#"{"asInt": "1"}"#)), (vec![("time", 1)], 1, 0));
    let named = |name: &str| single(point).replace(r#""g""#, &format!(r#""{name}""#));
    assert_eq!(reasons(&named("...")), (vec![("metric_name", 1)], 1, 0));
    assert_eq!(reasons(&gauge(&attribute("đ", "x"))), (vec![("label_name", 1)], 1, 0));
    let summary = |quantiles: &str| {
        format!(
            r#"{{"name": "q", "summary": {{"dataPoints": [{{"timeUnixNano": "1000000", "quantileValues": [{quantiles}]}}]}}}}"#
        )
    };
    assert_eq!(reasons(&summary(r#"{"quantile": 1.5}"#)), refused);
    let twice = r#"{"quantile": 0.5, "value": 1}, {"quantile": 1}, {"quantile": 0.5, "value": 2}"#;
    assert_eq!(reasons(&summary(twice)), refused);
    assert_eq!(reasons(&summary(r#"{"quantile": 1}, {"quantile": 0.5}"#)), (vec![], 0, 4));
}

#[test]
fn a_point_is_judged_whole_and_target_info_by_itself() {
    let metrics = r#"{"name": "h", "histogram": {"aggregationTemporality": 2, "dataPoints": [
        {"timeUnixNano": "1000000", "count": "3", "bucketCounts": [1, 2], "explicitBounds": [5]}]}}"#;
    let resource = [attribute("service.name", "a"), attribute("os", "b")].join(",");
    let json = request(&resource, &format!("{metrics},{}", gauge("")));
    let translated = decode(json.as_bytes(), Encoding::Json, false).unwrap();
    assert_eq!(translated.push.series_count(), 5);
    let time = collector_remote_write::Refusal::Time;
    let (by_series, points) = translated.judged(|at, _| (at == 1 || at == 4).then_some(time));
    assert_eq!(by_series, [Some(time), Some(time), Some(time), None, None]);
    assert_eq!(points, 1);
}

#[test]
fn the_answer_is_in_the_encoding_of_the_request() {
    use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceResponse;
    let said = || Some("3 samples".to_owned());
    let read = ExportMetricsServiceResponse::decode(&*Encoding::Protobuf.taken(2, said())).unwrap();
    let partial = read.partial_success.unwrap();
    assert_eq!((partial.rejected_data_points, partial.error_message.as_str()), (2, "3 samples"));
    assert_eq!(Encoding::Protobuf.taken(0, None), b"");
    let json = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    expect![[
        r#"{"partialSuccess":{"errorMessage":"3 samples","rejectedDataPoints":"2"}} {} {"message":"no"}"#
    ]]
    .assert_eq(&format!(
        "{} {} {}",
        json(Encoding::Json.taken(2, said())),
        json(Encoding::Json.taken(0, None)),
        json(Encoding::Json.refused("no".to_owned()))
    ));
}
