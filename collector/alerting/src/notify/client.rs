//! HTTP clients as a receiver's `http_config` wants them.

use std::time::Duration;

use reqwest::tls::Version;
use reqwest::{Certificate, Client, ClientBuilder, Identity, NoProxy, Proxy, redirect};

use crate::routing::{HttpOptions, TlsOptions};

use super::{SendError, secret};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// As many hops as curl and Go follow by default.
const REDIRECTS_MAX: usize = 10;

pub(super) fn builder(options: &HttpOptions) -> Result<ClientBuilder, SendError> {
    let redirects = if options.follow_redirects {
        redirect::Policy::limited(REDIRECTS_MAX)
    } else {
        redirect::Policy::none()
    };
    let mut builder = Client::builder()
        .user_agent(concat!("haidang/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_TIMEOUT)
        .redirect(redirects);
    if !options.http2 {
        builder = builder.http1_only();
    }
    builder = match &options.proxy {
        Some(proxy) => {
            let proxy = Proxy::all(proxy).map_err(SendError::Http)?;
            builder.proxy(proxy.no_proxy(NoProxy::from_string(&options.no_proxy)))
        }
        None if options.proxy_from_environment => builder,
        None => builder.no_proxy(),
    };
    secured(builder, &options.tls)
}

/// Whether certificates and keys are there and are such.
pub(crate) fn usable(options: &TlsOptions) -> Result<(), SendError> {
    secured(Client::builder(), options).map(drop)
}

fn secured(mut builder: ClientBuilder, options: &TlsOptions) -> Result<ClientBuilder, SendError> {
    if let Some(authorities) = &options.authorities {
        let pem = secret::pem("the CA certificates", authorities)?;
        let certificates = Certificate::from_pem_bundle(&pem).map_err(SendError::Tls)?;
        if certificates.is_empty() {
            let text = "the CA certificates have none between BEGIN CERTIFICATE and its end";
            return Err(SendError::Setup(text.to_owned()));
        }
        builder = builder.tls_certs_only(certificates);
    }
    if let Some((certificate, key)) = &options.identity {
        let mut pem = secret::pem("our certificate", certificate)?;
        pem.push(b'\n');
        pem.extend(secret::pem("the key of our certificate", key)?);
        builder = builder.identity(Identity::from_pem(&pem).map_err(SendError::Tls)?);
    }
    if options.only_newest {
        builder = builder.tls_version_min(Version::TLS_1_3);
    }
    Ok(builder.tls_danger_accept_invalid_certs(options.skip_verify))
}
