//! `/api/api-tokens`: lasting tokens of programs, made, listed and revoked by administrators.
//! Promises: a token's text is shown once; every change is audited; none of them may do what an administrator may.

use std::sync::Arc;

use axum::extract::{Json, Path, State};
use axum::http::StatusCode;
use axum::{Extension, Router, routing};
use collector_inventory::{Access, ApiToken};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::api_tokens::ApiTokensError;
use crate::done::Done;
use crate::http::audited::Changed;
use crate::http::permissions::{Role, role_and_scope};
use crate::http::{ApiError, WebApi, Who};
use crate::{clock, push};

/// Nobody remembers a token that is older.
const LIFETIME_SECONDS_MAX: u64 = 5 * 366 * 86_400;

/// A name is typed, and stands in the audit log.
const NAME_CHARS_MAX: usize = 40;

pub(super) fn routes() -> Router<Arc<WebApi>> {
    Router::new()
        .route("/api/api-tokens", routing::get(list).post(create))
        .route("/api/api-tokens/{name}", routing::delete(revoke))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    name: String,
    /// Of a token that reads.
    #[serde(default)]
    role: Option<String>,
    /// Of a token that reads as vendor: matchers of its own systems.
    #[serde(default)]
    scope: String,
    /// Of a token that writes: name and value each, forced on all its series.
    #[serde(default)]
    write_labels: Vec<(String, String)>,
    lifetime_seconds: u64,
}

async fn create(
    State(api): State<Arc<WebApi>>,
    Extension(who): Extension<Who>,
    Json(asked): Json<Asked>,
) -> Changed {
    if !is_name(&asked.name) {
        let text = format!(
            "a token's name has 1 to {NAME_CHARS_MAX} of the characters a-z, A-Z, 0-9, dot, hyphen \
             and underscore"
        );
        return Err(ApiError::bad_request(text));
    }
    if asked.lifetime_seconds == 0 || asked.lifetime_seconds > LIFETIME_SECONDS_MAX {
        let text = format!("lifetime_seconds lies between 1 and {LIFETIME_SECONDS_MAX}");
        return Err(ApiError::bad_request(text));
    }
    let access =
        access(asked.role, &asked.scope, &asked.write_labels).map_err(ApiError::bad_request)?;
    let lifetime_ms = i64::try_from(asked.lifetime_seconds * 1_000).unwrap_or(i64::MAX);
    let (by, now_ms) = (who.name.clone(), clock::now_ms());
    let object = format!("{}: {}", asked.name, what(&access));
    let made = api.api_tokens.create(asked.name, access, lifetime_ms, by, now_ms).await;
    let text = made.map_err(|error| match error {
        ApiTokensError::NameTaken | ApiTokensError::TooMany => {
            ApiError::conflict(error.to_string())
        }
        error => ApiError::internal("the token cannot be made", &error),
    })?;
    Ok((Done::to("api_token.create", object), Json(json!({ "token": text }))))
}

async fn list(State(api): State<Arc<WebApi>>) -> Result<Json<Value>, ApiError> {
    let tokens = api.inventory.api_tokens().await;
    let tokens = tokens.map_err(|error| ApiError::internal("tokens cannot be read", &error))?;
    let now_ms = clock::now_ms();
    Ok(Json(tokens.iter().map(|token| shown(token, now_ms)).collect()))
}

async fn revoke(
    State(api): State<Arc<WebApi>>,
    Path(name): Path<String>,
) -> Result<(Done, StatusCode), ApiError> {
    let revoked = api.api_tokens.revoke(&name, clock::now_ms()).await;
    let revoked =
        revoked.map_err(|error| ApiError::internal("the token cannot be revoked", &error))?;
    if !revoked {
        return Err(ApiError::not_found(format!("no token {name} is in force")));
    }
    Ok((Done::to("api_token.revoke", name), StatusCode::NO_CONTENT))
}

fn is_name(name: &str) -> bool {
    let of_name =
        |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-' | '_');
    !name.is_empty() && name.len() <= NAME_CHARS_MAX && name.chars().all(of_name)
}

/// One of the two uses; a lasting secret that may do everything is no good idea.
fn access(
    role: Option<String>,
    scope: &str,
    labels: &[(String, String)],
) -> Result<Access, String> {
    match role {
        Some(_) if !labels.is_empty() => {
            Err("a token reads as a role, or writes with labels; not both".to_owned())
        }
        Some(role) if role == Role::Admin.name() => {
            Err("no lasting token may do what an administrator may".to_owned())
        }
        Some(role) => {
            role_and_scope(&role, scope)?;
            Ok(Access::Read { role, scope: scope.trim().to_owned() })
        }
        None if !scope.is_empty() => Err("a token that writes has labels and no scope".to_owned()),
        None => Ok(Access::Write { labels: push::owner_labels(labels)? }),
    }
}

fn what(access: &Access) -> String {
    match access {
        Access::Read { role, scope } if scope.is_empty() => format!("reads as {role}"),
        Access::Read { role, scope } => format!("reads as {role} of {scope}"),
        Access::Write { labels } => format!("writes {labels}"),
    }
}

fn shown(token: &ApiToken, now_ms: i64) -> Value {
    let state = match token.revoked_ms {
        Some(_) => "revoked",
        None if token.expires_ms <= now_ms => "expired",
        None => "in_force",
    };
    json!({
        "name": token.name, "access": what(&token.access), "state": state,
        "created_ms": token.created_ms, "created_by": token.created_by,
        "expires_ms": token.expires_ms, "revoked_ms": token.revoked_ms,
        "last_used_ms": token.last_used_ms,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_reads_or_writes_and_never_does_what_an_administrator_may() {
        let origin = vec![("origin".to_owned(), "dc2".to_owned())];
        let role = |role: &str| Some(role.to_owned());
        assert_eq!(what(&access(role("viewer"), "", &[]).unwrap()), "reads as viewer");
        assert_eq!(what(&access(None, "", &origin).unwrap()), r#"writes {origin="dc2"}"#);
        assert!(access(role("admin"), "", &[]).is_err());
        assert!(access(role("king"), "", &[]).is_err());
        assert!(access(role("viewer"), "", &origin).is_err());
        assert!(access(None, "", &[]).is_err());
        assert!(access(role("vendor"), "", &[]).is_err());
        let vendor = access(role("vendor"), "vendor=vnpt", &[]).unwrap();
        assert_eq!(what(&vendor), "reads as vendor of vendor=vnpt");
        assert!(access(None, "vendor=vnpt", &origin).is_err());
    }
}
