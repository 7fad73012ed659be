//! `/api/users`: who may sign in.
//! Promises: only administrators change users; the last of them stays; a deleted user's deeds keep their name, because
//! users are disabled and never removed.

use std::sync::Arc;

use axum::extract::{Json, Path, State};
use axum::http::StatusCode;
use axum::{Extension, Router, routing};
use collector_inventory::{InventoryError, UserChange, UserChanged};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::clock;
use crate::done::Done;
use crate::http::audited::Changed;
use crate::http::permissions::{Action, Role, role_and_scope};
use crate::http::{ApiError, WebApi, Who, passwords, sign_in};
use crate::scope::Scope;

pub(super) fn routes() -> Router<Arc<WebApi>> {
    Router::new()
        .route("/api/users", routing::get(list).post(create))
        .route("/api/users/{name}", routing::delete(disable))
        .route("/api/users/{name}/enable", routing::post(enable))
        .route("/api/users/{name}/role", routing::post(set_role))
        .route("/api/users/{name}/password", routing::post(set_password))
}

fn wrong(error: InventoryError) -> ApiError {
    ApiError::internal("users cannot be read or stored", &error)
}

async fn list(State(api): State<Arc<WebApi>>) -> Result<Json<Value>, ApiError> {
    let users = api.inventory.users().await.map_err(wrong)?;
    let shown = users.into_iter().map(|user| {
        json!({
            "name": user.name, "display_name": user.display_name, "role": user.role,
            "scope": (!user.scope.is_empty()).then_some(user.scope), "disabled": user.disabled, "created_ms": user.created_ms,
            "password_changed_ms": user.password_changed_ms,
        })
    });
    Ok(Json(shown.collect()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewUser {
    name: String,
    password: String,
    role: String,
    /// Of a vendor: matchers of its own systems.
    #[serde(default)]
    scope: String,
}

async fn create(
    State(api): State<Arc<WebApi>>,
    Json(given): Json<NewUser>,
) -> Result<(StatusCode, Done, Json<Value>), ApiError> {
    let (role, scope) = role_and_scope(&given.role, &given.scope).map_err(ApiError::bad_request)?;
    let user = sign_in::new_user(given.name, given.password, role, &given.scope).await?;
    if !api.inventory.user_create(&user, clock::now_ms()).await.map_err(wrong)? {
        let text = format!("the name {} is taken, perhaps by a disabled user", user.name);
        return Err(ApiError::conflict(text));
    }
    let object = described(&user.name, role, &scope);
    let made = Json(json!({ "name": user.name, "role": user.role }));
    Ok((StatusCode::CREATED, Done::to("user.create", object), made))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewPassword {
    password: String,
}

/// Ends every session of the user, also the one that asks.
async fn set_password(
    State(api): State<Arc<WebApi>>,
    Extension(who): Extension<Who>,
    Path(name): Path<String>,
    Json(given): Json<NewPassword>,
) -> Result<(Done, StatusCode), ApiError> {
    if who.name != name && !who.may(Action::Administer) {
        return Err(ApiError::forbidden(Action::Administer.refusal(who.role)));
    }
    if let Some(problem) = passwords::problem_with(&given.password) {
        return Err(ApiError::bad_request(problem));
    }
    let Some(hash) = passwords::hash(given.password).await else {
        let text = "the password cannot be hashed: the system gives no random bytes";
        return Err(ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, text));
    };
    let done = api.inventory.user_set_password(&name, &hash, clock::now_ms()).await;
    if !done.map_err(wrong)? {
        return Err(ApiError::not_found(format!("there is no user {name}")));
    }
    api.users_changed.send_replace(());
    Ok((Done::to("user.password", name), StatusCode::NO_CONTENT))
}

/// Its sessions end, and live pages of everybody come back and show whose they are.
async fn disable(
    State(api): State<Arc<WebApi>>,
    Path(name): Path<String>,
) -> Result<(Done, StatusCode), ApiError> {
    change(&api, &name, UserChange::Disable).await?;
    Ok((Done::to("user.disable", name), StatusCode::NO_CONTENT))
}

async fn enable(State(api): State<Arc<WebApi>>, Path(name): Path<String>) -> Changed {
    change(&api, &name, UserChange::Enable).await?;
    Ok((Done::to("user.enable", name), Json(json!({}))))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewRole {
    role: String,
    /// Of a vendor: matchers of its own systems.
    #[serde(default)]
    scope: String,
}

async fn set_role(
    State(api): State<Arc<WebApi>>,
    Path(name): Path<String>,
    Json(given): Json<NewRole>,
) -> Changed {
    let (role, scope) = role_and_scope(&given.role, &given.scope).map_err(ApiError::bad_request)?;
    let object = described(&name, role, &scope);
    let scope = given.scope.trim().to_owned();
    change(&api, &name, UserChange::Role { role: role.name().to_owned(), scope }).await?;
    Ok((Done::to("user.role", object), Json(json!({}))))
}

async fn change(api: &WebApi, name: &str, change: UserChange) -> Result<(), ApiError> {
    let changed = api.inventory.user_change(name, &change, Role::Admin.name()).await;
    match changed.map_err(wrong)? {
        UserChanged::Done => api.users_changed.send_replace(()),
        UserChanged::Unknown => {
            return Err(ApiError::not_found(format!("there is no user {name}")));
        }
        UserChanged::LastOne => {
            let text = "the last administrator stays; make another one first";
            return Err(ApiError::conflict(text));
        }
    }
    Ok(())
}

fn described(name: &str, role: Role, scope: &Scope) -> String {
    let of = if scope.is_everything() { String::new() } else { format!(" of {scope}") };
    format!("{name} ({}{of})", role.name())
}
