//! The whole output of every fixture host, and the list of names that rules and dashboards may use.
//! After a wanted change: `UPDATE_EXPECT=1 cargo nextest run -p agent --test host_metrics`, then read the difference.

use std::collections::BTreeSet;

use agent_model::Labels;
use expect_test::expect_file;

use crate::exposition::parse;
use crate::fixtures::{HOSTS, directory, read};

#[test]
fn an_old_kernel_reports_what_it_has() {
    expect_file![directory().join("hosts/old-kernel/metrics.txt")].assert_eq(&read("old-kernel"));
}

#[test]
fn a_rack_server_reports_its_sensors_disks_and_mounts() {
    expect_file![directory().join("hosts/rack-server/metrics.txt")].assert_eq(&read("rack-server"));
}

#[test]
fn a_virtual_machine_reports_what_was_captured() {
    let expected = expect_file![directory().join("hosts/virtual-machine/metrics.txt")];
    expected.assert_eq(&read("virtual-machine"));
}

#[test]
fn the_names_are_those_of_the_list() {
    let mut names = BTreeSet::new();
    for host in HOSTS {
        let series = parse(&read(host));
        names.extend(series.keys().map(|labels| labels.metric_name().to_owned()));
    }
    let list: String = names.iter().map(|name| format!("{name}\n")).collect();
    expect_file![directory().join("metric-names.txt")].assert_eq(&list);
}

#[test]
fn the_text_reads_back_to_the_same_series_and_values() {
    let text = read("rack-server");
    let series = parse(&text);
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    assert_eq!(series.len(), samples.count());
    let mount =
        [("device", "10.20.0.5:/backup"), ("fstype", "nfs4"), ("mountpoint", "/mnt/backup copies")];
    assert_eq!(series[&Labels::metric("node_filesystem_avail_bytes", mount)], 3e9);
    let mut again = String::new();
    let samples = series.iter().map(|(labels, value)| (labels, *value));
    agent::text_format::write(samples, &mut again).unwrap();
    assert_eq!(again, text);
}
