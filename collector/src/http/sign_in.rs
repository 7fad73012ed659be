//! Signing in: the guard before every route, sessions, and the first user. What a role may do is in `permissions`.
//!
//! Promises: a session is a random cookie of which only the hash is stored; guesses are slowed per name and address; the
//! first user needs the code that only who can read the state directory has.
//! Longer than 400 lines because the guard, tokens, sessions and the first user share how a request proves who asks.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use agent_model::Millis;
use axum::Extension;
use axum::body::Body;
use axum::extract::{Json, MatchedPath, State};
use axum::http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::prelude::{BASE64_STANDARD, Engine};
use collector_inventory::{Access, AuditEntry, NewUser};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::http::guesses::{self, Guesses};
use crate::http::permissions::{self, Action, Role};
use crate::http::{ApiError, WebApi, passwords};
use crate::push::Owner;
use crate::scope::Scope;
use crate::serve::Peer;
use crate::{clock, token};

const COOKIE: &str = "haidang_session";

/// The same for both, so that nobody learns which names there are.
const WRONG: &str = "the name or the password is wrong";

/// By then as many passwords are checked as may wait.
const BUSY_SECONDS: u64 = 10;

/// Of somebody who keeps trying what they may not, one try in this time stands in the audit log; the counter has them all.
const REFUSAL_AUDITED_MS: Millis = 3_600_000;

/// Who asks.
#[derive(Clone, Debug)]
pub struct Who {
    /// A person or a token: each is somebody, and nobody is two.
    pub name: String,
    pub display_name: String,
    pub role: Role,
    /// What they may see and handle of all there is.
    pub scope: Scope,
    /// Of a token that writes.
    pub owner: Option<Arc<Owner>>,
}

/// What the guard compares with.
pub struct Gate {
    /// SHA-256 of the admin token of this start, if there is one.
    admin_token: Option<[u8; 32]>,
    /// SHA-256 of the code that makes the first user, while there is none.
    setup_code: Mutex<Option<[u8; 32]>>,
    pub(super) guesses: Guesses,
    /// When a refusal of somebody was last written to the audit log; as many as there are users and tokens, and actions.
    refused_ms: Mutex<HashMap<(String, &'static str), Millis>>,
    /// Removes the setup code's file.
    setup_code_file: std::path::PathBuf,
}

impl Who {
    /// Somebody as they are stored. A role or a scope that cannot be read lets nobody in.
    fn stored(name: String, role: &str, scope: &str) -> Result<Self, ApiError> {
        let read = permissions::role_and_scope(role, scope);
        let (role, scope) = read.map_err(|problem| {
            let text =
                format!("{name} may do nothing: {problem}; an administrator can make it anew");
            ApiError::forbidden(text)
        })?;
        Ok(Self { display_name: name.clone(), name, role, scope, owner: None })
    }

    fn all_powerful(name: &str) -> Self {
        let (name, scope) = (name.to_owned(), Scope::default());
        Self { display_name: name.clone(), name, role: Role::Admin, scope, owner: None }
    }

    pub fn may(&self, action: Action) -> bool {
        self.role.may(action)
    }
}

impl Gate {
    pub fn new(
        admin_token: Option<&str>,
        setup_code: Option<&str>,
        setup_code_file: std::path::PathBuf,
    ) -> Self {
        let hash = |secret: &str| Sha256::digest(secret).into();
        Self {
            admin_token: admin_token.map(hash),
            setup_code: Mutex::new(setup_code.map(hash)),
            guesses: Guesses::default(),
            refused_ms: Mutex::default(),
            setup_code_file,
        }
    }

    fn is_admin_token(&self, given: &str) -> bool {
        self.admin_token.is_some_and(|known| known.ct_eq(&Sha256::digest(given)).into())
    }

    fn is_setup_code(&self, given: &str) -> bool {
        let known = *self.setup_code.lock().unwrap_or_else(PoisonError::into_inner);
        known.is_some_and(|known| known.ct_eq(&Sha256::digest(given)).into())
    }

    fn close_setup(&self) {
        *self.setup_code.lock().unwrap_or_else(PoisonError::into_inner) = None;
        if let Err(error) = std::fs::remove_file(&self.setup_code_file) {
            tracing::warn!(%error, file = %self.setup_code_file.display(), "the used setup code stays on disk");
        }
    }

    /// Whether a refusal is the first in a while of this person and action.
    fn is_news(&self, name: &str, action: &'static str, now_ms: Millis) -> bool {
        let mut refused_ms = self.refused_ms.lock().unwrap_or_else(PoisonError::into_inner);
        let last_ms = refused_ms.get(&(name.to_owned(), action)).copied();
        let news = last_ms.is_none_or(|last_ms| now_ms - last_ms >= REFUSAL_AUDITED_MS);
        if news {
            refused_ms.insert((name.to_owned(), action), now_ms);
        }
        news
    }
}

/// Lets a request through with the one who makes it, or answers 401 or 403.
pub(super) async fn guard(
    State(api): State<Arc<WebApi>>,
    route: MatchedPath,
    mut request: Request<Body>,
    next: Next,
) -> Result<Response, ApiError> {
    let who = asks(&api, request.headers(), request.method()).await?;
    let action = permissions::action(request.method(), route.as_str());
    if !action.is_some_and(|action| who.may(action)) {
        return Err(refused(&api, &who, action, request.method(), request.uri().path()).await);
    }
    request.extensions_mut().insert(who);
    Ok(next.run(request).await)
}

/// Whose token or session a request shows.
async fn asks(api: &WebApi, headers: &HeaderMap, method: &Method) -> Result<Who, ApiError> {
    match given_token(headers) {
        Some(given) if api.gate.is_admin_token(&given) => Ok(Who::all_powerful("admin.token")),
        Some(given) => api_token(api, &given).await,
        None => {
            let who = session_user(api, headers).await?;
            if is_change(method) && !headers.contains_key("x-haidang") {
                let text = "the header X-Haidang is missing; requests from other sites are refused";
                return Err(ApiError::forbidden(text));
            }
            Ok(who)
        }
    }
}

fn is_change(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD)
}

/// Counts what a role may not do; what would have changed something stands in the audit log.
async fn refused(
    api: &WebApi,
    who: &Who,
    action: Option<Action>,
    method: &Method,
    path: &str,
) -> ApiError {
    let name = action.map_or("unknown", Action::name);
    api.metrics.requests_refused.with_label_values(&[who.role.name(), name]).inc();
    if is_change(method) && api.gate.is_news(&who.name, name, clock::now_ms()) {
        let object: String = format!("{name}: {method} {path}").chars().take(200).collect();
        audit(api, &who.name, "access.refuse", &object, "refused").await;
    }
    match action {
        Some(action) => ApiError::forbidden(action.refusal(who.role)),
        None => {
            ApiError::forbidden("nobody may do this: the route is not in the table of permissions")
        }
    }
}

/// Whoever holds a lasting token.
async fn api_token(api: &WebApi, given: &str) -> Result<Who, ApiError> {
    let found = api.api_tokens.find(given, clock::now_ms()).await;
    let held = found.map_err(|invalid| unauthorized(&invalid.to_string()))?;
    let name = format!("api-token {}", held.token.name);
    match &held.token.access {
        Access::Read { role, scope } => Who::stored(name, role, scope),
        Access::Write { .. } => {
            let (role, scope, owner) = (Role::Writer, Scope::default(), held.owner.clone());
            Ok(Who { display_name: name.clone(), name, role, scope, owner })
        }
    }
}

/// A token as `Bearer`, or as the password of `Basic` under any name, which every tool can send.
pub(super) fn given_token(headers: &HeaderMap) -> Option<String> {
    let (scheme, given) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(given.trim().to_owned());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    // Whatever cannot be read is a wrong token, not an absent one.
    let decoded = BASE64_STANDARD.decode(given.trim()).unwrap_or_default();
    let pair = String::from_utf8(decoded).unwrap_or_default();
    Some(pair.split_once(':').map_or_else(String::new, |(_, password)| password.to_owned()))
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    cookies.flat_map(|line| line.split(';')).find_map(|pair| {
        let (name, value) = pair.trim().split_once('=')?;
        (name == COOKIE).then_some(value)
    })
}

async fn session_user(api: &WebApi, headers: &HeaderMap) -> Result<Who, ApiError> {
    let Some(given) = cookie(headers) else { return Err(unauthorized("please sign in")) };
    let session = api.inventory.session(given, clock::now_ms()).await;
    match session {
        Ok(Some(session)) => {
            let (user, display_name) = (session.user.name, session.user.display_name);
            let who = Who::stored(user, &session.user.role, &session.user.scope)?;
            Ok(Who { display_name, ..who })
        }
        Ok(None) => Err(unauthorized("the session has ended; please sign in")),
        Err(error) => Err(ApiError::internal("sessions cannot be looked up", &error)),
    }
}

fn unauthorized(text: &str) -> ApiError {
    ApiError::new(StatusCode::UNAUTHORIZED, text)
}

/// `GET /api/session`: who asks, by a session or a token, and what they may do.
pub(super) async fn current(
    State(api): State<Arc<WebApi>>,
    headers: HeaderMap,
) -> Result<Json<serde_json::Value>, ApiError> {
    match asks(&api, &headers, &Method::GET).await {
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
    audit(&api, &given.name, "session.create", &address.to_string(), outcome).await;
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
        audit(&api, &name, "user.create_first", &address.to_string(), "wrong code").await;
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
    audit(&api, &user.name, "user.create_first", &user.name, "done").await;
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

/// Writes to the audit log. An action that cannot be recorded is still done, and the log says so.
pub(super) async fn audit(api: &WebApi, who: &str, action: &str, object: &str, outcome: &str) {
    let entry = AuditEntry {
        time_ms: clock::now_ms(),
        who: who.chars().take(64).collect(),
        action: action.to_owned(),
        object: object.to_owned(),
        outcome: outcome.to_owned(),
    };
    if let Err(error) = api.inventory.audit_append(&entry).await {
        tracing::error!(who, action, object, outcome, error = %crate::describe(&error),
            "an action is missing from the audit log");
    }
}
