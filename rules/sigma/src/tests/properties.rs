//! What holds for any rules and any events.

use agent_model::HostEvent;
use proptest::prelude::*;

use super::{BRUTE_FORCE, event, load};
use crate::{CorrelationState, SigmaRules};

/// Events of a few sources within a few minutes, often repeated, often out of order.
fn events() -> impl Strategy<Value = Vec<HostEvent>> {
    let one = (0_u64..60, 0_i64..900, 0..3_usize, prop::bool::weighted(0.8));
    prop::collection::vec(one, 0..120).prop_map(|all| {
        let build = |(number, second, source, failed): (u64, i64, usize, bool)| {
            let kind = if failed { "login_failed" } else { "login" };
            let source = ["203.0.113.9", "192.0.2.7", ""][source];
            let mut event = event(number, second, &[("EventType", kind), ("SourceIp", source)]);
            event.received_ms = 1_000_000;
            event
        };
        all.into_iter().map(build).collect()
    })
}

fn rubbish_event() -> impl Strategy<Value = HostEvent> {
    let field = (any::<String>(), any::<String>());
    (any::<u64>(), any::<i64>(), any::<i64>(), any::<String>(), prop::collection::vec(field, 0..5))
        .prop_map(|(number, time, received, message, fields)| {
            let pairs: Vec<_> = fields.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
            let mut event = event(number, 0, &pairs);
            event.event.time_ms = time;
            event.received_ms = received;
            event.event.message = message;
            event
        })
}

/// A sound file with a piece cut out, doubled or replaced.
fn mangled() -> impl Strategy<Value = String> {
    (any::<prop::sample::Index>(), 0..40_usize, "[ -~\n\t{}\\[\\]()|:*'\"-]{0,20}").prop_map(
        |(at, cut, insert)| {
            let letters: Vec<char> = BRUTE_FORCE.chars().collect();
            let at = at.index(letters.len());
            let rest = letters.iter().skip(at + cut);
            letters[..at].iter().copied().chain(insert.chars()).chain(rest.copied()).collect()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn rubbish_rules_never_panic(text in "\\PC{0,300}") {
        let (rules, _) = SigmaRules::load(&[("rules.yml", &text)]);
        rules.evaluate(&event(1, 5, &[("EventType", "login")]), &mut CorrelationState::default());
    }

    #[test]
    fn mangled_rules_never_panic(text in mangled(), event in rubbish_event()) {
        let (rules, _) = SigmaRules::load(&[("rules.yml", &text)]);
        rules.evaluate(&event, &mut CorrelationState::default());
    }

    #[test]
    fn rubbish_events_never_panic(events in prop::collection::vec(rubbish_event(), 0..20)) {
        let rules = load("title: Any\nname: Any\nlogsource: {}\ndetection: {x: {Message|re: '.*'}, condition: x}\n\
            ---\ntitle: Many\ncorrelation:\n  type: event_count\n  rules: [Any]\n  group-by: [a, Host]\n  \
            timespan: 7d\n  condition: {gte: 2}\n");
        let mut state = CorrelationState::default();
        for event in &events {
            rules.evaluate(event, &mut state);
        }
    }

    #[test]
    fn a_replay_gives_the_same_detections_and_the_same_state(events in events()) {
        let rules = load(BRUTE_FORCE);
        let play = || {
            let mut state = CorrelationState::default();
            let found: Vec<_> =
                events.iter().flat_map(|event| rules.evaluate(event, &mut state)).collect();
            (found, state.to_bytes())
        };
        prop_assert_eq!(play(), play());
    }

    #[test]
    fn saving_and_restoring_anywhere_changes_nothing(events in events(), at in any::<prop::sample::Index>()) {
        let rules = load(&BRUTE_FORCE.replace("gte: 10", "gte: 4"));
        let (mut whole, mut parted) = (CorrelationState::default(), CorrelationState::default());
        let at = at.index(events.len() + 1);
        for (index, event) in events.iter().enumerate() {
            if index == at {
                parted = CorrelationState::from_bytes(&parted.to_bytes()).unwrap();
            }
            prop_assert_eq!(rules.evaluate(event, &mut whole), rules.evaluate(event, &mut parted));
        }
        prop_assert_eq!(whole.to_bytes(), parted.to_bytes());
    }
}
