//! `node_filesystem_*`: size, free space, inodes, read-only and errors per mounted file system (statvfs(3)).
//!
//! Promises: a file system that does not answer (a dead NFS server) is reported as an error and never delays the
//! others for longer than a tick can bear. Pseudo file systems are left out as node_exporter does.

use std::path::Path;

use agent_model::Millis;

use super::proc_file::ProcFile;
use crate::source::{HostRoot, MetricSource, Reading, SourceError};

mod asker;
mod mounts;

pub use asker::{Asker, Usage};
use mounts::{Mount, Namespace};

pub struct Filesystem {
    /// The mounts of the first process: the host's own view. Readable for root and with CAP_SYS_PTRACE.
    host_mounts: ProcFile,
    /// The agent's own view, which the unit's sandbox changes.
    own_mounts: ProcFile,
    root: std::path::PathBuf,
    asker: Asker,
}

impl Filesystem {
    pub fn new(root: &HostRoot, asker: Asker) -> Self {
        Self {
            host_mounts: ProcFile::new(root.proc.join("1/mountinfo")),
            own_mounts: ProcFile::new(root.proc.join("self/mountinfo")),
            root: root.root.clone(),
            asker,
        }
    }
}

impl MetricSource for Filesystem {
    fn name(&self) -> &'static str {
        "filesystem"
    }

    fn read(&mut self, _now_ms: Millis, out: &mut Reading) -> Result<(), SourceError> {
        let mounts = match self.host_mounts.read() {
            Ok(Some(text)) => mounts::parse(text, Namespace::Host)?,
            // Not there or not ours to read: what this process sees, freed from its sandbox.
            Ok(None) | Err(_) => match self.own_mounts.read()? {
                Some(text) => mounts::parse(text, Namespace::Own)?,
                None => return Ok(()),
            },
        };
        self.asker.begin();
        for mount in &mounts {
            let path = beneath(&self.root, &mount.mountpoint);
            report(mount, self.asker.ask(&path), out);
        }
        Ok(())
    }
}

/// Where a mount of the host is found from here.
fn beneath(root: &Path, mountpoint: &str) -> std::path::PathBuf {
    root.join(mountpoint.trim_start_matches('/'))
}

fn report(mount: &Mount, usage: Option<Usage>, out: &mut Reading) {
    let labels = [
        ("device", mount.device.as_str()),
        ("mountpoint", mount.mountpoint.as_str()),
        ("fstype", mount.fstype.as_str()),
    ];
    let flag = |set: bool| if set { 1.0 } else { 0.0 };
    out.add("node_filesystem_device_error", &labels, flag(usage.is_none()));
    out.add("node_filesystem_readonly", &labels, flag(mount.readonly));
    let Some(usage) = usage else { return };
    out.add("node_filesystem_size_bytes", &labels, usage.size_bytes);
    out.add("node_filesystem_free_bytes", &labels, usage.free_bytes);
    out.add("node_filesystem_avail_bytes", &labels, usage.avail_bytes);
    out.add("node_filesystem_files", &labels, usage.files);
    out.add("node_filesystem_files_free", &labels, usage.files_free);
}

#[cfg(test)]
mod tests;
