//! Webhooks against receivers that really listen.

use std::collections::BTreeMap;

use agent_model::Labels;
use expect_test::expect;

use super::*;

fn notification() -> Notification {
    let alert = |host: &str, resolved_ms| {
        let labels = Labels::new([("alertname", "DiskFull"), ("host", host)]);
        NotifiedAlert {
            fingerprint: labels.fingerprint(),
            given: labels.clone(),
            labels,
            annotations: Arc::new(BTreeMap::from([
                ("summary".to_owned(), format!("{host} is nearly full")),
                ("runbook_url".to_owned(), "http://x/disk".to_owned()),
            ])),
            starts_ms: 1_795_223_520_250,
            resolved_ms,
            generator_url: None,
        }
    };
    Notification {
        idempotency_key: "k".to_owned(),
        receiver: "hook".into(),
        group_key: "{}:{alertname=\"DiskFull\"}".to_owned(),
        group_labels: Labels::new([("alertname", "DiskFull")]),
        alerts: vec![alert("a", None), alert("b", Some(1_795_223_580_000))],
        created_ms: 1_795_223_580_000,
        escalation: None,
    }
}

#[test]
fn the_payload_is_alertmanagers_version_4() {
    let notification = notification();
    let payload = payload(&notification, 0, "http://hd");
    let expected = expect![[r#"
        {
          "receiver": "hook",
          "status": "firing",
          "alerts": [
            {
              "status": "firing",
              "labels": {
                "alertname": "DiskFull",
                "host": "a"
              },
              "annotations": {
                "runbook_url": "http://x/disk",
                "summary": "a is nearly full"
              },
              "startsAt": "2026-11-21T01:12:00.25Z",
              "endsAt": "0001-01-01T00:00:00Z",
              "generatorURL": "http://hd/#/alerts?wanted=fc90da942b4b1502",
              "fingerprint": "2d1f268574210637"
            },
            {
              "status": "resolved",
              "labels": {
                "alertname": "DiskFull",
                "host": "b"
              },
              "annotations": {
                "runbook_url": "http://x/disk",
                "summary": "b is nearly full"
              },
              "startsAt": "2026-11-21T01:12:00.25Z",
              "endsAt": "2026-11-21T01:13:00Z",
              "generatorURL": "http://hd/#/alerts?wanted=9c263be528a19813",
              "fingerprint": "2d1b2685741d1d60"
            }
          ],
          "groupLabels": {
            "alertname": "DiskFull"
          },
          "commonLabels": {
            "alertname": "DiskFull"
          },
          "commonAnnotations": {
            "runbook_url": "http://x/disk"
          },
          "externalURL": "http://hd",
          "version": "4",
          "groupKey": "{}:{alertname=\"DiskFull\"}",
          "truncatedAlerts": 0
        }"#]];
    expected.assert_eq(&serde_json::to_string_pretty(&payload).unwrap());
}

#[test]
fn alerts_beyond_the_wished_number_are_counted_not_sent() {
    let notification = notification();
    let payload = payload(&notification, 1, "http://hd");
    assert_eq!((payload.alerts.len(), payload.truncated_alerts), (1, 1));
    assert_eq!(payload.common_labels, BTreeMap::from([("alertname", "DiskFull")]));
}

#[test]
fn who_is_told_by_an_escalation_can_read_it() {
    let mut notification = Notification { escalation: Some(1), ..notification() };
    let said = |notification: &Notification| {
        let json = json(notification, "http://hd").unwrap();
        serde_json::from_slice::<serde_json::Value>(&json).unwrap()["escalation"].clone()
    };
    assert_eq!(said(&notification), 1);
    notification.alerts.retain(|alert| alert.resolved_ms.is_some());
    assert_eq!(said(&notification), serde_json::Value::Null);
}
