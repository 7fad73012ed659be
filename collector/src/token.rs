//! Enrolment tokens as text: `hd1.<SHA-256 of the CA certificate, hex>.<secret, base64url>`.
//! The fingerprint lets a host know its collector before it trusts it; the secret lets the collector know
//! that somebody invited the host. Only the secret's hash is stored.

use aws_lc_rs::rand;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

const PREFIX: &str = "hd1";

/// Thirty-two random bytes as text: for tokens, sessions and ids that must not be guessed.
pub fn random_secret() -> Result<String, RandomError> {
    Ok(URL_SAFE_NO_PAD.encode(random_bytes::<32>()?))
}

/// The system gives no random bytes; nothing secret can be made.
#[derive(Debug, thiserror::Error)]
#[error("the system gives no random bytes")]
pub struct RandomError;

pub fn random_bytes<const N: usize>() -> Result<[u8; N], RandomError> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).map_err(|_| RandomError)?;
    Ok(bytes)
}

pub fn token_text(ca_fingerprint: &str, secret: &str) -> String {
    format!("{PREFIX}.{ca_fingerprint}.{secret}")
}

/// The secret of a token for this CA; `None` when it is no token, or one for another CA.
pub fn secret_of<'a>(token: &'a str, ca_fingerprint: &str) -> Option<&'a str> {
    let mut parts = token.trim().split('.');
    let (prefix, fingerprint, secret) = (parts.next()?, parts.next()?, parts.next()?);
    let known = prefix == PREFIX && fingerprint == ca_fingerprint && parts.next().is_none();
    (known && !secret.is_empty()).then_some(secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_gives_its_secret_to_its_own_authority_only() {
        let secret = random_secret().unwrap();
        assert_eq!(secret.len(), 43);
        let token = token_text("ab12", &secret);
        assert_eq!(secret_of(&token, "ab12"), Some(secret.as_str()));
        assert_eq!(secret_of(&token, "cd34"), None);
        for rubbish in ["", "hd1", "hd1.ab12", "hd1.ab12.", "hd2.ab12.x", "hd1.ab12.x.y"] {
            assert_eq!(secret_of(rubbish, "ab12"), None, "{rubbish:?}");
        }
    }
}
