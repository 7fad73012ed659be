//! Targets as people write them, good and bad.

use std::path::Path;

use expect_test::expect;

use super::*;

#[derive(Debug, Deserr)]
#[deserr(deny_unknown_fields)]
struct File {
    targets: Vec<At<Raw>>,
}

fn read(text: &str) -> (Vec<Target>, String) {
    let document = Document::parse(Path::new("collector.yml"), text).unwrap();
    let mut problems = Vec::new();
    match document.read::<File>() {
        Err(problems) => (Vec::new(), problems.to_string()),
        Ok(file) => {
            let targets = ready(file.targets, &document, &mut problems);
            (targets, agent_model::Problems(problems).to_string())
        }
    }
}

#[test]
fn a_target_is_a_name_and_an_address_and_the_rest_has_defaults() {
    let (targets, problems) = read("targets: [{name: vm, url: 'http://127.0.0.1:8428/write'}]\n");
    assert_eq!(problems, "");
    let target = &targets[0];
    assert_eq!((target.version, target.shards, target.batch_samples_max), (Version::One, 4, 2_000));
    assert_eq!((target.queue_bytes_max, target.queue_age_max_ms), (1 << 30, 2 * 86_400_000));
    assert!(matches!(target.credentials, Credentials::None) && target.client_files.is_none());
}

#[test]
fn everything_that_is_wrong_is_told_at_once_with_its_line() {
    let (targets, problems) = read(concat!(
        "targets:\n",
        "  - name: a b\n",
        "    url: ftp://x/\n",
        "    version: 3\n",
        "    headers: {Authorization: Bearer x, Content-Type: y, 'no header': z}\n",
        "    basic_auth: {username: u, password_file: /p}\n",
        "    bearer_token_file: /t\n",
        "    tls: {cert_file: /c}\n",
        "    write_relabel: [{action: replace}, {regex: '(', action: labeldrop}]\n",
        "    shards: 0\n",
        "    batch_samples_max: 1000000\n",
        "    timeout: 0s\n",
        "    queue_bytes_max: 1MiB\n",
        "    queue_age_max: 8d\n",
        "  - {name: a b, url: 'http://user:secret@x/'}\n",
    ));
    assert!(targets.is_empty());
    expect![[r#"
        collector.yml:2: "a b" is no name: 1 to 64 letters, digits, `-` and `_`
        collector.yml:2: shards lies between 1 and 64
        collector.yml:2: batch_samples_max lies between 1 and 20000
        collector.yml:2: timeout must be longer than 0
        collector.yml:2: queue_bytes_max is at least 128MiB
        collector.yml:2: queue_age_max lies between 1ms and 7d
        collector.yml:5: use basic_auth or bearer_token_file: secrets stand in files
        collector.yml:5: content-type is set by the collector
        collector.yml:5: "no header" with this value is no HTTP header
        collector.yml:4: there is no version "3" of remote write; write 1 or 2
        collector.yml:7: basic_auth and bearer_token_file exclude each other
        collector.yml:8: cert_file and key_file belong together
        collector.yml:3: "ftp://x/" must begin with http:// or https://
        collector.yml:9: this action needs a target_label
        collector.yml:9: "(" cannot be used: regex parse error:
            ^(?s:()$
             ^
        error: unclosed group
        collector.yml:15: two targets are named "a b"
        collector.yml:15: "a b" is no name: 1 to 64 letters, digits, `-` and `_`
        collector.yml:15: a URL here must not hold a password; use basic_auth"#]]
    .assert_eq(&problems);
}
