//! What `restic backup --json` says on its standard output: one JSON object per line, a summary at the end
//! (restic documentation, "Scripting"). Promises: bounded memory, whatever the tool prints.

use serde::Deserialize;

/// A longer line is no summary; status lines name the files in work and can be long.
const LINE_BYTES_MAX: usize = 64 << 10;

/// The sums of the snapshots that were made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Summary {
    pub(super) bytes: u64,
    pub(super) files: u64,
    /// The last snapshot.
    pub(super) snapshot_id: String,
}

/// Cuts a stream into lines, in whatever pieces it comes.
#[derive(Debug, Default)]
struct Lines {
    line: Vec<u8>,
    too_long: bool,
}

/// Reads standard output.
#[derive(Debug, Default)]
pub(super) struct Reader {
    lines: Lines,
    summary: Option<Summary>,
}

/// Reads standard error for what was to be saved and was not: older releases end with 0 all the same.
#[derive(Debug, Default)]
pub(super) struct Omissions {
    lines: Lines,
    first: Option<String>,
}

#[derive(Deserialize)]
struct Message {
    message_type: String,
    #[serde(default)]
    total_files_processed: u64,
    #[serde(default)]
    total_bytes_processed: u64,
    #[serde(default)]
    snapshot_id: String,
    #[serde(default)]
    dry_run: bool,
}

impl Lines {
    fn read(&mut self, bytes: &[u8], mut each: impl FnMut(&[u8])) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let room = LINE_BYTES_MAX.saturating_sub(self.line.len());
            self.too_long |= piece.len() > room;
            self.line.extend_from_slice(&piece[..piece.len().min(room)]);
            if piece.ends_with(b"\n") {
                self.end(&mut each);
            }
        }
    }

    fn end(&mut self, each: &mut impl FnMut(&[u8])) {
        if !self.too_long {
            each(&self.line);
        }
        self.line.clear();
        self.too_long = false;
    }
}

impl Reader {
    pub(super) fn read(&mut self, bytes: &[u8]) {
        self.lines.read(bytes, |line| add(&mut self.summary, line));
    }

    /// The summary, once the output has ended; `None` when no snapshot was made.
    pub(super) fn finish(mut self) -> Option<Summary> {
        self.lines.end(&mut |line| add(&mut self.summary, line));
        self.summary
    }
}

fn add(summary: &mut Option<Summary>, line: &[u8]) {
    if let Ok(message) = serde_json::from_slice::<Message>(line)
        && message.message_type == "summary"
        && !message.dry_run
        && !message.snapshot_id.is_empty()
    {
        let summary = summary.get_or_insert_default();
        summary.bytes = summary.bytes.saturating_add(message.total_bytes_processed);
        summary.files = summary.files.saturating_add(message.total_files_processed);
        summary.snapshot_id = message.snapshot_id;
    }
}

impl Omissions {
    pub(super) fn read(&mut self, bytes: &[u8]) {
        self.lines.read(bytes, |line| note(&mut self.first, line));
    }

    /// The first thing that is not in the snapshot, in restic's words.
    pub(super) fn finish(mut self) -> Option<String> {
        self.lines.end(&mut |line| note(&mut self.first, line));
        self.first
    }
}

fn note(first: &mut Option<String>, line: &[u8]) {
    let is_error = || {
        let message = serde_json::from_slice::<Message>(line);
        message.is_ok_and(|message| message.message_type == "error")
    };
    if first.is_none() && (line.trim_ascii().ends_with(b" does not exist, skipping") || is_error())
    {
        *first = Some(String::from_utf8_lossy(line.trim_ascii()).into_owned());
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn read(text: &str, piece: usize) -> Option<Summary> {
        let mut reader = Reader::default();
        text.as_bytes().chunks(piece).for_each(|bytes| reader.read(bytes));
        reader.finish()
    }

    const LINE: &str = r#"{"message_type":"summary","total_files_processed":4,"total_bytes_processed":9,"snapshot_id":"ab"}"#;

    #[test]
    fn snapshots_add_up_in_whatever_pieces_they_come() {
        let text = format!("opening\n{LINE}\n{{\"message_type\":\"status\"}}\n{LINE}");
        for piece in [1, 7, 1000] {
            let expected = Summary { bytes: 18, files: 8, snapshot_id: "ab".to_owned() };
            assert_eq!(read(&text, piece), Some(expected));
        }
    }

    #[test]
    fn a_dry_run_and_a_summary_without_a_snapshot_prove_nothing() {
        let dry = LINE.replace("{\"m", "{\"dry_run\":true,\"m");
        for text in [dry.as_str(), &LINE.replace("\"ab\"", "\"\""), "", "x\n"] {
            assert_eq!(read(text, 100), None);
        }
    }

    #[test]
    fn a_line_beyond_the_bound_is_passed_over_and_the_next_is_read() {
        let text = format!("{{\"a\":\"{}\"}}\n{LINE}\n", "x".repeat(LINE_BYTES_MAX));
        assert_eq!(read(&text, 4096).unwrap().bytes, 9);
    }

    #[test]
    fn what_was_left_out_is_found_and_warnings_are_not() {
        let read = |text: &str| {
            let mut omissions = Omissions::default();
            text.as_bytes().chunks(5).for_each(|bytes| omissions.read(bytes));
            omissions.finish()
        };
        let missing = "warm\n/srv/x does not exist, skipping\n";
        assert_eq!(read(missing).as_deref(), Some("/srv/x does not exist, skipping"));
        let error = r#"{"message_type":"error","error":{"message":"denied"},"item":"/srv/x"}"#;
        assert_eq!(read(error).as_deref(), Some(error));
        assert_eq!(read("using parent snapshot 7\n{}\n"), None);
    }

    #[test]
    fn a_recorded_backup_is_read() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../shared/fixtures/backup/restic-backup.jsonl");
        let Ok(text) = std::fs::read_to_string(file) else {
            println!("left out: the recorded outputs are not beside the workspace");
            return;
        };
        let summary = read(&text, 512).unwrap();
        assert_eq!((summary.bytes, summary.files), (9_000_028, 4));
        assert_eq!(summary.snapshot_id, "ada608d1");
    }
}
