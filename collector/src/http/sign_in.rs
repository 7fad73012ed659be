//! Signing in: sessions, and the first user.
//!
//! Promises: a session is a random cookie of which only the hash is stored; the first user needs the code that only who can
//! read the state directory has. Leaves to others: who asks and what they may (`guard`), and who must wait (`guesses`).

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Json, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use collector_inventory::NewUser;
use serde::Deserialize;

use crate::http::guard::{COOKIE, asks, comes_from_here, cookie, unauthorized};
use crate::http::guesses;
use crate::http::permissions::Role;
use crate::http::{ApiError, WebApi, Who, audited, passwords};
use crate::serve::Peer;
use crate::{clock, token};

/// The same for both, so that nobody learns which names there are.
const WRONG: &str = "the name or the password is wrong";

/// By then as many passwords are checked as may wait.
const BUSY_SECONDS: u64 = 10;

/// `GET /api/session`: who asks, by a session or a token, and what they may do.
pub(super) async fn current(
    State(api): State<Arc<WebApi>>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
) -> Result<Json<serde_json::Value>, ApiError> {
    match asks(&api, comes_from_here(&peer, &headers), &headers, &Method::GET).await {
        Ok(who) => Ok(Json(shown(&who))),
        Err(error) => {
            let setup = api.inventory.has_no_users().await.unwrap_or(false);
            Err(error.with("setup", setup))
        }
    }
}

fn shown(who: &Who) -> serde_json::Value {
    serde_json::json!({
        "user": {
            "name": who.name, "display_name": who.display_name, "role": who.role.name(),
            "may": who.role.actions().collect::<Vec<_>>(),
            "scope": (!who.scope.is_everything()).then(|| who.scope.to_string()),
        },
        "now_ms": clock::now_ms(),
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SignIn {
    name: String,
    password: String,
}

/// `POST /api/session`
pub(super) async fn begin(
    State(api): State<Arc<WebApi>>,
    Extension(peer): Extension<Peer>,
    Json(given): Json<SignIn>,
) -> Result<Response, ApiError> {
    let (now_ms, address) = (clock::now_ms(), peer.address.ip());
    let slowed = |text: &str, seconds: u64| {
        api.metrics.sign_ins.with_label_values(&["slowed"]).inc();
        let text = format!("{text}; try again in {seconds} s");
        ApiError::new(StatusCode::TOO_MANY_REQUESTS, text).retry_after(seconds)
    };
    if given.name.len() > guesses::NAME_BYTES_MAX {
        return Err(unauthorized(WRONG));
    }
    let begun = api.gate.guesses.begin(&given.name, address, now_ms);
    begun.map_err(|seconds| slowed("too many wrong passwords", seconds))?;
    let user = api.inventory.user(&given.name).await;
    let user = user.map_err(|error| ApiError::internal("users cannot be looked up", &error))?;
    let user = user.filter(|user| !user.disabled);
    let hash = user.as_ref().map(|user| user.password_hash.clone());
    let right = passwords::verify(given.password, hash).await;
    let right =
        right.map_err(|passwords::Busy| slowed("too many sign in at once", BUSY_SECONDS))?;
    if right {
        api.gate.guesses.right(&given.name, address);
    }
    let outcome = if right { "done" } else { "refused" };
    api.metrics.sign_ins.with_label_values(&[outcome]).inc();
    audited::write(&api, &given.name, "session.create", &address.to_string(), outcome).await;
    match user {
        Some(user) if right => {
            let who = Who::stored(user.name, &user.role, &user.scope)?;
            open_session(&api, Who { display_name: user.display_name, ..who }).await
        }
        _ => Err(unauthorized(WRONG)),
    }
}

/// `DELETE /api/session`
pub(super) async fn end(
    State(api): State<Arc<WebApi>>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    if let Some(given) = cookie(&headers) {
        let ended = api.inventory.session_end(given).await;
        ended.map_err(|error| ApiError::internal("the session cannot be ended", &error))?;
    }
    let mut response = StatusCode::NO_CONTENT.into_response();
    let gone =
        HeaderValue::from_static("haidang_session=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict");
    response.headers_mut().insert(header::SET_COOKIE, gone);
    Ok(response)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Setup {
    code: String,
    name: String,
    password: String,
}

/// `POST /api/setup`: the first user, an administrator.
pub(super) async fn setup(
    State(api): State<Arc<WebApi>>,
    Extension(peer): Extension<Peer>,
    Json(given): Json<Setup>,
) -> Result<Response, ApiError> {
    let address = peer.address.ip();
    if let Err(seconds) = api.gate.guesses.begin("", address, clock::now_ms()) {
        let text = format!("too many wrong codes; try again in {seconds} s");
        return Err(ApiError::new(StatusCode::TOO_MANY_REQUESTS, text).retry_after(seconds));
    }
    if !api.gate.is_setup_code(given.code.trim()) {
        let name: String = given.name.chars().take(guesses::NAME_BYTES_MAX).collect();
        audited::write(&api, &name, "user.create_first", &address.to_string(), "wrong code").await;
        let text = "the setup code is wrong or was used; start the collector again for a new one";
        return Err(ApiError::forbidden(text));
    }
    api.gate.guesses.right("", address);
    let user = new_user(given.name, given.password, Role::Admin, "").await?;
    let made = api.inventory.user_create_first(&user, clock::now_ms()).await;
    let made = made.map_err(|error| ApiError::internal("the user cannot be stored", &error))?;
    if !made {
        return Err(ApiError::conflict("there is a user already; sign in"));
    }
    api.gate.close_setup();
    audited::write(&api, &user.name, "user.create_first", &user.name, "done").await;
    open_session(&api, Who::all_powerful(&user.name)).await
}

/// Checks a new user's name and password and hashes the password.
pub(super) async fn new_user(
    name: String,
    password: String,
    role: Role,
    scope: &str,
) -> Result<NewUser, ApiError> {
    let name = name.trim().to_owned();
    if name.is_empty() || name.chars().count() > 64 || name.chars().any(char::is_control) {
        return Err(ApiError::bad_request("a user's name has 1 to 64 printable characters"));
    }
    if let Some(problem) = passwords::problem_with(&password) {
        return Err(ApiError::bad_request(problem));
    }
    let Some(password_hash) = passwords::hash(password).await else {
        let text = "the password cannot be hashed: the system gives no random bytes";
        return Err(ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, text));
    };
    let (role, scope) = (role.name().to_owned(), scope.trim().to_owned());
    Ok(NewUser { display_name: name.clone(), name, role, scope, password_hash })
}

async fn open_session(api: &WebApi, who: Who) -> Result<Response, ApiError> {
    let secret = token::random_secret()
        .map_err(|error| ApiError::internal("a session cannot be made", &error))?;
    let lifetime_ms = api.session_lifetime_ms;
    let stored =
        api.inventory.session_create(&secret, &who.name, lifetime_ms, clock::now_ms()).await;
    stored.map_err(|error| ApiError::internal("the session cannot be stored", &error))?;
    let mut response = Json(shown(&who)).into_response();
    let seconds = lifetime_ms / 1_000;
    let secure = if api.secure_cookies { "; Secure" } else { "" };
    let text =
        format!("{COOKIE}={secret}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}");
    let value = HeaderValue::from_str(&text);
    let value = value.map_err(|error| ApiError::internal("a cookie cannot be made", &error))?;
    response.headers_mut().insert(header::SET_COOKIE, value);
    Ok(response)
}
