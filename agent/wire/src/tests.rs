//! Reports to bytes and back, and bytes that are no report.

use std::collections::HashMap;
use std::sync::Arc;

use agent_model::{
    BackupCopy, BackupOutcome, BackupRun, COPY_ENTRIES_MAX, Column, CopyEntry, Epoch, Event,
    EventClass, Fact, Gap, GapReason, HELP_BYTES_MAX, HostId, Labels, MetricKind, MetricMetadata,
    ProbeKind, ProbeResult, Report, ReportKey, Schema, SchemaId, ScrapeTarget, ScrapeTargets,
    Severity, Stream, TargetMetadata, VerificationDepth, stale_marker,
};
use bytes::Bytes;
use proptest::prelude::*;

use crate::limits::{ENVELOPE_BYTES_MAX, LABEL_BYTES_MAX, LABELS_MAX, RECORDS_MAX, REPORTS_MAX};
use crate::{
    Acknowledgement, Envelope, RawReport, ReportOutcome, SchemaSource, WireError, decode_envelope,
    decode_schema, encode_envelope, encode_report, encode_schema,
};

#[derive(Default)]
struct Known(HashMap<SchemaId, Arc<Schema>>);

impl SchemaSource for Known {
    fn schema(&self, id: &SchemaId) -> Option<Arc<Schema>> {
        self.0.get(id).cloned()
    }
}

fn schema() -> Schema {
    let series = ["0", "1", "2"]
        .map(|cpu| Labels::metric("node_cpu_seconds_total", [("cpu", cpu), ("mode", "idle")]));
    Schema {
        job: "node".into(),
        instance: String::new(),
        series: series.into(),
        base: vec![0.0, 100.0, 1.5],
    }
}

fn report(stream: Stream) -> Report {
    let key = ReportKey { epoch: Epoch(7), stream, sequence: 3 };
    Report::empty(HostId::new("dc1-srv01").unwrap(), key, 1_000)
}

fn round_trip(report: &Report, known: &Known) -> Report {
    let bytes = encode_report(report, known).unwrap();
    RawReport::decode(bytes).unwrap().into_report(known).unwrap()
}

#[test]
fn every_kind_of_record_comes_back_as_it_went() {
    let mut sent = report(Stream::Evidence);
    sent.events.push(Event {
        time_ms: 5,
        class: EventClass::Authentication,
        severity: Severity::Medium,
        source: "auth_log".into(),
        message: "Failed password for root".into(),
        fields: [("User".to_owned(), "root".to_owned())].into(),
    });
    sent.backup_runs.push(BackupRun {
        job: "csdl".into(),
        tool: "command".into(),
        started_ms: 1,
        finished_ms: 2,
        outcome: BackupOutcome::Unproven,
        exit_code: Some(0),
        bytes: None,
        files: Some(0),
        content_id: None,
        detail: "xong".into(),
        reported_by: "postgres".into(),
    });
    sent.backup_copies.push(copy());
    sent.probe_results.push(ProbeResult {
        probe: "portal".into(),
        kind: ProbeKind::Http,
        target: "https://example.vn/".into(),
        time_ms: 4,
        success: false,
        duration_seconds: 0.25,
        http_status: Some(503),
        certificate_expiry_ms: Some(99),
        failure: "status 503".into(),
    });
    sent.facts.push(Fact { name: "kernel".into(), value: "6.1".into() });
    sent.gaps.push(Gap {
        stream: Stream::Metrics,
        epoch: Epoch(6),
        first_sequence: 1,
        last_sequence: 9,
        from_ms: 1,
        to_ms: 2,
        samples: 4_500,
        events: 0,
        reason: GapReason::SpoolOverflow,
    });
    sent.metadata.push(described(&"ạ".repeat(HELP_BYTES_MAX / 3)));
    let target = ScrapeTarget {
        job: "db".into(),
        instance: "dc1-srv01:9187".into(),
        url: "http://127.0.0.1:9187/metrics".into(),
        interval_ms: 15_000,
        timeout_ms: 10_000,
        last_error: "no answer".into(),
    };
    sent.targets.push(ScrapeTargets { complete: true, targets: vec![target] });
    sent.targets.push(ScrapeTargets { complete: true, targets: vec![] });
    let got = round_trip(&sent, &Known::default());
    assert_eq!(format!("{sent:?}"), format!("{got:?}"));
}

fn described(help: &str) -> TargetMetadata {
    let metrics = vec![MetricMetadata {
        metric: "pg_up".into(),
        kind: MetricKind::StateSet,
        help: help.into(),
        unit: "seconds".into(),
    }];
    let (job, instance) = ("db".into(), "dc1-srv01:9187".into());
    TargetMetadata { job, instance, complete: false, metrics }
}

/// Entries as tools give them: with and without what some cannot tell.
fn copy_entries(count: usize) -> Vec<CopyEntry> {
    let entry = |at: usize| CopyEntry {
        content_id: format!("tree{at}"),
        consistent_ms: (at > 0).then_some(5),
        bytes: (at > 1).then_some(6),
    };
    (0..count).map(entry).collect()
}

fn copy() -> BackupCopy {
    BackupCopy {
        job: "csdl".into(),
        tool: "restic".into(),
        location: "/srv/restic".into(),
        observed_ms: 9,
        newest_ms: Some(8),
        consistent_ms: Some(7),
        oldest_ms: Some(2),
        bytes: Some(u64::MAX),
        copies: 3,
        content_id: Some("abc".into()),
        recent: copy_entries(COPY_ENTRIES_MAX),
        depth: VerificationDepth::Listed,
        error: None,
    }
}

#[test]
fn more_recent_copies_than_agreed_are_refused() {
    let mut sent = report(Stream::Evidence);
    let mut copy = copy();
    copy.recent = copy_entries(COPY_ENTRIES_MAX + 1);
    sent.backup_copies.push(copy);
    let refused = RawReport::decode(encode_report(&sent, &Known::default()).unwrap()).unwrap_err();
    assert!(matches!(refused, WireError::Limit { got: 33, max: 32, .. }), "{refused}");
}

#[test]
fn descriptions_of_metrics_are_taken_up_to_their_limits_and_those_of_a_newer_kind_say_nothing() {
    let decode = |metadata: Vec<TargetMetadata>| {
        let sent = Report { metadata, ..report(Stream::Evidence) };
        RawReport::decode(encode_report(&sent, &Known::default()).unwrap())
    };
    assert!(decode(vec![described(&"h".repeat(HELP_BYTES_MAX))]).is_ok());
    let refused = decode(vec![described(&"h".repeat(HELP_BYTES_MAX + 1))]).unwrap_err();
    assert!(matches!(refused, WireError::Limit { got: 1_025, max: 1_024, .. }), "{refused}");
    let one = described("").metrics.remove(0);
    let many = |count| vec![TargetMetadata { metrics: vec![one.clone(); count], ..described("") }];
    assert!(decode(many(RECORDS_MAX)).is_ok());
    assert!(decode(many(RECORDS_MAX + 1)).is_err());
    let mut message = crate::targets::metadata_to_proto(&described(""));
    message.metrics[0].kind = 99;
    let read = crate::targets::metadata_from_proto(message);
    assert_eq!(read.metrics[0].kind, MetricKind::Unknown);
}

#[test]
fn a_column_needs_its_schema_and_names_the_one_it_lacks() {
    let schema = Arc::new(schema());
    let known = Known([(schema.id(), Arc::clone(&schema))].into());
    let mut sent = report(Stream::Metrics);
    sent.columns.push(Column { schema: schema.id(), timestamp_ms: 1_000, values: vec![1.0; 3] });
    let bytes = encode_report(&sent, &known).unwrap();

    let raw = RawReport::decode(bytes).unwrap();
    assert_eq!(raw.missing_schemas(&Known::default()), [schema.id()]);
    assert!(matches!(raw.into_report(&Known::default()), Err(WireError::SchemaUnknown(_))));

    sent.schemas.push(schema.as_ref().clone());
    let got = round_trip(&sent, &Known::default());
    assert_eq!(got.columns[0].values, [1.0; 3]);
    assert_eq!(got.schemas[0].id(), schema.id());
}

#[test]
fn stored_schemas_keep_their_id() {
    assert_eq!(decode_schema(&encode_schema(&schema())).unwrap().id(), schema().id());
    // As it was before schemas had an instance.
    assert_eq!(schema().id().to_string(), "010a5c99f3c15496");
}

#[test]
fn targets_of_a_job_have_schemas_of_their_own() {
    let target = Schema { instance: "db1:9187".into(), ..schema() };
    assert_ne!(target.id(), schema().id());
    let got = decode_schema(&encode_schema(&target)).unwrap();
    assert_eq!((got.id(), got.instance.as_str()), (target.id(), "db1:9187"));
    let long = Schema { instance: "x".repeat(LABEL_BYTES_MAX + 1), ..schema() };
    assert!(matches!(decode_schema(&encode_schema(&long)), Err(WireError::Limit { .. })));
}

#[test]
fn an_unchanged_tick_of_five_hundred_series_costs_under_a_fifth_of_a_byte_a_sample() {
    let series = (0..500).map(|at| Labels::metric("m", [("at", at.to_string())])).collect();
    let schema = Arc::new(Schema {
        job: "node".into(),
        instance: String::new(),
        series,
        base: vec![0.125; 500],
    });
    let known = Known([(schema.id(), Arc::clone(&schema))].into());
    let mut sent = report(Stream::Metrics);
    let values = schema.base.clone();
    sent.columns.push(Column { schema: schema.id(), timestamp_ms: 1, values });
    let reports = vec![encode_report(&sent, &known).unwrap()];
    let envelope = Envelope { agent_version: "0.1.0".into(), sent_ms: 1, reports };
    let bytes = encode_envelope(&envelope).unwrap().len();
    assert!(bytes < 100, "{bytes} bytes");
}

#[test]
fn envelopes_and_acknowledgements_come_back_and_versions_are_checked() {
    let envelope = Envelope {
        agent_version: "0.1.0".into(),
        sent_ms: 12,
        reports: vec![Bytes::from_static(b"one"), Bytes::new()],
    };
    assert_eq!(decode_envelope(&encode_envelope(&envelope).unwrap()).unwrap(), envelope);

    let sent = Acknowledgement {
        received_ms: 4,
        results: vec![
            ReportOutcome::Stored,
            ReportOutcome::Duplicate,
            ReportOutcome::SchemaNeeded,
            ReportOutcome::Refused { reason: "no".into() },
        ],
        schemas_needed: vec![schema().id()],
    };
    assert_eq!(Acknowledgement::decode(&sent.encode()).unwrap(), sent);

    // Field 1, varint 2: a version from the future.
    let future = zstd::bulk::compress(&[0x08, 0x02], 1).unwrap();
    let error = decode_envelope(&future).unwrap_err().to_string();
    assert!(error.contains("wire version 2 is not spoken here"), "{error}");
}

#[test]
fn limits_hold_at_the_bound() {
    let reports = vec![Bytes::from_static(b"x"); REPORTS_MAX];
    let mut envelope = Envelope { agent_version: String::new(), sent_ms: 0, reports };
    assert!(decode_envelope(&encode_envelope(&envelope).unwrap()).is_ok());
    envelope.reports.push(Bytes::from_static(b"x"));
    let error = decode_envelope(&encode_envelope(&envelope).unwrap()).unwrap_err();
    assert!(matches!(error, WireError::Limit { got, max, .. } if got == max + 1), "{error}");

    let bomb = zstd::bulk::compress(&vec![0; ENVELOPE_BYTES_MAX + 1], 1).unwrap();
    assert!(matches!(decode_envelope(&bomb), Err(WireError::Limit { .. })));

    let with_labels = |count: usize| {
        let pairs = (0..count).map(|at| (format!("l{at}"), "v"));
        let series = vec![Labels::new(pairs)];
        decode_schema(&encode_schema(&Schema {
            job: "node".into(),
            instance: String::new(),
            series,
            base: vec![0.0],
        }))
    };
    assert!(with_labels(LABELS_MAX).is_ok());
    assert!(matches!(with_labels(LABELS_MAX + 1), Err(WireError::Limit { .. })));
}

/// Any bits, with whole numbers and the special values well represented.
fn any_value() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<u64>().prop_map(f64::from_bits),
        (-1_000_000_i32..1_000_000).prop_map(f64::from),
        Just(0.0),
        Just(-0.0),
        Just(9_007_199_254_740_992.0),
        Just(-9_007_199_254_740_992.0),
        Just(f64::INFINITY),
        Just(stale_marker()),
    ]
}

proptest! {
    #[test]
    fn any_column_comes_back_bit_for_bit(pairs in prop::collection::vec((any_value(), any_value()), 0..200)) {
        let (base, values): (Vec<f64>, Vec<f64>) = pairs.into_iter().unzip();
        let bytes = crate::column::encode(&base, &values);
        let got = crate::column::decode(&base, &bytes).unwrap();
        let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        prop_assert_eq!(bits(&got), bits(&values));
    }

    #[test]
    fn rubbish_is_refused_and_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
        drop(decode_envelope(&bytes));
        drop(Acknowledgement::decode(&bytes));
        drop(decode_schema(&bytes));
        drop(crate::column::decode(&[1.0; 9], &bytes));
        if let Ok(raw) = RawReport::decode(bytes.into()) {
            drop(raw.into_report(&Known::default()));
        }
    }
}
