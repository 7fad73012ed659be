//! Enrolment tokens used once and in time.

use tempfile::{TempDir, tempdir};

use super::*;

async fn open() -> (TempDir, Inventory) {
    let directory = tempdir().unwrap();
    let inventory = Inventory::open(&directory.path().join("inventory.sqlite")).await.unwrap();
    (directory, inventory)
}

fn host(name: &str) -> HostId {
    HostId::new(name).unwrap()
}

fn identity(serial: &str, of: &str) -> Identity {
    Identity {
        serial: serial.to_owned(),
        fingerprint: format!("fingerprint of {serial}"),
        host: host(of),
        not_before_ms: 0,
        not_after_ms: 10_000,
        public_key: format!("key of {serial}"),
        certificate_pem: format!("certificate {serial}"),
    }
}

/// The same key in another certificate.
fn with_key_of(serial: &str, identity: Identity) -> Identity {
    Identity { public_key: format!("key of {serial}"), ..identity }
}

#[tokio::test]
async fn a_token_enrols_one_host_once() {
    let (_directory, inventory) = open().await;
    let secret = inventory.token_create(None, 1_000, "admin", 100).await.unwrap();
    assert_eq!(secret.len(), 43);
    inventory.token_check(&secret, &host("a"), "key of 1", 200).await.unwrap();
    inventory.token_redeem(&secret, &identity("1", "a"), 200).await.unwrap();
    let again = inventory.token_redeem(&secret, &identity("2", "b"), 200).await;
    assert!(matches!(again, Err(TokenError::Used)));
    let listed = inventory.tokens(10).await.unwrap();
    assert_eq!(listed[0].used, Some((200, host("a"))));
    let known = inventory.identity("fingerprint of 1").await.unwrap().unwrap();
    assert_eq!(known.identity, identity("1", "a"));
    assert_eq!(inventory.hosts().await.unwrap()[0].state, crate::HostState::Enrolled);
}

#[tokio::test]
async fn every_reason_to_refuse_is_told_apart() {
    let (_directory, inventory) = open().await;
    let bound = inventory.token_create(Some(&host("a")), 1_000, "admin", 100).await.unwrap();
    let unknown = inventory.token_redeem("nonsense", &identity("1", "a"), 200).await;
    assert!(matches!(unknown, Err(TokenError::Unknown)));
    let other = inventory.token_redeem(&bound, &identity("1", "b"), 200).await;
    assert!(matches!(other, Err(TokenError::OtherHost)));
    let late = inventory.token_redeem(&bound, &identity("1", "a"), 1_100).await;
    assert!(matches!(late, Err(TokenError::Expired)));
    inventory.token_redeem(&bound, &identity("1", "a"), 1_099).await.unwrap();
    let second = inventory.token_create(None, 1_000, "admin", 100).await.unwrap();
    let enrolled = inventory.token_redeem(&second, &identity("2", "a"), 200).await;
    assert!(matches!(enrolled, Err(TokenError::HostEnrolled)));
    let revoked = inventory.revoke(&host("a"), "set up anew", 300).await.unwrap();
    assert_eq!(revoked, ["fingerprint of 1"]);
    assert_eq!(inventory.hosts().await.unwrap()[0].state, crate::HostState::Revoked);
    inventory.token_redeem(&second, &identity("2", "a"), 400).await.unwrap();
    assert_eq!(inventory.hosts().await.unwrap()[0].state, crate::HostState::Enrolled);
}

#[tokio::test]
async fn the_secret_is_not_in_the_file() {
    let (directory, inventory) = open().await;
    let secret = inventory.token_create(None, 1_000, "admin", 100).await.unwrap();
    inventory.close().await;
    for entry in std::fs::read_dir(directory.path()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_that_come_at_once_one_wins() {
    let (_directory, inventory) = open().await;
    let secret = inventory.token_create(None, 1_000, "admin", 100).await.unwrap();
    let attempts = (0..16).map(|at| {
        let (inventory, secret) = (inventory.clone(), secret.clone());
        tokio::spawn(async move {
            let identity = identity(&at.to_string(), &format!("host{at}"));
            inventory.token_redeem(&secret, &identity, 200).await
        })
    });
    let mut won = 0;
    for attempt in futures_util::future::join_all(attempts).await {
        match attempt.unwrap() {
            Ok(grant) => {
                assert_eq!(grant, Grant::New);
                won += 1;
            }
            Err(refused) => assert!(matches!(refused, TokenError::Used), "{refused}"),
        }
    }
    assert_eq!(won, 1);
    assert_eq!(inventory.identities(200).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_tokens_at_once_enrol_a_host_once() {
    let (_directory, inventory) = open().await;
    let mut attempts = Vec::new();
    for at in 0..8 {
        let secret = inventory.token_create(None, 1_000, "admin", 100).await.unwrap();
        let inventory = inventory.clone();
        attempts.push(tokio::spawn(async move {
            inventory.token_redeem(&secret, &identity(&at.to_string(), "a"), 200).await.is_ok()
        }));
    }
    let mut won = 0;
    for attempt in attempts {
        won += u32::from(attempt.await.unwrap());
    }
    assert_eq!(won, 1);
}

#[tokio::test]
async fn only_a_live_identity_is_renewed_and_only_by_its_host() {
    let (_directory, inventory) = open().await;
    let secret = inventory.token_create(None, 1_000, "admin", 100).await.unwrap();
    inventory.token_redeem(&secret, &identity("1", "a"), 200).await.unwrap();
    let renew = async |old: &str, new: &Identity, now_ms| {
        inventory.identity_renew(old, new, now_ms).await.unwrap()
    };
    assert_eq!(renew("fingerprint of 1", &identity("2", "b"), 300).await, None);
    assert_eq!(renew("fingerprint of 9", &identity("2", "a"), 300).await, None);
    assert_eq!(renew("fingerprint of 1", &identity("2", "a"), 10_000).await, None);
    assert_eq!(renew("fingerprint of 1", &identity("2", "a"), 300).await, Some(Grant::New));
    let revoked = inventory.revoke(&host("a"), "lost", 400).await.unwrap();
    assert_eq!(revoked.len(), 2, "the old certificate and its successor");
    assert_eq!(renew("fingerprint of 2", &identity("3", "a"), 500).await, None);
    let known = inventory.identity("fingerprint of 2").await.unwrap().unwrap();
    let why = crate::Revocation { time_ms: 400, reason: "lost".to_owned() };
    assert_eq!(known.revoked, Some(why));
}

#[tokio::test]
async fn the_key_that_used_a_token_gets_the_same_certificate_again_while_the_token_lives() {
    let (_directory, inventory) = open().await;
    let secret = inventory.token_create(None, 1_000, "admin", 100).await.unwrap();
    let redeem = async |identity: &Identity, now_ms| {
        inventory.token_redeem(&secret, identity, now_ms).await.map_err(|error| error.to_string())
    };
    assert_eq!(redeem(&identity("1", "a"), 200).await, Ok(Grant::New));
    let again = Ok(Grant::Again("certificate 1".to_owned()));
    assert_eq!(redeem(&with_key_of("1", identity("2", "a")), 300).await, again);
    let checked = inventory.token_check(&secret, &host("a"), "key of 1", 1_099).await;
    assert_eq!(checked.map_err(|error| error.to_string()), again);
    assert_eq!(inventory.identities(300).await.unwrap().len(), 1);

    let used = Err(TokenError::Used.to_string());
    assert_eq!(redeem(&identity("2", "a"), 300).await, used, "another key");
    assert_eq!(redeem(&with_key_of("1", identity("2", "b")), 300).await, used, "another host");
    assert_eq!(redeem(&with_key_of("1", identity("2", "a")), 1_100).await, used, "too late");
    inventory.revoke(&host("a"), "lost", 400).await.unwrap();
    assert_eq!(redeem(&with_key_of("1", identity("2", "a")), 500).await, used, "revoked");
}

#[tokio::test]
async fn a_host_whose_answer_was_lost_may_come_with_a_new_token_and_its_old_key() {
    let (_directory, inventory) = open().await;
    let first = inventory.token_create(None, 100, "admin", 100).await.unwrap();
    inventory.token_redeem(&first, &identity("1", "a"), 150).await.unwrap();
    let second = inventory.token_create(None, 1_000, "admin", 300).await.unwrap();
    let other = inventory.token_redeem(&second, &identity("2", "a"), 400).await;
    assert!(matches!(other, Err(TokenError::HostEnrolled)), "{other:?}");
    let same = with_key_of("1", identity("2", "a"));
    assert_eq!(inventory.token_redeem(&second, &same, 400).await.unwrap(), Grant::New);
}

#[tokio::test]
async fn a_renewal_whose_answer_was_lost_is_answered_again() {
    let (_directory, inventory) = open().await;
    let secret = inventory.token_create(None, 1_000, "admin", 100).await.unwrap();
    inventory.token_redeem(&secret, &identity("1", "a"), 200).await.unwrap();
    let renew = async |new: &Identity| {
        inventory.identity_renew("fingerprint of 1", new, 300).await.unwrap().unwrap()
    };
    assert_eq!(renew(&identity("2", "a")).await, Grant::New);
    let again = Grant::Again("certificate 2".to_owned());
    assert_eq!(renew(&with_key_of("2", identity("3", "a"))).await, again);
    assert_eq!(renew(&identity("4", "a")).await, Grant::New, "another key is another wish");
    // The key of the certificate itself has nothing that a renewal granted it.
    assert_eq!(renew(&with_key_of("1", identity("5", "a"))).await, Grant::New);
}
