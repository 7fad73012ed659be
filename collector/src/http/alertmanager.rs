//! Alertmanager's API v2 behind the sign-in of this collector: each sees what lies in their scope, and what is changed stands
//! in the audit log under the name of who did it, whatever the request says.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::Method;
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::{Extension, Router};

use super::{ApiError, WebApi, Who, silences};
use crate::alertmanager;

pub(super) fn routes(api: &Arc<WebApi>) -> Router<Arc<WebApi>> {
    alertmanager::routes()
        .with_state(Arc::clone(&api.alertmanager))
        .route_layer(middleware::from_fn_with_state(Arc::clone(api), in_their_name))
}

async fn in_their_name(
    State(api): State<Arc<WebApi>>,
    Extension(who): Extension<Who>,
    mut request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        request.extensions_mut().insert(silences::asker(&api, &who).await?);
    }
    request.extensions_mut().insert(who.scope.clone());
    Ok(next.run(request).await)
}
