//! One entry of the journal in its JSON form (systemd.journal-fields(7), "Journal JSON Format"): a field is text, an
//! array of bytes when it is no text, an array of either when it stands more than once, or null when it is empty.

use agent_model::{Event, Millis, Severity};
use serde_json::{Map, Value};

use super::SOURCE;
use crate::security::finding::Finding;
use crate::security::{auth_log, fields, tail};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) cursor: String,
    time_ms: Millis,
    program: String,
    message: String,
    cut: bool,
    process_id: String,
    host: String,
    unit: String,
    executable: String,
    user_id: String,
}

impl Entry {
    /// `None` for what is no entry.
    pub(super) fn parse(line: &[u8]) -> Option<Self> {
        let entry: Map<String, Value> = serde_json::from_slice(line).ok()?;
        let field = |name: &str| entry.get(name).map(text).unwrap_or_default();
        let micros: i64 = field("__REALTIME_TIMESTAMP").parse().ok()?;
        let mut message = field("MESSAGE");
        let cut = message.len() > tail::LINE_BYTES_MAX;
        if cut {
            message.truncate(message.floor_char_boundary(tail::LINE_BYTES_MAX));
        }
        let first = |names: [&str; 2]| {
            names.into_iter().map(field).find(|value| !value.is_empty()).unwrap_or_default()
        };
        let cursor = field("__CURSOR");
        (!cursor.is_empty()).then(|| Self {
            time_ms: micros.div_euclid(1000),
            program: first(["SYSLOG_IDENTIFIER", "_COMM"]),
            message,
            cut,
            process_id: first(["_PID", "SYSLOG_PID"]),
            host: field("_HOSTNAME"),
            unit: field("_SYSTEMD_UNIT"),
            executable: field("_EXE"),
            user_id: field("_UID"),
            cursor,
        })
    }

    pub(super) fn event(&self) -> Event {
        let finding = if self.is_forged() {
            let mut finding = Finding::base(fields::LOG_LINE_FORGED);
            finding.severity = Severity::High;
            finding.with(fields::PROGRAM, &self.program)
        } else {
            auth_log::find(&self.program, &self.message)
        };
        let cut = if self.cut { "true" } else { "" };
        let finding = finding
            .with(fields::PROCESS_ID, &self.process_id)
            .with(fields::LOG_HOST, &self.host)
            .with(fields::UNIT, &self.unit)
            .with(fields::EXECUTABLE, &self.executable)
            .with(fields::LOG_USER_ID, &self.user_id)
            .with(fields::LINE_CUT, cut);
        let message = match self.process_id.as_str() {
            "" => format!("{}: {}", self.program, self.message),
            id => format!("{}[{id}]: {}", self.program, self.message),
        };
        finding.into_event(self.time_ms, SOURCE, message)
    }

    /// Whether another program spoke in the name of one whose words rules trust. `sudo-rs` and `sshd-session` may.
    fn is_forged(&self) -> bool {
        let genuine = match self.program.as_str() {
            "sshd" | "sshd-session" | "sshd-auth" => "sshd",
            "sudo" => "sudo",
            "su" => "su",
            _ => return false,
        };
        let name = self.executable.rsplit('/').next().unwrap_or_default();
        // A process that ended at once has left no path.
        !name.is_empty() && !name.starts_with(genuine)
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(values) => {
            let bytes: Option<Vec<u8>> =
                values.iter().map(|value| u8::try_from(value.as_u64()?).ok()).collect();
            match bytes {
                Some(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
                None => values.iter().map(text).collect::<Vec<_>>().join("\n"),
            }
        }
        Value::Number(number) => number.to_string(),
        Value::Null | Value::Bool(_) | Value::Object(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry(message: &str) -> Entry {
        let line = format!(
            r#"{{"__CURSOR":"s=1","__REALTIME_TIMESTAMP":"1795273200123456","_HOSTNAME":"h","_PID":"7","_UID":"0",
            "SYSLOG_IDENTIFIER":"sshd","_EXE":"/usr/sbin/sshd","_SYSTEMD_UNIT":"ssh.service","MESSAGE":{message}}}"#
        );
        Entry::parse(line.as_bytes()).unwrap()
    }

    #[test]
    fn text_bytes_and_repeated_fields_are_read() {
        let event = entry(r#""Accepted password for alice from 192.0.2.1 port 4022 ssh2""#).event();
        assert_eq!(event.time_ms, 1_795_273_200_123);
        assert_eq!(event.fields[fields::EVENT_TYPE], fields::SSH_LOGIN_SUCCEEDED);
        assert_eq!(event.fields[fields::UNIT], "ssh.service");
        assert_eq!(
            event.message,
            "sshd[7]: Accepted password for alice from 192.0.2.1 port 4022 ssh2"
        );
        assert_eq!(entry("[104,255,105]").message, "h\u{fffd}i");
        assert_eq!(entry(r#"["one","two"]"#).message, "one\ntwo");
        assert_eq!(entry(r#"[[111,110,101],"two"]"#).message, "one\ntwo");
        assert_eq!(entry("null").message, "");
    }

    #[test]
    fn a_line_in_the_name_of_another_program_is_told() {
        let genuine = entry(r#""Accepted password for a from 192.0.2.1 port 1 ssh2""#);
        let forged =
            Entry { executable: "/usr/bin/logger".into(), user_id: "1000".into(), ..genuine };
        let event = forged.event();
        assert_eq!(event.fields[fields::EVENT_TYPE], fields::LOG_LINE_FORGED);
        assert_eq!(
            (event.severity, event.fields[fields::LOG_USER_ID].as_str()),
            (Severity::High, "1000")
        );
        assert!(!event.fields.contains_key(fields::USER));
        let unknown = Entry { executable: String::new(), ..forged };
        assert_eq!(unknown.event().fields[fields::EVENT_TYPE], fields::SSH_LOGIN_SUCCEEDED);
    }

    #[test]
    fn a_message_at_the_bound_is_whole_and_a_longer_one_is_cut_and_marked() {
        for (length, cut) in [(tail::LINE_BYTES_MAX, false), (tail::LINE_BYTES_MAX + 1, true)] {
            let event = entry(&format!("{:?}", "x".repeat(length))).event();
            assert_eq!(event.fields.contains_key(fields::LINE_CUT), cut);
        }
    }

    proptest! {
        #[test]
        fn no_line_can_break_the_parser(line in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(Entry::parse(&line).is_none());
        }
    }
}
