//! A backup that did not do its work is told, whatever its exit code says.

use std::process::Command;

use tests::house::{House, binary};
use tests::webhook::Webhook;

/// Runs a command as `haidang-agent backup run` would be run by cron; the exit code is the command's.
pub(super) fn back_up(
    house: &House,
    job: &str,
    output: Option<&str>,
    command: &str,
) -> anyhow::Result<i32> {
    let mut wrapper = Command::new(binary("haidang-agent")?);
    wrapper.args(["backup", "run", "--drop-box"]).arg(house.state_dir.join("agent/drop-box"));
    wrapper.args(["--job", job]);
    if let Some(output) = output {
        wrapper.args(["--output", output]);
    }
    let status = wrapper.args(["--", "sh", "-c", command]).status()?;
    Ok(status.code().unwrap_or(-1))
}

#[tokio::test]
async fn a_backup_that_fails_and_one_that_writes_nothing_raise_alerts_and_a_good_one_does_not()
-> anyhow::Result<()> {
    let webhook = Webhook::start().await?;
    let mut house = House::new()?;
    house.notify(&webhook)?;
    house.start().await?;
    let directory = tempfile::tempdir()?;
    let copies = |name: &str| directory.path().join(name).display().to_string();

    assert_eq!(back_up(&house, "csdl", None, "echo hỏng >&2; exit 1")?, 1);
    let (labels, _) = webhook.expect("BackupFailed", "firing").await?;
    assert_eq!(labels["backup"], "csdl");

    let empty = copies("empty-*.dump");
    let nothing = format!("touch {}", copies("empty-1.dump"));
    assert_eq!(back_up(&house, "van-ban", Some(&empty), &nothing)?, 0);
    let (labels, _) = webhook.expect("BackupEmpty", "firing").await?;
    assert_eq!(labels["backup"], "van-ban");

    let full = copies("full-*.dump");
    let good = format!("head -c 100000 /dev/urandom > {}", copies("full-1.dump"));
    assert_eq!(back_up(&house, "csdl", Some(&full), &good)?, 0);
    webhook.expect("BackupFailed", "resolved").await?;
    house.eventually_sees("haidang_backup_last_success_bytes{backup=\"csdl\"} == 100000").await?;
    Ok(())
}
