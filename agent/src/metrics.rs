//! The host's own metrics under node_exporter's exact names, labels and units: one source per file, named as there.
//!
//! Promises: what a host does not have (an old kernel, a container, no sensors) is nothing to report, not an error;
//! a tick in which nothing came or went makes hardly any garbage. Leaves to others: when to read, and what to send.

use agent_model::Problem;
use agent_yaml::Document;
use deserr::Deserr;
use jiff::tz::TimeZone;

use crate::source::{HostRoot, MetricSource};

pub mod bonding;
pub mod conntrack;
pub mod cpu;
pub mod descriptions;
pub mod diskstats;
pub mod entropy;
pub mod filefd;
pub mod filesystem;
pub mod hwmon;
pub mod loadavg;
pub mod mdadm;
pub mod meminfo;
mod metric_name;
pub mod netclass;
pub mod netdev;
pub mod netstat;
pub mod os;
pub mod pressure;
mod proc_file;
pub mod sockstat;
pub mod stat;
pub mod thermal_zone;
pub mod time;
pub mod uname;
pub mod vmstat;

/// The `metrics` section of `agent.yml`.
#[derive(Clone, Debug, Default, Deserr)]
#[deserr(deny_unknown_fields)]
pub struct Config {}

impl Config {
    /// Adds what is wrong across the keys of this section.
    pub fn check(&self, _document: &Document, _problems: &mut Vec<Problem>) {}
}

/// Units of the kernel and facts that no file holds; a test gives its own.
pub struct Host {
    pub root: HostRoot,
    /// sysconf(_SC_CLK_TCK)
    pub ticks_per_second: f64,
    /// sysconf(_SC_PAGESIZE)
    pub page_bytes: f64,
    pub time_zone: TimeZone,
    pub uname: uname::Uname,
    /// How full a mounted file system is.
    pub filesystems: filesystem::Asker,
}

impl Host {
    /// The host that this process runs on.
    #[allow(clippy::cast_precision_loss, reason = "a hundred ticks, a page of some kilobytes")]
    pub fn this(root: &HostRoot) -> Self {
        Self {
            root: root.clone(),
            ticks_per_second: procfs::ticks_per_second() as f64,
            page_bytes: procfs::page_size() as f64,
            time_zone: TimeZone::system(),
            uname: uname::Uname::of_kernel(),
            filesystems: filesystem::Asker::of_kernel(),
        }
    }

    /// Every source, in order of name.
    pub fn sources(self) -> Vec<Box<dyn MetricSource>> {
        let root = &self.root;
        vec![
            Box::new(bonding::Bonding::new(root)),
            Box::new(conntrack::Conntrack::new(root)),
            Box::new(cpu::Cpu::new(root, self.ticks_per_second)),
            Box::new(diskstats::Diskstats::new(root)),
            Box::new(entropy::Entropy::new(root)),
            Box::new(filefd::Filefd::new(root)),
            Box::new(filesystem::Filesystem::new(root, self.filesystems)),
            Box::new(hwmon::Hwmon::new(root)),
            Box::new(loadavg::Loadavg::new(root)),
            Box::new(mdadm::Mdadm::new(root)),
            Box::new(meminfo::Meminfo::new(root)),
            Box::new(netclass::Netclass::new(root)),
            Box::new(netdev::Netdev::new(root)),
            Box::new(netstat::Netstat::new(root)),
            Box::new(os::Os::new(root)),
            Box::new(pressure::Pressure::new(root)),
            Box::new(sockstat::Sockstat::new(root, self.page_bytes)),
            Box::new(stat::Stat::new(root)),
            Box::new(thermal_zone::ThermalZone::new(root)),
            Box::new(time::Time::new(root, self.time_zone)),
            Box::new(self.uname),
            Box::new(vmstat::Vmstat::new(root)),
        ]
    }
}

/// Every metric source that is switched on.
pub fn sources(_config: &Config, root: &HostRoot) -> Vec<Box<dyn MetricSource>> {
    Host::this(root).sources()
}
