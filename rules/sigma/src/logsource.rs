//! Which events a rule's `logsource` means, in terms of our sources, programs and classes.
//! Rules of one logsource share an engine, so an event only meets the rules that are about it.

use agent_model::{EventClass, HostEvent};
use rsigma_parser::LogSource;

/// The part of `logsource` that chooses events, in lower case; an absent part allows everything.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Scope {
    product: Option<String>,
    category: Option<String>,
    service: Option<String>,
}

impl Scope {
    pub(crate) fn new(logsource: &LogSource) -> Self {
        let lower = |text: &Option<String>| text.as_ref().map(|text| text.to_lowercase());
        Self {
            product: lower(&logsource.product),
            category: lower(&logsource.category),
            service: lower(&logsource.service),
        }
    }

    /// Whether any event of ours can fall under it: our agents run on Linux, so a rule about another system is
    /// kept and counted, but has nothing to do.
    pub(crate) fn reachable(&self) -> bool {
        self.product.as_deref().is_none_or(|product| product == "linux")
    }

    pub(crate) fn covers(&self, event: &HostEvent) -> bool {
        self.reachable()
            && self.category.as_deref().is_none_or(|category| category_covers(category, event))
            && self.service.as_deref().is_none_or(|service| service_covers(service, event))
    }
}

/// Sigma's categories for the OCSF classes that our sources produce; our own class and source names work too.
fn category_covers(category: &str, event: &HostEvent) -> bool {
    let class = event.event.class;
    let known = match category {
        "process_creation" => class == EventClass::ProcessActivity,
        "file_event" | "file_change" | "file_delete" | "file_rename" | "file_access" => {
            class == EventClass::FileSystemActivity
        }
        "network_connection" | "firewall" => class == EventClass::NetworkActivity,
        "antivirus" => class == EventClass::DetectionFinding,
        _ => false,
    };
    known || category == class.name() || category.eq_ignore_ascii_case(&event.event.source)
}

/// A service is a source of ours, the program that wrote the line, or one of Sigma's names for the login log.
fn service_covers(service: &str, event: &HostEvent) -> bool {
    let same = |name: &str| name.eq_ignore_ascii_case(service);
    let login_log = || {
        let class = event.event.class;
        same("auth") && matches!(class, EventClass::Authentication | EventClass::AccountChange)
    };
    same("syslog")
        || same(&event.event.source)
        || event.event.fields.get("Program").is_some_and(|program| same(program))
        || login_log()
}
