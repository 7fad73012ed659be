//! Whatever happens in whatever order: in the end every receiver knows what fires and what no longer does.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use agent_model::{Labels, Matcher, Millis};
use proptest::prelude::*;

use crate::alert::Annotations;
use crate::detection::{DetectionAlert, detect, end_holds};
use crate::group::flush_due;
use crate::limits::{ALERTS_MAX, OUTBOX_MAX};
use crate::mute::Mutes;
use crate::observe::{Finding, RuleObservation, observe};
use crate::outbox::{Waiting, sendable};
use crate::routing::Routing;
use crate::silence::{NewSilence, Silence};
use crate::state::State;

const ROUTING: &str = "
route:
  receiver: all
  group_by: [alertname]
  group_wait: 10s
  group_interval: 1m
  repeat_interval: 1h
  routes:
    - matchers: ['host=~\"h[01]\"']
      receiver: some
      continue: true
    - matchers: ['alertname=\"A\"']
      receiver: all
inhibit_rules:
  - source_matchers: ['alertname=\"A\"']
    target_matchers: ['alertname=\"B\"']
    equal: [host]
receivers:
  - name: all
    webhook_configs: [{url: 'http://a/'}, {url: 'http://b/'}]
  - name: some
    webhook_configs: [{url: 'http://c/'}]
";

fn labels(name: &str, host: u8) -> Labels {
    Labels::new([("alertname", name.to_owned()), ("host", format!("h{host}"))])
}

fn observation(name: &str, hosts: impl IntoIterator<Item = u8>, at_ms: Millis) -> RuleObservation {
    let finding =
        |host| Finding { labels: labels(name, host), annotations: Annotations::new(), value: 1.0 };
    RuleObservation {
        rule_id: name.to_owned(),
        for_ms: if name == "B" { 30_000 } else { 0 },
        keep_firing_for_ms: 0,
        findings: hosts.into_iter().map(finding).collect(),
        at_ms,
    }
}

#[derive(Clone, Debug)]
enum Step {
    Observe(bool, BTreeSet<u8>),
    Detect(u8),
    Silence(u8, i64),
    Unsilence,
    Pass(i64),
    /// Delivers the rows that may be sent, where the bit of the number is set; the others fail.
    Deliver(u8),
    /// Takes rows and keeps them on their way.
    Hang,
    /// What was on its way arrives, where the bit is set; the rest is lost there.
    Arrive(u8),
}

fn step() -> impl Strategy<Value = Step> {
    let hosts = proptest::collection::btree_set(0..4_u8, 0..4);
    prop_oneof![
        4 => (any::<bool>(), hosts).prop_map(|(rule, hosts)| Step::Observe(rule, hosts)),
        1 => (0..4_u8).prop_map(Step::Detect),
        1 => (0..4_u8, 1..200_i64).prop_map(|(host, seconds)| Step::Silence(host, seconds)),
        1 => Just(Step::Unsilence),
        3 => (1..120_i64).prop_map(Step::Pass),
        3 => any::<u8>().prop_map(Step::Deliver),
        1 => Just(Step::Hang),
        1 => any::<u8>().prop_map(Step::Arrive),
    ]
}

/// What a receiver's integration believes: alert to the start it was told, of those it thinks are firing.
type Beliefs = BTreeMap<(String, String), BTreeMap<u64, Millis>>;

struct World {
    state: State,
    now: Millis,
    in_flight: BTreeSet<String>,
    /// The rows in flight as they were when they were taken.
    held: Vec<Waiting>,
    beliefs: Beliefs,
    silences: usize,
    detections: u8,
}

impl World {
    fn new() -> Self {
        let routing = Routing::parse(Path::new("a.yml"), ROUTING).unwrap();
        Self {
            state: State::new(routing),
            now: 1_000_000,
            in_flight: BTreeSet::new(),
            held: Vec::new(),
            beliefs: Beliefs::new(),
            silences: 0,
            detections: 0,
        }
    }

    fn look(&mut self) {
        end_holds(&mut self.state, self.now);
        flush_due(&mut self.state, &self.in_flight, self.now);
        self.state.batch.take();
    }

    fn deliver(&mut self, which: u8) {
        let rows = sendable(
            &self.state.outbox,
            &self.in_flight,
            &self.state.channels,
            &mut crate::limiter::Limiter::default().begin(&[], |_| true, Millis::MAX),
            Millis::MAX,
        );
        self.arrive(rows, which);
    }

    fn arrive(&mut self, rows: Vec<Waiting>, which: u8) {
        for (at, row) in rows.into_iter().enumerate() {
            self.in_flight.remove(&row.id);
            if which & (1 << (at % 8)) == 0 {
                continue;
            }
            self.state.outbox.remove(&row.id);
            let who = (row.notification.receiver.to_string(), row.integration.to_string());
            let belief = self.beliefs.entry(who).or_default();
            for alert in &row.notification.alerts {
                if alert.resolved_ms.is_some() {
                    belief.remove(&alert.fingerprint);
                } else {
                    belief.insert(alert.fingerprint, alert.starts_ms);
                }
            }
        }
    }

    fn take(&mut self, step: Step) {
        let now = self.now;
        match step {
            Step::Observe(first, hosts) => {
                let name = if first { "A" } else { "B" };
                observe(&mut self.state, &observation(name, hosts, now));
            }
            Step::Detect(host) => {
                self.detections = self.detections.wrapping_add(1);
                let detection = DetectionAlert {
                    id: [self.detections; 16],
                    labels: labels("D", host),
                    annotations: Annotations::new(),
                    time_ms: now,
                    hold_ms: 60_000,
                };
                detect(&mut self.state, detection, now);
            }
            Step::Silence(host, seconds) => {
                let wish = NewSilence {
                    matchers: vec![Matcher::equal("host", format!("h{host}"))],
                    starts_ms: now,
                    ends_ms: now + seconds * 1_000,
                    created_by: String::new(),
                    comment: String::new(),
                    is_wide: false,
                };
                self.silences += 1;
                let silence = Silence::new(wish, self.silences, now).unwrap();
                self.state.silences.insert(silence.id.clone(), silence);
            }
            Step::Unsilence => self.state.silences.clear(),
            Step::Pass(seconds) => self.now += seconds * 1_000,
            Step::Deliver(which) => self.deliver(which),
            Step::Hang => {
                let rows = sendable(
                    &self.state.outbox,
                    &self.in_flight,
                    &self.state.channels,
                    &mut crate::limiter::Limiter::default().begin(&[], |_| true, Millis::MAX),
                    Millis::MAX,
                );
                self.in_flight.extend(rows.iter().map(|row| row.id.clone()));
                self.held.extend(rows);
            }
            Step::Arrive(which) => {
                let held = std::mem::take(&mut self.held);
                self.arrive(held, which);
            }
        }
        self.look();
    }

    /// Lets the intervals pass and the network work, but not so long that something is repeated.
    fn settle(&mut self) {
        self.take(Step::Arrive(u8::MAX));
        for _ in 0..4 {
            self.now += 61_000;
            self.look();
            for _ in 0..20 {
                self.deliver(u8::MAX);
            }
        }
    }

    fn check(&self) {
        let state = &self.state;
        assert!(state.outbox.is_empty(), "everything was delivered");
        let mutes =
            Mutes::new(&state.alerts, &state.silences, &state.routing.inhibit_rules, self.now);
        for alert in state.alerts.values().filter(|alert| alert.is_firing()) {
            if mutes.is_muted(&alert.labels) {
                continue;
            }
            for receiver in state.routing.receiver_names(&alert.labels) {
                for integration in &state.routing.receiver(&receiver).unwrap().integrations {
                    let who = (receiver.to_string(), integration.name.to_string());
                    let told = self.beliefs.get(&who).and_then(|one| one.get(&alert.fingerprint));
                    assert_eq!(told, Some(&alert.starts_ms()), "{} to {who:?}", alert.labels);
                }
            }
        }
        for (who, belief) in &self.beliefs {
            for fingerprint in belief.keys() {
                // Who believes that it fires is right, or will hear when it is no longer muted.
                let alert = state.alerts.get(fingerprint);
                let alert =
                    alert.unwrap_or_else(|| panic!("{who:?} still believes in {fingerprint}"));
                assert!(
                    alert.is_firing() || mutes.is_muted(&alert.labels),
                    "{} to {who:?}",
                    alert.labels
                );
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn in_the_end_every_receiver_knows_what_fires(steps in proptest::collection::vec(step(), 1..60)) {
        let mut world = World::new();
        for step in steps {
            world.take(step);
        }
        world.settle();
        world.check();
        // And without any silence too.
        world.take(Step::Unsilence);
        world.settle();
        world.check();
    }
}

#[test]
fn alerts_beyond_the_bound_are_refused_and_counted() {
    let mut state = State::new(Routing::nobody());
    let many = u32::try_from(ALERTS_MAX).unwrap() + 3;
    let findings = (0..many).map(|host| Finding {
        labels: Labels::new([("host", host.to_string())]),
        annotations: Annotations::new(),
        value: 0.0,
    });
    let flood = RuleObservation { findings: findings.collect(), ..observation("A", [], 0) };
    observe(&mut state, &flood);
    assert_eq!(state.alerts.len(), ALERTS_MAX);
    assert_eq!(state.batch.counted.alerts_refused, 3);
    // Alerts that are there already go on.
    observe(&mut state, &observation("A", [], 1));
    flush_due(&mut state, &BTreeSet::new(), 60_000);
    assert_eq!(state.alerts.len(), 0);
}

#[test]
fn a_full_outbox_makes_groups_wait_and_drops_nothing() {
    let mut world = World::new();
    world.take(Step::Observe(true, BTreeSet::from([0])));
    world.take(Step::Pass(11));
    let row = world.state.outbox.values().next().unwrap().clone();
    for number in world.state.outbox.len()..OUTBOX_MAX {
        let id = format!("filler{number}");
        let filler = Waiting { id: id.clone(), group_id: id.clone(), ..row.clone() };
        world.state.outbox.insert(id, filler);
    }
    world.take(Step::Detect(3));
    assert_eq!(world.state.outbox.len(), OUTBOX_MAX);
    world.state.outbox.retain(|id, _| !id.starts_with("filler"));
    world.settle();
    world.check();
}
