//! As many live pages as there are places, and one more.

use anyhow::ensure;
use reqwest::{Client, StatusCode};
use tests::deadline::eventually;
use tests::house::House;

/// `STREAMS_MAX` of the collector.
const PLACES: usize = 200;

#[tokio::test]
async fn one_live_page_too_many_is_sent_away_counted_and_finds_a_place_later() -> anyhow::Result<()>
{
    let mut house = House::new()?;
    house.start().await?;
    let url = format!("http://{}/api/live", house.web_address());
    let token = std::fs::read_to_string(house.state_dir.join("admin.token"))?;
    let http = Client::new();
    let open = async || http.get(&url).bearer_auth(token.trim()).send().await;
    let mut pages = Vec::new();
    for at in 1..=PLACES {
        let page = open().await?;
        ensure!(page.status().is_success(), "page {at}: {}", page.status());
        pages.push(page);
    }
    let refused = open().await?;
    ensure!(refused.status() == StatusCode::SERVICE_UNAVAILABLE, "{}", refused.status());
    ensure!(refused.headers().contains_key("retry-after"), "{:?}", refused.headers());
    let said = refused.text().await?;
    ensure!(said.contains("200 live pages are open already; try again later"), "{said}");
    let counter = "haidang_collector_connections_refused_total{reason=\"live_streams\"}";
    ensure!(house.own_metric(counter).await? >= 1.0);
    // The others go on, and a page that is closed leaves its place.
    let first = pages[0].chunk().await?;
    ensure!(first.is_some_and(|text| text.starts_with(b"event: hello")), "no greeting");
    pages.pop();
    eventually("a place", || async {
        let status = open().await?.status();
        ensure!(status.is_success(), "{status}");
        Ok(())
    })
    .await
}
