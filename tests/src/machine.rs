//! A machine of its own: this one's files under an overlay, started by a real systemd in a container without network.
//! What is installed or broken in it is gone with it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::deadline::eventually;
use crate::mounted::Mounted;

/// Where the programs of this build and the folder `deploy` are seen inside.
pub const PROGRAMS: &str = "/opt/programs";
pub const DEPLOY: &str = "/opt/deploy";

pub struct Machine {
    /// Its root, seen from outside.
    pub root: PathBuf,
    container: Child,
    systemd: i32,
    // Dropped in this order: the overlay lies on the file system in memory, that in the directory.
    _overlay: Mounted,
    _memory: Mounted,
    _directory: tempfile::TempDir,
}

impl Machine {
    /// Boots and waits until systemd says that it runs.
    pub async fn boot(programs: &Path) -> anyhow::Result<Self> {
        let directory = tempfile::tempdir()?;
        let memory = Mounted::tmpfs(&directory.path().join("memory"), 2048)?;
        let overlay = Mounted::overlay_of_this_machine(&directory.path().join("memory"))?;
        let root = directory.path().join("memory/root");
        let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy").canonicalize()?;
        let said = directory.path().join("said");
        let mut container = Command::new("systemd-nspawn")
            .args(["--quiet", "--register=no", "--keep-unit", "--console=pipe"])
            .args(["--private-network", "--link-journal=no", "--machine=story", "--directory"])
            .arg(&root)
            .arg(format!("--bind-ro={}:{PROGRAMS}", programs.display()))
            .arg(format!("--bind-ro={}:{DEPLOY}", deploy.display()))
            // Nothing of what this machine itself would start.
            .args(["--boot", "systemd.unit=basic.target"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(&said)?)
            .spawn()
            .context("systemd-nspawn is missing: apt-get install systemd-container")?;
        let container_pid = container.id();
        let booted = eventually("systemd runs", || async {
            let systemd = only_child(container_pid)?;
            let state = inside(systemd, &["systemctl", "is-system-running"])?;
            ensure!(["running", "degraded"].contains(&state.trim()), "{state}");
            Ok(systemd)
        });
        let systemd = match booted.await {
            Ok(systemd) => systemd,
            Err(error) => {
                container.kill()?;
                container.wait()?;
                return Err(error.context(fs::read_to_string(said)?));
            }
        };
        let parts = (overlay, memory, directory);
        Ok(Self {
            root,
            container,
            systemd,
            _overlay: parts.0,
            _memory: parts.1,
            _directory: parts.2,
        })
    }

    /// Runs a program inside as root; its standard output, or an error with all it said.
    pub fn run(&self, command: &[&str]) -> anyhow::Result<String> {
        inside(self.systemd, command)
    }

    /// What a unit's journal ends with.
    pub fn journal(&self, unit: &str) -> String {
        self.run(&["journalctl", "--no-pager", "--lines=30", "--output=cat", "--unit", unit])
            .unwrap_or_else(|error| error.to_string())
    }

    pub fn write(&self, path: &str, text: &str) -> anyhow::Result<()> {
        let path = self.root.join(path.trim_start_matches('/'));
        fs::write(&path, text).with_context(|| path.display().to_string())
    }

    pub fn read(&self, path: &str) -> anyhow::Result<String> {
        let path = self.root.join(path.trim_start_matches('/'));
        fs::read_to_string(&path).with_context(|| path.display().to_string())
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // With its first process the kernel ends all others of the machine; systemd-nspawn then cleans up and ends.
        if kill(Pid::from_raw(self.systemd), Signal::SIGKILL).is_ok() {
            drop(self.container.wait());
        }
    }
}

fn only_child(pid: u32) -> anyhow::Result<i32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))?;
    let child = children.split_whitespace().next().context("no machine yet")?;
    Ok(child.parse()?)
}

fn inside(systemd: i32, command: &[&str]) -> anyhow::Result<String> {
    let output = Command::new("nsenter")
        .args(["--target", &systemd.to_string(), "--all", "--"])
        .args(command)
        .output()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() && !said.starts_with("degraded") {
        bail!("{command:?}: {}\n{said}{}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    Ok(said)
}
