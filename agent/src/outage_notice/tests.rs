//! What is told, when, and what is refused in the configuration; the whole with a real agent is in `run`'s tests.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::*;

const MINUTE: Duration = Duration::from_secs(60);

const AFTER: Duration = Duration::from_secs(300);

const BOTH: [Way; 2] = [Way::Syslog, Way::Mail];

#[test]
fn an_outage_is_told_once_by_each_way_and_so_is_its_end() {
    let start = Clock.instant();
    let at = |minutes: u32| start + MINUTE * minutes;
    let mut outage = Outage::new(5, start, BTreeSet::new());
    assert_eq!(outage.look(5, at(4), AFTER, &BOTH), []);
    let begins = Event::Begins(AFTER);
    assert_eq!(outage.look(5, at(5), AFTER, &BOTH), [(Way::Syslog, begins), (Way::Mail, begins)]);
    outage.note(Way::Syslog, begins, true, at(5));
    outage.note(Way::Mail, begins, false, at(5));
    // The mail is tried again after the same time; the other way has said it.
    assert_eq!(outage.look(5, at(9), AFTER, &BOTH), []);
    let later = Event::Begins(AFTER * 2);
    assert_eq!(outage.look(5, at(10), AFTER, &BOTH), [(Way::Mail, later)]);
    outage.note(Way::Mail, later, true, at(10));
    assert_eq!(outage.look(5, at(500), AFTER, &BOTH), []);
    let ends = [(Way::Syslog, Event::Ends), (Way::Mail, Event::Ends)];
    assert_eq!(outage.look(6, at(501), AFTER, &BOTH), ends);
    outage.note(Way::Syslog, Event::Ends, true, at(501));
    outage.note(Way::Mail, Event::Ends, false, at(501));
    assert_eq!(outage.look(7, at(505), AFTER, &BOTH), []);
    assert_eq!(outage.look(8, at(506), AFTER, &BOTH), [(Way::Mail, Event::Ends)]);
    outage.note(Way::Mail, Event::Ends, true, at(506));
    assert_eq!(outage.look(9, at(507), AFTER, &BOTH), []);
}

#[test]
fn an_agent_that_starts_anew_in_an_outage_tells_it_no_second_time_and_tells_its_end() {
    let state = tempfile::tempdir().unwrap();
    let file = outage::file(state.path());
    assert_eq!(outage::load(&file), BTreeSet::new());
    outage::save(&file, &BTreeSet::from(BOTH));
    let start = Clock.instant();
    let mut outage = Outage::new(0, start, outage::load(&file));
    assert_eq!(outage.look(0, start + AFTER, AFTER, &BOTH), []);
    let ends = [(Way::Syslog, Event::Ends), (Way::Mail, Event::Ends)];
    assert_eq!(outage.look(9, start + AFTER + MINUTE, AFTER, &BOTH), ends);
    // Again nothing before the end could be told: it is still the outage that they know of.
    assert_eq!(outage.look(9, start + AFTER * 3, AFTER, &BOTH), []);
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
    assert!(tell(&config, &host, Way::Mail, Event::Begins(MINUTE * 5)).await);
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
    assert!(!tell(&config, &host, Way::Mail, Event::Ends).await);
}
