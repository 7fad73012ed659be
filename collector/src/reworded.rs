//! Refusals of the web framework (a body that is no JSON, a wrong method, a path that is no text) come as plain text; each API
//! says them in its own shape, as it says its own.

use axum::http::{StatusCode, header};
use axum::response::Response;

/// The framework's sentences are short.
const TEXT_BYTES_MAX: usize = 16 << 10;

/// An answer as it is, or the framework's refusal put into words by `say`.
pub(crate) async fn reworded(
    answer: Response,
    say: impl FnOnce(StatusCode, String) -> Response,
) -> Response {
    if !is_the_frameworks(&answer) {
        return answer;
    }
    let (parts, body) = answer.into_parts();
    let text = axum::body::to_bytes(body, TEXT_BYTES_MAX).await.unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let text = match (text.trim(), parts.status) {
        ("", StatusCode::METHOD_NOT_ALLOWED) => {
            "nothing takes this method here; `Allow` says what does"
        }
        ("", status) => status.canonical_reason().unwrap_or("refused"),
        (text, _) => text,
    };
    let mut worded = say(parts.status, text.to_owned());
    *worded.extensions_mut() = parts.extensions;
    if let Some(methods) = parts.headers.get(header::ALLOW) {
        worded.headers_mut().insert(header::ALLOW, methods.clone());
    }
    worded
}

fn is_the_frameworks(answer: &Response) -> bool {
    let status = answer.status();
    let is_text = |kind: &header::HeaderValue| kind.as_bytes().starts_with(b"text/plain");
    match answer.headers().get(header::CONTENT_TYPE) {
        Some(kind) => (status.is_client_error() || status.is_server_error()) && is_text(kind),
        None => status == StatusCode::METHOD_NOT_ALLOWED,
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::Request;
    use axum::response::IntoResponse;
    use axum::routing::post;
    use axum::{Json, Router, middleware};
    use tower::ServiceExt;

    use super::*;

    async fn check(request: Request<Body>, expected: &str) {
        let say = |status: StatusCode, text: String| (status, Json(text)).into_response();
        let named = |axum::extract::Path(_): axum::extract::Path<u8>| async { "fine" };
        let router = Router::new()
            .route("/n/{number}", post(named))
            .route("/json", post(|_: Json<Vec<u8>>| async { "fine" }))
            .route("/bare", post(|| async { StatusCode::NOT_FOUND }))
            .layer(middleware::map_response(move |answer| reworded(answer, say)));
        let answer = router.oneshot(request).await.unwrap();
        let status = answer.status().as_u16();
        let body = axum::body::to_bytes(answer.into_body(), TEXT_BYTES_MAX).await.unwrap();
        assert_eq!(format!("{status} {}", String::from_utf8_lossy(&body)), expected);
    }

    fn json(body: &'static str) -> Request<Body> {
        let request = Request::post("/json").header(header::CONTENT_TYPE, "application/json");
        request.body(Body::from(body)).unwrap()
    }

    #[tokio::test]
    async fn what_the_framework_refuses_is_said_by_the_api() {
        let get = |path: &str| Request::get(path).body(Body::empty()).unwrap();
        let bare = |path: &str| Request::post(path).body(Body::empty()).unwrap();
        check(json("[1]"), "200 fine").await;
        check(bare("/bare"), "404 ").await;
        let text = "405 \"nothing takes this method here; `Allow` says what does\"";
        check(get("/json"), text).await;
        let text = "415 \"Expected request with `Content-Type: application/json`\"";
        check(bare("/json"), text).await;
        let text = "400 \"Invalid URL: Cannot parse `x` to a `u8`\"";
        check(bare("/n/x"), text).await;
        let text = "400 \"Failed to parse the request body as JSON: trailing characters at line 1 column 5\"";
        check(json("[1] x"), text).await;
    }
}
