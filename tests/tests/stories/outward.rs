//! Samples sent on: to a real Prometheus and a real VictoriaMetrics, which go and come back, while the collector is killed.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::Value;
use tests::deadline::eventually;
use tests::house::House;
use tests::outsider::now_ms;
use tests::receiver::{Kind, Receiver};

/// Every sample of a query by the labels of its series and its time.
type Samples = BTreeMap<String, BTreeMap<i64, f64>>;

fn samples(result: &Value) -> anyhow::Result<Samples> {
    let mut found = Samples::new();
    for one in result.as_array().context("no series")? {
        let labels: BTreeMap<String, String> = serde_json::from_value(one["metric"].clone())?;
        let series = found.entry(format!("{labels:?}")).or_default();
        for sample in one["values"].as_array().context("no values")? {
            let at = sample[0].as_f64().context("no time")?;
            let value = sample[1].as_str().context("no value")?.parse()?;
            series.insert(format!("{:.0}", at * 1_000.0).parse()?, value);
        }
    }
    Ok(found)
}

/// VictoriaMetrics keeps about 15 decimal digits of a value; Prometheus every bit.
fn is_same(kind: Kind, ours: f64, theirs: f64) -> bool {
    let near = (ours - theirs).abs() <= ours.abs() * 1e-12;
    ours.to_bits() == theirs.to_bits() || kind == Kind::VictoriaMetrics && near
}

/// That a receiver holds everything that the collector holds of some seconds before a time; how many samples that are.
async fn compare(
    house: &House,
    receiver: &Receiver,
    at_ms: i64,
    seconds: i64,
) -> anyhow::Result<usize> {
    let mut count = 0;
    // In parts: a receiver may bound what one answer holds.
    for part in ["^[a-g].*", "^h.*", "^node_[a-m].*", "^node_[n-z].*", "^[i-mo-zA-Z].*"] {
        let query = format!("{{__name__=~\"{part}\"}}[{seconds}s]");
        let mut url = reqwest::Url::parse("http://x/api/v1/query")?;
        let time = format!("{}.{:03}", at_ms / 1_000, at_ms % 1_000);
        url.query_pairs_mut().append_pair("query", &query).append_pair("time", &time);
        let path = format!("{}?{}", url.path(), url.query().unwrap_or_default());
        let ours = samples(&house.get(&path).await?["data"]["result"])?;
        let theirs = samples(&receiver.query(&query, at_ms).await?)?;
        for (labels, ours) in &ours {
            let theirs = theirs.get(labels).with_context(|| format!("{labels} is not there"))?;
            for (at, value) in ours.iter().filter(|(_, value)| !value.is_nan()) {
                let there = theirs.get(at).copied();
                ensure!(
                    there.is_some_and(|there| is_same(receiver.kind, *value, there)),
                    "{labels} has {value} at {at}, there {there:?}"
                );
                count += 1;
            }
        }
        // VictoriaMetrics shows stale markers, and the sample before a range, also of series that have nothing else.
        let from_ms = at_ms - seconds * 1_000;
        let shown = |(at, value): &(&i64, &f64)| **at > from_ms && !value.is_nan();
        for (labels, theirs) in &theirs {
            let held = |at: &i64| ours.get(labels).is_some_and(|ours| ours.contains_key(at));
            let more = theirs.iter().filter(shown).find(|(at, _)| !held(at));
            ensure!(more.is_none(), "{labels} has nothing at {more:?}, the receiver has");
        }
    }
    Ok(count)
}

fn config(receivers: &[&Receiver]) -> String {
    let mut text = "remote_write:\n  targets:\n".to_owned();
    for (receiver, name) in receivers.iter().zip(["prometheus", "victoria"]) {
        text += &format!("    - {{name: {name}, url: '{}', shards: 2}}\n", receiver.write_url());
    }
    text
}

/// Writes samples with a token, as somebody who is no agent.
async fn push(house: &House, token: &str, values: &[f64]) -> anyhow::Result<()> {
    let now = now_ms();
    let mut series = Vec::new();
    for (at, value) in values.iter().enumerate() {
        let labels = [("__name__", "pushed_value".to_owned()), ("at", at.to_string())];
        let labels = agent_model::Labels::new(labels);
        let sample = agent_model::Sample { timestamp_ms: now, value: *value };
        series.push(collector_remote_write::OutwardSeries { labels, samples: vec![sample] });
    }
    let version = collector_remote_write::Version::One;
    let answer = reqwest::Client::new()
        .post(format!("http://{}/api/v1/write", house.web_address()))
        .bearer_auth(token)
        .header("Content-Type", version.content_type())
        .header("Content-Encoding", "snappy")
        .body(collector_remote_write::encode(&series, version)?)
        .send()
        .await?;
    ensure!(answer.status().is_success(), "{}: {}", answer.status(), answer.text().await?);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prometheus_and_a_victoria_metrics_get_every_sample_although_all_of_them_are_killed()
-> anyhow::Result<()> {
    let mut prometheus = Receiver::start(Kind::Prometheus).await?;
    let mut victoria = Receiver::start(Kind::VictoriaMetrics).await?;
    let mut house = House::new()?;
    house.write("collector.yml", &config(&[&prometheus, &victoria]))?;
    house.start().await?;
    let began_ms = now_ms();
    let token = house.write_token("story").await?;
    push(&house, &token, &[1.5, -2.25, 1e300, f64::INFINITY]).await?;
    for receiver in [&prometheus, &victoria] {
        let arrived = eventually("samples at a receiver", || async {
            let up = receiver.query("up{job=\"node\"} == 1", now_ms()).await?;
            let pushed = receiver.query("pushed_value{origin=\"story\"}", now_ms()).await?;
            let count = |result: &Value| result.as_array().map_or(0, Vec::len);
            ensure!(count(&up) == 1 && count(&pushed) == 4, "{up} {pushed}");
            Ok(())
        });
        arrived.await.map_err(|error| error.context(house.last_log_lines()))?;
    }
    for _ in 0..2 {
        prometheus.end()?;
        victoria.end()?;
        push(&house, &token, &[2.5, 3.5]).await?;
        house.kill_daemon("collector").await?;
        house.start().await?;
        push(&house, &token, &[4.5, 5.5]).await?;
        // Long enough that several batches wait; nothing is measured by it.
        tokio::time::sleep(Duration::from_secs(4)).await;
        prometheus.come_back().await?;
        victoria.come_back().await?;
        // Right in what they are sent.
        tokio::time::sleep(Duration::from_millis(700)).await;
        house.kill_daemon("collector").await?;
        house.start().await?;
    }
    push(&house, &token, &[6.5]).await?;
    let ended_ms = now_ms();
    let seconds = (ended_ms - began_ms) / 1_000 - 1;
    for receiver in [&prometheus, &victoria] {
        let compared = eventually("a receiver to hold the same", || async {
            compare(&house, receiver, ended_ms, seconds).await
        });
        let compared = compared.await.map_err(|error| error.context(house.last_log_lines()))?;
        ensure!(compared > 5_000, "only {compared} samples over {seconds} s");
        println!("{:?}: {compared} samples over {seconds} s are the same", receiver.kind);
    }
    for target in ["prometheus", "victoria"] {
        for reason in ["refused", "queue_full", "too_old", "disk_full"] {
            let dropped = format!(
                "haidang_collector_outward_dropped_samples_total{{reason=\"{reason}\",target=\"{target}\"}}"
            );
            let dropped = house.own_metric(&dropped).await?;
            ensure!(dropped.abs() < 0.1, "{dropped} samples dropped: {reason}");
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_sends_to_another_by_version_2_what_it_may_write_there() -> anyhow::Result<()> {
    let mut province = House::new()?;
    province.start().await?;
    let mut unit = House::new()?;
    unit.write("province.token", &province.write_token("unit").await?)?;
    // Both watch this machine: the province has an agent of its own here, for which nobody else speaks.
    let renamed = |label: &str| {
        format!(
            "{{source_labels: [{label}], regex: (.+), target_label: {label}, replacement: unit-$1}}"
        )
    };
    let config = format!(
        "remote_write:\n  targets:\n    - name: province\n      url: http://{}/api/v1/write\n      \
         version: 2\n      bearer_token_file: {}\n      write_relabel:\n        \
         - {{source_labels: [job], regex: collector, action: drop}}\n        \
         - {{source_labels: [__name__], regex: haidang_.+, action: drop}}\n        - {}\n        - {}\n",
        province.web_address(),
        unit.state_dir.join("province.token").display(),
        renamed("host"),
        renamed("instance"),
    );
    unit.write("collector.yml", &config)?;
    unit.start().await?;
    province.eventually_sees("up{job=\"node\",host=~\"unit-.+\",origin=\"unit\"} == 1").await?;
    let names = "count(count by (__name__) ({job=\"node\",host=~\"unit-.+\"})) > 100";
    province.eventually_sees(names).await?;
    let dropped =
        "haidang_collector_outward_dropped_samples_total{reason=\"refused\",target=\"province\"}";
    let dropped = unit.own_metric(dropped).await?;
    ensure!(dropped.abs() < 0.1, "{dropped} samples refused\n{}", unit.last_log_lines());
    let sent = unit.own_metric("haidang_collector_outward_sent_samples_total{target=\"province\"}");
    let taken = province.own_metric("haidang_collector_remote_write_samples_total");
    let (sent, taken) = (sent.await?, taken.await?);
    ensure!(sent > 500.0 && taken >= sent, "{sent} sent, {taken} taken");
    Ok(())
}
