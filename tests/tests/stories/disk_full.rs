//! A full disk is an ordinary day: ingest stops, says so, and goes on by itself.

use std::process::Command;

use anyhow::ensure;
use tests::deadline::eventually;
use tests::house::House;
use tests::webhook::Webhook;

/// A small file system of its own; unmounted when dropped.
struct Small(std::path::PathBuf);

impl Small {
    fn mount(at: &std::path::Path, megabytes: u32) -> anyhow::Result<Self> {
        std::fs::create_dir_all(at)?;
        let size = format!("size={megabytes}m");
        let status =
            Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(at).status()?;
        ensure!(status.success(), "a tmpfs cannot be mounted: run the stories as root");
        Ok(Self(at.to_owned()))
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(&self.0).status());
    }
}

#[tokio::test]
async fn at_the_reserve_it_stops_taking_reports_says_so_and_goes_on_by_itself() -> anyhow::Result<()>
{
    let directory = tempfile::tempdir()?;
    let state_dir = directory.path().join("small");
    let _small = Small::mount(&state_dir, 192)?;
    let webhook = Webhook::start().await?;
    let mut house = House::at(directory, state_dir.clone())?;
    house.notify(&webhook)?;
    house.write("collector.yml", "journal:\n  free_reserve: 32MiB\n")?;
    house.start().await?;

    // Something else fills the disk, down to less than the reserve.
    let ballast = state_dir.join("ballast");
    let free = nix::sys::statvfs::statvfs(&state_dir)?;
    let free = free.blocks_available() * free.fragment_size();
    let fill = usize::try_from(free.saturating_sub(24 << 20))?;
    std::fs::write(&ballast, vec![1; fill])?;
    let not_ready = eventually("not ready", || async {
        ensure!(house.status_without_sign_in("/-/ready").await? == 503);
        Ok(())
    });
    not_ready.await?;
    house.eventually_sees("haidang_collector_ready == 0").await?;
    webhook.expect("CollectorDiskFull", "firing").await?;

    std::fs::remove_file(&ballast)?;
    let ready = eventually("ready again", || async {
        ensure!(house.status_without_sign_in("/-/ready").await? == 200);
        Ok(())
    });
    ready.await?;
    webhook.expect("CollectorDiskFull", "resolved").await?;
    house.eventually_sees("node_load1").await
}
