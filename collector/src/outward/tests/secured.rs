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
    let token_file = ca.with_extension("token");
    bench.target.credentials = config::Credentials::Bearer { token_file: token_file.clone() };
    let problems = check(&[bench.target]).to_string();
    assert!(problems.contains("remote write target there: ") && problems.contains("ca.gone"));
    assert!(problems.contains("ca.token cannot be read"), "{problems}");
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_without_a_restart_and_rubbish_in_its_place_is_not() {
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let (province, stranger) = (Province::new(), Province::new());
    let receiver = Receiver::behind(Some(province.acceptor())).await;
    let mut bench = Bench::new(&format!("https://localhost:{}/write", receiver.port()));
    let directory = bench.directory.path().to_owned();
    let write = |name: &str, text: String| {
        let path = directory.join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let renew = |province: &Province| {
        let (certificate, key) = province.issue("haidang");
        (write("our.pem", certificate.pem()), write("our.key", key.serialize_pem()))
    };
    bench.target.client_files = Some(renew(&stranger));
    bench.target.ca_file = Some(write("ca.pem", province.authority.pem()));
    let (outward, _running) = bench.start();
    bench.push(&[1], 1).await;
    eventually("the failure", || bad(&outward)).await;
    renew(&province);
    eventually("the sample", || outward.stored() == Some(Position(1))).await;
    write("our.key", "rubbish".to_owned());
    bench.push(&[1], 2).await;
    eventually("the next", || outward.stored() == Some(Position(2))).await;
    // Another authority of theirs is taken as well: the one that they really have is unknown then.
    renew(&province);
    write("ca.pem", stranger.authority.pem());
    bench.push(&[1], 3).await;
    eventually("the failure", || bad(&outward)).await;
    write("ca.pem", province.authority.pem());
    eventually("the last", || outward.stored() == Some(Position(3))).await;
}

fn bad(outward: &Outward) -> bool {
    outward.targets().any(|target| matches!(target.health(), Health::Failing { .. }))
}
