//! The guard before every route: who asks, by a token or a session, and whether their role may. What a role may do is in
//! `permissions`.
//!
//! Promises: secrets are compared in constant time; a route that is not in the table is refused to everybody; a refusal is
//! counted, and what would have changed something stands in the audit log. Leaves to others: sessions (`sign_in`).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use agent_model::Millis;
use axum::body::Body;
use axum::extract::{MatchedPath, State};
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use base64::prelude::{BASE64_STANDARD, Engine};
use collector_inventory::Access;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::clock;
use crate::http::guesses::Guesses;
use crate::http::permissions::{self, Action, Role};
use crate::http::{ApiError, WebApi, audited};
use crate::push::Owner;
use crate::scope::Scope;
use crate::serve::Peer;

pub(super) const COOKIE: &str = "haidang_session";

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
    admin_token_from_elsewhere: bool,
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
    pub(super) fn stored(name: String, role: &str, scope: &str) -> Result<Self, ApiError> {
        let read = permissions::role_and_scope(role, scope);
        let (role, scope) = read.map_err(|problem| {
            let text =
                format!("{name} may do nothing: {problem}; an administrator can make it anew");
            ApiError::forbidden(text)
        })?;
        Ok(Self { display_name: name.clone(), name, role, scope, owner: None })
    }

    pub(super) fn all_powerful(name: &str) -> Self {
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
        admin_token_from_elsewhere: bool,
        setup_code: Option<&str>,
        setup_code_file: std::path::PathBuf,
    ) -> Self {
        let hash = |secret: &str| Sha256::digest(secret).into();
        Self {
            admin_token: admin_token.map(hash),
            admin_token_from_elsewhere,
            setup_code: Mutex::new(setup_code.map(hash)),
            guesses: Guesses::default(),
            refused_ms: Mutex::default(),
            setup_code_file,
        }
    }

    fn is_admin_token(&self, given: &str) -> bool {
        self.admin_token.is_some_and(|known| known.ct_eq(&Sha256::digest(given)).into())
    }

    pub(super) fn is_setup_code(&self, given: &str) -> bool {
        let known = *self.setup_code.lock().unwrap_or_else(PoisonError::into_inner);
        known.is_some_and(|known| known.ct_eq(&Sha256::digest(given)).into())
    }

    pub(super) fn close_setup(&self) {
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
    let peer = request.extensions().get::<Peer>();
    let is_here = peer.is_some_and(|peer| comes_from_here(peer, request.headers()));
    let who = asks(&api, is_here, request.headers(), request.method()).await?;
    let action = permissions::action(request.method(), route.as_str());
    let Some(allowed) = action.filter(|action| who.may(*action)) else {
        return Err(refused(&api, &who, action, request.method(), request.uri().path()).await);
    };
    request.extensions_mut().insert(who.clone());
    if is_change(request.method()) && allowed.changes() {
        return Ok(audited::change(api, who, allowed, request, next).await);
    }
    Ok(next.run(request).await)
}

/// Whose token or session a request shows.
pub(super) async fn asks(
    api: &WebApi,
    is_here: bool,
    headers: &HeaderMap,
    method: &Method,
) -> Result<Who, ApiError> {
    match given_token(headers) {
        Some(given) if api.gate.is_admin_token(&given) => {
            if is_here || api.gate.admin_token_from_elsewhere {
                return Ok(Who::all_powerful("admin.token"));
            }
            let text = "the admin token is taken from the collector's own machine only; from elsewhere sign in on \
                        the page, or use a token of `haidang api-token create`";
            Err(unauthorized(text))
        }
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

/// Whether a request begins on this machine: a proxy here that passes on another's says so.
pub(super) fn comes_from_here(peer: &Peer, headers: &HeaderMap) -> bool {
    let passed_on = ["forwarded", "x-forwarded-for", "x-real-ip"];
    peer.is_here && !passed_on.iter().any(|name| headers.contains_key(*name))
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
        audited::write(api, &who.name, "access.refuse", &object, "refused").await;
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

pub(super) fn cookie(headers: &HeaderMap) -> Option<&str> {
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

pub(super) fn unauthorized(text: &str) -> ApiError {
    ApiError::new(StatusCode::UNAUTHORIZED, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_comes_through_a_proxy_comes_from_where_the_proxy_says() {
        let peer = |is_here| Peer { address: ([10, 0, 0, 1], 5).into(), is_here, identity: None };
        let mut headers = HeaderMap::new();
        assert!(comes_from_here(&peer(true), &headers));
        assert!(!comes_from_here(&peer(false), &headers));
        headers.insert("x-forwarded-for", header::HeaderValue::from_static("10.1.2.3"));
        assert!(!comes_from_here(&peer(true), &headers));
    }
}
