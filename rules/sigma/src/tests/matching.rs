//! Rules on one event.

use agent_model::EventClass;
use expect_test::expect;

use super::{event, load, run, story};

fn rule(logsource: &str, detection: &str) -> String {
    format!(
        "title: The rule\nlogsource: {logsource}\ndetection:\n  x: {detection}\n  condition: x\n"
    )
}

#[test]
fn fields_of_the_event_and_our_own_can_be_asked_for() {
    let one = event(1, 5, &[("CommandLine", "/usr/bin/curl -s http://192.0.2.1"), ("User", "an")]);
    for (detection, matches) in [
        ("{CommandLine|contains|all: [curl, 'http://']}", true),
        ("{CommandLine|contains: wget}", false),
        ("{User: AN}", true),
        ("{User|re: '^a.$'}", true),
        ("{Host|startswith: dc1-}", true),
        ("{Source: auth_log, Class: authentication, Severity: informational}", true),
        ("{Message|endswith: ' 1'}", true),
        ("{TargetFilename|exists: false}", true),
        ("['line 1']", true),
        ("['line 2']", false),
    ] {
        let found = run(&load(&rule("{product: linux}", detection)), std::slice::from_ref(&one));
        assert_eq!(!found.is_empty(), matches, "{detection}");
    }
}

#[test]
fn a_logsource_chooses_sources_programs_and_classes() {
    let mut one = event(1, 5, &[("Program", "sshd")]);
    one.event.class = EventClass::Authentication;
    for (logsource, matches) in [
        ("{}", true),
        ("{product: linux, service: sshd}", true),
        ("{product: linux, service: auth_log}", true),
        ("{product: linux, service: auth}", true),
        ("{category: authentication}", true),
        ("{service: sudo}", false),
        ("{category: process_creation}", false),
        ("{product: windows}", false),
        ("{product: windows, service: sshd}", false),
    ] {
        let found =
            run(&load(&rule(logsource, "{Message|contains: line}")), std::slice::from_ref(&one));
        assert_eq!(!found.is_empty(), matches, "{logsource}");
    }
}

#[test]
fn an_event_cannot_forge_what_is_ours() {
    let forged = event(1, 5, &[("Host", "bk-srv02"), ("Source", "journald")]);
    let rules = load(&rule("{}", "{Message|contains: line}"));
    expect![[r#"
        5: TheRule{host="dc1-srv01"} x1
    "#]]
    .assert_eq(&story(&run(&rules, &[forged])));
}

#[test]
fn dotted_field_names_are_flat() {
    let one = event(1, 5, &[("process.name", "curl")]);
    assert_eq!(run(&load(&rule("{}", "{process.name: curl}")), &[one]).len(), 1);
}

#[test]
fn a_value_in_a_sentence_is_never_a_template() {
    let text = rule("{}", "{Message|contains: line}")
        + "annotations: {summary_en: 'by {{ $labels.user }}, {{ $event.Nothing }}'}\n";
    let found = run(&load(&text), &[event(1, 5, &[("User", "{{ $labels.host }}\u{7}")])]);
    assert_eq!(found[0].annotations["summary_en"], "by {{ $labels.host }} , ?");
}

#[test]
fn the_same_finding_has_the_same_id_and_another_rule_version_another() {
    let text = rule("{}", "{Message|contains: line}");
    let events = [event(1, 5, &[])];
    let id = |text: &str| run(&load(text), &events)[0].id;
    assert_eq!(id(&text), id(&format!("# a comment\n{text}\n\n")));
    assert_ne!(id(&text), id(&text.replace("contains", "startswith")));
}

#[test]
fn a_rule_without_a_name_is_called_after_its_title() {
    for (title, name) in [
        ("Password changed, twice!", "PasswordChangedTwice"),
        ("many failed  logins - over SSH.", "ManyFailedLoginsOverSSH"),
        ("!?", "SigmaRule"),
    ] {
        let text =
            rule("{}", "{Message|contains: line}").replace("The rule", &format!("'{title}'"));
        assert_eq!(load(&text).alert_names().collect::<Vec<_>>(), [name]);
    }
}
