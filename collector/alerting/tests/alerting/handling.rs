//! What people do about alerts: taking them for a while, giving them back, assigning them, commenting.

use collector_alerting::{AlertingError, COMMENTS_MAX, Deed};

use crate::harness::{HOUR, MINUTE, SIMPLE, START, World, labels, open, taken};

fn text(text: &str) -> String {
    text.to_owned()
}

#[tokio::test]
async fn an_acknowledgement_that_runs_out_has_everybody_told_again_and_only_once() {
    let world = World::new(SIMPLE).await;
    world.observe(START, &["a"]).await;
    world.pass_to(START, START + MINUTE).await;
    let alert = labels("DiskFull", "a").fingerprint();
    let until_ms = Some(START + 6 * HOUR);
    let deed = Deed::Acknowledge { note: text("thay đĩa"), until_ms };
    world.alerting.act(alert, "lan", deed, START + MINUTE).await.unwrap();
    let told = world.pass_to(START + MINUTE, START + 9 * HOUR).await;
    assert_eq!(told, [(6 * 3_600, text("firing[DiskFull a]"))]);
    // From there on it is repeated as any other.
    let told = world.pass_to(START + 9 * HOUR, START + 11 * HOUR).await;
    assert_eq!(told, [(10 * 3_600, text("firing[DiskFull a]"))]);
    world.observe(START + 11 * HOUR, &[]).await;
    let told = world.pass_to(START + 11 * HOUR, START + 12 * HOUR).await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0].1, "resolved[DiskFull a]");
    let history = world.alerting.history(alert, 10).await.unwrap();
    let lines: Vec<_> =
        history.iter().map(|one| (one.state.as_str(), one.detail.as_str())).collect();
    let expected =
        [("resolved", ""), ("ran_out", "lan"), ("acknowledged", "lan: thay đĩa"), ("firing", "")];
    assert_eq!(lines, expected);
}

#[tokio::test]
async fn one_that_is_given_back_is_told_again_also_after_a_restart() {
    let world = World::new(SIMPLE).await;
    world.observe(START, &["a"]).await;
    world.pass_to(START, START + MINUTE).await;
    let alert = labels("DiskFull", "a").fingerprint();
    world.alerting.act(alert, "lan", taken(""), START + MINUTE).await.unwrap();
    let assign = Deed::Assign { to: text("minh"), note: text("ca đêm") };
    world.alerting.act(alert, "lan", assign, START + MINUTE).await.unwrap();
    let back = Deed::GiveBack { note: text("bận") };
    world.alerting.act(alert, "minh", back.clone(), START + 2 * MINUTE).await.unwrap();
    let again = world.alerting.act(alert, "minh", back, START + 2 * MINUTE).await;
    assert!(matches!(again, Err(AlertingError::DeedRefused(_))), "{again:?}");
    let later = START + 3 * MINUTE;
    let reopened = open(world.directory.path(), &world.receiver, SIMPLE, later).await;
    let shown = reopened.alert(alert, later).await.unwrap().unwrap().alert;
    assert_eq!((shown.acknowledgement, shown.assignee.as_deref()), (None, Some("minh")));
    let world = World { alerting: reopened, ..world };
    let told = world.pass_to(later, START + HOUR).await;
    assert_eq!(
        told.iter().map(|(_, one)| one.as_str()).collect::<Vec<_>>(),
        ["firing[DiskFull a]"]
    );
}

#[tokio::test]
async fn what_cannot_be_done_is_refused_in_words() {
    let world = World::new(SIMPLE).await;
    world.observe(START, &["a"]).await;
    let alert = labels("DiskFull", "a").fingerprint();
    let refused = async |deed| match world.alerting.act(alert, "lan", deed, START).await {
        Err(AlertingError::DeedRefused(why)) => why,
        other => panic!("{other:?}"),
    };
    let past = Deed::Acknowledge { note: String::new(), until_ms: Some(START) };
    assert!(refused(past).await.contains("later end"));
    assert!(refused(Deed::Comment { text: text("  ") }).await.contains("words"));
    for _ in 0..COMMENTS_MAX {
        let comment = Deed::Comment { text: text("đang xem") };
        world.alerting.act(alert, "lan", comment, START).await.unwrap();
    }
    assert!(refused(Deed::Comment { text: text("nữa") }).await.contains("at most 100"));
    let unknown = world.alerting.act(alert + 1, "lan", taken(""), START).await;
    assert!(matches!(unknown, Err(AlertingError::AlertUnknown(_))));
}
