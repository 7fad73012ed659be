//! A target behind TLS that asks who we are.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio_rustls::TlsAcceptor;

use super::*;

/// An authority, and a certificate of it with its key.
struct Province {
    authority: CertifiedIssuer<'static, KeyPair>,
}

impl Province {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Self { authority: CertifiedIssuer::self_signed(params, key).unwrap() }
    }

    fn issue(&self, name: &str) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        (params.signed_by(&key, &self.authority).unwrap(), key)
    }

    /// Shows a certificate for `localhost`, and wants one of this authority.
    fn acceptor(&self) -> TlsAcceptor {
        let mut roots = RootCertStore::empty();
        roots.add(self.authority.der().clone()).unwrap();
        let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).build().unwrap();
        let (certificate, key) = self.issue("localhost");
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder()
            .with_client_cert_verifier(verifier)
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        Arc::new(config).into()
    }
}

#[tokio::test]
async fn a_target_behind_tls_is_known_by_its_authority_and_we_by_our_certificate() {
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let province = Province::new();
    let receiver = Receiver::behind(Some(province.acceptor())).await;
    let mut bench = Bench::new(&format!("https://localhost:{}/write", receiver.port()));
    let file = |name: &str, text: String| {
        let path = bench.directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let (certificate, key) = province.issue("haidang");
    let ca = file("ca.pem", province.authority.pem());
    let ours = (file("our.pem", certificate.pem()), file("our.key", key.serialize_pem()));
    // Unknown to us.
    let (outward, running) = bench.start();
    bench.push(&[1], 1).await;
    eventually("the failure", || bad(&outward)).await;
    drop(running);
    // Known to us, and we are unknown to it.
    bench.target.ca_file = Some(ca.clone());
    let (outward, running) = bench.start();
    eventually("the failure", || bad(&outward)).await;
    drop(running);
    bench.target.client_files = Some(ours);
    let (outward, _running) = bench.start();
    eventually("the sample", || outward.stored() == Some(Position(1))).await;
    assert_eq!(receiver.requests(), 1);
    // Files that cannot be used are a matter of the configuration.
    bench.target.client_files = Some((ca.clone(), ca.clone()));
    bench.target.ca_file = Some(ca.with_extension("gone"));
    let problems = check(&[bench.target]).to_string();
    assert!(problems.contains("remote write target there: ") && problems.contains("ca.gone"));
}

fn bad(outward: &Outward) -> bool {
    outward.targets().any(|target| matches!(target.health(), Health::Failing { .. }))
}
