//! What a parser read from one line: kind, class, severity and fields, without time and raw text.
//! Promises: no empty field is ever set. Leaves to others: the line's header and the event's time.

use std::collections::BTreeMap;

use agent_model::{Event, EventClass, Millis, Severity};

use crate::security::fields;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub class: EventClass,
    pub severity: Severity,
    pub fields: BTreeMap<String, String>,
}

impl Finding {
    pub fn new(class: EventClass, severity: Severity, event_type: &str) -> Self {
        let fields = BTreeMap::from([(fields::EVENT_TYPE.to_owned(), event_type.to_owned())]);
        Self { class, severity, fields }
    }

    pub fn authentication(severity: Severity, event_type: &str) -> Self {
        Self::new(EventClass::Authentication, severity, event_type)
    }

    pub fn account_change(severity: Severity, event_type: &str) -> Self {
        Self::new(EventClass::AccountChange, severity, event_type)
    }

    pub fn base(event_type: &str) -> Self {
        Self::new(EventClass::Base, Severity::Informational, event_type)
    }

    /// Sets a field; an empty value leaves it absent.
    pub fn with(mut self, field: &str, value: impl AsRef<str>) -> Self {
        let value = value.as_ref();
        if !value.is_empty() {
            self.fields.insert(field.to_owned(), value.to_owned());
        }
        self
    }

    pub fn with_option(self, field: &str, value: Option<impl AsRef<str>>) -> Self {
        match value {
            Some(value) => self.with(field, value),
            None => self,
        }
    }

    /// `SourceIp` for an address, `SourceHost` for a name, nothing for neither.
    pub fn with_peer(self, peer: &str) -> Self {
        let field = match peer.parse::<std::net::IpAddr>() {
            Ok(_) => fields::SOURCE_IP,
            // An address with a scope (`fe80::1%eth0`) is an address too.
            Err(_) if peer.contains(':') => fields::SOURCE_IP,
            Err(_) => fields::SOURCE_HOST,
        };
        self.with(field, peer)
    }

    pub fn into_event(self, time_ms: Millis, source: &str, message: String) -> Event {
        let Self { class, severity, fields } = self;
        Event { time_ms, class, severity, source: source.to_owned(), message, fields }
    }
}
