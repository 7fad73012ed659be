//! Mounts that hang, mounts that fail, and what the sandbox does to the list of mounts.

use std::io;
use std::path::Path;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex};

use expect_test::{Expect, expect};

use super::super::proc_file::ProcText;
use super::mounts::{Namespace, parse};
use super::{Asker, Filesystem, Usage};
use crate::source::{HostRoot, MetricSource, Reading};

const USAGE: Usage =
    Usage { size_bytes: 5.0, free_bytes: 4.0, avail_bytes: 3.0, files: 2.0, files_free: 1.0 };

#[test]
fn a_mount_that_hangs_fails_alone_and_is_asked_again_when_it_is_back() {
    let (release, wait) = sync_channel::<()>(0);
    let wait = Mutex::new(wait);
    let asked = Arc::new(Mutex::new(0));
    let count = Arc::clone(&asked);
    let mut asker = Asker::new(move |path: &Path| {
        if path == Path::new("/dead") {
            *count.lock().unwrap() += 1;
            wait.lock().unwrap().recv().unwrap();
        }
        Ok(USAGE)
    });
    asker.begin();
    assert_eq!(asker.ask(Path::new("/dead")), None);
    assert_eq!(asker.ask(Path::new("/")), Some(USAGE));
    asker.begin();
    assert_eq!(asker.ask(Path::new("/dead")), None, "it is not asked while it hangs");
    assert_eq!(*asked.lock().unwrap(), 1);
    release.send(()).unwrap();
    // The thread's answer is under way: ask until it is seen; the second question is answered only if released.
    let (done, finished) = sync_channel(1);
    std::thread::spawn(move || {
        release.send(()).unwrap();
        done.send(()).unwrap();
    });
    while finished.try_recv().is_err() {
        asker.begin();
        asker.ask(Path::new("/dead"));
        std::thread::yield_now();
    }
    assert!(*asked.lock().unwrap() >= 2);
}

#[test]
fn more_dead_mounts_than_the_limit_start_no_more_threads() {
    let (_release, wait) = sync_channel::<()>(0);
    let wait = Arc::new(Mutex::new(wait));
    let asked = Arc::new(Mutex::new(0));
    let count = Arc::clone(&asked);
    let mut asker = Asker::new(move |_: &Path| {
        *count.lock().unwrap() += 1;
        wait.lock().unwrap().recv().ok();
        Ok(USAGE)
    });
    asker.begin();
    for mount in 0..20 {
        assert_eq!(asker.ask(Path::new(&format!("/dead/{mount}"))), None);
    }
    assert_eq!(*asked.lock().unwrap(), 16);
}

#[test]
fn a_mount_that_fails_is_an_error_and_no_more() {
    let mut asker = Asker::new(|_: &Path| Err(io::Error::from(io::ErrorKind::PermissionDenied)));
    asker.begin();
    assert_eq!(asker.ask(Path::new("/")), None);
}

fn check(namespace: Namespace, mountinfo: &str, expected: Expect) {
    let text = ProcText { path: Path::new("mountinfo"), text: mountinfo };
    let mounts = parse(text, namespace).unwrap();
    let lines: Vec<String> = mounts
        .iter()
        .map(|mount| {
            let state = if mount.readonly { "read-only" } else { "writable" };
            format!("{} {} {} {state}", mount.device, mount.mountpoint, mount.fstype)
        })
        .collect();
    expected.assert_eq(&lines.join("\n"));
}

#[test]
fn a_backup_disk_is_reported_and_machinery_is_not() {
    let mountinfo = "\
22 27 0:21 / /proc rw - proc proc rw
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw
30 27 254:16 / /mnt/backup\\040disk ro,relatime - xfs /dev/vdb1 rw
31 27 0:50 / /var/lib/docker/volumes/x rw - ext4 /dev/vdc rw
32 27 0:51 / /device rw - tmpfs tmpfs rw
33 27 0:52 / /dev/shm rw - tmpfs tmpfs rw";
    check(
        Namespace::Host,
        mountinfo,
        expect![[r#"
        /dev/vda / ext4 writable
        /dev/vdb1 /mnt/backup disk xfs read-only
        tmpfs /device tmpfs writable"#]],
    );
}

#[test]
fn the_sandbox_neither_makes_a_disk_read_only_nor_shows_it_twice() {
    let mountinfo = "\
27 1 254:0 / / ro,relatime - ext4 /dev/vda rw
28 27 254:0 /var/lib/haidang-agent /var/lib/haidang-agent rw,relatime - ext4 /dev/vda rw
29 27 254:16 / /data ro,relatime - ext4 /dev/vdb ro,errors=remount-ro
30 27 0:40 /@home /home ro - btrfs /dev/vdc rw";
    check(
        Namespace::Own,
        mountinfo,
        expect![[r#"
        /dev/vda / ext4 writable
        /dev/vdb /data ext4 read-only
        /dev/vdc /home btrfs writable"#]],
    );
}

#[test]
fn a_line_that_is_no_mount_is_an_error() {
    let text = ProcText { path: Path::new("mountinfo"), text: "22 27 0:21 / /proc rw" };
    assert!(parse(text, Namespace::Host).is_err());
}

#[test]
fn without_the_first_process_the_own_mounts_are_read() {
    let directory = tempfile::tempdir().unwrap();
    let own = directory.path().join("self");
    std::fs::create_dir(&own).unwrap();
    std::fs::write(own.join("mountinfo"), "1 0 8:1 / / ro - ext4 /dev/sda1 rw").unwrap();
    let root = HostRoot { proc: directory.path().to_owned(), ..HostRoot::default() };
    let mut source = Filesystem::new(&root, Asker::new(|_: &Path| Ok(USAGE)));
    let mut reading = Reading::new();
    reading.begin();
    source.read(0, &mut reading).unwrap();
    let readonly = reading
        .samples()
        .find(|(labels, _)| labels.metric_name() == "node_filesystem_readonly")
        .map(|(_, value)| value);
    assert_eq!(readonly, Some(0.0));
    assert_eq!(reading.samples().count(), 7);
}
