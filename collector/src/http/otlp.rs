//! `POST /api/v1/otlp/v1/metrics`: OTLP over HTTP (opentelemetry.io/docs/specs/otlp/#otlphttp), at the path of Prometheus 3.
//!
//! Promises: 200 means on disk, and a partial success names what is not, by reason: sending it again is of no use. 400, 413
//! and 415 refuse all for good; 503 says to come back later; 401 and 403 that the token is not good for it. The answer is in
//! the request's encoding.
//! Leaves to others: tokens and bodies (`http/pushes`), and what is made of a request (`push`).

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use collector_otlp::{Encoding, limits};

use crate::clock;
use crate::http::WebApi;
use crate::http::pushes::{self, Refused, refused};
use crate::push::{self, Taken};

pub(super) async fn metrics(State(api): State<Arc<WebApi>>, request: Request<Body>) -> Response {
    let encoding = encoding(request.headers());
    let name = match encoding {
        Ok(Encoding::Protobuf) => "protobuf",
        Ok(Encoding::Json) => "json",
        Err(_) => "unknown",
    };
    let taken = match encoding {
        Ok(encoding) => take(&api, encoding, request).await.map_err(|refused| {
            let body = encoding.refused(refused.text.clone());
            (typed(encoding, refused.response(body)), refused)
        }),
        Err(refused) => Err((refused.response(format!("{}\n", refused.text)), refused)),
    };
    let response = taken.unwrap_or_else(|(response, refused)| {
        refused.count(&api.metrics.otlp);
        response
    });
    let status = response.status().as_u16().to_string();
    api.metrics.otlp.requests.with_label_values(&[name, &status]).inc();
    response
}

async fn take(
    api: &Arc<WebApi>,
    encoding: Encoding,
    request: Request<Body>,
) -> Result<Response, Refused> {
    let gzip = gzip(request.headers())?;
    let owner = pushes::owner(api, request.headers()).await?;
    let (bytes, _place) =
        pushes::body(&api.push_bodies, limits::BODY_BYTES_MAX, &api.metrics.otlp, request).await?;
    let body = push::Body::Otlp { bytes, encoding, gzip };
    let taken = api.pushes.accept(owner, body, clock::now_ms()).await;
    let Taken { refusals, points_refused, .. } = taken.map_err(pushes::refusal)?;
    let message = (refusals.samples() > 0).then(|| refusals.text());
    Ok(typed(encoding, encoding.taken(points_refused, message).into_response()))
}

fn typed(encoding: Encoding, mut response: Response) -> Response {
    let media_type = HeaderValue::from_static(encoding.media_type());
    response.headers_mut().insert(header::CONTENT_TYPE, media_type);
    response
}

fn encoding(headers: &HeaderMap) -> Result<Encoding, Refused> {
    let given = headers.get(header::CONTENT_TYPE).map(|value| value.to_str().unwrap_or("?"));
    let media = given.unwrap_or("missing").split(';').next().unwrap_or_default().trim();
    let known = [Encoding::Protobuf, Encoding::Json];
    known.into_iter().find(|one| media.eq_ignore_ascii_case(one.media_type())).ok_or_else(|| {
        let [protobuf, json] = known.map(Encoding::media_type);
        let text = format!("Content-Type is {media}; {protobuf} and {json} are taken");
        refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported", text)
    })
}

fn gzip(headers: &HeaderMap) -> Result<bool, Refused> {
    match headers.get(header::CONTENT_ENCODING).map(|value| value.to_str().unwrap_or("?")) {
        None => Ok(false),
        Some(given) if given.eq_ignore_ascii_case("identity") => Ok(false),
        Some(given) if given.eq_ignore_ascii_case("gzip") => Ok(true),
        Some(other) => {
            let text = format!("Content-Encoding is {other}; gzip or none is taken");
            Err(refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported", text))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_encoding_and_the_compression_are_those_that_the_headers_name() {
        let headers = |name: header::HeaderName, value: &str| {
            HeaderMap::from_iter([(name, HeaderValue::from_str(value).unwrap())])
        };
        let of = |value: &str| {
            encoding(&headers(header::CONTENT_TYPE, value)).map_err(|no| no.status.as_u16())
        };
        assert_eq!(of("application/x-protobuf"), Ok(Encoding::Protobuf));
        assert_eq!(of("Application/JSON; charset=utf-8"), Ok(Encoding::Json));
        assert_eq!(of("text/plain"), Err(415));
        assert!(encoding(&HeaderMap::new()).is_err());
        let packed = |value: &str| {
            gzip(&headers(header::CONTENT_ENCODING, value)).map_err(|no| no.status.as_u16())
        };
        assert_eq!(gzip(&HeaderMap::new()).ok(), Some(false));
        assert_eq!(
            (packed("GZIP"), packed("identity"), packed("zstd")),
            (Ok(true), Ok(false), Err(415))
        );
    }
}
