//! Two sites, two agents, two real repositories: whatever is wrong with the copies at the second site has its name.

use std::process::Command;

use anyhow::ensure;
use tests::house::{House, binary};
use tests::restic::Restic;
use tests::second_host::SecondHost;

const PRIMARY: &str = "dc1-srv07";
const SECOND: &str = "bk-srv01";

/// Looks as often as an agent may; every byte at the second site as often as it may.
fn watched(restic: &Restic, verify: &str) -> String {
    let (repository, password) = (restic.repository.display(), restic.password_file.display());
    format!(
        "backup:\n  restic:\n    - {{job: csdl, repository: {repository}, password_file: {password}, \
         interval: 10s{verify}}}\n"
    )
}

/// `haidang backup copies`.
fn copies(house: &House) -> anyhow::Result<String> {
    let output = Command::new(binary("haidang")?)
        .args(["backup", "copies", "--url", &format!("http://{}", house.web_address())])
        .arg("--token-file")
        .arg(house.state_dir.join("admin.token"))
        .output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

/// Two sites, and one backup with a place at each.
fn plan(house: &House) -> anyhow::Result<()> {
    house.write(
        "inventory.yml",
        &format!(
            "sites:\n  - {{id: dc1, name: A, type: datacenter}}\n  - {{id: bk, name: B, type: backup-site}}\n\
             hosts:\n  - {{id: {PRIMARY}, site: dc1}}\n  - {{id: {SECOND}, site: bk}}\n"
        ),
    )?;
    house.write(
        "backup-policy.yml",
        &format!(
            "places:\n  - {{id: chinh, locations: ['*/chinh']}}\n  - {{id: du-phong, immutable: true, locations: ['*/du-phong']}}\n\
             jobs:\n  - {{host: {PRIMARY}, backup: csdl, interval: 30m, rpo: 12h, seen_by: [{SECOND}], rule: {{media: 1}}}}\n"
        ),
    )
}

#[tokio::test]
async fn copies_at_the_second_site_that_are_late_damaged_gone_or_not_ours_are_named()
-> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let primary = Restic::init(directory.path(), "chinh", None)?;
    let second = Restic::init(directory.path(), "du-phong", Some(&primary))?;
    let data = directory.path().join("data");
    std::fs::create_dir(&data)?;
    let back_up = |restic: &Restic, hours_ago: i64| {
        std::fs::write(data.join("rows"), format!("{hours_ago} {}", "x".repeat(100_000)))?;
        restic.back_up(&data, hours_ago)
    };
    for hours_ago in [9, 8, 7, 6] {
        back_up(&primary, hours_ago)?;
    }
    second.copy_from(&primary)?;
    let mut house = House::new()?;
    plan(&house)?;
    house.start().await?;
    let _here = SecondHost::start(&house, PRIMARY, None, &watched(&primary, "")).await?;
    let into = directory.path().join("into");
    std::fs::create_dir(&into)?;
    let (at, check) = (into.display(), "[test, -d]");
    let there = format!(
        ", verify: {{read_data: 1m, restore: {{interval: 1m, into: {at}, check: {check}}}}}"
    );
    let there = watched(&second, &there);
    let _there = SecondHost::start(&house, SECOND, None, &there).await?;

    house.eventually_sees("haidang_backup_copy_behind_seconds{place=\"du-phong\"} == 0").await?;
    let read = "haidang_backup_verified_timestamp_seconds{place=\"du-phong\",depth=\"data_read\"}";
    house.eventually_sees(read).await?;
    house.eventually_sees(&read.replace("data_read", "restored")).await?;
    house.eventually_sees("haidang_backup_restore_bytes > 100000").await?;
    ensure!(std::fs::read_dir(&into)?.count() == 0, "what was restored is still there");
    // The copies here were never read: the last digit, and no other.
    house.eventually_sees("count(haidang_backup_rule_broken) == 1").await?;
    house.eventually_sees("haidang_backup_rule_broken{digit=\"errors\"}").await?;

    let trouble = |trouble: &str| {
        format!(
            "haidang_backup_copy_trouble{{place=\"du-phong\",copy_site=\"bk\",trouble=\"{trouble}\"}}"
        )
    };
    back_up(&primary, 5)?;
    house.eventually_sees(&trouble("behind")).await?;
    back_up(&primary, 4)?;
    back_up(&primary, 3)?;
    house.eventually_sees(&trouble("stopped")).await?;
    house.eventually_sees("ALERTS{alertname=\"BackupCopyStopped\",place=\"du-phong\"}").await?;
    let screen = copies(&house)?;
    ensure!(screen.contains("stopped") && screen.contains("3h00m"), "{screen}");
    second.copy_from(&primary)?;
    house.eventually_sees(&format!("absent({})", trouble("stopped"))).await?;
    house.eventually_sees("haidang_backup_copy_behind_seconds{place=\"du-phong\"} == 0").await?;

    second.spoil()?;
    house.eventually_sees(&trouble("damaged")).await?;
    house.eventually_sees("absent(haidang_backup_exposure_seconds{copy_site=\"bk\"})").await?;
    std::fs::remove_dir_all(&second.repository)?;
    house
        .eventually_sees("haidang_backup_copy_look_success{location=~\".*du-phong\"} == 0")
        .await?;

    // Another system's copies of the same hours, in the right place.
    let other = Restic::init(directory.path(), "du-phong", None)?;
    std::fs::write(data.join("rows"), "another system")?;
    for hours_ago in [5, 4, 3] {
        std::fs::write(data.join("rows"), format!("another system {hours_ago}"))?;
        other.back_up(&data, hours_ago)?;
    }
    house.eventually_sees(&trouble("different")).await?;
    other.forget_all()?;
    house.eventually_sees(&trouble("missing")).await?;
    println!("{}", copies(&house)?);
    Ok(())
}
