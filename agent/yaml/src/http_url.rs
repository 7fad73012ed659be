//! Addresses of HTTP servers that people write.

use url::Url;

/// The URL, or what is wrong with it. Secrets have no place in it, because it is shown; `instead` says where they go.
pub fn http_url(text: &str, instead: &str) -> Result<Url, String> {
    let url: Url = text.parse().map_err(|error| format!("{text:?} is not a URL: {error}"))?;
    if !["http", "https"].contains(&url.scheme()) {
        return Err(format!("{text:?} must begin with http:// or https://"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(format!("a URL here must not hold a password; {instead}"));
    }
    Ok(url)
}
