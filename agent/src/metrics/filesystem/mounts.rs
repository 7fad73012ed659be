//! Which file systems are mounted and worth reporting, from `/proc/<pid>/mountinfo` (proc_pid_mountinfo(5)).
//!
//! Seen from inside the unit's sandbox, everything is mounted read-only and some directories twice. There the state
//! of the file system itself is taken instead of the mount's, and a mount of a part of one listed already is skipped.

use super::super::proc_file::ProcText;
use crate::source::SourceError;

/// Whose mounts a text describes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Namespace {
    Host,
    Own,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mount {
    pub(super) device: String,
    pub(super) mountpoint: String,
    pub(super) fstype: String,
    pub(super) readonly: bool,
}

/// One line, its words borrowed.
struct Line<'a> {
    device_number: &'a str,
    /// The directory of the file system that is mounted here: `/` unless it is a part of it.
    part: &'a str,
    mountpoint: &'a str,
    options: &'a str,
    fstype: &'a str,
    device: &'a str,
    state: &'a str,
}

/// File systems that hold no data of their own: node_exporter's default, word for word.
const FSTYPES_LEFT_OUT: [&str; 24] = [
    "autofs",
    "binfmt_misc",
    "bpf",
    "cgroup",
    "cgroup2",
    "configfs",
    "debugfs",
    "devpts",
    "devtmpfs",
    "fusectl",
    "hugetlbfs",
    "iso9660",
    "mqueue",
    "nsfs",
    "overlay",
    "proc",
    "procfs",
    "pstore",
    "rpc_pipefs",
    "securityfs",
    "selinuxfs",
    "squashfs",
    "sysfs",
    "tracefs",
];

/// Everything beneath these is the system's own machinery, as in node_exporter as its authors ship it. (Debian's
/// package hides `/mnt`, `/media` and `/run` too; backup disks are mounted there, so they are reported here.)
const DIRECTORIES_LEFT_OUT: [&str; 3] = ["/dev", "/proc", "/sys"];
const PARENTS_LEFT_OUT: [&str; 3] =
    ["/run/credentials/", "/var/lib/docker/", "/var/lib/containers/storage/"];

/// The mounts worth reporting, in the kernel's order, none twice.
pub(super) fn parse(text: ProcText<'_>, namespace: Namespace) -> Result<Vec<Mount>, SourceError> {
    let lines: Vec<Line<'_>> = text
        .lines()
        .map(|line| parse_line(line).ok_or_else(|| text.malformed("mount")))
        .collect::<Result<_, _>>()?;
    let mut mounts: Vec<Mount> = Vec::new();
    for line in &lines {
        let mountpoint = unescape(line.mountpoint);
        if FSTYPES_LEFT_OUT.contains(&line.fstype) || is_left_out(&mountpoint) {
            continue;
        }
        if namespace == Namespace::Own && lines.iter().any(|other| other.contains(line)) {
            continue;
        }
        let mount = Mount {
            device: unescape(line.device),
            mountpoint,
            fstype: line.fstype.to_owned(),
            readonly: is_readonly(line.state)
                || (namespace == Namespace::Host && is_readonly(line.options)),
        };
        let known = mounts.iter_mut().find(|known| {
            known.mountpoint == mount.mountpoint
                && known.device == mount.device
                && known.fstype == mount.fstype
        });
        // Mounted twice on the same place: the later one is the one in use.
        match known {
            Some(known) => known.readonly = mount.readonly,
            None => mounts.push(mount),
        }
    }
    Ok(mounts)
}

impl Line<'_> {
    /// Whether `other` shows only a part of what this shows.
    fn contains(&self, other: &Self) -> bool {
        self.device_number == other.device_number
            && self.part.len() < other.part.len()
            && other.part.starts_with(self.part)
    }
}

/// `36 35 98:0 /part /mount/point rw,noatime shared:1 - ext3 /dev/root rw,errors=continue`
fn parse_line(line: &str) -> Option<Line<'_>> {
    let (mount, filesystem) = line.split_once(" - ")?;
    let mut mount = mount.split(' ').skip(2);
    let mut filesystem = filesystem.split(' ');
    Some(Line {
        device_number: mount.next()?,
        part: mount.next()?,
        mountpoint: mount.next()?,
        options: mount.next()?,
        fstype: filesystem.next()?,
        device: filesystem.next()?,
        state: filesystem.next()?,
    })
}

fn is_readonly(options: &str) -> bool {
    options.split(',').any(|option| option == "ro")
}

fn is_left_out(mountpoint: &str) -> bool {
    let inside = |directory: &&str| {
        let rest = mountpoint.strip_prefix(*directory);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    DIRECTORIES_LEFT_OUT.iter().any(inside)
        || PARENTS_LEFT_OUT.iter().any(|parent| mountpoint.starts_with(parent))
}

/// The kernel writes space, tab, line feed and backslash as three octal digits.
fn unescape(text: &str) -> String {
    let mut parts = text.split('\\');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let code = part.get(..3).and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match code {
            Some(code) => {
                plain.push(char::from(code));
                plain.push_str(&part[3..]);
            }
            None => {
                plain.push('\\');
                plain.push_str(part);
            }
        }
    }
    plain
}
