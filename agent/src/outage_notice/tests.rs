//! What is told, when, and what is refused in the configuration; the whole with a real agent is in `run`'s tests.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::*;

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn an_outage_is_told_once_and_so_is_its_end() {
    let start = Clock.instant();
    let at = |minutes: u32| start + MINUTE * minutes;
    let mut outage = Outage { taken_ms: 5, taken_at: start, told: false };
    assert_eq!(outage.look(5, at(4), MINUTE * 5), None);
    let begins = outage.look(5, at(5), MINUTE * 5).unwrap();
    assert_eq!(begins, Event::Begins(MINUTE * 5));
    outage.note(begins, true, at(5));
    assert_eq!(outage.look(5, at(500), MINUTE * 5), None);
    let ends = outage.look(6, at(501), MINUTE * 5).unwrap();
    assert_eq!(ends, Event::Ends);
    outage.note(ends, true, at(501));
    assert_eq!(outage.look(7, at(502), MINUTE * 5), None, "the end is told once");
    // Nobody could be told: again after the same time.
    let begins = outage.look(7, at(507), MINUTE * 5).unwrap();
    outage.note(begins, false, at(507));
    assert_eq!(outage.look(7, at(511), MINUTE * 5), None);
    assert!(outage.look(7, at(512), MINUTE * 5).is_some());
}

fn read(text: &str) -> Result<Config, String> {
    let document = Document::parse(Path::new("agent.yml"), text).unwrap();
    let raw: RawConfig = document.read().map_err(|problems| problems.to_string())?;
    let mut problems = Vec::new();
    let config = raw.ready(&document, &mut problems);
    let told: Vec<String> = problems.iter().map(|one| one.message.clone()).collect();
    if told.is_empty() { Ok(config) } else { Err(told.join("\n")) }
}

#[test]
fn what_sendmail_could_misunderstand_is_refused() {
    let config = read("{after: 10m, syslog: off, mail_to: [root, it@tinh.example]}").unwrap();
    assert_eq!((config.after, config.syslog), (MINUTE * 10, None));
    for wrong in ["-f", "a b", "a\\nBcc: b", "a;rm", ""] {
        let refused = read(&format!("mail_to: [\"{wrong}\"]")).unwrap_err();
        assert!(refused.contains("neither a local user nor an address"), "{refused}");
    }
    assert!(read("after: 5s").unwrap_err().contains("at least 1m"));
    assert!(read("sendmail: sendmail").unwrap_err().contains("whole path"));
    assert!(read("syslog: dev/log").unwrap_err().contains("path of a socket"));
}

/// A program that does as sendmail does, and keeps what it is given.
pub(crate) fn sendmail(directory: &Path, ending: &str) -> PathBuf {
    let path = directory.join("sendmail");
    let kept = directory.join("mails").display().to_string();
    let script = format!("#!/bin/sh\n{{ echo \"args: $*\"; cat; }} >> '{kept}'\n{ending}\n");
    std::fs::write(&path, script).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

#[tokio::test]
async fn a_mail_goes_to_sendmail_as_it_stands_and_a_refusal_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let host = HostId::new("dc1-srv01").unwrap();
    let mut config = Config {
        syslog: None,
        mail_to: vec!["root".to_owned(), "it@tinh.example".to_owned()],
        sendmail: sendmail(directory.path(), ""),
        ..Config::default()
    };
    assert!(tell(&config, &host, Event::Begins(MINUTE * 5)).await);
    let mails = std::fs::read_to_string(directory.path().join("mails")).unwrap();
    assert!(
        mails.starts_with("args: -i -- root it@tinh.example\nTo: root, it@tinh.example\n"),
        "{mails}"
    );
    assert!(mails.contains("\nSubject: [KHAN CAP] dc1-srv01: "), "{mails}");
    assert!(mails.contains("không máy thu thập Hải Đăng nào nhận báo cáo đã 5 phút"), "{mails}");
    config.sendmail = sendmail(directory.path(), "echo 'queue is full' >&2; exit 75");
    let refused = mail(&config, "s", "t").await.unwrap_err().to_string();
    assert!(refused.contains("queue is full"), "{refused}");
    config.sendmail = directory.path().join("nothing");
    assert!(!tell(&config, &host, Event::Ends).await);
}
