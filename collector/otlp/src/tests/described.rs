//! What requests say of metrics, in both encodings.

use super::*;

fn described(json: &str) -> Vec<String> {
    let of = |translated: Translated| -> Vec<String> {
        let all = translated.push.described.into_iter();
        let line = |one: agent_model::MetricMetadata| {
            format!("{} {} {:?} {}", one.metric, one.kind.name(), one.help, one.unit)
        };
        all.map(line).collect()
    };
    let from_json = of(decode(json.as_bytes(), Encoding::Json, false).unwrap());
    let from_protobuf = of(decode(&in_protobuf(json), Encoding::Protobuf, false).unwrap());
    assert_eq!(from_json, from_protobuf, "the encodings differ");
    from_json
}

#[test]
fn a_metric_is_described_once_under_its_name_here_when_something_of_it_is_taken() {
    let points = r#""dataPoints": [{"timeUnixNano": "1700000000123456789", "asInt": "5"}]"#;
    let sum = |more: &str, monotonic: bool, temporality: u8| {
        format!(
            r#"{{"name": "http.sent", "description": "Đã gửi.", "unit": "By/s"{more},
                "sum": {{"isMonotonic": {monotonic}, "aggregationTemporality": {temporality}, {points}}}}}"#
        )
    };
    let gauge = format!(r#"{{"name": "load", "unit": "1", "gauge": {{{points}}}}}"#);
    let metrics = [sum("", true, 2), sum("", true, 2), sum("", false, 2), sum("", true, 1), gauge];
    let expected = [
        r#"http_sent_bytes_per_second_total counter "Đã gửi." bytes_per_second"#,
        r#"http_sent_bytes_per_second gauge "Đã gửi." bytes_per_second"#,
        r#"load_ratio gauge "" 1"#,
    ];
    assert_eq!(described(&request(&service(), &metrics.join(","))), expected);
}
