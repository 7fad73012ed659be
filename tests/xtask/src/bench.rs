//! `cargo xtask bench`: the benchmarks of `tests/benches`.

use std::path::Path;

use anyhow::Result;

use crate::command::succeeds;

pub(crate) fn run(root: &Path, arguments: &[String]) -> Result<bool> {
    if !root.join("tests/benches").is_dir() {
        println!("there are no benchmarks yet: tests/benches is where they belong");
        return Ok(true);
    }
    // What is measured is what people run.
    if !succeeds("cargo build --release --workspace --bins", root)? {
        return Ok(false);
    }
    succeeds(
        &format!("cargo bench --package tests --bench figures -- {}", arguments.join(" ")),
        root,
    )
}
