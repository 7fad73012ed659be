//! `node_md_*`: the state of software RAID, its disks and how far a rebuild is, from `/proc/mdstat` (md(4)).
//!
//! An array takes two lines: `md0 : active raid1 sdb1[1] sda1[0](F)` and `… blocks … [2/1] [_U]`; then come, as the
//! case may be, a bitmap and the progress of a recovery, a resync or a check.

use agent_model::Millis;

use super::proc_file::{ProcFile, ProcText};
use crate::source::{HostRoot, MetricSource, Reading, SourceError};

const STATES: [&str; 5] = ["active", "inactive", "recovering", "resync", "check"];

pub struct Mdadm {
    mdstat: ProcFile,
}

#[derive(Default)]
struct Array<'a> {
    device: &'a str,
    state: &'a str,
    active: f64,
    failed: f64,
    spare: f64,
    required: f64,
    blocks: f64,
    synced: f64,
}

impl Mdadm {
    pub fn new(root: &HostRoot) -> Self {
        Self { mdstat: ProcFile::new(root.proc.join("mdstat")) }
    }
}

impl MetricSource for Mdadm {
    fn name(&self) -> &'static str {
        "mdadm"
    }

    fn read(&mut self, _now_ms: Millis, out: &mut Reading) -> Result<(), SourceError> {
        let Some(text) = self.mdstat.read()? else { return Ok(()) };
        let mut lines = text.lines().peekable();
        while let Some(head) = lines.next() {
            let other = head.starts_with([' ', '\t'])
                || head.trim().is_empty()
                || head.starts_with("Personalities")
                || head.starts_with("unused");
            if other {
                continue;
            }
            let mut body = Vec::new();
            while let Some(line) = lines.next_if(|line| line.starts_with([' ', '\t'])) {
                body.push(line);
            }
            report(&array(text, head, &body)?, out);
        }
        Ok(())
    }
}

fn array<'a>(
    text: ProcText<'a>,
    head: &'a str,
    body: &[&'a str],
) -> Result<Array<'a>, SourceError> {
    let mut words = head.split_whitespace();
    let (Some(device), Some(":"), Some(state)) = (words.next(), words.next(), words.next()) else {
        return Err(text.malformed("array"));
    };
    let status = body.first().copied().unwrap_or_default();
    let blocks = text.number(status.split_whitespace().next(), "number of blocks")?;
    let mut array = Array { device, state, blocks, synced: blocks, ..Array::default() };
    array.failed = count(head, "(F)");
    array.spare = count(head, "(S)");
    if head.contains("raid0") || head.contains("linear") {
        // Without redundancy there is no `[2/2]`: every disk is there, or the array is not.
        array.required = count(head, "[");
        array.active = array.required;
    } else if state != "inactive" {
        let pair = status.split('[').find_map(|part| part.split_once(']')?.0.split_once('/'));
        let (required, active) = pair.ok_or_else(|| text.malformed("number of disks"))?;
        array.required = text.number(Some(required), "number of disks")?;
        array.active = text.number(Some(active), "number of active disks")?;
    }
    let progress = body.iter().skip(1).find_map(|line| Some((*line, work(line)?)));
    if let Some((line, state)) = progress {
        array.state = state;
        array.synced = match line.contains("PENDING") || line.contains("DELAYED") {
            true => 0.0,
            false => {
                let done = line.split('(').find_map(|part| part.split_once('/'));
                text.number(done.map(|(done, _)| done), "number of blocks that are done")?
            }
        };
    }
    Ok(array)
}

/// What a line of progress tells: `[=>…]  recovery = 12.6% (37043392/292945152) finish=…`, `resync=PENDING`.
fn work(line: &str) -> Option<&'static str> {
    let works = [("recovery", "recovering"), ("resync", "resync"), ("check", "check")];
    works.into_iter().find(|(word, _)| line.contains(word)).map(|(_, state)| state)
}

#[allow(clippy::cast_precision_loss, reason = "a handful of disks")]
fn count(line: &str, part: &str) -> f64 {
    line.matches(part).count() as f64
}

fn report(array: &Array, out: &mut Reading) {
    let device = ("device", array.device);
    for state in STATES {
        let value = f64::from(u8::from(array.state == state));
        out.add("node_md_state", &[device, ("state", state)], value);
    }
    for (state, value) in
        [("active", array.active), ("failed", array.failed), ("spare", array.spare)]
    {
        out.add("node_md_disks", &[device, ("state", state)], value);
    }
    out.add("node_md_disks_required", &[device], array.required);
    out.add("node_md_blocks", &[device], array.blocks);
    out.add("node_md_blocks_synced", &[device], array.synced);
}
