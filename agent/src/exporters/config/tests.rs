//! Sections that are right, and everything that is wrong told at once.

use expect_test::{Expect, expect};

use super::*;

fn check(exporters: &str, expected: Expect) {
    let text = format!("collectors: [{{address: 'c:1'}}]\ninterval: 15s\nexporters:\n{exporters}");
    let shown = match crate::Config::parse(Path::new("agent.yml"), &text) {
        Err(problems) => problems.to_string(),
        Ok(config) => {
            let ready = config.exporters.iter().map(|one| {
                let ready = one.ready(config.interval, "dc1-srv01").unwrap();
                let Ready { job, instance, interval, timeout, .. } = ready;
                format!("{job} {instance} {interval:?} {timeout:?}")
            });
            ready.collect::<Vec<_>>().join("\n")
        }
    };
    expected.assert_eq(&shown);
}

#[test]
fn left_out_keys_have_their_defaults_and_instances_tell_hosts_apart() {
    check(
        "  - {job: pg, url: 'http://localhost:9187/metrics'}\n  \
         - {job: pg, url: 'http://127.0.0.1:9188/metrics', interval: 5s}\n  \
         - {job: ups, url: 'http://ups.example/metrics', interval: 1m, timeout: 30s}\n  \
         - {job: ups, url: 'http://ups.example/more', instance: second}\n",
        expect![[r#"
            pg dc1-srv01:9187 15s 10s
            pg dc1-srv01:9188 5s 5s
            ups ups.example:80 60s 30s
            ups second 15s 10s"#]],
    );
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    check(
        "  - job: node\n    url: ftp://x/\n    interval: 10m\n    colour: red\n  \
         - url: http://x/\n",
        expect![[r#"
            agent.yml:7: unknown key `colour`; known here: job, url, instance, interval, timeout, basic_auth, bearer_token_file, tls, labels, metric_relabel, body_bytes_max, samples_max, labels_max, label_bytes_max
            agent.yml:8: `job` is missing"#]],
    );
    check(
        "  - job: node\n    url: ftp://x/\n    interval: 10m\n  \
         - job: a\n    url: http://me:secret@x/\n    timeout: 20s\n    labels: {host: x, __b: y}\n  \
         - job: b\n    url: http://x/\n    samples_max: 0\n    body_bytes_max: 1GB\n    \
         labels_max: 64\n    basic_auth: {username: u, password_file: /nonexistent/p}\n    \
         bearer_token_file: /dev/null\n  \
         - job: b\n    url: https://x:80/\n    tls: {ca_file: /nonexistent/ca, cert_file: /x, server_name: 'a b'}\n    \
         instance: ''\n  \
         - job: b\n    url: http://x/other\n    tls: {cert_file: /nonexistent/c, key_file: /nonexistent/k}\n",
        expect![[r#"
            agent.yml:4: "node" is a job of our own; choose another name
            agent.yml:5: "ftp://x/" must begin with http:// or https://
            agent.yml:6: the interval lies between 1s and 5m
            agent.yml:8: a URL here must not hold a password; use basic_auth
            agent.yml:9: the timeout must lie within the interval
            agent.yml:10: "__b" is no label name
            agent.yml:10: `host` is set by the collector
            agent.yml:11: samples_max lies between 1 and 50000
            agent.yml:11: labels_max lies between 1 and 63
            agent.yml:11: body_bytes_max lies between 1 and 33554432
            agent.yml:16: /nonexistent/p cannot be read: No such file or directory (os error 2)
            agent.yml:17: /dev/null cannot be read: it must hold one line of text
            agent.yml:17: basic_auth and bearer_token_file exclude each other
            agent.yml:21: an instance has 1 to 4096 bytes
            agent.yml:20: /nonexistent/ca cannot be read as PEM certificates
            agent.yml:20: "a b" is no name of a server
            agent.yml:20: cert_file and key_file belong together
            agent.yml:24: /nonexistent/c is no PEM: I/O error: No such file or directory (os error 2)
            agent.yml:23: two exporters of job "b" are x:80; give them an `instance` of their own"#]],
    );
}
