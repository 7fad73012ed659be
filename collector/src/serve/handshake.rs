//! What a failed TLS handshake means, and a parting that lets the other side hear why, also one that speaks no TLS at all.

use std::io;
use std::time::Duration;

use rustls::{AlertDescription, CertificateError, Error};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How long and how much of a refused connection is read: an agent has sent its first request by then.
const PART_TIME_MAX: Duration = Duration::from_secs(1);
const PART_BYTES_MAX: u64 = 64 << 10;

/// The name under which it is counted, and what it means to the people of the collector.
pub(super) fn meaning(error: &io::Error) -> (&'static str, &'static str) {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(Error::InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. },
        )) => ("certificate_expired", "the host's certificate has expired; enrol it again"),
        Some(Error::InvalidCertificate(
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. },
        )) => {
            ("certificate_not_yet_valid", "the host's certificate is not valid yet; set the clocks")
        }
        Some(Error::InvalidCertificate(_)) => (
            "certificate_foreign",
            "another authority signed the host's certificate; enrol it here",
        ),
        Some(Error::AlertReceived(
            AlertDescription::UnknownCA
            | AlertDescription::BadCertificate
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateExpired
            | AlertDescription::DecryptError,
        )) => {
            let text = "the host does not trust this collector: it is enrolled at another one, or \
                        has a token of another one, or its clock is wrong";
            ("distrusted", text)
        }
        Some(Error::InvalidMessage(_)) => ("not_tls", "what came is not TLS"),
        _ => ("handshake", "the other side broke it off, or offers nothing that we speak"),
    }
}

/// Whether the first byte is that of a method, not of a handshake (RFC 8446, 5.1: 22).
pub(super) async fn speaks_http(stream: &TcpStream) -> bool {
    let mut first = [0];
    matches!(stream.peek(&mut first).await, Ok(1) if first[0].is_ascii_uppercase())
}

/// Tells a browser, or the person before it, what is wrong with the address.
pub(super) async fn send_to_https(mut stream: TcpStream) {
    let text = "This port speaks HTTPS only: write https:// instead of http:// in the address.\n";
    let head =
        "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\nconnection: close";
    let answer = format!("{head}\r\ncontent-length: {}\r\n\r\n{text}", text.len());
    // Whether it is heard is the other side's business.
    if stream.write_all(answer.as_bytes()).await.is_ok() {
        part(stream).await;
    }
}

/// Closed at once, a connection with unread bytes is reset, and the alert that says why is lost with it.
pub(super) async fn part(mut stream: TcpStream) {
    let parting = async {
        stream.shutdown().await?;
        tokio::io::copy(&mut stream.take(PART_BYTES_MAX), &mut tokio::io::sink()).await
    };
    // Whether the other side was listening is its own business.
    drop(tokio::time::timeout(PART_TIME_MAX, parting).await);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(error: Error, expected: &str) {
        assert_eq!(meaning(&io::Error::new(io::ErrorKind::InvalidData, error)).0, expected);
    }

    #[test]
    fn every_lack_of_trust_has_a_name_of_its_own() {
        check(Error::InvalidCertificate(CertificateError::Expired), "certificate_expired");
        check(
            Error::InvalidCertificate(CertificateError::NotValidYet),
            "certificate_not_yet_valid",
        );
        check(Error::InvalidCertificate(CertificateError::UnknownIssuer), "certificate_foreign");
        check(Error::InvalidCertificate(CertificateError::BadSignature), "certificate_foreign");
        check(Error::AlertReceived(AlertDescription::UnknownCA), "distrusted");
        check(Error::HandshakeNotComplete, "handshake");
        assert_eq!(meaning(&io::Error::other("reset")).0, "handshake");
    }
}
