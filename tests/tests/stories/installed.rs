//! Installed as the README says, under a real systemd with every restriction of the units: both daemons do their work, come
//! back after a kill, and do not run against a wall with a wrong configuration.

use anyhow::{Context, ensure};
use serde_json::Value;
use tests::deadline::eventually;
use tests::house::binary;
use tests::machine::{DEPLOY, Machine, PROGRAMS};

/// Both services on one machine, the agent enrolled; the shipped configurations, with only the collector's address put in.
async fn installed() -> anyhow::Result<Machine> {
    let programs = binary("haidang")?;
    let machine = Machine::boot(programs.parent().context("no directory")?).await?;
    let script = format!("{DEPLOY}/install.sh");
    machine.run(&[&script, "--from", PROGRAMS, "collector", "agent"])?;
    start(&machine, "haidang-collector")?;
    let token = eventually("a token", || async {
        machine.run(&["haidang", "token", "create", "--host", "dc1-srv01"])
    });
    let token = token.await.with_context(|| machine.journal("haidang-collector"))?;
    let address = "127.0.0.1:7443";
    let example = machine.read("/etc/haidang/agent.yml")?;
    let own = example.replace("collector.dc1.example:7443", address);
    ensure!(own != example, "the example names another collector");
    machine.write("/etc/haidang/agent.yml", &own)?;
    let enrol = format!(
        "install -d -m 0711 -o haidang-agent -g haidang-agent /var/lib/haidang-agent && \
         runuser -u haidang-agent -- haidang-agent enrol --collector {address} --host dc1-srv01 --token {}",
        token.trim()
    );
    machine.run(&["sh", "-c", &enrol])?;
    machine.write("/var/log/auth.log", "")?;
    machine.run(&["sh", "-c", "chown root:adm /var/log/auth.log; chmod 0640 /var/log/auth.log"])?;
    start(&machine, "haidang-agent")?;
    Ok(machine)
}

fn start(machine: &Machine, unit: &str) -> anyhow::Result<()> {
    machine.run(&["systemctl", "start", unit]).with_context(|| machine.journal(unit))?;
    Ok(())
}

/// Waits until a PromQL expression has a result inside.
async fn eventually_sees(machine: &Machine, expression: &str) -> anyhow::Result<()> {
    let seen = eventually(expression, || async {
        let found = machine.run(&["haidang", "query", expression])?;
        ensure!(found.contains("dc1-srv01"), "{found}");
        Ok(())
    });
    let logs = || {
        format!("{}\n{}", machine.journal("haidang-collector"), machine.journal("haidang-agent"))
    };
    seen.await.with_context(logs)
}

#[tokio::test]
async fn both_services_do_their_work_within_the_restrictions_of_their_units() -> anyhow::Result<()>
{
    let machine = installed().await?;
    eventually_sees(&machine, "up{job=\"node\"} == 1").await?;
    // What a restriction took away would show as a source that fails.
    let failing = machine.run(&["haidang", "query", "node_scrape_collector_success == 0"])?;
    ensure!(!failing.contains("dc1-srv01"), "{failing}");

    log_in(&machine).await
}

/// Writes a log-in into the log that the agent follows, and waits until it is the only one that is found.
async fn log_in(machine: &Machine) -> anyhow::Result<()> {
    let line =
        "Nov 22 10:00:00 dc1 sshd[7]: Accepted publickey for story from 203.0.113.9 port 22 ssh2\n";
    machine.write("/var/log/auth.log", line)?;
    one_log_in(machine).await
}

async fn one_log_in(machine: &Machine) -> anyhow::Result<()> {
    let seen = eventually("the event", || async {
        let ask = "curl -sS -H \"Authorization: Bearer $(cat /run/haidang-collector/admin.token)\" \
                   'http://127.0.0.1:8080/api/events?text=Accepted'";
        let answer: Value = serde_json::from_str(&machine.run(&["sh", "-c", ask])?)?;
        ensure!(answer["total"] == 1, "{answer}");
        Ok(())
    });
    seen.await.with_context(|| machine.journal("haidang-agent"))
}

/// The lines of the README's first block of commands below a heading, without their remarks.
fn readme_commands(heading: &str) -> anyhow::Result<Vec<&'static str>> {
    let readme = include_str!("../../../README.md");
    let below = readme.split_once(heading).context("the README has no such heading")?.1;
    let block = below.split("```").nth(1).context("no commands")?;
    let commands = block.lines().map(|line| line.split_once(" #").map_or(line, |(line, _)| line));
    Ok(commands.map(str::trim).filter(|line| !line.is_empty()).collect())
}

#[tokio::test]
async fn a_lost_state_is_restored_by_the_lines_of_the_readme() -> anyhow::Result<()> {
    let machine = installed().await?;
    eventually_sees(&machine, "up{job=\"node\"} == 1").await?;
    log_in(&machine).await?;
    // To another file system, where nothing can be linked.
    let elsewhere = "haidang-collector snapshot --to /dev/shm/copy && \
                     haidang-collector snapshot --verify /dev/shm/copy";
    machine.run(&["sh", "-c", elsewhere])?;
    let commands = readme_commands("### Keep a copy")?;
    ensure!(commands.len() >= 8, "{commands:?}");
    // The next start makes another one.
    let token = "cp /run/haidang-collector/admin.token /root/token && test -s /root/token";
    machine.run(&["sh", "-c", token])?;
    for command in commands {
        machine.run(&["sh", "-c", command]).with_context(|| command.to_owned())?;
    }
    eventually_sees(&machine, "up{job=\"node\"} == 1").await?;
    one_log_in(&machine).await?;
    // 0 would be a file that holds it, 2 one that cannot be read.
    let search = "ls /srv/copies/*/manifest.json && \
                  { grep -rqF -f /root/token /srv/copies; test $? = 1; } && \
                  cp /root/token /srv/copies/planted && grep -rqF -f /root/token /srv/copies";
    machine.run(&["sh", "-c", search]).map(drop)
}

#[tokio::test]
async fn a_killed_service_comes_back_and_a_wrong_configuration_ends_it_with_its_reason()
-> anyhow::Result<()> {
    let machine = installed().await?;
    for unit in ["haidang-collector", "haidang-agent"] {
        let first = main_process(&machine, unit)?;
        machine.run(&["kill", "-KILL", &first])?;
        let back = eventually("another process", || async {
            let second = main_process(&machine, unit)?;
            ensure!(second != "0" && second != first, "{second}");
            Ok(())
        });
        back.await.with_context(|| machine.journal(unit))?;
    }
    eventually_sees(&machine, "up{job=\"node\"} == 1").await?;

    for (unit, file) in [("haidang-collector", "collector.yml"), ("haidang-agent", "agent.yml")] {
        machine.write(&format!("/etc/haidang/{file}"), "nonsense: true\n")?;
        // `restart` is content once the process runs; that it then gives up is what we wait for.
        drop(machine.run(&["systemctl", "restart", unit]));
        let ended = eventually("it gives up", || async {
            let state =
                machine.run(&["systemctl", "show", "--value", "-p", "ActiveState", unit])?;
            ensure!(state.trim() == "failed", "{state}");
            Ok(())
        });
        ended.await.with_context(|| machine.journal(unit))?;
        let said = machine.journal(unit);
        ensure!(said.contains("nonsense") && said.contains(file), "{said}");
    }
    Ok(())
}

fn main_process(machine: &Machine, unit: &str) -> anyhow::Result<String> {
    let shown = machine.run(&["systemctl", "show", "--value", "-p", "MainPID", unit])?;
    Ok(shown.trim().to_owned())
}
