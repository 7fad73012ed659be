//! Whatever happens in whatever order, also restarts and kills: in the end every receiver of an alert that fires and is
//! not muted knows of it, and nobody believes in one that has ended.

use std::collections::{BTreeMap, BTreeSet};

use agent_model::{Labels, Matcher, Millis};
use collector_alerting::{AlertFilter, NewSilence, PostedAlert};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use crate::harness::{HOUR, MINUTE, START, World, detection, labels, observation, open, routing};

const CONFIG: &str = "
route:
  receiver: all
  group_by: [alertname]
  group_wait: 30s
  group_interval: 2m
  repeat_interval: 12h
  routes:
    - matchers: ['host=~\"a|b\"']
      receiver: some
      group_by: [host]
      mute_time_intervals: [early]
      continue: true
    - matchers: ['alertname=\"DiskFull\"']
      receiver: all
inhibit_rules:
  - source_matchers: ['alertname=\"HostDown\"']
    target_matchers: ['alertname=\"DiskFull\"']
    equal: [host]
# Everything begins at 01:12.
time_intervals:
  - {name: early, time_intervals: [{times: [{start_time: '01:20', end_time: '01:40'}]}]}
receivers:
  - {name: all, webhook_configs: [{url: URL/all}]}
  - {name: some, webhook_configs: [{url: URL/some}]}
";

const HOSTS: [&str; 3] = ["a", "b", "c"];

#[derive(Clone, Debug)]
enum Step {
    /// What one of two rules finds, by the bits of the number.
    Observe(bool, u8),
    Detect(u8),
    /// Host, minutes until its end; none to leave it to us.
    Post(u8, Option<i64>),
    Silence(u8, i64),
    Unsilence,
    Pass(i64),
    /// The process ends without a word and another takes its place.
    Kill,
    Reload,
}

fn step() -> impl Strategy<Value = Step> {
    let host = 0..3_u8;
    prop_oneof![
        4 => (any::<bool>(), 0..8_u8).prop_map(|(rule, hosts)| Step::Observe(rule, hosts)),
        1 => host.clone().prop_map(Step::Detect),
        2 => (host.clone(), proptest::option::of(-1..30_i64)).prop_map(|(h, end)| Step::Post(h, end)),
        1 => (host, 1..30_i64).prop_map(|(host, minutes)| Step::Silence(host, minutes)),
        1 => Just(Step::Unsilence),
        4 => (1..300_i64).prop_map(Step::Pass),
        1 => Just(Step::Kill),
        1 => Just(Step::Reload),
    ]
}

struct Life {
    world: World,
    now: Millis,
    /// The path of a hook to the alerts that it believes to fire.
    beliefs: BTreeMap<String, BTreeSet<Labels>>,
    detections: u8,
}

impl Life {
    async fn take(&mut self, step: Step) {
        let (now, alerting) = (self.now, &self.world.alerting);
        let host = |at: u8| HOSTS[usize::from(at)];
        match step {
            Step::Observe(first, bits) => {
                let name = if first { "DiskFull" } else { "HostDown" };
                let hosts: Vec<&str> =
                    (0..3).filter(|at| bits & (1 << at) != 0).map(host).collect();
                alerting.observe_rule(observation(name, 0, now, &hosts)).await.unwrap();
            }
            Step::Detect(at) => {
                self.detections += 1;
                let found = vec![detection(self.detections, host(at), now)];
                let position = u64::from(self.detections);
                alerting.commit_detections(position, b"", found, now).await.unwrap();
            }
            Step::Post(at, minutes) => {
                let post = PostedAlert {
                    labels: labels("Backup", host(at)),
                    annotations: BTreeMap::new(),
                    generator_url: String::new(),
                    starts_ms: Some(START - HOUR),
                    ends_ms: minutes.map(|minutes| now + minutes * MINUTE),
                };
                alerting.post_alerts(&[post], now).await.unwrap();
            }
            Step::Silence(at, minutes) => {
                let wish = NewSilence {
                    matchers: vec![Matcher::equal("host", host(at))],
                    starts_ms: now,
                    ends_ms: now + minutes * MINUTE,
                    created_by: "lan".to_owned(),
                    comment: String::new(),
                    is_wide: false,
                };
                alerting.add_silence(wish, now).await.unwrap();
            }
            Step::Unsilence => {
                for silence in alerting.silences(now).await.unwrap() {
                    alerting.expire_silence(&silence.id, now).await.unwrap();
                }
            }
            Step::Pass(seconds) => self.pass_to(now + seconds * 1_000).await,
            Step::Kill => {
                let world = &self.world;
                let next = open(world.directory.path(), &world.receiver, CONFIG, now).await;
                let before = std::mem::replace(&mut self.world.alerting, next);
                before.close().await;
            }
            Step::Reload => {
                let routing = routing(&self.world.receiver, CONFIG);
                alerting.reload(routing, now).await.unwrap();
            }
        }
    }

    async fn pass_to(&mut self, until: Millis) {
        while self.now < until {
            let alerting = &self.world.alerting;
            alerting.tick(self.now).await.unwrap();
            alerting.deliver_due(self.now).await.unwrap();
            let next = alerting.tick(self.now).await.unwrap().unwrap_or(until);
            self.now = next.clamp(self.now + 1, until);
            self.hear();
        }
    }

    fn hear(&mut self) {
        for message in self.world.receiver.take() {
            let belief = self.beliefs.entry(message.path).or_default();
            for alert in message.body["alerts"].as_array().unwrap() {
                let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
                let pairs = alert["labels"].as_object().unwrap().iter();
                let labels = Labels::new(pairs.map(|(name, value)| (name.clone(), text(value))));
                if alert["status"] == "firing" {
                    belief.insert(labels);
                } else {
                    belief.remove(&labels);
                }
            }
        }
    }

    async fn check(&self) -> Result<(), TestCaseError> {
        let open = self.world.alerting.alerts(&AlertFilter::default(), self.now).await.unwrap();
        let firing: BTreeMap<Labels, bool> = open
            .iter()
            .filter(|one| one.alert.is_firing())
            .map(|one| {
                let muted = !(one.silenced_by.is_empty() && one.inhibited_by.is_empty());
                for receiver in one.receivers.iter().filter(|_| !muted) {
                    let belief = self.beliefs.get(&format!("/{receiver}"));
                    let knows = belief.is_some_and(|belief| belief.contains(&one.alert.labels));
                    assert!(knows, "{receiver} does not know of {}", one.alert.labels);
                }
                (one.alert.labels.clone(), muted)
            })
            .collect();
        // It ended while muted: told when the mute is over.
        let waits = |labels: &Labels| {
            let mut alike = open.iter().filter(|one| one.alert.labels == *labels);
            alike.any(|one| !(one.silenced_by.is_empty() && one.inhibited_by.is_empty()))
        };
        for (path, belief) in &self.beliefs {
            for labels in belief {
                let right = firing.contains_key(labels) || waits(labels);
                prop_assert!(right, "{} still believes in {}", path, labels);
            }
        }
        Ok(())
    }
}

#[test]
fn no_alert_is_unsent_and_no_end_untold_over_restarts() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let config = ProptestConfig { cases: 20, failure_persistence: None, ..Default::default() };
    let life = proptest::collection::vec(step(), 1..25);
    let outcome = TestRunner::new(config).run(&life, |steps| {
        runtime.block_on(async {
            let world = World::new(CONFIG).await;
            let mut life = Life { world, now: START, beliefs: BTreeMap::new(), detections: 0 };
            for step in steps {
                life.take(step).await;
            }
            // Past the time interval and every end, with some turns to tell of it; then without any silence.
            life.pass_to(life.now.max(START + HOUR)).await;
            life.pass_to(life.now + 40 * MINUTE).await;
            life.check().await?;
            life.take(Step::Unsilence).await;
            life.pass_to(life.now + 10 * MINUTE).await;
            life.check().await
        })
    });
    outcome.unwrap_or_else(|failed| panic!("{failed}"));
}
