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
    }
}

#[tokio::test]
async fn a_token_enrols_one_host_once() {
    let (_directory, inventory) = open().await;
    let secret = inventory.token_create(None, 1_000, "admin", 100).await.unwrap();
    assert_eq!(secret.len(), 43);
    inventory.token_check(&secret, &host("a"), 200).await.unwrap();
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
            Ok(()) => won += 1,
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
    assert!(!renew("fingerprint of 1", &identity("2", "b"), 300).await);
    assert!(!renew("fingerprint of 9", &identity("2", "a"), 300).await);
    assert!(!renew("fingerprint of 1", &identity("2", "a"), 10_000).await);
    assert!(renew("fingerprint of 1", &identity("2", "a"), 300).await);
    let revoked = inventory.revoke(&host("a"), "lost", 400).await.unwrap();
    assert_eq!(revoked.len(), 2, "the old certificate and its successor");
    assert!(!renew("fingerprint of 2", &identity("3", "a"), 500).await);
    let known = inventory.identity("fingerprint of 2").await.unwrap().unwrap();
    let why = crate::Revocation { time_ms: 400, reason: "lost".to_owned() };
    assert_eq!(known.revoked, Some(why));
}
