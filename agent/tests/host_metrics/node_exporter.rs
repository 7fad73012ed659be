//! A real node_exporter reads the same hosts: names, labels, types and values must be the same.
//! What is left out of its output stands in `LEFT_OUT` with the reason, and nothing stands there needlessly.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use agent::clock::Clock;
use agent::source::HostRoot;
use agent_model::Labels;

use crate::exposition::{parse, shapes, types};
use crate::fixtures::{HOSTS, read, read_this_host, root};

const PROGRAM: &str = "/usr/bin/prometheus-node-exporter";
const START_DEADLINE: Duration = Duration::from_secs(20);

/// What node_exporter reports by default and we do not.
struct LeftOut {
    /// How the names begin.
    prefix: &'static str,
    reason: &'static str,
    /// Whether every host on which the test runs shows it.
    everywhere: bool,
}

const fn left_out(prefix: &'static str, reason: &'static str) -> LeftOut {
    LeftOut { prefix, reason, everywhere: true }
}

const fn left_out_where_present(prefix: &'static str, reason: &'static str) -> LeftOut {
    LeftOut { prefix, reason, everywhere: false }
}

const LEFT_OUT: &[LeftOut] = &[
    left_out("go_", "of the exporter's own runtime, which is another"),
    left_out("process_", "of the exporter's process; the agent's own are haidang_agent_*"),
    left_out("promhttp_", "of the exporter's web server, which the agent does not have"),
    left_out("node_exporter_build_info", "the agent's version is a fact of its own"),
    left_out("node_scrape_collector_", "added by the loop that reads the sources"),
    left_out("node_textfile_", "hand-written metrics come through the drop-box"),
    left_out(
        "node_timex_",
        "needs adjtimex(2), which no safe crate here offers; the collector measures the clock with every report",
    ),
    left_out_where_present("node_arp_", "a later step: of use where neighbour tables overflow"),
    left_out_where_present("node_softnet_", "a later step: packets the kernel had no time for"),
    left_out_where_present("node_udp_queues", "a later step"),
    left_out_where_present("node_schedstat_", "pressure says the same and is cheaper"),
    left_out("node_selinux_", "a matter of security configuration, not of metrics"),
    left_out_where_present("node_dmi_info", "an inventory fact, not a metric"),
    left_out_where_present("node_cpu_core_throttles", "hwmon and thermal zones say it earlier"),
    left_out_where_present("node_cpu_package_throttles", "hwmon and thermal zones say it earlier"),
    left_out_where_present("node_cpu_frequency", "a later step"),
    left_out_where_present("node_cpu_scaling", "a later step"),
    left_out_where_present("node_rapl_", "readable for root only since CVE-2020-8694"),
    left_out_where_present("node_power_supply_", "a later step, with the UPS"),
    left_out_where_present("node_nvme_", "a later step, with SMART"),
    left_out_where_present("node_edac_", "a later step, with hardware errors"),
    left_out_where_present("node_disk_ata_", "a later step, with SMART"),
    left_out_where_present("node_systemd_", "services are checked as services, not as units"),
    left_out_where_present("node_xfs_", "a later step"),
    left_out_where_present("node_btrfs_", "a later step"),
    left_out_where_present("node_zfs_", "a later step"),
    left_out_where_present("node_nfs_", "a later step"),
    left_out_where_present("node_nfsd_", "a later step"),
];

/// The default of node_exporter's authors; Debian's package hides `/run`, `/mnt` and `/media` too.
const MOUNTS_LEFT_OUT: &str =
    "^/(dev|proc|run/credentials/.+|sys|var/lib/docker/.+|var/lib/containers/storage/.+)($|/)";

/// Without the program there is nothing to compare with: a failure in CI, else said aloud.
fn is_installed() -> bool {
    if Path::new(PROGRAM).exists() {
        return true;
    }
    let advice = format!("{PROGRAM} is missing: apt-get install prometheus-node-exporter");
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{advice}");
    eprintln!("NOT COMPARED: {advice}");
    false
}

/// Ends the exporter whatever happens.
struct Exporter(Child);

impl Drop for Exporter {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// What node_exporter reports of a host.
fn scrape(host: &HostRoot, more: &[&str]) -> String {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let child = Command::new(PROGRAM)
        .arg(format!("--web.listen-address={address}"))
        .arg(format!("--path.procfs={}", host.proc.display()))
        .arg(format!("--path.sysfs={}", host.sys.display()))
        .arg(format!("--path.rootfs={}", host.root.display()))
        .arg(format!("--path.udev.data={}", host.root.join("run/udev/data").display()))
        .arg(format!("--collector.filesystem.mount-points-exclude={MOUNTS_LEFT_OUT}"))
        .arg("--collector.netdev.device-exclude=^$")
        .args(more)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let _exporter = Exporter(child);
    let deadline = Clock.instant() + START_DEADLINE;
    let mut stream = loop {
        match TcpStream::connect(address) {
            Ok(stream) => break stream,
            Err(error) => assert!(Clock.instant() < deadline, "{PROGRAM} does not listen: {error}"),
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, text) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.0 200"), "{head}");
    text.to_owned()
}

fn is_left_out(name: &str) -> bool {
    LEFT_OUT.iter().any(|left_out| name.starts_with(left_out.prefix))
}

/// Values that differ between two readings of the same files.
fn is_volatile(name: &str) -> bool {
    // The time itself and its zone; the room on the disk under the fixtures; the kernel's own names.
    name.starts_with("node_time_seconds")
        || name.starts_with("node_time_zone")
        || name.starts_with("node_filesystem_") && !name.ends_with("readonly")
        || name == "node_uname_info"
}

fn lines(series: &BTreeMap<Labels, f64>) -> BTreeSet<String> {
    let compared = series.iter().filter(|(labels, _)| !is_left_out(labels.metric_name()));
    compared
        .map(|(labels, value)| match labels.metric_name() {
            name if name == "node_uname_info" || name.starts_with("node_time_zone") => name.into(),
            name if is_volatile(name) => labels.to_string(),
            // Division and multiplication by a factor differ in the last bit.
            _ => format!("{labels} {value:.12e}"),
        })
        .collect()
}

/// What only one of the two says.
fn differences(theirs: &BTreeSet<String>, ours: &BTreeSet<String>) -> Vec<String> {
    let missing = theirs.difference(ours).map(|line| format!("only node_exporter: {line}"));
    let more = ours.difference(theirs).map(|line| format!("only ours: {line}"));
    missing.chain(more).collect()
}

#[test]
fn every_fixture_host_reads_the_same_as_through_node_exporter() {
    if !is_installed() {
        return;
    }
    for host in HOSTS {
        // By netlink it would show this machine's devices instead of the fixture's.
        let theirs = scrape(&root(host), &["--no-collector.netdev.netlink"]);
        let ours = read(host);
        let mut ours = parse(&ours);
        // From netlink only, hence checked by the test of this host.
        ours.retain(|labels, _| labels.metric_name() != "node_network_receive_nohandler_total");
        let found = differences(&lines(&parse(&theirs)), &lines(&ours));
        assert!(found.is_empty(), "{host}:\n{}", found.join("\n"));
    }
}

#[test]
fn this_host_has_the_same_names_label_names_and_types_as_through_node_exporter() {
    if !is_installed() {
        return;
    }
    let theirs = scrape(&HostRoot::default(), &[]);
    let ours = read_this_host();
    let compared = |text: &str| {
        let mut series = parse(text);
        series.retain(|labels, _| !is_left_out(labels.metric_name()));
        shapes(series.keys())
    };
    let found = differences(&compared(&theirs), &compared(&ours));
    assert!(found.is_empty(), "{}", found.join("\n"));

    let their_types = types(&theirs);
    for (name, kind) in types(&ours) {
        assert_eq!(their_types.get(name), Some(&kind), "type of {name}");
    }
    let names: BTreeSet<&str> = their_types.keys().copied().collect();
    for left_out in LEFT_OUT {
        let of_ours = types(&ours).keys().any(|name| name.starts_with(left_out.prefix));
        assert!(!of_ours, "{} is left out ({}) and reported", left_out.prefix, left_out.reason);
        let seen = names.iter().any(|name| name.starts_with(left_out.prefix));
        assert!(seen || !left_out.everywhere, "{} is left out of nothing", left_out.prefix);
    }
}
