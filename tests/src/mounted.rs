//! Small file systems that a story may fill without harm; each is unmounted when dropped.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};

pub struct Mounted(PathBuf);

impl Mounted {
    /// A file system in memory.
    pub fn tmpfs(at: &Path, megabytes: u32) -> anyhow::Result<Self> {
        let size = format!("size={megabytes}m");
        Self::mount(at, &["-t", "tmpfs", "-o", &size, "tmpfs"])
    }

    /// A file system on a disk of its own: an image that a loop device shows.
    pub fn ext4(at: &Path, megabytes: u32) -> anyhow::Result<Self> {
        let image = at.with_extension("img");
        File::create(&image)?.set_len(u64::from(megabytes) << 20)?;
        // Without blocks for root, so that what is free is what anybody can have.
        let made = Command::new("mkfs.ext4").args(["-q", "-m", "0"]).arg(&image).status();
        let made = made.context("mkfs.ext4 is missing: apt-get install e2fsprogs")?;
        ensure!(made.success(), "mkfs.ext4 failed");
        let image = image.to_str().context("the path is no text")?;
        Self::mount(at, &["-t", "ext4", "-o", "loop", image])
    }

    /// An XFS on an image, whose power can be cut; 300 MB is the least that mkfs.xfs makes.
    pub fn xfs(at: &Path) -> anyhow::Result<Self> {
        let image = at.with_extension("img");
        File::create(&image)?.set_len(320 << 20)?;
        let made = Command::new("mkfs.xfs").arg("-q").arg(&image).status();
        let made = made.context("mkfs.xfs is missing: apt-get install xfsprogs")?;
        ensure!(made.success(), "mkfs.xfs failed");
        Self::mount(
            at,
            &["-t", "xfs", "-o", "loop", image.to_str().context("the path is no text")?],
        )
    }

    /// From now on nothing reaches the disk, not even what the kernel had still to write: a power cut of an XFS.
    pub fn cut_power(&self) -> anyhow::Result<()> {
        let cut = Command::new("xfs_io").args(["-x", "-c", "shutdown"]).arg(&self.0).status();
        let cut = cut.context("xfs_io is missing: apt-get install xfsprogs")?;
        ensure!(cut.success(), "xfs_io could not shut the file system down");
        Ok(())
    }

    /// The same disk after the power is back. Whoever used it must have ended.
    pub fn power_on(&self) -> anyhow::Result<()> {
        let status = Command::new("umount").arg(&self.0).status()?;
        ensure!(status.success(), "{} is still in use", self.0.display());
        let image = self.0.with_extension("img");
        let status = Command::new("mount").args(["-o", "loop"]).arg(image).arg(&self.0).status()?;
        ensure!(status.success(), "the disk cannot be mounted again");
        Ok(())
    }

    /// This machine's own files at `memory`/root, over which `memory` takes every change.
    pub fn overlay_of_this_machine(memory: &Path) -> anyhow::Result<Self> {
        let (upper, work) = (memory.join("upper"), memory.join("work"));
        std::fs::create_dir_all(&upper)?;
        std::fs::create_dir_all(&work)?;
        let layers = format!("lowerdir=/,upperdir={},workdir={}", upper.display(), work.display());
        Self::mount(&memory.join("root"), &["-t", "overlay", "-o", &layers, "overlay"])
    }

    fn mount(at: &Path, arguments: &[&str]) -> anyhow::Result<Self> {
        std::fs::create_dir_all(at)?;
        let status = Command::new("mount").args(arguments).arg(at).status()?;
        ensure!(status.success(), "{arguments:?} cannot be mounted: run the stories as root");
        Ok(Self(at.to_owned()))
    }

    /// Writes a file that leaves only this many bytes to others.
    pub fn fill(&self, ballast: &Path, leave: u64) -> anyhow::Result<()> {
        let space = nix::sys::statvfs::statvfs(&self.0)?;
        let available = space.blocks_available() * space.fragment_size();
        let length = usize::try_from(available.saturating_sub(leave))?;
        std::fs::write(ballast, vec![1; length])?;
        // Held back in memory, blocks would count as free for a while.
        Ok(File::open(ballast)?.sync_all()?)
    }
}

/// Writes a file until not even one more block finds room.
pub fn fill_to_the_last_block(ballast: &Path) -> anyhow::Result<()> {
    let mut file = File::create(ballast)?;
    for bytes in [1 << 20, 4_096, 512] {
        loop {
            match file.write_all(&vec![1; bytes]) {
                // Blocks that are only promised may turn out not to be there.
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::StorageFull => break,
                Err(error) => return Err(error.into()),
            }
        }
        file.sync_all()?;
    }
    Ok(())
}

impl Drop for Mounted {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(&self.0).status());
    }
}
