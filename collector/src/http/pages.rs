//! The pages' own files, embedded in the program, and the headers that keep a browser safe.

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Request, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// Files with a hash in their name never change.
const FOREVER: &str = "public, max-age=31536000, immutable";

/// One file of the pages; any other path is the page itself, whose own routes lie behind `#`.
pub(super) async fn serve(uri: Uri) -> Response {
    let path = uri.path().trim_start_matches('/');
    let path = if path.is_empty() { "index.html" } else { path };
    let Some(file) = dashboards::file(path) else {
        return (StatusCode::NOT_FOUND, "no such page\n").into_response();
    };
    let cache = if path.starts_with("assets/") { FOREVER } else { "no-cache" };
    let headers = [(header::CONTENT_TYPE, file.mime), (header::CACHE_CONTROL, cache.to_owned())];
    (headers, file.bytes).into_response()
}

/// Only our own scripts, styles and connections; no frames, no guessing of types, no referrer.
pub(super) async fn security_headers(request: Request<Body>, next: Next) -> Response {
    const HEADERS: [(HeaderName, &str); 4] = [
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
             frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
        ),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    let mut response = next.run(request).await;
    for (name, value) in HEADERS {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}
