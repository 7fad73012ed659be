//! The chain of the audit log: what breaks it is found, and where.

use proptest::prelude::*;

use super::*;

fn entry(time_ms: Millis) -> AuditEntry {
    AuditEntry {
        time_ms,
        who: "lan".to_owned(),
        action: "silence.create".to_owned(),
        object: format!("máy chủ {time_ms}"),
        outcome: "done".to_owned(),
    }
}

async fn filled(entries: i64) -> (tempfile::TempDir, Inventory) {
    let directory = tempfile::tempdir().unwrap();
    let inventory = Inventory::open(&directory.path().join("inventory.db")).await.unwrap();
    for time_ms in 1..=entries {
        inventory.audit_append(&entry(time_ms)).await.unwrap();
    }
    (directory, inventory)
}

async fn by_hand(inventory: &Inventory, statement: &'static str) {
    sqlx::query(statement).execute(&inventory.writer).await.unwrap();
}

async fn broken(inventory: &Inventory) -> Option<AuditBreak> {
    inventory.verify_audit(None).await.unwrap().broken
}

#[tokio::test]
async fn a_log_that_nobody_touched_holds_and_its_noted_seal_too() {
    let (_directory, inventory) = filled(0).await;
    let empty = inventory.verify_audit(None).await.unwrap();
    assert_eq!((empty.entries, empty.seal.as_str(), empty.broken), (0, "", None));
    let (_directory, inventory) = filled(5).await;
    let found = inventory.verify_audit(None).await.unwrap();
    assert_eq!((found.entries, found.first, found.last, found.broken), (5, 1, 5, None));
    assert_eq!(found.seal.len(), 64);
    inventory.audit_append(&entry(6)).await.unwrap();
    let noted = |number, seal| {
        let (inventory, seal): (Inventory, String) = (inventory.clone(), seal);
        async move { inventory.verify_audit(Some((number, &seal))).await.unwrap().noted }
    };
    assert_eq!(noted(5, found.seal.clone()).await, Some(Noted::Same));
    assert_eq!(noted(5, found.seal.to_uppercase()).await, Some(Noted::Same));
    assert_eq!(noted(4, found.seal.clone()).await, Some(Noted::Different));
    assert_eq!(noted(7, found.seal.clone()).await, Some(Noted::Absent));
}

#[tokio::test]
async fn every_field_is_sealed_and_the_first_entry_that_does_not_fit_is_named() {
    for change in [
        "UPDATE audit SET who = 'minh' WHERE number = 3",
        "UPDATE audit SET action = 'silence.expire' WHERE number = 3",
        "UPDATE audit SET object = object || ' ' WHERE number = 3",
        "UPDATE audit SET outcome = 'refused' WHERE number = 3",
        "UPDATE audit SET time_ms = 2 WHERE number = 3",
        "UPDATE audit SET seal = 'x' WHERE number = 3",
        // A text that moves from one field to the next.
        "UPDATE audit SET who = 'la', action = 'nsilence.create' WHERE number = 3",
    ] {
        let (_directory, inventory) = filled(5).await;
        by_hand(&inventory, change).await;
        assert_eq!(broken(&inventory).await, Some(AuditBreak::Changed { number: 3 }), "{change}");
    }
    let (_directory, inventory) = filled(5).await;
    by_hand(&inventory, "DELETE FROM audit WHERE number = 3").await;
    assert_eq!(broken(&inventory).await, Some(AuditBreak::Missing { number: 4 }));
    // Numbered anew, the entry behind the hole does not fit the seal before.
    by_hand(&inventory, "UPDATE audit SET number = number - 1 WHERE number > 3").await;
    assert_eq!(broken(&inventory).await, Some(AuditBreak::Changed { number: 3 }));
    let (_directory, inventory) = filled(5).await;
    by_hand(&inventory, "DELETE FROM audit WHERE number < 3").await;
    assert_eq!(broken(&inventory).await, Some(AuditBreak::Missing { number: 3 }));
}

#[tokio::test]
async fn a_log_that_was_cut_at_its_end_is_known_by_the_seal_that_was_noted() {
    let (_directory, inventory) = filled(5).await;
    let noted = inventory.verify_audit(None).await.unwrap().seal;
    by_hand(&inventory, "DELETE FROM audit WHERE number > 3").await;
    let found = inventory.verify_audit(Some((5, &noted))).await.unwrap();
    assert_eq!(found.broken_since(5), Some(AuditBreak::Missing { number: 5 }));
    for time_ms in [40, 50] {
        inventory.audit_append(&entry(time_ms)).await.unwrap();
    }
    let found = inventory.verify_audit(Some((5, &noted))).await.unwrap();
    assert_eq!((found.broken, found.noted), (None, Some(Noted::Different)));
    assert_eq!(found.broken_since(5), Some(AuditBreak::Changed { number: 5 }));
}

#[tokio::test]
async fn retention_takes_the_oldest_and_the_rest_still_holds() {
    let (_directory, inventory) = filled(6).await;
    let noted = inventory.verify_audit(None).await.unwrap().seal;
    // A clock that went back: what stands behind a younger entry waits for it.
    inventory.audit_append(&entry(0)).await.unwrap();
    assert_eq!(inventory.prune_audit(4).await.unwrap(), 3);
    assert_eq!(inventory.prune_audit(4).await.unwrap(), 0);
    let found = inventory.verify_audit(Some((6, &noted))).await.unwrap();
    assert_eq!((found.first, found.last, found.broken), (4, 7, None));
    assert_eq!((found.noted, found.broken_since(6)), (Some(Noted::Same), None));
    // All of it may go; numbers and seals go on behind.
    assert_eq!(inventory.prune_audit(1_000).await.unwrap(), 4);
    assert_eq!(inventory.audit_append(&entry(2_000)).await.unwrap(), 8);
    assert_eq!(broken(&inventory).await, None);
    by_hand(&inventory, "UPDATE audit_start SET seal = ''").await;
    assert_eq!(broken(&inventory).await, Some(AuditBreak::Changed { number: 8 }));
}

#[tokio::test]
async fn a_log_from_before_there_were_seals_is_sealed_once() {
    let (_directory, inventory) = filled(5).await;
    by_hand(&inventory, "UPDATE audit SET seal = ''").await;
    by_hand(&inventory, "DELETE FROM audit WHERE number < 3").await;
    inventory.seal_old_audit().await.unwrap();
    let found = inventory.verify_audit(None).await.unwrap();
    assert_eq!((found.first, found.last, found.broken), (3, 5, None));
    // Later a missing seal is a break, and no start mends it.
    by_hand(&inventory, "UPDATE audit SET seal = '' WHERE number = 4").await;
    inventory.seal_old_audit().await.unwrap();
    assert_eq!(broken(&inventory).await, Some(AuditBreak::Changed { number: 4 }));
}

proptest! {
    #[test]
    fn no_two_entries_have_one_seal(
        one in ("[a-c]{0,3}", "[a-c]{0,3}", "[a-c]{0,3}", "[a-c]{0,3}", 0i64..2, 0i64..2),
        other in ("[a-c]{0,3}", "[a-c]{0,3}", "[a-c]{0,3}", "[a-c]{0,3}", 0i64..2, 0i64..2),
    ) {
        let of = |(who, action, object, outcome, time_ms, number): &(String, String, String, String, i64, i64)| {
            let (who, action) = (who.clone(), action.clone());
            let entry = AuditEntry {
                time_ms: *time_ms, who, action, object: object.clone(), outcome: outcome.clone(),
            };
            seal::of("", *number, &entry)
        };
        prop_assert_eq!(of(&one) == of(&other), one == other);
    }
}
