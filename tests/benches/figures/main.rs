//! The figures of the README, measured with the real binaries, as rows of the table of `cargo xtask bench [PART…] [HOSTS]`.
//!
//! Promises: every figure says what was measured and how often; a part that fails says so and the others still run.
//! Leaves to others: judging. Nothing here fails because a machine is slow.
#![allow(clippy::print_stdout, reason = "a benchmark: what it prints is its result")]

mod alerts;
mod ingest;
mod otlp;
mod outward;
mod peers;
mod process;
mod ranges;
mod storm;
mod table;

/// What can be asked for by name; without a name everything is measured.
const PARTS: [&str; 8] =
    ["alerts", "default", "ingest", "disk", "peers", "outward", "otlp", "storm"];

/// Takes ten minutes, so it is measured only when asked for.
const SOAK: &str = "soak";

/// Hosts that report at once, unless a number is given.
const HOSTS: u32 = 1_000;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    // Cargo itself adds `--bench`.
    let asked: Vec<String> = std::env::args().skip(1).filter(|it| !it.starts_with('-')).collect();
    let (numbers, asked): (Vec<_>, Vec<_>) =
        asked.into_iter().partition(|it| it.parse::<u32>().is_ok());
    let hosts = numbers.first().map_or(Ok(HOSTS), |number| number.parse())?;
    let known = |part: &str| PARTS.contains(&part) || part == SOAK;
    if let Some(unknown) = asked.iter().find(|it| !known(it)) {
        anyhow::bail!("{unknown} is no part of this benchmark; there are {PARTS:?} and {SOAK}");
    }
    // Houses install it too; the peers have none.
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    if cfg!(debug_assertions) {
        println!("NOT OPTIMISED: what is measured here is slower than what people run");
    }
    let all = PARTS.map(ToOwned::to_owned).to_vec();
    for part in if asked.is_empty() { all } else { asked } {
        let measured = match part.as_str() {
            "alerts" => alerts::quick().await,
            "default" => alerts::as_installed().await,
            "ingest" => ingest::fleet(hosts).await,
            "peers" => peers::compare().await,
            "outward" => outward::compare().await,
            "otlp" => peers::otlp().await,
            "storm" => storm::compare().await,
            SOAK => ingest::soak(hosts).await,
            _ => ingest::hours().await,
        };
        if let Err(error) = measured {
            table::row(&part, format!("not measured: {error:#}"), "–");
        }
    }
    Ok(())
}
