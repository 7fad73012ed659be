//! The steps of a check, each a few command lines that people can also type.

use anyhow::Result;

use super::{Context, Outcome};
use crate::command::{command, find_program, succeeds};
use crate::tidy;

pub(super) fn format(context: &Context<'_>) -> Result<Outcome> {
    all(context, &["cargo fmt --all --check"])
}

pub(super) fn clippy(context: &Context<'_>) -> Result<Outcome> {
    all(context, &["cargo clippy --workspace --all-targets --locked -- -D warnings"])
}

pub(super) fn tidy(context: &Context<'_>) -> Result<Outcome> {
    let problems = tidy::problems(context.root, context.metadata)?;
    print!("{}", tidy::report(&problems));
    Ok(match problems.len() {
        0 => Outcome::Passed,
        count => Outcome::Failed(format!("{count} problems")),
    })
}

pub(super) fn docs(context: &Context<'_>) -> Result<Outcome> {
    let line = "cargo doc --workspace --no-deps --document-private-items --locked";
    println!("$ RUSTDOCFLAGS='{DOC_FLAGS}' {line}");
    let mut docs = command(line, context.root);
    let passed = docs.env("RUSTDOCFLAGS", DOC_FLAGS).status()?.success();
    Ok(if passed { Outcome::Passed } else { Outcome::Failed(format!("`{line}`")) })
}

pub(super) fn tests(context: &Context<'_>) -> Result<Outcome> {
    if find_program("cargo-nextest").is_none() {
        return Ok(Outcome::LeftOut("cargo install --locked cargo-nextest".to_owned()));
    }
    all(
        context,
        &[
            // The stories start the daemons' own binaries.
            "cargo build --workspace --bins --locked",
            "cargo nextest run --workspace --locked",
            // nextest does not run the examples in the documentation.
            "cargo test --workspace --doc --quiet --locked",
        ],
    )
}

pub(super) fn deny(context: &Context<'_>) -> Result<Outcome> {
    if find_program("cargo-deny").is_none() {
        return Ok(Outcome::LeftOut("cargo install --locked cargo-deny".to_owned()));
    }
    all(
        context,
        &[
            // It looks at what other systems need too, which no build has brought.
            "cargo fetch --locked",
            "cargo deny --offline --workspace check bans licenses sources",
        ],
    )
}

/// Every warning is an error, but links to private items are not: private items are documented too, so they lead somewhere.
const DOC_FLAGS: &str = "-D warnings -A rustdoc::private_intra_doc_links";

/// The only step that needs the internet: without it nothing is known, and that is said.
pub(super) fn advisories(context: &Context<'_>) -> Result<Outcome> {
    if find_program("cargo-deny").is_none() {
        return Ok(Outcome::LeftOut("cargo install --locked cargo-deny".to_owned()));
    }
    if !succeeds("cargo deny --workspace fetch db", context.root)? {
        return Ok(Outcome::LeftOut("the database of advisories cannot be fetched".to_owned()));
    }
    all(context, &["cargo deny --workspace check --disable-fetch advisories"])
}

pub(super) fn web(context: &Context<'_>) -> Result<Outcome> {
    let web = context.root.join("dashboards/web");
    if !web.join("package.json").is_file() {
        return Ok(Outcome::Failed("dashboards/web/package.json is not there".to_owned()));
    }
    if find_program("npm").is_none() {
        return Ok(Outcome::LeftOut("install Node.js 20 or newer".to_owned()));
    }
    let context = Context { root: &web, ..*context };
    all(&context, &["npm ci --no-audit --no-fund", "npm run check", "npm test", "npm run build"])
}

/// Runs command lines until one fails.
fn all(context: &Context<'_>, lines: &[&str]) -> Result<Outcome> {
    for line in lines {
        if !succeeds(line, context.root)? {
            return Ok(Outcome::Failed(format!("`{line}`")));
        }
    }
    Ok(Outcome::Passed)
}
