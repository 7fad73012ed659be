//! HTTP clients that channels share: reading the system's authorities takes some milliseconds and some memory, and a thousand
//! receivers that are reached in the same way need it once.
//! A channel with certificates of its own has a client of its own. A reload makes them anew.

use std::sync::{Mutex, PoisonError};

use reqwest::Client;

use crate::routing::HttpOptions;

use super::{SendError, client};

/// What a client is made from; who we are is said with each request.
#[derive(Clone, PartialEq, Eq)]
struct Way {
    follow_redirects: bool,
    http2: bool,
    proxy: Option<String>,
    no_proxy: String,
    proxy_from_environment: bool,
    skip_verify: bool,
    only_newest: bool,
}

/// Of one set of receivers; as many as they are reached in different ways.
static SHARED: Mutex<Vec<(Way, Client)>> = Mutex::new(Vec::new());

/// A client for these options.
pub(super) fn client(options: &HttpOptions) -> Result<Client, SendError> {
    let build = || client::builder(options)?.build().map_err(SendError::Http);
    if options.tls.authorities.is_some() || options.tls.identity.is_some() {
        return build();
    }
    let way = Way {
        follow_redirects: options.follow_redirects,
        http2: options.http2,
        proxy: options.proxy.clone(),
        no_proxy: options.no_proxy.clone(),
        proxy_from_environment: options.proxy_from_environment,
        skip_verify: options.tls.skip_verify,
        only_newest: options.tls.only_newest,
    };
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, client)) = shared.iter().find(|(known, _)| *known == way) {
        return Ok(client.clone());
    }
    let client = build()?;
    shared.push((way, client.clone()));
    Ok(client)
}

/// The next set of receivers begins anew: the system's authorities may have changed.
pub(super) fn forget() {
    SHARED.lock().unwrap_or_else(PoisonError::into_inner).clear();
}
