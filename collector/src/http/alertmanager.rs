//! Alertmanager's API v2 behind the sign-in of this collector: roles hold, and what is changed stands in the audit log
//! under the name of who did it, whatever the request says.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::Method;
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::{Extension, Router};

use super::sign_in::POSTED_ALERTS;
use super::{ApiError, WebApi, Who, sign_in};
use crate::alertmanager::{self, Author, Done};

pub(super) fn routes(api: &Arc<WebApi>) -> Router<Arc<WebApi>> {
    alertmanager::routes()
        .with_state(Arc::clone(&api.alertmanager))
        .route_layer(middleware::from_fn_with_state(Arc::clone(api), by_role))
}

async fn by_role(
    State(api): State<Arc<WebApi>>,
    Extension(who): Extension<Who>,
    mut request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD);
    let posts_alerts = request.uri().path() == POSTED_ALERTS && who.may_post_alerts();
    if changes && !posts_alerts && !who.may_act() {
        return Err(ApiError::forbidden("your role may look and not change anything"));
    }
    request.extensions_mut().insert(Author(who.name.clone()));
    let answer = next.run(request).await;
    if let Some(done) = answer.extensions().get::<Done>() {
        sign_in::audit(&api, &who.name, done.action, &done.object, "done").await;
        api.forget_picture().await;
    }
    Ok(answer)
}
