//! The figures of the README, measured with the real binaries: `cargo xtask bench [alerts|default|ingest|disk] [HOSTS]`.
//!
//! Promises: every figure says what was measured and how often; a part that fails says so and the others still run.
//! Leaves to others: judging. Nothing here fails because a machine is slow.
#![allow(clippy::print_stdout, reason = "a benchmark: what it prints is its result")]

mod alerts;
mod ingest;
mod process;
mod table;

use table::Table;

/// What can be asked for by name; without a name everything is measured.
const PARTS: [&str; 4] = ["alerts", "default", "ingest", "disk"];

/// Hosts that report at once, unless a number is given.
const HOSTS: u32 = 1_000;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    // Cargo itself adds `--bench`.
    let asked: Vec<String> = std::env::args().skip(1).filter(|it| !it.starts_with('-')).collect();
    let (numbers, asked): (Vec<_>, Vec<_>) =
        asked.into_iter().partition(|it| it.parse::<u32>().is_ok());
    let hosts = numbers.first().map_or(Ok(HOSTS), |number| number.parse())?;
    if let Some(unknown) = asked.iter().find(|it| !PARTS.contains(&it.as_str())) {
        anyhow::bail!("{unknown} is no part of this benchmark; there are {}", PARTS.join(", "));
    }
    if cfg!(debug_assertions) {
        println!("NOT OPTIMISED: what is measured here is slower than what people run");
    }
    println!("{}", table::machine());
    let mut table = Table::default();
    for part in PARTS {
        if !asked.is_empty() && !asked.iter().any(|it| it == part) {
            continue;
        }
        let measured = match part {
            "alerts" => alerts::quick(&mut table).await,
            "default" => alerts::as_installed(&mut table).await,
            "ingest" => ingest::fleet(&mut table, hosts).await,
            _ => ingest::hours(&mut table).await,
        };
        if let Err(error) = measured {
            table.row(part, format!("not measured: {error:#}"), "–");
        }
    }
    println!("\n{table}{}", table::machine());
    Ok(())
}
