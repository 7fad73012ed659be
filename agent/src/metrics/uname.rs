//! `node_uname_info`: what uname(2) says. It is asked at every tick, for a host name can change.

use agent_model::Millis;

use crate::source::{MetricSource, Reading, SourceError};

/// The labels, in the order in which node_exporter documents them.
const LABELS: [&str; 6] = ["sysname", "release", "version", "machine", "nodename", "domainname"];

pub struct Uname {
    ask: Box<dyn Fn() -> std::io::Result<[String; LABELS.len()]> + Send>,
}

impl Uname {
    /// The kernel's own answer.
    pub fn of_kernel() -> Self {
        Self::new(|| {
            let names = nix::sys::utsname::uname()?;
            let parts = [
                names.sysname(),
                names.release(),
                names.version(),
                names.machine(),
                names.nodename(),
                names.domainname(),
            ];
            Ok(parts.map(|part| part.to_string_lossy().into_owned()))
        })
    }

    /// `ask` yields system, release, version, machine, node and domain.
    pub fn new(ask: impl Fn() -> std::io::Result<[String; LABELS.len()]> + Send + 'static) -> Self {
        Self { ask: Box::new(ask) }
    }
}

impl MetricSource for Uname {
    fn name(&self) -> &'static str {
        "uname"
    }

    fn read(&mut self, _now_ms: Millis, out: &mut Reading) -> Result<(), SourceError> {
        let values = (self.ask)().map_err(|error| SourceError::Operation {
            operation: "uname".to_owned(),
            source: Box::new(error),
        })?;
        let mut labels = [("", ""); LABELS.len()];
        for ((label, name), value) in labels.iter_mut().zip(LABELS).zip(&values) {
            *label = (name, value);
        }
        out.add("node_uname_info", &labels, 1.0);
        Ok(())
    }
}
