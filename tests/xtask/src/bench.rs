//! `cargo xtask bench`: every benchmark in one run, and their rows as the table of the README.
//!
//! Promises: what is measured is what people run, optimised builds; the table names the date, the machine and its load.
//! Leaves to others: what is measured (the benches), and judging: nothing here fails because a machine is slow.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result};

use crate::command::{command, succeeds};

/// Package, bench, and the parts of it that can be asked for by name.
const BENCHES: [(&str, &str, &[&str]); 6] = [
    (
        "tests",
        "figures",
        &["alerts", "default", "ingest", "disk", "peers", "outward", "otlp", "storm", "soak"],
    ),
    ("rules-sigma", "rules", &["sigma"]),
    ("collector-metric-store", "store", &["store"]),
    ("collector", "evaluation", &["evaluation"]),
    ("collector-alerting", "history", &["history"]),
    ("rules", "backups", &["backups"]),
];

/// `haidang up` and the collector as one builds them oneself, and the agent as it is packaged.
const BUILDS: [&str; 2] = [
    "cargo build --release -p collector-cli -p collector -p agent --bins",
    "cargo build --profile dist-agent -p agent",
];

pub(crate) fn run(root: &Path, arguments: &[String]) -> Result<bool> {
    let known = |part: &str| BENCHES.iter().any(|(_, _, parts)| parts.contains(&part));
    let is_part = |argument: &&String| argument.parse::<u32>().is_err();
    if let Some(unknown) = arguments.iter().filter(is_part).find(|part| !known(part)) {
        println!("there is no part {unknown}; there are {:?}", BENCHES.map(|(.., parts)| parts));
        return Ok(false);
    }
    let everything = !arguments.iter().any(|argument| known(argument));
    for build in BUILDS {
        if !succeeds(build, root)? {
            return Ok(false);
        }
    }
    let before = machine()?;
    let (mut rows, mut all_well) = (Vec::new(), true);
    for (package, bench, parts) in BENCHES {
        let asked = |argument: &&String| parts.contains(&argument.as_str());
        if everything || arguments.iter().any(|argument| asked(&argument)) {
            // Numbers are for whoever counts something.
            let mine = arguments.iter().filter(|it| asked(it) || !is_part(it));
            let mine: Vec<&str> = mine.map(String::as_str).collect();
            let line = format!("cargo bench -q -p {package} --bench {bench} -- {}", mine.join(" "));
            all_well &= measure(&line, root, &mut rows)?;
        }
    }
    println!("\nbegun {before}; ended {}\n", machine()?);
    println!("| what | measured | peer or target |\n|---|---|---|");
    rows.iter().for_each(|row| println!("{row}"));
    Ok(all_well)
}

/// Runs one bench, showing what it prints and keeping its rows of the table.
fn measure(line: &str, root: &Path, rows: &mut Vec<String>) -> Result<bool> {
    println!("$ {line}");
    let mut child = command(line, root).stdout(Stdio::piped()).spawn()?;
    let output = child.stdout.take().context("no output")?;
    for line in BufReader::new(output).lines() {
        let line = line?;
        println!("{line}");
        if line.starts_with("| ") {
            rows.push(line);
        }
    }
    Ok(child.wait()?.success())
}

/// Date, cores, memory and load of this moment.
fn machine() -> Result<String> {
    let cores = std::thread::available_parallelism()?;
    let memory = std::fs::read_to_string("/proc/meminfo")?;
    let memory = memory.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok());
    let load = std::fs::read_to_string("/proc/loadavg")?;
    let load: Vec<&str> = load.split_whitespace().take(3).collect();
    let date = command("date -u +%Y-%m-%d_%H:%M_UTC", Path::new("/")).output()?.stdout;
    let date = String::from_utf8(date)?.trim().replace('_', " ");
    let gibibytes = memory.unwrap_or_default() >> 20;
    Ok(format!("{date}, {cores} cores, {gibibytes} GiB, load {}", load.join(" ")))
}
