//! The collector's certificate authority: one self-signed CA, the collector's own certificate, and one
//! certificate per host.
//!
//! Promises: keys are written with mode 0600 before they are used; the CA outlives every restart; a host
//! certificate names exactly one host (common name, and the URI `haidang:host:<id>`).
//! Leaves to others: who may have a certificate (`enrol`), and which are revoked (the inventory).

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use agent_model::{HostId, Millis};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName,
    DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, PublicKey,
    PublicKeyData, SanType, SerialNumber,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

/// Agents verify this name whatever address they dial, so that a collector may move.
pub const COLLECTOR_NAME: &str = "haidang-collector";

/// The prefix of the URI that names a host in its certificate.
pub const HOST_URI_PREFIX: &str = "haidang:host:";

/// Long enough that no province has to replace it in a night shift; hosts' own certificates are short.
const CA_LIFETIME_MS: Millis = 20 * 365 * 86_400_000;

/// The collector makes itself a new one at every start, so this only bounds one uptime.
const SERVER_LIFETIME_MS: Millis = 5 * 365 * 86_400_000;

/// Certificates begin a little before now: a host's clock may lag.
const BACKDATE_MS: Millis = 3_600_000;

#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    #[error("{path} cannot be {action}")]
    File {
        path: PathBuf,
        action: &'static str,
        #[source]
        source: io::Error,
    },
    #[error("{path} does not hold what the authority wrote there; restore it from the snapshot")]
    Damaged {
        path: PathBuf,
        #[source]
        source: rcgen::Error,
    },
    #[error("a certificate cannot be made")]
    Make(#[source] rcgen::Error),
    #[error("the certificate request is not valid")]
    Request(#[source] rcgen::Error),
    #[error("the certificate is not readable")]
    Parse,
}

/// A host's request for a certificate: its public key. The names in it are what the host wishes, and are not read.
#[derive(Debug)]
pub struct HostRequest {
    key: PublicKey,
    /// Hexadecimal SHA-256 of the public key (SubjectPublicKeyInfo, RFC 5280 4.1): who asks, whatever the certificate.
    pub key_fingerprint: String,
}

impl HostRequest {
    /// Reads a request that was signed with the key it asks for.
    pub fn parse(csr_pem: &str) -> Result<Self, AuthorityError> {
        let request =
            CertificateSigningRequestParams::from_pem(csr_pem).map_err(AuthorityError::Request)?;
        let key = request.public_key;
        let key_fingerprint = hex::encode(Sha256::digest(key.subject_public_key_info()));
        Ok(Self { key, key_fingerprint })
    }
}

/// A certificate that was issued, with what the inventory keeps of it.
#[derive(Clone, Debug)]
pub struct Issued {
    pub pem: String,
    /// Hexadecimal SHA-256 of the DER bytes.
    pub fingerprint: String,
    pub serial: String,
    pub not_before_ms: Millis,
    pub not_after_ms: Millis,
}

/// The certificate authority.
#[derive(Debug)]
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    ca_pem: String,
    ca_der: CertificateDer<'static>,
}

impl Authority {
    /// Opens the authority in a directory, or makes it there.
    pub fn open(directory: &Path, now_ms: Millis) -> Result<Self, AuthorityError> {
        let (key_path, ca_path) = (directory.join("ca.key"), directory.join("ca.pem"));
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(directory);
        made.map_err(file(directory, "created"))?;
        if !ca_path.exists() {
            let key = KeyPair::generate().map_err(AuthorityError::Make)?;
            let ca = ca_params(now_ms)?.self_signed(&key).map_err(AuthorityError::Make)?;
            // The key first: a certificate without its key would be found as complete at the next start.
            write_secret(&key_path, &key.serialize_pem())?;
            write_secret(&ca_path, &ca.pem())?;
        }
        let read = |path: &Path| fs::read_to_string(path).map_err(file(path, "read"));
        let (key_pem, ca_pem) = (read(&key_path)?, read(&ca_path)?);
        let damaged = |path: &Path| {
            let path = path.to_owned();
            move |source| AuthorityError::Damaged { path, source }
        };
        let key = KeyPair::from_pem(&key_pem).map_err(damaged(&key_path))?;
        let issuer = Issuer::from_ca_cert_pem(&ca_pem, key).map_err(damaged(&ca_path))?;
        let ca_der =
            CertificateDer::from_pem_slice(ca_pem.as_bytes()).map_err(|_| AuthorityError::Parse)?;
        Ok(Self { issuer, ca_pem, ca_der })
    }

    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    pub fn ca_der(&self) -> &CertificateDer<'static> {
        &self.ca_der
    }

    /// Hexadecimal SHA-256 of the CA certificate: what an enrolment token carries.
    pub fn ca_fingerprint(&self) -> String {
        fingerprint(&self.ca_der)
    }

    /// A fresh certificate for the collector itself, with the chain that agents need to see.
    pub fn server_identity(
        &self,
        now_ms: Millis,
    ) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), AuthorityError> {
        let key = KeyPair::generate().map_err(AuthorityError::Make)?;
        let mut params = CertificateParams::new(vec![COLLECTOR_NAME.to_owned()])
            .map_err(AuthorityError::Make)?;
        params.distinguished_name = name(COLLECTOR_NAME);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        (params.not_before, params.not_after) = lifetime(now_ms, SERVER_LIFETIME_MS);
        let leaf = params.signed_by(&key, &self.issuer).map_err(AuthorityError::Make)?;
        let key =
            PrivateKeyDer::try_from(key.serialize_der()).map_err(|_| AuthorityError::Parse)?;
        Ok((vec![leaf.der().clone(), self.ca_der.clone()], key))
    }

    /// Signs a host's request.
    pub fn issue(
        &self,
        host: &HostId,
        request: &HostRequest,
        serial: [u8; 16],
        now_ms: Millis,
        lifetime_ms: Millis,
    ) -> Result<Issued, AuthorityError> {
        let mut params = CertificateParams::default();
        params.distinguished_name = name(host.as_str());
        let uri = format!("{HOST_URI_PREFIX}{host}");
        let uri = uri.try_into().map_err(AuthorityError::Make)?;
        params.subject_alt_names = vec![SanType::URI(uri)];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        params.serial_number = Some(SerialNumber::from_slice(&serial));
        (params.not_before, params.not_after) = lifetime(now_ms, lifetime_ms);
        let certificate =
            params.signed_by(&request.key, &self.issuer).map_err(AuthorityError::Make)?;
        Ok(Issued {
            pem: certificate.pem(),
            fingerprint: fingerprint(certificate.der()),
            serial: hex::encode(serial),
            not_before_ms: now_ms - BACKDATE_MS,
            not_after_ms: now_ms + lifetime_ms,
        })
    }
}

/// Hexadecimal SHA-256 of a certificate.
pub fn fingerprint(certificate: &CertificateDer<'_>) -> String {
    hex::encode(Sha256::digest(certificate))
}

/// The host that a verified client certificate speaks for.
pub fn host_of(certificate: &CertificateDer<'_>) -> Option<HostId> {
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate).ok()?;
    let names = parsed.subject_alternative_name().ok()??;
    names.value.general_names.iter().find_map(|name| match name {
        x509_parser::extensions::GeneralName::URI(uri) => {
            HostId::new(uri.strip_prefix(HOST_URI_PREFIX)?).ok()
        }
        _ => None,
    })
}

fn ca_params(now_ms: Millis) -> Result<CertificateParams, AuthorityError> {
    let mut params = CertificateParams::new(Vec::new()).map_err(AuthorityError::Make)?;
    params.distinguished_name = name("Hải Đăng CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(1));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    (params.not_before, params.not_after) = lifetime(now_ms, CA_LIFETIME_MS);
    Ok(params)
}

fn name(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    name
}

fn lifetime(now_ms: Millis, length_ms: Millis) -> (OffsetDateTime, OffsetDateTime) {
    let at = |ms: Millis| {
        OffsetDateTime::from_unix_timestamp(ms / 1_000).unwrap_or(OffsetDateTime::UNIX_EPOCH)
    };
    (at(now_ms - BACKDATE_MS), at(now_ms + length_ms))
}

/// Writes a new file that only its owner may read, whole or not at all.
pub fn write_secret(path: &Path, text: &str) -> Result<(), AuthorityError> {
    let temporary = path.with_extension("tmp");
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut out = options.open(&temporary).map_err(file(&temporary, "created"))?;
    out.write_all(text.as_bytes()).map_err(file(&temporary, "written"))?;
    out.sync_all().map_err(file(&temporary, "written"))?;
    fs::rename(&temporary, path).map_err(file(path, "put in place"))?;
    let directory = path.parent().unwrap_or(Path::new("."));
    let handle = fs::File::open(directory).map_err(file(directory, "opened"))?;
    handle.sync_all().map_err(file(directory, "written"))
}

fn file(path: &Path, action: &'static str) -> impl FnOnce(io::Error) -> AuthorityError {
    let path = path.to_owned();
    move |source| AuthorityError::File { path, action, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = 1_800_000_000_000;

    #[test]
    fn the_authority_is_the_same_after_a_restart_and_its_key_is_private() {
        let directory = tempfile::tempdir().unwrap();
        let first = Authority::open(directory.path(), NOW).unwrap();
        let second = Authority::open(directory.path(), NOW + 5).unwrap();
        assert_eq!(first.ca_fingerprint(), second.ca_fingerprint());
        let mode = std::os::unix::fs::MetadataExt::mode(
            &fs::metadata(directory.path().join("ca.key")).unwrap(),
        );
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_host_certificate_names_the_host_it_was_issued_for_whatever_the_request_says() {
        let directory = tempfile::tempdir().unwrap();
        let authority = Authority::open(directory.path(), NOW).unwrap();
        let key = KeyPair::generate().unwrap();
        let wish = CertificateParams::new(vec!["another-host".to_owned()]).unwrap();
        let csr = wish.serialize_request(&key).unwrap().pem().unwrap();
        let host = HostId::new("dc1-srv01").unwrap();
        let request = HostRequest::parse(&csr).unwrap();
        let issued = authority.issue(&host, &request, [7; 16], NOW, 86_400_000).unwrap();
        let der = CertificateDer::from_pem_slice(issued.pem.as_bytes()).unwrap();
        assert_eq!(host_of(&der), Some(host));
        assert_eq!(fingerprint(&der), issued.fingerprint);
    }

    #[test]
    fn rubbish_is_no_request() {
        let refused = HostRequest::parse("rubbish");
        assert!(matches!(refused, Err(AuthorityError::Request(_))));
    }

    #[test]
    fn a_request_is_known_by_its_key_and_only_who_holds_the_key_can_make_it() {
        let request = |key: &KeyPair, name: &str| {
            let wish = CertificateParams::new(vec![name.to_owned()]).unwrap();
            wish.serialize_request(key).unwrap()
        };
        let parse = |pem: &str| HostRequest::parse(pem).map(|request| request.key_fingerprint);
        let (key, other) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let first = parse(&request(&key, "a").pem().unwrap()).unwrap();
        assert_eq!(parse(&request(&key, "b").pem().unwrap()).unwrap(), first);
        assert_ne!(parse(&request(&other, "a").pem().unwrap()).unwrap(), first);
        // Another one's public key under a signature that is not its.
        let mut forged = request(&key, "a").der().to_vec();
        let last = forged.len() - 1;
        forged[last] ^= 1;
        let body = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, forged);
        let pem = format!(
            "-----BEGIN CERTIFICATE REQUEST-----\n{body}\n-----END CERTIFICATE REQUEST-----\n"
        );
        assert!(matches!(parse(&pem), Err(AuthorityError::Request(_))));
    }
}
