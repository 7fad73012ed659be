//! Users, sessions and the audit log.

use tempfile::{TempDir, tempdir};

use super::*;
use crate::{AuditEntry, SESSIONS_PER_USER_MAX};

async fn open() -> (TempDir, Inventory) {
    let directory = tempdir().unwrap();
    let inventory = Inventory::open(&directory.path().join("inventory.sqlite")).await.unwrap();
    (directory, inventory)
}

fn lan() -> NewUser {
    NewUser {
        name: "lan".to_owned(),
        display_name: "Nguyễn Thị Lan".to_owned(),
        role: "operator".to_owned(),
        scope: "team=\"dvc\"".to_owned(),
        password_hash: "$argon2id$first".to_owned(),
    }
}

fn of_role(name: &str, role: &str) -> NewUser {
    NewUser { name: name.to_owned(), role: role.to_owned(), scope: String::new(), ..lan() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_user_is_made_once() {
    let (_directory, inventory) = open().await;
    assert!(inventory.has_no_users().await.unwrap());
    let attempts = (0..8).map(|at| {
        let inventory = inventory.clone();
        let user = NewUser { name: format!("user{at}"), ..lan() };
        tokio::spawn(async move { inventory.user_create_first(&user, 1).await.unwrap() })
    });
    let made = futures_util::future::join_all(attempts).await;
    assert_eq!(made.into_iter().filter(|made| *made.as_ref().unwrap()).count(), 1);
    assert!(!inventory.has_no_users().await.unwrap());
    assert!(inventory.user_create(&lan(), 2).await.unwrap());
    assert!(!inventory.user_create(&lan(), 3).await.unwrap(), "the name is taken");
    assert_eq!(inventory.users().await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_session_lives_until_it_expires_or_is_ended() {
    let (_directory, inventory) = open().await;
    inventory.user_create(&lan(), 1).await.unwrap();
    inventory.session_create("secret", "lan", 1_000_000, 10).await.unwrap();
    let session = inventory.session("secret", 20).await.unwrap().unwrap();
    assert_eq!((session.user.display_name.as_str(), session.last_seen_ms), ("Nguyễn Thị Lan", 10));
    assert_eq!((session.created_ms, session.user.created_ms), (10, 1));
    inventory.session("secret", 90_000).await.unwrap().unwrap();
    let seen = inventory.session("secret", 90_001).await.unwrap().unwrap();
    assert_eq!(seen.last_seen_ms, 90_000);
    assert_eq!(inventory.session("other", 20).await.unwrap(), None);
    assert_eq!(inventory.session("secret", 1_000_010).await.unwrap(), None);
    inventory.session_end("secret").await.unwrap();
    assert_eq!(inventory.session("secret", 20).await.unwrap(), None);
}

#[tokio::test]
async fn a_new_password_and_a_disabled_user_end_every_session() {
    let (_directory, inventory) = open().await;
    inventory.user_create(&lan(), 1).await.unwrap();
    inventory.session_create("one", "lan", 1_000, 10).await.unwrap();
    assert!(inventory.user_set_password("lan", "$argon2id$second", 20).await.unwrap());
    assert_eq!(inventory.session("one", 30).await.unwrap(), None);
    let user = inventory.user("lan").await.unwrap().unwrap();
    assert_eq!((user.password_hash.as_str(), user.password_changed_ms), ("$argon2id$second", 20));
    inventory.session_create("two", "lan", 1_000, 30).await.unwrap();
    let disable =
        async |name| inventory.user_change(name, &UserChange::Disable, "viewer").await.unwrap();
    inventory.user_create(&of_role("minh", "viewer"), 1).await.unwrap();
    assert_eq!(disable("lan").await, UserChanged::Done);
    assert_eq!(inventory.session("two", 40).await.unwrap(), None);
    inventory.session_create("three", "lan", 1_000, 50).await.unwrap();
    assert_eq!(inventory.session("three", 60).await.unwrap(), None, "still disabled");
    assert!(!inventory.user_set_password("nobody", "x", 20).await.unwrap());
    assert_eq!(disable("nobody").await, UserChanged::Unknown);
    let enabled = inventory.user_change("lan", &UserChange::Enable, "viewer").await.unwrap();
    assert_eq!(enabled, UserChanged::Done);
    inventory.session_create("four", "lan", 1_000, 70).await.unwrap();
    assert!(inventory.session("four", 80).await.unwrap().is_some());
    assert_eq!(inventory.session("two", 40).await.unwrap(), None, "what ended has ended");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_administrators_who_shut_each_other_out_leave_one() {
    for _ in 0..10 {
        let (_directory, inventory) = open().await;
        let names = ["a", "b"];
        for name in names {
            inventory.user_create(&of_role(name, "admin"), 1).await.unwrap();
        }
        let viewer = UserChange::Role { role: "viewer".to_owned(), scope: String::new() };
        let (one, other) = tokio::join!(
            inventory.user_change("a", &UserChange::Disable, "admin"),
            inventory.user_change("b", &viewer, "admin"),
        );
        let last = [one.unwrap(), other.unwrap()].map(|done| done == UserChanged::LastOne);
        assert!(last[0] != last[1], "{last:?}");
        let users = inventory.users().await.unwrap();
        let admins: Vec<_> =
            users.iter().filter(|user| user.role == "admin" && !user.disabled).collect();
        assert_eq!(admins.len(), 1);
    }
}

#[tokio::test]
async fn one_session_too_many_ends_the_one_used_longest_ago() {
    let (_directory, inventory) = open().await;
    inventory.user_create(&lan(), 1).await.unwrap();
    for at in 0..=SESSIONS_PER_USER_MAX {
        inventory.session_create(&at.to_string(), "lan", 1_000, at).await.unwrap();
    }
    assert_eq!(inventory.session("0", 100).await.unwrap(), None);
    assert!(inventory.session("1", 100).await.unwrap().is_some());
}

#[tokio::test]
async fn the_audit_log_is_numbered_without_holes_and_paged_from_the_newest() {
    let (_directory, inventory) = open().await;
    let entry = |time_ms| AuditEntry {
        time_ms,
        who: "lan".to_owned(),
        action: "token.create".to_owned(),
        object: "dc1-srv01".to_owned(),
        outcome: "done".to_owned(),
    };
    for time_ms in 1..=5 {
        assert_eq!(inventory.audit_append(&entry(time_ms)).await.unwrap(), time_ms.unsigned_abs());
    }
    let page = inventory.audit(None, 2).await.unwrap();
    assert_eq!(page.iter().map(|entry| entry.number).collect::<Vec<_>>(), [5, 4]);
    let page = inventory.audit(Some(4), 10).await.unwrap();
    assert_eq!(page.iter().map(|entry| entry.number).collect::<Vec<_>>(), [3, 2, 1]);
    assert_eq!(page[2].entry, entry(1));
}
