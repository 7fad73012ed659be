//! How long it takes to judge the copies of a large province's backups, and how much memory: a row of `cargo xtask bench`.
//! Every look of the collector (each ten seconds) does this once. Nothing else joins copies by content, so no peer stands
//! beside it.
#![allow(clippy::print_stdout, reason = "a benchmark: what it prints is its result")]

use std::path::Path;
use std::time::Instant;

use agent_model::{BackupCopy, COPY_ENTRIES_MAX, CopyEntry, HostId, Millis, VerificationDepth};
use rules::backup_policy::BackupPolicy;
use rules::backup_truth::{Look, judge};

const JOBS: usize = 500;
const PLACES: [(&str, &str); 3] = [("san", "dc1"), ("vnpt", "bk"), ("ket", "dc1")];
const HOUR_MS: Millis = 3_600_000;
const NOW_MS: Millis = 1_000_000 * HOUR_MS;
const ROUNDS: u32 = 20;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let jobs = (0..JOBS).map(|job| format!("  - {{host: srv{job}, backup: db, interval: 1h}}\n"));
    let places = PLACES
        .map(|(id, site)| format!("  - {{id: {id}, site: {site}, locations: ['/{id}/*']}}\n"));
    let text = format!(
        "defaults: {{rule: {{}}, verify: {{checked: 7d}}}}\nplaces:\n{}jobs:\n{}",
        places.concat(),
        jobs.collect::<String>()
    );
    let policy = BackupPolicy::parse(Path::new("backup-policy.yml"), &text)?;
    let copies: Vec<(HostId, Vec<BackupCopy>)> = (0..JOBS)
        .map(|job| Ok((HostId::new(&format!("srv{job}"))?, copies(job))))
        .collect::<Result<_, agent_model::HostIdError>>()?;
    #[expect(clippy::disallowed_methods, reason = "a measurement is of the real clock")]
    let began = Instant::now();
    let mut series = 0;
    for _ in 0..ROUNDS {
        series = 0;
        for (planned, (host, copies)) in policy.jobs.iter().zip(&copies) {
            let look = |copy| Look { host, site: Some("dc1"), copy, error_ms: None };
            let looks: Vec<Look<'_>> = copies.iter().map(look).collect();
            let truth = judge(&policy, planned, Some("dc1"), &looks, NOW_MS);
            series += truth.metrics(planned, NOW_MS).len();
        }
    }
    let each = began.elapsed() / ROUNDS;
    println!(
        "| {JOBS} backups with copies at {} places, the newest {COPY_ENTRIES_MAX} of each: judged, as {series} series | \
         {:.1} ms, peak {} MiB | nothing else joins them |",
        PLACES.len(),
        each.as_secs_f64() * 1_000.0,
        peak_mebibytes()?,
    );
    Ok(())
}

/// Listed and checked at each place; the last one is two copies behind.
fn copies(job: usize) -> Vec<BackupCopy> {
    let depths = [VerificationDepth::Listed, VerificationDepth::Checked];
    let at = PLACES.iter().enumerate().flat_map(|place| depths.map(|depth| (place, depth)));
    at.map(|((number, (place, _)), depth)| {
        let behind = if number == 2 { 2 } else { 0 };
        let entry = |age: usize| CopyEntry {
            content_id: format!("{job:032x}{:032x}", age + behind),
            consistent_ms: Millis::try_from(age + behind).ok().map(|age| NOW_MS - age * HOUR_MS),
            bytes: Some(1_000_000_000),
        };
        let recent: Vec<CopyEntry> = (0..COPY_ENTRIES_MAX).map(entry).collect();
        BackupCopy {
            job: "db".to_owned(),
            tool: "restic".to_owned(),
            location: format!("/{place}/db{job}"),
            observed_ms: NOW_MS,
            newest_ms: recent[0].consistent_ms,
            consistent_ms: recent[0].consistent_ms,
            oldest_ms: recent[COPY_ENTRIES_MAX - 1].consistent_ms,
            bytes: Some(1_000_000_000),
            copies: recent.len() as u64,
            content_id: Some(recent[0].content_id.clone()),
            recent,
            depth,
            error: None,
        }
    })
    .collect()
}

/// The most memory that this process has had.
fn peak_mebibytes() -> Result<u64, Box<dyn std::error::Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = line.and_then(|line| line.split_whitespace().next()).ok_or("no VmHWM")?;
    Ok(kibibytes.parse::<u64>()? >> 10)
}
