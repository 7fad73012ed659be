//! The first start, signing in, and starting again.

use serde_json::json;
use tests::house::House;

#[tokio::test]
async fn a_fresh_start_shows_this_machine_and_lets_nobody_in_without_signing_in()
-> anyhow::Result<()> {
    let mut house = House::new()?;
    house.start().await?;
    house.eventually_sees("node_memory_MemTotal_bytes > 0").await?;
    for path in ["/api/v1/query?query=up", "/api/hosts", "/metrics", "/api/overview"] {
        assert_eq!(house.status_without_sign_in(path).await?, 401, "{path}");
    }
    assert_eq!(house.status_without_sign_in("/-/ready").await?, 200);
    assert_eq!(house.status_without_sign_in("/").await?, 200);

    let code = std::fs::read_to_string(house.state_dir.join("collector/setup.code"))?;
    let wrong = json!({ "code": "wrong", "name": "trực", "password": "mật khẩu thật dài" });
    let refused = house.post("/api/setup", &wrong).await;
    assert!(refused.is_err_and(|error| error.to_string().contains("403")));
    let right = json!({ "code": code, "name": "trực", "password": "mật khẩu thật dài" });
    assert_eq!(house.post("/api/setup", &right).await?["user"]["role"], "admin");
    let again = house.post("/api/setup", &right).await;
    assert!(again.is_err(), "the code works once");
    let sign_in = json!({ "name": "trực", "password": "mật khẩu thật dài" });
    assert_eq!(house.post("/api/session", &sign_in).await?["user"]["name"], "trực");
    let sign_in = json!({ "name": "trực", "password": "không phải" });
    assert!(house.post("/api/session", &sign_in).await.is_err());
    Ok(())
}

#[tokio::test]
async fn a_second_start_continues_where_the_first_stopped() -> anyhow::Result<()> {
    let mut house = House::new()?;
    house.start().await?;
    house.eventually_sees("node_boot_time_seconds").await?;
    assert!(house.stop()?, "it stops cleanly\n{}", house.last_log_lines());
    assert!(!house.last_log_lines().contains("parts were cut"), "{}", house.last_log_lines());
    let before = house.query("1").await;
    assert!(before.is_err(), "nothing answers while it is stopped");
    house.start().await?;
    // Samples of the first start are still there: the host was up before this start began.
    house.eventually_sees("count_over_time(node_boot_time_seconds[10m]) > 1").await?;
    assert!(house.stop()?, "it stops cleanly again\n{}", house.last_log_lines());
    Ok(())
}

#[tokio::test]
async fn a_start_on_a_taken_port_ends_at_once_and_names_it() -> anyhow::Result<()> {
    let house = House::new()?;
    let taken = std::net::TcpListener::bind(house.agents_address())?;
    let said = house.start_in_vain()?;
    assert!(said.contains(&format!("cannot listen on {}", taken.local_addr()?)), "{said}");
    // It ended for this reason, not because nobody waited any longer.
    assert!(said.contains("the reason is above"), "{said}");
    Ok(())
}
