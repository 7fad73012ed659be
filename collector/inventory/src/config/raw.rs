//! `inventory.yml` as it is written.

use agent_yaml::{At, Duration};
use deserr::Deserr;

#[derive(Debug, Deserr)]
#[deserr(deny_unknown_fields)]
pub(super) struct RawInventory {
    #[deserr(default)]
    pub(super) sites: Vec<RawSite>,
    #[deserr(default)]
    pub(super) units: Vec<RawUnit>,
    #[deserr(default)]
    pub(super) hosts: Vec<RawHost>,
    #[deserr(default)]
    pub(super) services: Vec<RawService>,
}

#[derive(Debug, Deserr)]
#[deserr(deny_unknown_fields)]
pub(super) struct RawSite {
    pub(super) id: At<String>,
    pub(super) name: String,
    #[deserr(rename = "type")]
    pub(super) site_type: SiteType,
    #[deserr(default = SiteState::Active)]
    pub(super) state: SiteState,
    #[deserr(default)]
    pub(super) parent: Option<At<String>>,
    #[deserr(default)]
    pub(super) from: Option<At<String>>,
    #[deserr(default)]
    pub(super) to: Option<At<String>>,
}

#[derive(Debug, Deserr)]
#[deserr(deny_unknown_fields)]
pub(super) struct RawUnit {
    pub(super) id: At<String>,
    pub(super) name: String,
    #[deserr(default)]
    pub(super) parent: Option<At<String>>,
    #[deserr(default)]
    pub(super) from: Option<At<String>>,
    #[deserr(default)]
    pub(super) to: Option<At<String>>,
}

#[derive(Debug, Deserr)]
#[deserr(deny_unknown_fields)]
pub(super) struct RawHost {
    pub(super) id: At<String>,
    pub(super) site: At<String>,
    #[deserr(default)]
    pub(super) unit: Option<At<String>>,
    #[deserr(default)]
    pub(super) level: Option<At<u8>>,
    #[deserr(default)]
    pub(super) role: String,
    #[deserr(default)]
    pub(super) from: Option<At<String>>,
    #[deserr(default)]
    pub(super) to: Option<At<String>>,
}

#[derive(Debug, Deserr)]
#[deserr(deny_unknown_fields)]
pub(super) struct RawService {
    pub(super) id: At<String>,
    pub(super) name: String,
    #[deserr(default)]
    pub(super) level: Option<At<u8>>,
    #[deserr(default)]
    pub(super) unit: Option<At<String>>,
    #[deserr(default)]
    pub(super) hosts: Vec<At<String>>,
    #[deserr(default)]
    pub(super) probes: Vec<String>,
    #[deserr(default)]
    pub(super) depends_on: Vec<At<String>>,
    #[deserr(default)]
    pub(super) rpo: Option<Duration>,
    #[deserr(default)]
    pub(super) rto: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserr)]
pub enum SiteType {
    #[deserr(rename = "province")]
    Province,
    #[deserr(rename = "datacenter")]
    Datacenter,
    #[deserr(rename = "backup-site")]
    BackupSite,
    #[deserr(rename = "one-stop")]
    OneStop,
    #[deserr(rename = "server-room")]
    ServerRoom,
    #[deserr(rename = "office")]
    Office,
    #[deserr(rename = "district")]
    District,
    #[deserr(rename = "commune")]
    Commune,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserr)]
pub enum SiteState {
    #[deserr(rename = "planned")]
    Planned,
    #[deserr(rename = "building")]
    Building,
    #[deserr(rename = "standby")]
    Standby,
    #[deserr(rename = "active")]
    Active,
    #[deserr(rename = "closed")]
    Closed,
}

impl SiteType {
    pub fn name(self) -> &'static str {
        match self {
            Self::Province => "province",
            Self::Datacenter => "datacenter",
            Self::BackupSite => "backup-site",
            Self::OneStop => "one-stop",
            Self::ServerRoom => "server-room",
            Self::Office => "office",
            Self::District => "district",
            Self::Commune => "commune",
        }
    }
}

impl SiteState {
    pub fn name(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Building => "building",
            Self::Standby => "standby",
            Self::Active => "active",
            Self::Closed => "closed",
        }
    }
}
