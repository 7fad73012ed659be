//! `haidang drill list|start|confirm|abort|report`.

use std::fs;
use std::path::PathBuf;

use anyhow::Context;
use clap::Subcommand;
use serde_json::{Value, json};

use crate::client::{Client, segment};
use crate::table::{cell, rows, table};
use crate::zone::time;
use crate::{Asked, say};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// List the plans and the newest drills.
    List,
    /// Start a plan.
    Start {
        plan: String,
        /// The name of the plan's site, so that no other site is touched by mistake.
        #[arg(long)]
        confirm_site: String,
    },
    /// Say that the running step is done, or that it cannot be.
    Confirm {
        /// The number that `drill list` shows.
        drill: u64,
        step: String,
        #[arg(long, default_value = "")]
        note: String,
        /// The step cannot be done: the drill has failed.
        #[arg(long)]
        failed: bool,
    },
    /// End a drill before its end.
    Abort {
        drill: u64,
        #[arg(long)]
        reason: String,
    },
    /// Print the minutes of a drill as an HTML page.
    Report {
        drill: u64,
        /// Write the page into this file instead.
        #[arg(long, short)]
        output: Option<PathBuf>,
    },
}

pub(crate) fn run(asked: Asked<Command>) -> anyhow::Result<()> {
    let client = Client::open(&asked.connection)?;
    match asked.command {
        Command::List => list(&client)?,
        Command::Start { plan, confirm_site } => {
            let path = format!("/api/drills/{}/start", segment(&plan));
            let run: Value = client.post(&path, &json!({ "confirm_site": confirm_site }))?;
            say(&format!("Drill {} is started.\n{}", cell(&run["id"]), steps(&run)));
        }
        Command::Confirm { drill, step, note, failed } => {
            let path = format!("/api/drill-runs/{drill}/steps/{}", segment(&step));
            let outcome = if failed { "failed" } else { "passed" };
            let run: Value = client.post(&path, &json!({ "outcome": outcome, "note": note }))?;
            say(&steps(&run));
        }
        Command::Abort { drill, reason } => {
            let path = format!("/api/drill-runs/{drill}/abort");
            let _: Value = client.post(&path, &json!({ "reason": reason }))?;
            say(&format!("Drill {drill} is aborted."));
        }
        Command::Report { drill, output } => {
            let page = client.get_text(&format!("/api/drill-runs/{drill}/minutes"))?;
            match output {
                None => say(&page),
                Some(file) => fs::write(&file, page)
                    .with_context(|| format!("{} cannot be written", file.display()))?,
            }
        }
    }
    Ok(())
}

fn list(client: &Client) -> anyhow::Result<()> {
    let drills: Value = client.get("/api/drills")?;
    let plans = rows(&drills["plans"], |plan| {
        let steps = plan["steps"].as_array().map_or(0, Vec::len);
        vec![cell(&plan["id"]), cell(&plan["site"]), steps.to_string(), cell(&plan["title_en"])]
    });
    let runs = rows(&drills["runs"], |run| {
        let steps = run["steps"].as_array();
        let running = steps.and_then(|steps| steps.iter().find(|step| step["state"] == "running"));
        vec![
            cell(&run["id"]),
            cell(&run["plan"]),
            cell(&run["state"]),
            time(&run["started_ms"]),
            cell(&run["started_by"]),
            cell(running.map_or(&Value::Null, |step| &step["id"])),
            cell(&run["rto_seconds"]),
            cell(&run["verdict"]),
        ]
    });
    say(&table(&["PLAN", "SITE", "STEPS", "TITLE"], &plans));
    let heading = ["DRILL", "PLAN", "STATE", "STARTED", "BY", "STEP", "RTO (S)", "VERDICT"];
    say(&format!("\n{}", table(&heading, &runs)));
    for problem in drills["problems"].as_array().into_iter().flatten() {
        crate::complain(&cell(problem));
    }
    Ok(())
}

fn steps(run: &Value) -> String {
    let rows = rows(&run["steps"], |step| {
        let titles = [&step["title_en"], &step["detail"]];
        let [title, detail] = titles.map(cell);
        vec![cell(&step["id"]), cell(&step["kind"]), cell(&step["state"]), title, detail]
    });
    table(&["STEP", "KIND", "STATE", "TITLE", "SEEN"], &rows)
}
