//! A log line on a host becomes an alert at a person.

use tests::house::House;
use tests::webhook::Webhook;

fn failed(port: u32) -> String {
    format!(
        "{} dc1 sshd[4711]: Failed password for root from 203.0.113.7 port {port} ssh2",
        timestamp()
    )
}

fn accepted() -> String {
    format!(
        "{} dc1 sshd[4712]: Accepted password for root from 203.0.113.7 port 50999 ssh2",
        timestamp()
    )
}

/// Now, as rsyslog's traditional format has it in the host's own time zone.
fn timestamp() -> String {
    let now = jiff::Zoned::now();
    now.strftime("%b %e %H:%M:%S").to_string()
}

#[tokio::test]
async fn twelve_failed_logins_and_a_success_are_one_alert() -> anyhow::Result<()> {
    let webhook = Webhook::start().await?;
    let mut house = House::new()?;
    house.notify(&webhook)?;
    house.start().await?;
    let mut lines: Vec<String> = (0..12).map(|at| failed(50_000 + at)).collect();
    lines.push(accepted());
    house.log_in_auth(&lines)?;
    let (labels, _) = webhook.expect("SshBruteForceSucceeded", "firing").await?;
    assert_eq!(labels["severity"], "critical");
    // What comes later must not tell it again: another notification, of the login as root, has passed since.
    webhook.expect("SshRootLogin", "firing").await?;
    let told = webhook.alerts().into_iter().filter(|(name, ..)| name == "SshBruteForceSucceeded");
    assert_eq!(told.count(), 1, "{:?}", webhook.alerts());
    Ok(())
}
