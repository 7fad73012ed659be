//! Enrolment against a real TLS server, and every way in which it is refused.

use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::test_collector::TestCollector;

fn request(collector: &TestCollector, state_dir: &std::path::Path, token: &str) -> EnrolRequest {
    EnrolRequest {
        state_dir: state_dir.to_owned(),
        collector: collector.address.clone(),
        token: Token::parse(token).unwrap(),
        host: HostId::new("dc1-srv01").unwrap(),
        replace: false,
    }
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
    let identity = Identity::load(state.path(), &collector.address).unwrap();
    assert_eq!(identity.validity().unwrap().host, request.host);
    let path = Identity::path(state.path(), &collector.address);
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
    assert!(!Identity::path(state.path(), &other.address).exists());
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
    assert!(!Identity::path(state.path(), &collector.address).exists());
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
