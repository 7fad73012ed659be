//! Identities on the disk: by authority, at changing addresses, from earlier versions, after a crash.

use std::fs;
use std::path::Path;

use tempfile::tempdir;

use super::*;
use crate::enrol::enrol;
use crate::test_collector::TestCollector;

async fn enrolled(collector: &TestCollector, state_dir: &Path) -> Identity {
    enrol(&collector.enrolment(state_dir)).await.unwrap();
    Identity::load(state_dir, collector.authority()).unwrap().unwrap()
}

fn names(state_dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(state_dir.join("identity")).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// A file as earlier versions wrote it, under the name of the address.
fn written_by_address(state_dir: &Path, identity: &Identity, address: &CollectorAddress) {
    let text = serde_json::json!({
        "key_pem": identity.key_pem,
        "certificate_pem": identity.certificate_pem,
        "ca_pem": identity.ca_pem,
    });
    fs::create_dir_all(state_dir.join("identity")).unwrap();
    let path = state_dir.join("identity").join(format!("{}.json", address.as_file_name()));
    fs::write(path, text.to_string()).unwrap();
}

#[tokio::test]
async fn a_file_named_by_address_is_read_once_and_then_named_by_authority() {
    let collector = TestCollector::start().await;
    let (elsewhere, state) = (tempdir().unwrap(), tempdir().unwrap());
    let identity = enrolled(&collector, elsewhere.path()).await;
    written_by_address(state.path(), &identity, &collector.address);
    for _ in 0..2 {
        let found = kept::all(state.path()).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].key_pem, identity.key_pem);
        assert!(found[0].was_met_at(&collector.address));
        assert_eq!(names(state.path()), [format!("{}.json", collector.authority())]);
    }
    // As after a crash between the new file and the removal of the old one.
    written_by_address(state.path(), &identity, &CollectorAddress::new("c.example:7443").unwrap());
    assert_eq!(kept::all(state.path()).unwrap().len(), 1);
    assert_eq!(names(state.path()).len(), 1);
    let found = Identity::load(state.path(), collector.authority()).unwrap().unwrap();
    assert_eq!(found.addresses, [&collector.address.as_file_name(), "c.example_7443"]);
}

#[tokio::test]
async fn an_address_belongs_to_the_collector_that_was_met_there_last() {
    let (first, second) = (TestCollector::start().await, TestCollector::start().await);
    let state = tempdir().unwrap();
    enrolled(&first, state.path()).await;
    let mut later = enrolled(&second, state.path()).await;
    let address = &first.address;
    let at = |address| kept::choices(state.path(), address).unwrap()[0].authority;
    assert_eq!(at(address), first.authority());
    later.learn(state.path(), address).unwrap();
    assert_eq!(at(address), second.authority());
    assert_eq!(at(&second.address), second.authority());
    let earlier = Identity::load(state.path(), first.authority()).unwrap().unwrap();
    assert_eq!(earlier.addresses, [""; 0]);
}

#[tokio::test]
async fn a_few_addresses_are_remembered() {
    let collector = TestCollector::start().await;
    let state = tempdir().unwrap();
    let mut identity = enrolled(&collector, state.path()).await;
    for port in 1..=40 {
        let address = CollectorAddress::new(&format!("c.example:{port}")).unwrap();
        identity.learn(state.path(), &address).unwrap();
    }
    let stored = Identity::load(state.path(), collector.authority()).unwrap().unwrap();
    assert_eq!(stored.addresses.len(), 16);
    assert_eq!(stored.addresses.last().unwrap(), "c.example_40");
}

#[tokio::test]
async fn a_damaged_file_is_named_and_the_others_are_used() {
    let collector = TestCollector::start().await;
    let state = tempdir().unwrap();
    enrolled(&collector, state.path()).await;
    fs::write(state.path().join("identity/c.example_7443.json"), "{}").unwrap();
    assert_eq!(kept::all(state.path()).unwrap().len(), 1);
    fs::remove_file(Identity::path(state.path(), collector.authority())).unwrap();
    let error = kept::all(state.path()).err().unwrap().to_string();
    assert!(error.contains("c.example_7443.json is damaged"), "{error}");
}

#[test]
fn a_request_keeps_its_key_until_its_certificate_is_there() {
    let state = tempdir().unwrap();
    let authority = AuthorityId::from_hex(&"ab".repeat(32)).unwrap();
    let host = HostId::new("a").unwrap();
    let key = |host: &HostId| Request::open(state.path(), authority, host).unwrap().key_pem;
    let first = key(&host);
    assert_eq!(key(&host), first, "as after a crash");
    assert_ne!(key(&HostId::new("b").unwrap()), first, "another name is another request");
    let path = Request::path(state.path(), authority);
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&path).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    fs::write(&path, "{").unwrap();
    let second = key(&host);
    assert_ne!(second, first, "half a file is no key");
    Request::open(state.path(), authority, &host).unwrap().done().unwrap();
    assert_ne!(key(&host), second, "the next request is a new one");
}
