//! A reload over real stores and real files.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use collector_alerting::{AlertingConfig, Routing};
use collector_metric_store::{MetricStore, MetricStoreConfig};
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;

use super::*;
use crate::config::Config;
use crate::drills::{Checker, Plans};
use crate::query::Query;

const ROUTING: &str = "route: {receiver: duty}\nreceivers:\n  - name: duty\n    webhook_configs:\n      \
                       - url: http://127.0.0.1:9/\n";

async fn reloader(directory: &Path) -> Reloader {
    reloader_of(directory, None).await
}

async fn reloader_of(directory: &Path, tls: Option<(PathBuf, PathBuf)>) -> Reloader {
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let mut config = Config::defaults(directory.to_owned()).unwrap();
    config.web.tls = tls;
    let files = Files::new(&config, Some(directory.to_owned()));
    let database = directory.join("alerting.db");
    let alerting = AlertingConfig { database, external_url: String::new(), answers_links: false };
    let audit = Inventory::open(&directory.join("inventory.db")).await.unwrap();
    let store = MetricStore::open(MetricStoreConfig::new(directory.join("metrics"))).unwrap();
    let checker = Checker::new(Query::new(Arc::new(store))).unwrap();
    let in_force = InForce {
        rules: watch::Sender::new(Arc::default()),
        province: watch::Sender::new(Arc::default()),
        alerting: Alerting::open(alerting, Routing::nobody(), 0).await.unwrap(),
        drills: Arc::new(Drills::new(Plans::default(), audit.clone(), checker)),
        identity: files.certificate().unwrap().map(WebIdentity::new).map(Arc::new),
        metrics: SelfMetrics::new().unwrap(),
        changed: broadcast::Sender::new(1),
    };
    Reloader::new(files, in_force, audit, 1_000)
}

fn write(directory: &Path, name: &str, text: &str) {
    let path = directory.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

fn successful(reloader: &Reloader, group: FileGroup) -> (i64, i64) {
    let metrics = &reloader.in_force.metrics;
    let of = |gauge: &prometheus::IntGaugeVec| gauge.with_label_values(&[group.name()]).get();
    (of(&metrics.reload.successful), of(&metrics.reload.success_timestamp))
}

#[tokio::test]
async fn each_group_of_files_is_taken_whole_or_not_at_all_and_every_problem_is_told_by_line() {
    let directory = tempfile::tempdir().unwrap();
    let (place, reloader) = (directory.path(), reloader(directory.path()).await);
    let groups = || reloader.in_force.rules.borrow().metrics.groups.len();
    assert!(reloader.reload("lan").await.refused().is_empty());
    let shipped = groups();
    assert!(shipped > 0);

    write(place, "rules.d/a.yml", "groups:\n  - name: a\n    rules: [{alert: A, expr: up == 0}]\n");
    write(place, "inventory.yml", "sites:\n  - {id: dc1, name: A, type: datacenter}\n");
    assert!(reloader.reload("lan").await.refused().is_empty());
    assert_eq!(groups(), shipped + 1);

    // A good rule beside a bad one does not come in either; the other groups do.
    write(place, "rules.d/b.yml", "groups:\n  - name: b\n    rules: [{alert: B, expr: up == 0}]\n");
    write(
        place,
        "rules.d/c.yml",
        "groups:\n  - name: c\n    rules:\n      - {alert: C, expr: up ==}\n",
    );
    write(place, "inventory.yml", "sites:\n  - {id: dc1, name: A}\n  - {id: dc1}\n");
    write(place, "alerting.yml", ROUTING);
    let reload = reloader.reload("lan").await;
    assert_eq!(reload.refused(), ["rules", "inventory"]);
    let problems = reload.problems().join("\n");
    assert!(problems.contains("rules.d/c.yml:4: "), "{problems}");
    assert!(problems.contains("inventory.yml:2: ") && problems.contains("inventory.yml:3: "));
    assert_eq!(groups(), shipped + 1);
    assert_eq!(reloader.in_force.province.borrow().inventory.sites.len(), 1);
    assert!(reloader.in_force.alerting.routing(0).await.unwrap().tells_somebody());
    let (good, since) = successful(&reloader, FileGroup::Rules);
    assert!(good == 0 && since > 1, "the time stays that of the last success");
    assert_eq!(successful(&reloader, FileGroup::Routing).0, 1);

    let audited = reloader.audit.audit(None, 1).await.unwrap();
    assert_eq!(audited[0].entry.outcome, "refused: rules, inventory");
    std::fs::remove_file(place.join("rules.d/c.yml")).unwrap();
    assert_eq!(reloader.reload("SIGHUP").await.refused(), ["inventory"]);
    assert_eq!(groups(), shipped + 2);
}

/// A new certificate for the page at these files; what a browser sees of it.
fn certify((chain, key): &(PathBuf, PathBuf)) -> CertificateDer<'static> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(chain, made.cert.pem()).unwrap();
    std::fs::write(key, made.signing_key.serialize_pem()).unwrap();
    made.cert.der().clone()
}

/// What a client that trusts these certificates is shown on a new connection.
async fn shown(
    address: SocketAddr,
    trusted: &[&CertificateDer<'static>],
) -> CertificateDer<'static> {
    let mut roots = RootCertStore::empty();
    trusted.iter().for_each(|one| roots.add((*one).clone()).unwrap());
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let stream = TcpStream::connect(address).await.unwrap();
    let name = "localhost".try_into().unwrap();
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
    stream.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned()
}

#[tokio::test]
async fn a_renewed_certificate_of_the_page_is_shown_after_a_reload_and_a_broken_one_never() {
    let directory = tempfile::tempdir().unwrap();
    let files = (directory.path().join("web.pem"), directory.path().join("web.key"));
    let first = certify(&files);
    let reloader = reloader_of(directory.path(), Some(files.clone())).await;
    let acceptor = crate::tls::for_people(reloader.in_force.identity.clone().unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let accepted = acceptor.accept(stream);
            tokio::spawn(async move { drop(accepted.await) });
        }
    });
    assert_eq!(shown(address, &[&first]).await, first);
    let second = certify(&files);
    // Files alone change nothing.
    assert_eq!(shown(address, &[&first, &second]).await, first);
    assert!(reloader.reload("lan").await.refused().is_empty());
    assert_eq!(shown(address, &[&first, &second]).await, second);
    // A key that does not belong to the certificate.
    let third = certify(&(files.0.clone(), directory.path().join("other.key")));
    assert_eq!(reloader.reload("lan").await.refused(), ["certificate"]);
    assert_eq!(shown(address, &[&second, &third]).await, second);
    assert_eq!(successful(&reloader, FileGroup::Certificate).0, 0);
}
