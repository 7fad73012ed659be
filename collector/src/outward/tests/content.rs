//! What a request holds: its headers, series and samples, and what an answer to version 2 says of them.

use agent_model::{Column, Epoch, HostId, Report, ReportKey, Schema, Stream, is_stale};

use super::*;
use crate::record::Record;

#[tokio::test]
async fn version_2_is_sent_as_such_and_only_a_count_in_the_answer_means_taken() {
    let receiver = Receiver::new().await;
    let written = "X-Prometheus-Remote-Write-Samples-Written: 2\r\n";
    let said = |headers| Say::Status { status: 204, headers, body: "" };
    receiver.will_say(vec![said(""), said(written)]);
    let mut bench = Bench::new(&receiver.url());
    (bench.target.version, bench.target.shards) = (Version::Two, 1);
    let (outward, _running) = bench.start();
    bench.push(&[1, 2, 3], 1).await;
    eventually("an answer", || outward.stored() == Some(Position(1))).await;
    assert_eq!(receiver.requests(), 2);
    assert_eq!(bench.figure("sent_samples_total", None), 2.0);
    assert_eq!(bench.figure("dropped_samples_total", Some("refused")), 1.0);
    assert_eq!(times(&receiver).len(), 3);
}

#[tokio::test]
async fn a_request_says_what_it_is_and_who_sends_it_with_the_secret_as_it_is_now() {
    let receiver = Receiver::new().await;
    let mut bench = Bench::new(&receiver.url());
    let token_file = bench.directory.path().join("token");
    bench.target.credentials = config::Credentials::Bearer { token_file: token_file.clone() };
    let tenant = reqwest::header::HeaderValue::from_static("Tinh");
    bench.target.headers.insert("x-scope-orgid", tenant);
    let (outward, running) = bench.start();
    bench.push(&[1], 1).await;
    // Without its secret nothing is sent, and nothing is lost.
    let failing = |outward: &Outward| {
        outward.targets().any(|target| matches!(target.health(), Health::Failing { .. }))
    };
    eventually("the failure", || failing(&outward)).await;
    assert_eq!(receiver.requests(), 0);
    std::fs::write(&token_file, "geheim\n").unwrap();
    eventually("the first", || outward.stored() == Some(Position(1))).await;
    for header in [
        "authorization: bearer geheim\r\n",
        "x-scope-orgid: tinh\r\n",
        "content-type: application/x-protobuf\r\n",
        "content-encoding: snappy\r\n",
        "x-prometheus-remote-write-version: 0.1.0\r\n",
        "user-agent: haidang/",
    ] {
        assert!(receiver.head().contains(header), "{header}: {}", receiver.head());
    }
    drop(running);
    let (username, password_file) = ("u".to_owned(), token_file);
    bench.target.credentials = config::Credentials::Basic { username, password_file };
    let (outward, _running) = bench.start();
    bench.push(&[1], 2).await;
    eventually("the second", || outward.stored() == Some(Position(2))).await;
    assert!(receiver.head().contains("authorization: basic dtpnzwhlaw0="), "{}", receiver.head());
}

#[tokio::test]
async fn write_relabel_chooses_what_is_sent_and_under_which_labels() {
    let receiver = Receiver::new().await;
    let mut bench = Bench::new(&receiver.url());
    let text = "remote_write: {targets: [{name: there, url: 'http://x/', write_relabel: [\
                {source_labels: [__name__], regex: m2, action: drop}, \
                {source_labels: [a], target_label: c}, {regex: a, action: labeldrop}]}]}\n";
    let file = bench.directory.path().join("collector.yml");
    std::fs::write(&file, text).unwrap();
    let config = crate::config::Config::open(&file).unwrap();
    bench.target.write_relabel = config.remote_write.targets[0].write_relabel.clone();
    let (outward, _running) = bench.start();
    bench.push(&[1, 2, 3], 1).await;
    eventually("the record", || outward.stored() == Some(Position(1))).await;
    let taken = times(&receiver);
    let series: Vec<_> = taken.keys().map(String::as_str).collect();
    assert_eq!(series, [r#"m1{c="b",origin="o"}"#, r#"m3{c="b",origin="o"}"#]);
    assert_eq!(bench.figure("kept_back_samples_total", None), 1.0);
}

/// A report of a host, in a schema of these series, one second after the other.
pub(super) async fn report(bench: &Bench, seconds: i64, names: &[&str]) {
    let (host, time_ms) = (HostId::new("dc1-srv01").unwrap(), seconds * 1_000);
    let key = ReportKey { epoch: Epoch(1), stream: Stream::Metrics, sequence: 1 };
    let mut report = Report::empty(host.clone(), key, time_ms);
    let series = names.iter().map(|name| Labels::metric(*name, [("instance", "lie")])).collect();
    let (job, instance) = ("db".to_owned(), "i:1".to_owned());
    let schema = Schema { job, instance, series, base: vec![1.0; names.len()] };
    let values = schema.base.clone();
    report.columns.push(Column { schema: schema.id(), timestamp_ms: time_ms, values });
    report.schemas.push(schema);
    let bytes = agent_wire::encode_report(&report, &bench.schemas).unwrap();
    let record = Record {
        host,
        received_ms: crate::clock::now_ms(),
        clock_offset_ms: 0,
        agent_version: String::new(),
        derived: false,
        report: bytes,
    };
    let decoded = agent_wire::RawReport::decode(record.report.clone()).unwrap();
    bench.schemas.add(&record.host, decoded.schemas(), &decoded.used_schemas());
    bench.journal.append(vec![record.encode()]).await.unwrap();
}

#[tokio::test]
pub(super) async fn reports_are_sent_with_the_collectors_labels_and_what_a_target_lost_ends() {
    let receiver = Receiver::new().await;
    let mut bench = Bench::new(&receiver.url());
    let (outward, _running) = bench.start();
    report(&bench, 1, &["a", "b"]).await;
    report(&bench, 2, &["a"]).await;
    eventually("both", || outward.stored() == Some(Position(2))).await;
    let labels = r#"{host="dc1-srv01",instance="i:1",job="db"}"#;
    let mut taken: Vec<_> = receiver
        .taken()
        .into_iter()
        .map(|(labels, sample)| (labels, sample.timestamp_ms, is_stale(sample.value)))
        .collect();
    taken.sort();
    let named = |name: &str| format!("{name}{labels}");
    assert_eq!(
        taken,
        [
            (named("a"), 1_000, false),
            (named("a"), 2_000, false),
            (named("b"), 1_000, false),
            (named("b"), 1_001, true),
        ]
    );
}
