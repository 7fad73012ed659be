//! Users as an administrator changes them: shut out and let in again, given another role, and never the last of their kind.

use anyhow::{Context, ensure};
use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};
use tests::house::House;

const PASSWORD: &str = "mật khẩu dài 12";

async fn sign_in(house: &House, name: &str) -> anyhow::Result<Response> {
    let url = format!("http://{}/api/session", house.web_address());
    let body = json!({ "name": name, "password": PASSWORD });
    Ok(Client::new().post(url).json(&body).send().await?)
}

fn session(answer: &Response) -> anyhow::Result<String> {
    let cookie = answer.headers().get("set-cookie").context("no session")?.to_str()?;
    Ok(cookie.split(';').next().unwrap_or_default().to_owned())
}

async fn asks(
    house: &House,
    session: &str,
    method: &str,
    path: &str,
    body: &Value,
) -> anyhow::Result<Response> {
    let url = format!("http://{}{path}", house.web_address());
    let request = Client::new().request(method.parse()?, url).header("cookie", session);
    Ok(request.header("x-haidang", "1").json(body).send().await?)
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_shut_out_is_out_at_once_and_has_a_way_back() -> anyhow::Result<()> {
    let mut house = House::new()?;
    house.start().await?;
    for (name, role) in [("lan", "operator"), ("minh", "admin")] {
        let user = json!({ "name": name, "password": PASSWORD, "role": role });
        house.post("/api/users", &user).await?;
    }
    let lan = session(&sign_in(&house, "lan").await?)?;
    let mut page = asks(&house, &lan, "GET", "/api/live", &Value::Null).await?;
    ensure!(page.status() == StatusCode::OK, "{page:?}");
    let (went_well, said) = house.haidang(&["user", "disable", "lan"])?;
    ensure!(went_well && said.contains("may no longer sign in"), "{said}");
    // The stream ends by itself; nothing else here would end it.
    while page.chunk().await?.is_some() {}
    let answer = asks(&house, &lan, "GET", "/api/session", &Value::Null).await?;
    ensure!(answer.status() == StatusCode::UNAUTHORIZED, "{answer:?}");
    ensure!(sign_in(&house, "lan").await?.status() == StatusCode::UNAUTHORIZED, "let in");
    let (went_well, said) = house.haidang(&["user", "enable", "lan"])?;
    ensure!(went_well && said.contains("may sign in"), "{said}");
    let lan = session(&sign_in(&house, "lan").await?)?;

    let may_reload = async || asks(&house, &lan, "POST", "/-/reload", &json!({})).await;
    ensure!(may_reload().await?.status() == StatusCode::FORBIDDEN, "an operator reloads");
    let (went_well, said) = house.haidang(&["user", "role", "lan", "admin"])?;
    ensure!(went_well && said.contains("admin"), "{said}");
    ensure!(may_reload().await?.status() == StatusCode::OK, "an administrator does not reload");
    let (went_well, said) = house.haidang(&["user", "role", "lan", "vendor"])?;
    ensure!(!went_well && said.contains("scope"), "{said}");
    let (went_well, said) =
        house.haidang(&["user", "role", "lan", "vendor", "--scope", "vendor=\"vnpt\""])?;
    ensure!(went_well, "{said}");

    for words in [["user", "disable", "minh"].as_slice(), &["user", "role", "minh", "viewer"]] {
        let (went_well, said) = house.haidang(words)?;
        ensure!(!went_well && said.contains("the last administrator stays"), "{said}");
    }
    let (went_well, said) = house.haidang(&["user", "disable", "nobody"])?;
    ensure!(!went_well && said.contains("there is no user nobody"), "{said}");
    let audit = house.get("/api/audit").await?;
    let deeds: Vec<String> = audit
        .as_array()
        .into_iter()
        .flatten()
        .map(|one| format!("{} {}", one["action"], one["object"]).replace('"', ""))
        .collect();
    for deed in ["user.disable lan", "user.enable lan", "user.role lan (admin)"] {
        ensure!(deeds.iter().any(|one| one == deed), "{deed}: {deeds:?}");
    }
    ensure!(deeds.iter().any(|one| one.starts_with("user.role lan (vendor of")), "{deeds:?}");
    Ok(())
}
