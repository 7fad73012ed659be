//! Who asks for something and hangs up: it is done to its end, and the audit log says so.

use std::fs;

use anyhow::{Context, ensure};
use tests::deadline::eventually;
use tests::house::House;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Whether this machine still holds the collector's end of a connection from `port`.
fn is_held(port: u16) -> anyhow::Result<bool> {
    let table = fs::read_to_string("/proc/net/tcp")?;
    let remote = format!(":{port:04X}");
    // Columns: number, local address, remote address, state; 06 is a connection that both sides have closed.
    let mut connections = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    Ok(connections.any(|parts| {
        parts.get(2).is_some_and(|address| address.ends_with(&remote))
            && parts.get(3) != Some(&"06")
    }))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deed_whose_asker_hung_up_stands_in_the_audit_log() -> anyhow::Result<()> {
    let slow = TcpListener::bind("127.0.0.1:0").await?;
    let mut house = House::new()?;
    house.write(
        "alerting.yml",
        &format!(
            "route:\n  receiver: slow\nreceivers:\n  - name: slow\n    webhook_configs:\n      \
             - url: http://{}/\n",
            slow.local_addr()?
        ),
    )?;
    house.start().await?;
    let token = fs::read_to_string(house.state_dir.join("admin.token"))?;
    let mut asker = TcpStream::connect(house.web_address()).await?;
    let request = format!(
        "POST /api/receivers/slow/test HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\
         content-type: application/json\r\ncontent-length: 2\r\n\r\n{{}}",
        token.trim()
    );
    asker.write_all(request.as_bytes()).await?;
    let (mut delivery, _) = slow.accept().await?;
    let port = asker.local_addr()?.port();
    drop(asker);
    // The collector has noticed before the deed is done.
    eventually("the connection is closed", || async {
        ensure!(!is_held(port)?, "it is still held");
        Ok(())
    })
    .await?;
    let mut heard = [0; 1];
    delivery.read_exact(&mut heard).await?;
    delivery.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await?;
    let entry = eventually("an entry of the deed", || async {
        let entries = house.get("/api/audit").await?;
        let found = entries
            .as_array()
            .and_then(|all| all.iter().find(|one| one["action"] == "notification.test").cloned());
        found.context("there is none")
    });
    let entry = entry.await.with_context(|| house.last_log_lines())?;
    ensure!(entry["object"] == "slow" && entry["outcome"] == "done", "{entry}");
    ensure!(entry["who"] == "admin.token", "{entry}");
    Ok(())
}
