//! `http_config` and `tls_config`, as written.

use agent_yaml::{Anything, At, Entries, Findings};
use deserr::Deserr;

#[derive(Debug, Deserr)]
#[deserr(error = Findings, deny_unknown_fields)]
pub(in crate::routing) struct Http {
    #[deserr(default = true)]
    pub(in crate::routing) follow_redirects: bool,
    #[deserr(default = true)]
    pub(in crate::routing) enable_http2: bool,
    #[deserr(default)]
    pub(in crate::routing) authorization: Option<HttpAuthorization>,
    #[deserr(default)]
    pub(in crate::routing) basic_auth: Option<BasicAuth>,
    #[deserr(default)]
    pub(in crate::routing) bearer_token: Option<String>,
    #[deserr(default)]
    pub(in crate::routing) bearer_token_file: Option<String>,
    #[deserr(default)]
    pub(in crate::routing) proxy_url: Option<At<String>>,
    #[deserr(default)]
    pub(in crate::routing) no_proxy: Option<String>,
    #[deserr(default)]
    pub(in crate::routing) proxy_from_environment: bool,
    #[deserr(default)]
    pub(in crate::routing) http_headers: Entries<At<Header>>,
    #[deserr(default)]
    pub(in crate::routing) tls_config: Option<At<Tls>>,
    // Refused.
    #[deserr(default)]
    pub(in crate::routing) oauth2: Option<At<Anything>>,
    #[deserr(default)]
    pub(in crate::routing) proxy_connect_header: Option<At<Anything>>,
}

#[derive(Debug, Deserr)]
#[deserr(error = Findings, deny_unknown_fields)]
pub(in crate::routing) struct HttpAuthorization {
    #[deserr(rename = "type", default = "Bearer".to_owned())]
    pub(in crate::routing) scheme: String,
    #[deserr(default)]
    pub(in crate::routing) credentials: Option<String>,
    #[deserr(default)]
    pub(in crate::routing) credentials_file: Option<String>,
}

#[derive(Debug, Deserr)]
#[deserr(error = Findings, deny_unknown_fields)]
pub(in crate::routing) struct BasicAuth {
    #[deserr(default)]
    pub(in crate::routing) username: Option<String>,
    #[deserr(default)]
    pub(in crate::routing) username_file: Option<String>,
    #[deserr(default)]
    pub(in crate::routing) password: Option<String>,
    #[deserr(default)]
    pub(in crate::routing) password_file: Option<String>,
}

#[derive(Debug, Deserr)]
#[deserr(error = Findings, deny_unknown_fields)]
pub(in crate::routing) struct Header {
    #[deserr(default)]
    pub(in crate::routing) values: Vec<String>,
    #[deserr(default)]
    pub(in crate::routing) secrets: Vec<String>,
    #[deserr(default)]
    pub(in crate::routing) files: Vec<String>,
}

#[derive(Debug, Deserr)]
#[deserr(error = Findings, deny_unknown_fields)]
pub(in crate::routing) struct Tls {
    #[deserr(default)]
    pub(in crate::routing) ca: Option<String>,
    #[deserr(default)]
    pub(in crate::routing) ca_file: Option<String>,
    #[deserr(default)]
    pub(in crate::routing) cert: Option<String>,
    #[deserr(default)]
    pub(in crate::routing) cert_file: Option<String>,
    #[deserr(default)]
    pub(in crate::routing) key: Option<String>,
    #[deserr(default)]
    pub(in crate::routing) key_file: Option<String>,
    #[deserr(default)]
    pub(in crate::routing) server_name: Option<At<String>>,
    #[deserr(default)]
    pub(in crate::routing) insecure_skip_verify: bool,
    #[deserr(default)]
    pub(in crate::routing) min_version: Option<At<String>>,
    #[deserr(default)]
    pub(in crate::routing) max_version: Option<At<String>>,
}
