//! Checks of SMS by SMPP: what its fields can hold, and a password.

use std::sync::Arc;

use agent_yaml::{At, Text};

use super::super::raw;
use super::super::{Channel, NumberKind, SecretText, SmppChannel};
use super::{Check, ours};

/// What the fields of SMPP 3.4 hold (5.2.1, 5.2.3, 5.2.8), without the zero at their end.
const SYSTEM_ID_MAX: usize = 15;
const SYSTEM_TYPE_MAX: usize = 12;
const FROM_MAX: usize = 20;

pub(super) fn ready(check: &mut Check<'_>, config: &At<raw::Smpp>) -> Channel {
    let raw = &config.value;
    ours::is_host_and_port(check, &raw.address);
    let transports = [("tls", true), ("tcp", false)];
    let is_tls = ours::one_of(check, "transport", raw.transport.as_ref(), &transports);
    let tls = ours::tls(check, "SMPP", raw.tls_config.as_ref(), is_tls);
    let password = check.secret(&config.place, "password", &raw.password, &raw.password_file);
    if password.is_none() {
        check.problem(&config.place, "an SMPP account needs `password` or `password_file`");
    }
    let system_type = raw.system_type.as_ref();
    Channel::Smpp(Arc::new(SmppChannel {
        address: raw.address.value.clone(),
        tls: is_tls.then_some(tls),
        system_id: field(check, "system_id", &raw.system_id, SYSTEM_ID_MAX),
        password: password.unwrap_or_else(|| SecretText::Value(String::new())),
        system_type: system_type
            .map(|given| field(check, "system_type", given, SYSTEM_TYPE_MAX))
            .unwrap_or_default(),
        from: field(check, "from", &raw.from, FROM_MAX),
        from_kind: NumberKind { ton: raw.from_ton, npi: raw.from_npi },
        to_kind: NumberKind { ton: raw.to_ton, npi: raw.to_npi },
        to: ours::numbers(check, &raw.to),
        message: check.text(raw.message.as_ref(), ours::MESSAGE),
        fold_diacritics: raw.fold_diacritics,
        parts_max: ours::parts_max(check, raw.parts_max.as_ref()),
    }))
}

fn field(check: &mut Check<'_>, key: &str, given: &At<Text>, chars_max: usize) -> String {
    let text = given.value.0.clone();
    if text.is_empty() || text.len() > chars_max || !text.is_ascii() {
        let message = format!("`{key}` is 1 to {chars_max} letters and digits without diacritics");
        check.problem(&given.place, message);
    }
    text
}
