//! A certificate that runs out is told while there is still time, and no more once it is renewed.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tests::house::House;
use tests::webhook::Webhook;
use time::{Duration, OffsetDateTime};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// An HTTPS server whose certificate can be replaced, and the authority that signs it.
struct Site {
    issuer: Issuer<'static, KeyPair>,
    port: u16,
    acceptor: Arc<Mutex<TlsAcceptor>>,
}

impl Site {
    /// Starts a site whose certificate lives for this long; the authority's own goes into `ca_file`.
    async fn start(ca_file: &Path, left: Duration) -> anyhow::Result<Self> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.distinguished_name.push(DnType::CommonName, "Story CA");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate()?;
        std::fs::write(ca_file, params.self_signed(&key)?.pem())?;
        let issuer = Issuer::new(params, key);
        let socket = TcpListener::bind("127.0.0.1:0").await?;
        let port = socket.local_addr()?.port();
        let acceptor = Arc::new(Mutex::new(certificate(&issuer, left)?));
        let current = Arc::clone(&acceptor);
        tokio::spawn(async move {
            while let Ok((stream, _)) = socket.accept().await {
                let acceptor = current.lock().unwrap_or_else(PoisonError::into_inner).clone();
                tokio::spawn(answer(acceptor, stream));
            }
        });
        Ok(Self { issuer, port, acceptor })
    }

    fn renew(&self, left: Duration) -> anyhow::Result<()> {
        let renewed = certificate(&self.issuer, left)?;
        *self.acceptor.lock().unwrap_or_else(PoisonError::into_inner) = renewed;
        Ok(())
    }
}

fn certificate(issuer: &Issuer<'_, KeyPair>, left: Duration) -> anyhow::Result<TlsAcceptor> {
    let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()])?;
    let now = OffsetDateTime::now_utc();
    (params.not_before, params.not_after) = (now - Duration::days(1), now + left);
    let key = KeyPair::generate()?;
    let chain = vec![params.signed_by(&key, issuer)?.der().clone()];
    let key = PrivateKeyDer::try_from(key.serialize_der()).map_err(anyhow::Error::msg)?;
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

async fn answer(acceptor: TlsAcceptor, stream: TcpStream) -> anyhow::Result<()> {
    let mut stream = acceptor.accept(stream).await.context("no handshake")?;
    // A probe's request fits into one read.
    let mut request = [0; 4096];
    stream.read(&mut request).await.context("no request")?;
    let page = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok";
    stream.write_all(page.as_bytes()).await?;
    Ok(stream.shutdown().await?)
}

#[tokio::test]
async fn a_certificate_with_three_days_left_is_told_and_a_renewed_one_ends_the_alert()
-> anyhow::Result<()> {
    let webhook = Webhook::start().await?;
    let mut house = House::new()?;
    house.notify(&webhook)?;
    let ca_file = house.state_dir.join("story-ca.pem");
    // The third of the last three days has begun.
    let site = Site::start(&ca_file, Duration::hours(71)).await?;
    let (port, ca_file) = (site.port, ca_file.display());
    let probe = format!(
        "probe:\n  http:\n    - name: mot-cua\n      url: https://127.0.0.1:{port}/\n      \
         interval: 2s\n      timeout: 2s\n      ca_file: {ca_file}\n"
    );
    house.write("agent.yml", &house.agent_yml(&probe))?;
    house.start().await?;

    house.eventually_sees("probe_success{probe=\"mot-cua\"} == 1").await?;
    let told = webhook.expect("CertificateAboutToExpire", "firing").await;
    let (labels, _) = told.map_err(|error| error.context(house.last_log_lines()))?;
    assert_eq!(labels["probe"], "mot-cua");
    site.renew(Duration::days(90))?;
    webhook.expect("CertificateAboutToExpire", "resolved").await?;
    house.eventually_sees("probe_ssl_earliest_cert_expiry - time() > 80 * 86400").await?;
    // The weaker warning of the last weeks was never due.
    assert!(!webhook.alerts().iter().any(|(name, ..)| name == "CertificateExpiringSoon"));
    Ok(())
}
