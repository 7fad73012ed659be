//! Small file systems that a story may fill without harm; each is unmounted when dropped.

use std::fs::File;
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

impl Drop for Mounted {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(&self.0).status());
    }
}
