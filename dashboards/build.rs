//! Builds the pages of `web/` with Node and leaves them in OUT_DIR for embedding.
//!
//! `HAIDANG_WEB_DIST=<directory>` embeds pages that were built elsewhere and needs no Node. Without Node and without such a
//! directory a release build fails and says what to do; a debug build embeds a page that says the same.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn main() -> Outcome {
    println!("cargo::rerun-if-env-changed=HAIDANG_WEB_DIST");
    for watched in ["src", "index.html", "package.json", "package-lock.json", "vite.config.ts"] {
        println!("cargo::rerun-if-changed=web/{watched}");
    }
    let dist = PathBuf::from(env::var("OUT_DIR")?).join("dist");
    if dist.exists() {
        fs::remove_dir_all(&dist)?;
    }
    if let Ok(given) = env::var("HAIDANG_WEB_DIST") {
        println!("cargo::rerun-if-changed={given}");
        return copy(Path::new(&given), &dist);
    }
    if Command::new("npm").arg("--version").output().is_ok_and(|output| output.status.success()) {
        return build(&dist);
    }
    let advice = "the pages cannot be built: install Node 20 or newer (with npm), \
                  or set HAIDANG_WEB_DIST to a directory with pages built elsewhere";
    if env::var("PROFILE")? == "release" {
        return Err(advice.into());
    }
    println!("cargo::warning={advice}");
    fs::create_dir_all(&dist)?;
    fs::write(
        dist.join("index.html"),
        format!("<!doctype html><title>Hải Đăng</title><p>{advice}"),
    )?;
    Ok(())
}

fn build(dist: &Path) -> Outcome {
    let web = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("web");
    // What npm installed last is what the lock file asks for as long as it is not older than it.
    let installed = modified(&web.join("node_modules/.package-lock.json"));
    if installed.is_none() || installed < modified(&web.join("package-lock.json")) {
        run(Command::new("npm").args(["ci", "--no-audit", "--no-fund"]).current_dir(&web))?;
    }
    let mut vite = Command::new("npx");
    vite.args(["--no-install", "vite", "build", "--emptyOutDir", "--outDir"]).arg(dist);
    run(vite.current_dir(&web))
}

fn run(command: &mut Command) -> Outcome {
    let output = command.output()?;
    if output.status.success() {
        return Ok(());
    }
    let (out, error) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    Err(format!("{command:?} failed ({}):\n{out}\n{error}", output.status).into())
}

fn modified(file: &Path) -> Option<std::time::SystemTime> {
    fs::metadata(file).ok()?.modified().ok()
}

fn copy(from: &Path, to: &Path) -> Outcome {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
