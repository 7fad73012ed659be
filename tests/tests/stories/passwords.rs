//! A password that is typed is not shown, and one that is sent is taken.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, anyhow, ensure};
use nix::pty::{OpenptyResult, openpty};
use nix::sys::termios::{LocalFlags, tcgetattr};
use serde_json::json;
use tests::deadline::eventually;
use tests::house::{House, binary};

/// Runs a command at a terminal of its own and types these lines, each once the terminal shows nothing of it; whether it
/// went well, and all that stood on the screen.
async fn typed(command: &Command, lines: &[&str]) -> anyhow::Result<(bool, String)> {
    let OpenptyResult { master, slave } = openpty(None, None)?;
    let mut whole = Command::new("setsid");
    whole.args(["--ctty", "--wait"]).arg(command.get_program()).args(command.get_args());
    whole.stdin(slave.try_clone()?).stdout(slave.try_clone()?).stderr(slave);
    let mut child = whole.spawn().context("setsid is missing: apt-get install util-linux")?;
    // The terminal ends with its last user, who is not us.
    drop(whole);
    let screen = Arc::new(Mutex::new(Vec::new()));
    let (mut person, shown) = (File::from(master), Arc::clone(&screen));
    let mut eyes = person.try_clone()?;
    let watching = std::thread::spawn(move || {
        let mut bytes = [0; 1024];
        while let Ok(count @ 1..) = eyes.read(&mut bytes) {
            shown.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&bytes[..count]);
        }
    });
    let text = || {
        String::from_utf8_lossy(&screen.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    };
    for (at, line) in lines.iter().enumerate() {
        eventually("the terminal hides what is typed", || async {
            ensure!(text().matches(": ").count() > at, "no prompt yet: {}", text());
            let echoes = tcgetattr(&person)?.local_flags.contains(LocalFlags::ECHO);
            ensure!(!echoes, "it echoes");
            Ok(())
        })
        .await?;
        person.write_all(format!("{line}\n").as_bytes())?;
    }
    let status = child.wait()?;
    watching.join().map_err(|_| anyhow!("nobody watched the screen"))?;
    Ok((status.success(), text()))
}

/// Runs a command with this on standard input; whether it went well, and all it said.
fn sent(command: &mut Command, text: &str) -> anyhow::Result<(bool, String)> {
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    child.stdin.take().context("no standard input")?.write_all(text.as_bytes())?;
    let output = child.wait_with_output()?;
    let said = [output.stdout, output.stderr].concat();
    Ok((output.status.success(), String::from_utf8_lossy(&said).into_owned()))
}

#[tokio::test]
async fn a_typed_password_is_not_shown_and_a_sent_one_is_taken() -> anyhow::Result<()> {
    let mut house = House::new()?;
    house.start().await?;
    let haidang = binary("haidang")?;
    let (url, token) =
        (format!("http://{}", house.web_address()), house.state_dir.join("admin.token"));
    let may_sign_in = async |name: &str, password: &str| -> anyhow::Result<bool> {
        let asked = json!({ "name": name, "password": password });
        let answer = reqwest::Client::new()
            .post(format!("{url}/api/session"))
            .header("X-Haidang", "1")
            .json(&asked)
            .send()
            .await?;
        Ok(answer.status().is_success())
    };

    let user = |arguments: &[&str]| {
        let mut command = Command::new(&haidang);
        command.arg("user").args(arguments).args(["--url", &url, "--token-file"]).arg(&token);
        command
    };
    // At a terminal, as in a person's shell.
    let twice = ["con đò nhỏ 42", "con đò nhỏ 42"];
    let (done, said) = typed(&user(&["add", "an"]), &twice).await?;
    ensure!(done && said.contains("an may sign in"), "{said}");
    ensure!(said.contains("New password:") && !said.contains("con đò"), "it is shown: {said}");
    ensure!(may_sign_in("an", "con đò nhỏ 42").await?);
    let slip = ["con đò nhỏ 43", "con đò nhỏ 44"];
    let (done, said) = typed(&user(&["reset", "an"]), &slip).await?;
    ensure!(!done && said.contains("differ"), "{said}");
    ensure!(may_sign_in("an", "con đò nhỏ 42").await?, "nothing was changed");

    // Without one, as in a script.
    let (done, said) = sent(&mut user(&["reset", "an"]), "con đò nhỏ 45\n")?;
    ensure!(done && said.contains("new password"), "{said}");
    ensure!(may_sign_in("an", "con đò nhỏ 45").await?);
    ensure!(!may_sign_in("an", "con đò nhỏ 42").await?);
    Ok(())
}
