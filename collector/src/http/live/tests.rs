//! A page that is too slow for what happens is told to fetch everything again. That the 201st page is sent away is in
//! the stories (`tests/tests/stories/live.rs`), through the real door.

use axum::response::IntoResponse;

use super::*;

#[tokio::test]
async fn a_page_that_missed_changes_is_told_so_and_goes_on() {
    let (sender, mut receiver) = broadcast::channel(2);
    for count in 1..=2 {
        sender.send(count).unwrap();
    }
    let mut turn = async || receiver.recv().await.map_or_else(Turn::missed, Turn::Events);
    assert!(matches!(turn().await, Turn::Events(1)), "as many as there is room for are told");
    for count in 3..=5 {
        sender.send(count).unwrap();
    }
    assert!(matches!(turn().await, Turn::Lagged));
    assert!(matches!(turn().await, Turn::Events(4)), "what is still there follows");
    assert!(matches!(turn().await, Turn::Events(5)));
    drop(sender);
    assert!(matches!(turn().await, Turn::End));
}

#[tokio::test]
async fn the_message_that_says_so_is_one_that_pages_know() {
    let once = futures_util::stream::iter([Ok::<_, Infallible>(lagged())]);
    let body = Sse::new(once).into_response().into_body();
    let bytes = axum::body::to_bytes(body, 1_000).await.unwrap();
    assert_eq!(bytes, "event: lagged\ndata: {}\n\n");
}
