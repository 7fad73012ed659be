//! The audit log is a chain: who changes it by hand is found out, by the command and by an alert.

use std::process::Command;

use anyhow::{Context, ensure};
use serde_json::json;
use tests::house::House;

fn verify(house: &House, arguments: &[&str]) -> anyhow::Result<(bool, String)> {
    house.haidang(&[&["audit", "verify"], arguments].concat())
}

/// As somebody who is root on the collector's host.
fn by_hand(house: &House, statement: &str) -> anyhow::Result<()> {
    let program = "import sqlite3, sys\n\
        with sqlite3.connect(sys.argv[1], timeout=30) as db: db.execute(sys.argv[2])";
    let file = house.state_dir.join("collector/inventory.db");
    ensure!(file.exists(), "{} is not there", file.display());
    let run = Command::new("python3").args(["-c", program]).arg(file).arg(statement).status();
    ensure!(run.context("python3 is needed")?.success(), "{statement}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_that_is_changed_or_taken_away_by_hand_is_found_out() -> anyhow::Result<()> {
    let mut house = House::new()?;
    house.start().await?;
    for name in ["lan", "minh", "hoa"] {
        let user = json!({ "name": name, "password": "mật khẩu dài 12", "role": "viewer" });
        house.post("/api/users", &user).await?;
    }
    let (sound, said) = verify(&house, &[])?;
    ensure!(sound && said.contains("hold"), "{said}");
    let noted = said.lines().find_map(|line| line.strip_prefix("Note: ")).context("no seal")?;
    let noted = noted.trim().to_owned();
    let (sound, said) = verify(&house, &["--noted", &noted])?;
    ensure!(sound && said.contains("is the same"), "{said}");
    let entries = house.get("/api/audit").await?;
    let of_minh = entries.as_array().into_iter().flatten().find(|one| {
        one["action"] == "user.create"
            && one["object"].as_str().is_some_and(|of| of.contains("minh"))
    });
    let number = of_minh.context("no entry about minh")?["number"].to_string();
    by_hand(&house, &format!("UPDATE audit SET who = 'lan' WHERE number = {number}"))?;
    let (sound, said) = verify(&house, &[])?;
    ensure!(!sound && said.contains(&format!("entry {number}")), "{said}");
    // Who goes on from there has not the entry that was noted any more.
    by_hand(&house, &format!("DELETE FROM audit WHERE number >= {number}"))?;
    let (sound, said) = verify(&house, &[])?;
    ensure!(sound, "{said}");
    let (sound, said) = verify(&house, &["--noted", &noted])?;
    ensure!(!sound && said.contains("is not there"), "{said}");
    Ok(())
}
