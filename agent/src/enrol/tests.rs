//! Enrolment against a real TLS server, and every way in which it is refused.

use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::test_collector::TestCollector;

fn request(collector: &TestCollector, state_dir: &std::path::Path, token: &str) -> EnrolRequest {
    EnrolRequest { token: Token::parse(token).unwrap(), ..collector.enrolment(state_dir) }
}

async fn refused(
    collector: &TestCollector,
    state_dir: &std::path::Path,
    token: &str,
) -> EnrolError {
    enrol(&request(collector, state_dir, token)).await.unwrap_err()
}

#[tokio::test]
async fn a_token_becomes_an_identity_that_only_its_owner_can_read() {
    let collector = TestCollector::start().await;
    let state = tempfile::tempdir().unwrap();
    let request = request(&collector, state.path(), &collector.token());
    enrol(&request).await.unwrap();
    let identity = Identity::load(state.path(), collector.authority()).unwrap().unwrap();
    assert_eq!(identity.validity().unwrap().host, request.host);
    let path = Identity::path(state.path(), collector.authority());
    assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
    let again = enrol(&request).await.unwrap_err();
    assert!(matches!(again, EnrolError::AlreadyHere { .. }), "{again}");
    enrol(&EnrolRequest { replace: true, ..request }).await.unwrap();
}

#[tokio::test]
async fn another_collector_learns_nothing() {
    let (collector, other) = (TestCollector::start().await, TestCollector::start().await);
    let state = tempfile::tempdir().unwrap();
    let error = refused(&other, state.path(), &collector.token()).await;
    assert!(matches!(error, EnrolError::OtherCollector { .. }), "{error:?}");
    assert_eq!(other.state().requests, 0);
    let counted = [("other_authority".to_owned(), 1)];
    assert_eq!(attempts::read(state.path()), counted.into());
    assert!(!Identity::path(state.path(), other.authority()).exists());
}

#[tokio::test]
async fn refusals_say_what_to_do() {
    let collector = TestCollector::start().await;
    let state = tempfile::tempdir().unwrap();
    let check = async |status, text, expected: &str| {
        collector.state().enrol_refusal = Some((status, text));
        let error = refused(&collector, state.path(), &collector.token()).await.to_string();
        let address = collector.address.to_string();
        assert_eq!(error.replace(&address, "ADDR"), expected);
    };
    check(
        StatusCode::FORBIDDEN,
        "the token was used",
        "ADDR refuses the token: the token was used; make a new one with `haidang token create` on \
         the collector",
    )
    .await;
    check(
        StatusCode::CONFLICT,
        "enrolled on Monday",
        "ADDR knows this host already: enrolled on Monday; revoke the old one with `haidang host \
         revoke` or choose another --host",
    )
    .await;
    check(
        StatusCode::SERVICE_UNAVAILABLE,
        "starting",
        "ADDR cannot enrol this host now: starting; try again later",
    )
    .await;
    assert!(!Identity::path(state.path(), collector.authority()).exists());
    let counted = ["host_enrolled", "refused_token", "unable"].map(|it| (it.to_owned(), 1));
    assert_eq!(attempts::read(state.path()), counted.into());
}

#[tokio::test]
async fn an_answer_that_was_lost_is_asked_for_again_with_the_same_key() {
    let collector = TestCollector::start().await;
    collector.state().lose_grants = 1;
    let state = tempfile::tempdir().unwrap();
    let error = refused(&collector, state.path(), &collector.token()).await;
    assert!(error.to_string().contains("Run the same command again"), "{error}");
    enrol(&request(&collector, state.path(), &collector.token())).await.unwrap();
    // What is asked for later, as in a renewal, is a new key's business.
    let again = request(&collector, state.path(), &collector.token());
    enrol(&EnrolRequest { replace: true, ..again }).await.unwrap();
    let keys = collector.state().asked_keys.clone();
    assert_eq!(keys.len(), 3);
    assert_eq!(keys[0], keys[1]);
    assert_ne!(keys[1], keys[2]);
    let counted = [("enrolled".to_owned(), 2), ("no_answer".to_owned(), 1)];
    assert_eq!(attempts::read(state.path()), counted.into());
}

#[tokio::test]
async fn a_second_address_of_the_same_collector_needs_no_second_token() {
    let mut collector = TestCollector::start().await;
    let state = tempfile::tempdir().unwrap();
    enrol(&request(&collector, state.path(), &collector.token())).await.unwrap();
    collector.address = collector.listen().await;
    let error = refused(&collector, state.path(), &collector.token()).await;
    assert!(matches!(error, EnrolError::AlreadyHere { .. }), "{error}");
    assert_eq!(collector.state().asked_keys.len(), 1);
}

#[test]
fn half_a_token_is_refused_before_anything_is_dialled() {
    let fingerprint = "a".repeat(64);
    let secret = "s".repeat(43);
    for wrong in [
        String::new(),
        "hd1".to_owned(),
        format!("hd2.{fingerprint}.{secret}"),
        format!("hd1.{}.{secret}", &fingerprint[1..]),
        format!("hd1.{fingerprint}.{}", &secret[1..]),
        format!("hd1.{fingerprint}.{secret}.more"),
    ] {
        assert!(Token::parse(&wrong).is_err(), "{wrong:?}");
    }
    let token = Token::parse(&format!(" hd1.{fingerprint}.{secret}\n")).unwrap();
    assert!(!format!("{token:?}").contains(&secret));
}
