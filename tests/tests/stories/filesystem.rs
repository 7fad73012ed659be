//! A file system that fills is told, and told again when somebody has made room.

use tests::house::House;
use tests::mounted::Mounted;
use tests::webhook::Webhook;

/// The expression of the shipped DiskSpaceExhausted, which waits two minutes; a province may be quicker.
const RULE: &str = r#"groups:
  - name: story
    rules:
      - alert: StoryDiskExhausted
        expr: node_filesystem_avail_bytes{fstype!~"tmpfs|ramfs|squashfs|iso9660|erofs|overlay|fuse.*|nfs.*|cifs"} / node_filesystem_size_bytes < 0.03
        labels: {severity: critical}
"#;

#[tokio::test]
async fn a_file_system_that_fills_raises_an_alert_that_ends_when_it_is_emptied()
-> anyhow::Result<()> {
    let webhook = Webhook::start().await?;
    let directory = tempfile::tempdir()?;
    let place = directory.path().join("ho-so");
    let disk = Mounted::ext4(&place, 64)?;
    let mut house = House::new()?;
    house.notify(&webhook)?;
    house.write("rules.d/full.yml", RULE)?;
    house.start().await?;
    let mountpoint = place.display();
    house
        .eventually_sees(&format!("node_filesystem_avail_bytes{{mountpoint=\"{mountpoint}\"}}"))
        .await?;

    let ballast = place.join("ballast");
    disk.fill(&ballast, 1 << 20)?;
    let (labels, _) = webhook.expect("StoryDiskExhausted", "firing").await?;
    assert_eq!(labels["mountpoint"], place.display().to_string());
    assert_eq!(labels["fstype"], "ext4");

    std::fs::remove_file(&ballast)?;
    webhook.expect("StoryDiskExhausted", "resolved").await?;
    let free = "/ node_filesystem_size_bytes > 0.9";
    house
        .eventually_sees(&format!(
            "node_filesystem_avail_bytes{{mountpoint=\"{mountpoint}\"}} {free}"
        ))
        .await
}
