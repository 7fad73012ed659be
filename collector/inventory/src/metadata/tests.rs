//! Descriptions that are given, given again, changed and forgotten, and their bounds.

use tempfile::{TempDir, tempdir};

use super::*;

async fn open() -> (TempDir, Inventory) {
    let directory = tempdir().unwrap();
    let inventory = Inventory::open(&directory.path().join("inventory.sqlite")).await.unwrap();
    (directory, inventory)
}

const DAY_MS: Millis = 86_400_000;

fn said(describer: &Describer, said_ms: Millis, metrics: &[(&str, &str)]) -> Described {
    let metric = |(metric, help): &(&str, &str)| MetricMetadata {
        metric: (*metric).to_owned(),
        kind: MetricKind::Counter,
        help: (*help).to_owned(),
        unit: String::new(),
    };
    let (describer, metrics) = (describer.clone(), metrics.iter().map(metric).collect());
    Described { describer, said_ms, complete: false, metrics }
}

fn target(instance: &str) -> Describer {
    let (host, job) = ("dc1-srv01".to_owned(), "db".to_owned());
    Describer::Target { host, job, instance: instance.to_owned() }
}

fn owner() -> Describer {
    Describer::Owner("dc2".to_owned())
}

async fn apply(inventory: &Inventory, said: &[Described]) -> u64 {
    let position = inventory.position().await.unwrap() + 1;
    inventory.apply_all(position, &[], said, &[]).await.unwrap().descriptions_dropped
}

async fn all(inventory: &Inventory) -> Vec<String> {
    let all = inventory.metric_metadata(None).await.unwrap();
    all.into_iter().map(|one| format!("{}: {}", one.metric, one.help)).collect()
}

#[tokio::test]
async fn what_many_say_is_kept_once_and_what_a_target_says_otherwise_replaces_it() {
    let (_directory, inventory) = open().await;
    let first = said(&target("a"), 1, &[("m", "old"), ("n", "x")]);
    apply(&inventory, &[first, said(&target("b"), 1, &[("m", "old")])]).await;
    assert_eq!(all(&inventory).await, ["m: old", "n: x"]);
    apply(&inventory, &[said(&target("a"), 2, &[("m", "new")])]).await;
    assert_eq!(all(&inventory).await, ["m: new", "m: old", "n: x"]);
    let of_targets = inventory.target_metadata(Some("m"), 9, |_| true).await.unwrap();
    let of_targets: Vec<_> =
        of_targets.iter().map(|one| (one.instance.as_str(), one.metadata.help.as_str())).collect();
    assert_eq!(of_targets, [("a", "new"), ("b", "old")]);
    // Who says everything no longer says the rest.
    let complete = Described { complete: true, ..said(&target("a"), 3, &[("m", "new")]) };
    apply(&inventory, &[complete, said(&target("b"), 3, &[("m", "new")])]).await;
    assert_eq!(all(&inventory).await, ["m: new"]);
    assert_eq!(inventory.metric_metadata(Some("n")).await.unwrap(), []);
}

#[tokio::test]
async fn an_owner_may_say_two_things_and_what_it_left_out_for_days_goes_when_it_says_another() {
    let (_directory, inventory) = open().await;
    apply(&inventory, &[said(&owner(), 0, &[("m", "of one"), ("m", "of another")])]).await;
    assert_eq!(all(&inventory).await, ["m: of another", "m: of one"]);
    apply(&inventory, &[said(&owner(), PUSHED_KEPT_MS, &[("m", "of one")])]).await;
    assert_eq!(all(&inventory).await, ["m: of another", "m: of one"]);
    apply(&inventory, &[said(&owner(), PUSHED_KEPT_MS + 1, &[("m", "of one")])]).await;
    assert_eq!(all(&inventory).await, ["m: of one"]);
}

#[tokio::test]
async fn what_nobody_says_any_more_is_forgotten_after_its_time() {
    let (_directory, inventory) = open().await;
    apply(
        &inventory,
        &[said(&owner(), DAY_MS, &[("m", "a")]), said(&target("a"), 0, &[("n", "b")])],
    )
    .await;
    assert_eq!(prune(&inventory, 0).await.unwrap(), 0);
    // The description, who gave it, and that it did.
    assert_eq!(prune(&inventory, 1).await.unwrap(), 3);
    assert_eq!(all(&inventory).await, ["m: a"]);
}

#[tokio::test]
async fn an_owner_and_all_together_have_a_bound_and_what_is_beyond_is_counted() {
    let (_directory, inventory) = open().await;
    let names: Vec<String> = (0..=DESCRIBED_MAX).map(|at| format!("m{at}")).collect();
    let metrics: Vec<_> = names.iter().map(|name| (name.as_str(), "")).collect();
    assert_eq!(apply(&inventory, &[said(&owner(), 1, &metrics)]).await, 1);
    assert_eq!(apply(&inventory, &[said(&owner(), 2, &metrics[..5])]).await, 0, "it is said again");
    assert_eq!(apply(&inventory, &[said(&owner(), 3, &[("m", "")])]).await, 1);
    // Another one has room of its own, until there is none for anybody.
    assert_eq!(apply(&inventory, &[said(&target("a"), 3, &[("m", "")])]).await, 0);
    fill(&inventory, DESCRIPTIONS_MAX - DESCRIBED_MAX - 1).await;
    assert_eq!(apply(&inventory, &[said(&target("b"), 4, &[("n", "new"), ("m", "")])]).await, 1);
    assert_eq!(inventory.metric_metadata(Some("m")).await.unwrap().len(), 1);
    assert_eq!(inventory.metric_metadata(Some("n")).await.unwrap(), []);
    // What nobody gives any more makes room for what somebody does.
    sqlx::query("DELETE FROM metrics_described WHERE description = 1")
        .execute(&inventory.writer)
        .await
        .unwrap();
    assert_eq!(apply(&inventory, &[said(&target("b"), 5, &[("n", "new")])]).await, 0);
    assert_eq!(inventory.metric_metadata(Some("n")).await.unwrap().len(), 1);
    let picked = |one: &TargetMetric| one.instance == "b";
    assert_eq!(inventory.target_metadata(None, 1, picked).await.unwrap().len(), 1);
    assert_eq!(inventory.target_metadata(None, 9, picked).await.unwrap().len(), 2);
}

/// So many descriptions that somebody gives.
async fn fill(inventory: &Inventory, count: i64) {
    for insert in [
        "INSERT INTO metric_descriptions SELECT number, 'x' || number, 0, '', '' FROM numbers",
        "INSERT INTO metrics_described SELECT 0, number, 9 FROM numbers",
    ] {
        let numbers = "WITH RECURSIVE numbers (number) AS
             (SELECT 1 UNION ALL SELECT number + 1 FROM numbers WHERE number < $1)";
        let statement = sqlx::AssertSqlSafe(format!("{numbers} {insert}"));
        sqlx::query(statement).bind(count).execute(&inventory.writer).await.unwrap();
    }
}
