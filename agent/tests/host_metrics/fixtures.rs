//! The hosts under `fixtures/hosts`: trees of `/proc`, `/sys` and `/`.
//! `virtual-machine` is captured, `rack-server` and `old-kernel` are made by hand.

use std::path::PathBuf;

use agent::metrics::filesystem::{Asker, Usage};
use agent::metrics::uname::Uname;
use agent::metrics::{self, Host};
use agent::source::{HostRoot, Reading};
use agent::text_format;
use jiff::tz::{Offset, TimeZone};

pub(crate) const HOSTS: [&str; 3] = ["old-kernel", "rack-server", "virtual-machine"];

/// 2026-01-02 03:04:05.678 UTC
const NOW_MS: i64 = 1_767_323_045_678;

pub(crate) fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

pub(crate) fn root(host: &str) -> HostRoot {
    let host = directory().join("hosts").join(host);
    HostRoot { proc: host.join("proc"), sys: host.join("sys"), root: host.join("root") }
}

/// What the agent reports of such a host, in the text format.
pub(crate) fn read(host: &str) -> String {
    let names = ["Linux", "6.1.0-18-amd64", "#1 SMP", "x86_64", "dc1-srv01", "(none)"];
    let half_full =
        Usage { size_bytes: 8e9, free_bytes: 4e9, avail_bytes: 3e9, files: 1e6, files_free: 9e5 };
    let host = Host {
        root: root(host),
        ticks_per_second: 100.0,
        page_bytes: 4096.0,
        time_zone: TimeZone::fixed(Offset::constant(7)),
        uname: Uname::new(move || Ok(names.map(str::to_owned))),
        filesystems: Asker::new(move |_| Ok(half_full)),
    };
    text_of(host.sources())
}

/// What the agent reports of the host that this test runs on.
pub(crate) fn read_this_host() -> String {
    text_of(metrics::sources(&metrics::Config::default(), &HostRoot::default()))
}

fn text_of(sources: Vec<Box<dyn agent::source::MetricSource>>) -> String {
    let mut reading = Reading::new();
    reading.begin();
    for mut source in sources {
        if let Err(error) = source.read(NOW_MS, &mut reading) {
            panic!("{}: {error}", source.name());
        }
    }
    reading.finish();
    let mut text = String::new();
    text_format::write(reading.samples(), &mut text).unwrap();
    text
}
