//! Where copies lie, as people describe it: an agent only knows a path or an address.

use agent_model::Millis;
use deserr::Deserr;
use glob::Pattern;

/// Locations that burn, are stolen or are encrypted together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub id: String,
    /// `*` stands for any characters, `/` as well.
    pub locations: Vec<Pattern>,
    /// A site of `inventory.yml`; `None` is the site of the host that looks.
    pub site: Option<String>,
    pub medium: Medium,
    /// Nobody reaches it over the network most of the time.
    pub offline: bool,
    /// Nobody can change or delete a copy before its time, an administrator neither.
    pub immutable: bool,
    /// It holds copies of the backups at the data's own site; `false`: backups of its own, whose contents have other names.
    pub copied: bool,
    /// How old its newest copy may be, where that is more than the backup's RPO: a disk that is fetched once a week.
    pub max_age_ms: Option<Millis>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserr)]
#[deserr(rename_all = lowercase)]
pub enum Medium {
    Disk,
    Object,
    Tape,
    Removable,
}

impl Place {
    pub(crate) fn holds(&self, location: &str) -> bool {
        self.locations.iter().any(|pattern| pattern.matches(location))
    }
}

impl Medium {
    pub fn name(self) -> &'static str {
        match self {
            Self::Disk => "disk",
            Self::Object => "object",
            Self::Tape => "tape",
            Self::Removable => "removable",
        }
    }
}
