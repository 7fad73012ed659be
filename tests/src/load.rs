//! Load: simulated agents that push readings and events all the time, send again what was not acknowledged, and
//! remember what was. Afterwards the collector must hold exactly that: each sample, each event and each detection once.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use agent_model::{Epoch, Event, EventClass, Millis, Severity};
use anyhow::{Context, ensure};
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::deadline::{eventually, now};
use crate::fleet::{Agent, Shared, enveloped, value};
use crate::house::House;
use crate::outsider::now_ms;
use crate::webhook::Webhook;

/// Series of each agent: few, so that all their samples can be compared.
const SERIES: u32 = 20;

/// Between an acknowledgement and the next reading: the way is never empty, and two cores have room for the daemons.
const PAUSE: Duration = Duration::from_millis(25);

/// An agent that has not been heard for so long will not be; the longest outage of a story is shorter.
const SILENCE_MAX: Duration = Duration::from_secs(400);

/// One event in so many is one that a rule detects.
const DETECTED: u64 = 20;

/// The rule that detects them: each by its user, so that each is an alert of its own.
const RULE: &str = "title: Story\nid: 7d1d1a3e-1f0b-4a53-9b0d-2f1f0c5a9e11\nname: StoryLoad\n\
    status: stable\ndescription: One of the story's own events\nlevel: high\n\
    logsource: {product: linux, category: authentication}\n\
    detection:\n  mark:\n    EventType: story_load\n  condition: mark\n\
    annotations:\n  summary: 'a story'\n";

/// Agents at work.
pub struct Load {
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<anyhow::Result<Remembered>>>,
}

/// What one agent knows to be acknowledged.
#[derive(Debug)]
pub struct Remembered {
    number: u32,
    host: String,
    /// The time of each reading; the place in the list is its tick, and the number of the event that came with it.
    readings: Vec<Millis>,
    /// Reports that had reached the disk although their acknowledgement never arrived.
    repeated: usize,
    failed: usize,
}

impl Load {
    /// Writes the rule and the routing that the load needs; before the house is started.
    pub fn prepare(house: &House, webhook: &Webhook) -> anyhow::Result<()> {
        house.write("rules.d/detections/load.yml", RULE)?;
        house.notify_one_by_one(webhook)
    }

    /// Enrols so many agents at a running house and lets them go.
    pub async fn start(house: &House, agents: u32) -> anyhow::Result<Self> {
        Self::of(house, 0..agents).await
    }

    /// The same with agents of these numbers, beside those of another load.
    pub async fn of(house: &House, numbers: Range<u32>) -> anyhow::Result<Self> {
        let stop = watch::Sender::new(false);
        let schema = Shared::new(SERIES);
        let epoch = Epoch(u64::try_from(now_ms())?);
        let mut tasks = Vec::new();
        for number in numbers {
            let agent = Agent::enrol(house, number, epoch, schema.clone()).await?;
            tasks.push(tokio::spawn(push(agent, number, stop.subscribe())));
        }
        Ok(Self { stop, tasks })
    }

    /// Ends the load once everything sent is acknowledged; the collector must be there.
    pub async fn stop(self) -> anyhow::Result<Vec<Remembered>> {
        self.stop.send_replace(true);
        let mut all = Vec::new();
        for task in self.tasks {
            all.push(task.await??);
        }
        Ok(all)
    }
}

async fn push(
    mut agent: Agent,
    number: u32,
    stop: watch::Receiver<bool>,
) -> anyhow::Result<Remembered> {
    let host = agent.host().to_owned();
    let mut known = Remembered { number, host, readings: Vec::new(), repeated: 0, failed: 0 };
    while !*stop.borrow() {
        let tick = known.readings.len();
        let at_ms = now_ms().max(known.readings.last().map_or(0, |last| last + 1));
        let event = event(&known.host, tick, at_ms);
        let reports =
            vec![agent.reading(u32::try_from(tick)?, at_ms)?, agent.events(vec![event], at_ms)?];
        let body = enveloped(reports)?;
        let deadline = now() + SILENCE_MAX;
        loop {
            match agent.send(body.clone()).await {
                Ok(sent) if sent.refused == 0 => {
                    known.repeated += sent.repeated;
                    break;
                }
                other => {
                    known.failed += 1;
                    let refused = other.map(|sent| sent.refused);
                    ensure!(now() < deadline, "{} is not heard any more: {refused:?}", known.host);
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
        known.readings.push(at_ms);
        tokio::time::sleep(PAUSE).await;
    }
    Ok(known)
}

fn event(host: &str, number: usize, time_ms: Millis) -> Event {
    let marked = (number as u64).is_multiple_of(DETECTED);
    let kind = if marked { "story_load" } else { "story" };
    let fields = [("EventType", kind.to_owned()), ("User", user(host, number))];
    Event {
        time_ms,
        class: EventClass::Authentication,
        severity: Severity::Low,
        source: "story".to_owned(),
        message: format!("pushed by {host} as {number}"),
        fields: fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
    }
}

fn user(host: &str, number: usize) -> String {
    format!("{host}-{number}")
}

/// Fails, at the deadline, unless all is held once and told once; says how much that was.
pub async fn all_is_there_once(
    remembered: &[Remembered],
    house: &House,
    webhook: &Webhook,
) -> anyhow::Result<String> {
    let (mut reports, mut repeated, mut failed, mut told_again) = (0, 0, 0, 0);
    for host in remembered {
        let once = eventually("every sample, event and detection, once", || async {
            host.samples_are_held(house).await?;
            host.events_are_held(house).await?;
            host.detections_are_told(webhook)
        });
        told_again += once.await.map_err(|error| error.context(house.last_log_lines()))?;
        reports += host.readings.len();
        repeated += host.repeated;
        failed += host.failed;
    }
    ensure!(reports > remembered.len() * 10, "this was no load: {reports} reports");
    Ok(format!(
        "{} agents: {reports} readings of {SERIES} samples and as many events, each there once; {failed} requests \
         without an answer, {repeated} reports sent again that were there; {told_again} notifications came again",
        remembered.len()
    ))
}

impl Remembered {
    /// Requests that ended without an acknowledgement.
    pub fn failed(&self) -> usize {
        self.failed
    }

    pub fn readings(&self) -> usize {
        self.readings.len()
    }

    /// Fails unless the metric store has each reading that was acknowledged from a time on; how many that were.
    pub async fn held_since(&self, house: &House, since_ms: Millis) -> anyhow::Result<usize> {
        let first =
            format!("bench_00{{job=\"bench\",host=\"{}\",device=\"device0\"}}[1h]", self.host);
        let found = house.query(&first).await?;
        let samples = found[0]["values"].as_array().context("no values")?;
        let held: Vec<(Millis, f64)> = samples.iter().map(sample).collect::<anyhow::Result<_>>()?;
        let since = self.readings.iter().filter(|at_ms| **at_ms >= since_ms);
        let missing: Vec<_> =
            since.clone().filter(|at_ms| !held.iter().any(|(held, _)| held == *at_ms)).collect();
        ensure!(missing.is_empty(), "{}: {missing:?} are missing", self.host);
        Ok(since.count())
    }

    /// Fails unless the metric store has each acknowledged sample, with its value, and no other.
    async fn samples_are_held(&self, house: &House) -> anyhow::Result<()> {
        let found = house.query(&format!("{{job=\"bench\",host=\"{}\"}}[1h]", self.host)).await?;
        let found = found.as_array().context("no matrix")?;
        ensure!(found.len() == SERIES as usize, "{}: {} series", self.host, found.len());
        for series in found {
            self.series_is_held(series)?;
        }
        Ok(())
    }

    fn series_is_held(&self, series: &Value) -> anyhow::Result<()> {
        let labels = &series["metric"];
        let digits = |label: &str, prefix: &str| -> anyhow::Result<u32> {
            let text = labels[label].as_str().and_then(|text| text.strip_prefix(prefix));
            Ok(text.with_context(|| format!("no {label} in {labels}"))?.parse()?)
        };
        let at = digits("__name__", "bench_")? * 10 + digits("device", "device")?;
        let samples = series["values"].as_array().context("no values")?;
        let held: Vec<(Millis, f64)> = samples.iter().map(sample).collect::<anyhow::Result<_>>()?;
        let ticks = (0..).zip(&self.readings);
        let sent = ticks.map(|(tick, at_ms)| (*at_ms, value(self.number, at, tick)));
        let sent: Vec<(Millis, f64)> = sent.collect();
        if held == sent {
            return Ok(());
        }
        let missing: Vec<_> = sent.iter().filter(|one| !held.contains(one)).collect();
        let surplus: Vec<_> = held.iter().filter(|one| !sent.contains(one)).collect();
        anyhow::bail!("{labels}: {} sent; missing {missing:?}, surplus {surplus:?}", sent.len())
    }

    /// Fails unless the event store lists each acknowledged event once, in order.
    async fn events_are_held(&self, house: &House) -> anyhow::Result<()> {
        let found = house.messages(&format!("text=pushed&host={}", self.host)).await?;
        let sent: Vec<String> = (0..self.readings.len())
            .map(|number| format!("pushed by {} as {number}", self.host))
            .collect();
        if found == sent {
            return Ok(());
        }
        let missing: Vec<_> = sent.iter().filter(|one| !found.contains(one)).collect();
        anyhow::bail!("{}: {} of {}; missing {missing:?}", self.host, found.len(), sent.len())
    }

    /// Fails unless every detection was told. A crash between the sending and its record may repeat a notification,
    /// under the same key: how often that happened comes back.
    fn detections_are_told(&self, webhook: &Webhook) -> anyhow::Result<usize> {
        let mut told: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for received in webhook.received() {
            for alert in received.payload["alerts"].as_array().into_iter().flatten() {
                if alert["status"] != "firing" {
                    continue;
                }
                let user = alert["labels"]["user"].as_str().unwrap_or_default().to_owned();
                told.entry(user).or_default().push(received.key.clone());
            }
        }
        let mut repeats = 0;
        for number in (0..self.readings.len()).step_by(usize::try_from(DETECTED)?) {
            let user = user(&self.host, number);
            let keys = told.get(&user).with_context(|| format!("{user} was never told"))?;
            ensure!(keys.iter().all(|key| *key == keys[0]), "{user} was told anew: {keys:?}");
            repeats += keys.len() - 1;
        }
        Ok(repeats)
    }
}

fn sample(pair: &Value) -> anyhow::Result<(Millis, f64)> {
    let seconds = pair[0].as_f64().context("no time")?;
    let value = pair[1].as_str().context("no value")?.parse()?;
    #[allow(clippy::cast_possible_truncation, reason = "milliseconds since 1970, rounded")]
    Ok(((seconds * 1_000.0).round() as Millis, value))
}
