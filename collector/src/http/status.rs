//! What is wrong, the worst first, each with what to do: the page's status and `haidang status`.
//! Pure. An empty list means that everything was looked at and is in order.

mod notifications;
mod targets;

use std::collections::BTreeSet;

use agent_model::Gap;
use collector_inventory::config::ServiceStatus;

use crate::http::alerts::severity;
use crate::http::backups::BackupState;
use crate::http::picture::{Picture, Shown, is_loud};
use crate::reload::Reload;

use targets::BadTarget;
pub(super) use targets::targets;

/// Names told in one sentence; the page has the others.
const NAMES_MAX: usize = 5;

#[derive(Debug, PartialEq, Eq)]
pub(super) struct StatusProblem {
    /// `critical`, `high`, `medium` or `low`.
    pub severity: &'static str,
    pub what: Words,
    pub what_to_do: Words,
    /// A route of the pages.
    pub link: &'static str,
}

/// A sentence in both languages.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Words {
    pub vi: String,
    pub en: String,
}

fn words(vi: impl Into<String>, en: impl Into<String>) -> Words {
    Words { vi: vi.into(), en: en.into() }
}

pub(super) fn problems(
    picture: &Picture,
    reload: &Reload,
    journal_damage: &[String],
    targets: &[BadTarget],
) -> Vec<StatusProblem> {
    let mut found = Vec::new();
    collector(picture, &mut found);
    alerts(picture, &mut found);
    services(picture, &mut found);
    hosts(picture, &mut found);
    backups(picture, &mut found);
    notifications::problems(picture, &mut found);
    files(reload, &mut found);
    journal(journal_damage, &mut found);
    targets::problems(targets, &mut found);
    gaps(picture, &mut found);
    found.sort_by_key(|problem| {
        ["critical", "high", "medium", "low"].iter().position(|one| *one == problem.severity)
    });
    found
}

fn collector(picture: &Picture, found: &mut Vec<StatusProblem>) {
    for reason in &picture.health.reasons {
        found.push(StatusProblem {
            severity: "critical",
            what: words(
                format!("Bộ thu thập chưa sẵn sàng: {reason}"),
                format!("the collector is not ready: {reason}"),
            ),
            what_to_do: words(
                "Nếu ổ đĩa của bộ thu thập đầy thì giải phóng chỗ; nếu không, xem nhật ký của nó. Nó tự chạy tiếp.",
                "If the collector's disk is full, free space; if not, read its log. It goes on by itself.",
            ),
            link: "#/",
        });
    }
    if !picture.health.ready && picture.health.reasons.is_empty() {
        found.push(StatusProblem {
            severity: "medium",
            what: words("Bộ thu thập đang khởi động", "the collector is starting"),
            what_to_do: words("Chờ vài giây rồi xem lại.", "Wait some seconds and look again."),
            link: "#/",
        });
    }
}

fn alerts(picture: &Picture, found: &mut Vec<StatusProblem>) {
    let loud = || picture.alerts.iter().filter(|status| is_loud(status));
    let open = loud().filter(|status| status.alert.acknowledgement.is_none());
    for grade in ["critical", "high", "medium", "low"] {
        let of_grade =
            open.clone().filter(|status| severity(&status.alert.labels) == grade).map(|status| {
                let labels = &status.alert.labels;
                let name = labels.get("alertname").unwrap_or("?");
                labels
                    .get("host")
                    .map_or_else(|| name.to_owned(), |host| format!("{name} ({host})"))
            });
        let Some((count, names)) = told(of_grade) else { continue };
        found.push(StatusProblem {
            severity: grade,
            what: words(
                format!("{count} cảnh báo chưa có người nhận xử lý: {names}"),
                format!("{count} firing alert(s) that nobody has taken: {names}"),
            ),
            what_to_do: words(
                "Mở trang Cảnh báo, làm theo các bước đầu tiên và xác nhận.",
                "Open the alerts, take the first steps, and acknowledge them.",
            ),
            link: "#/alerts",
        });
    }
}

fn services(picture: &Picture, found: &mut Vec<StatusProblem>) {
    let kinds = [
        (ServiceStatus::Down, "critical", "ngừng hoạt động", "down"),
        (ServiceStatus::Degraded, "medium", "hoạt động không đầy đủ", "degraded"),
        (ServiceStatus::Unknown, "low", "chưa rõ tình trạng", "of unknown state"),
    ];
    for (status, grade, vi, en) in kinds {
        let such = picture.services.iter().filter(|(_, report)| report.status == status);
        let names = such.map(|(id, _)| {
            picture
                .province
                .inventory
                .services
                .get(id)
                .map_or_else(|| id.clone(), |service| service.name.clone())
        });
        let Some((count, names)) = told(names) else { continue };
        found.push(StatusProblem {
            severity: grade,
            what: words(
                format!("{count} hệ thống {vi}: {names}"),
                format!("{count} service(s) {en}: {names}"),
            ),
            what_to_do: words(
                "Mở trang Tổng quan và xem lý do của từng hệ thống.",
                "Open the overview: it has the reasons of each service.",
            ),
            link: "#/",
        });
    }
}

fn hosts(picture: &Picture, found: &mut Vec<StatusProblem>) {
    if picture.hosts.is_empty() {
        found.push(StatusProblem {
            severity: "medium",
            what: words("Chưa có máy chủ nào được giám sát", "no host is watched yet"),
            what_to_do: words(
                "Tạo mã ghi danh bằng \"haidang token create\" rồi cài tác nhân lên máy chủ.",
                "Make a token with \"haidang token create\" and enrol a host with it.",
            ),
            link: "#/hosts",
        });
    }
    let kinds = [
        (Shown::Down, "high", "ngừng báo cáo", "silent"),
        (Shown::Unknown, "medium", "chưa có báo cáo nào", "of unknown state"),
    ];
    for (state, grade, vi, en) in kinds {
        let such = picture.hosts.iter().filter(|host| host.state == state);
        let Some((count, names)) = told(such.map(|host| host.id.as_str().to_owned())) else {
            continue;
        };
        found.push(StatusProblem {
            severity: grade,
            what: words(
                format!("{count} máy chủ {vi}: {names}"),
                format!("{count} host(s) {en}: {names}"),
            ),
            what_to_do: words(
                "Kiểm tra nguồn điện và mạng, rồi xem \"systemctl status haidang-agent\" trên máy chủ.",
                "Check power and network, then \"systemctl status haidang-agent\" on the host.",
            ),
            link: "#/hosts",
        });
    }
}

fn backups(picture: &Picture, found: &mut Vec<StatusProblem>) {
    let kinds = [
        (BackupState::Failed, "high", "thất bại", "failed"),
        (BackupState::Empty, "high", "không có dữ liệu", "empty"),
        (BackupState::Late, "high", "quá hạn", "late"),
        (BackupState::Unproven, "medium", "chưa được chứng minh", "unproven"),
        (BackupState::Unknown, "medium", "chưa thấy lần chạy nào", "never seen"),
    ];
    for (state, grade, vi, en) in kinds {
        let such = picture.backups.iter().filter(|backup| backup.state == state);
        let names = such.map(|backup| format!("{} ({})", backup.backup, backup.host));
        let Some((count, names)) = told(names) else { continue };
        found.push(StatusProblem {
            severity: grade,
            what: words(
                format!("{count} sao lưu {vi}: {names}"),
                format!("{count} backup(s) {en}: {names}"),
            ),
            what_to_do: words(
                "Mở trang Sao lưu, đọc dòng lỗi cuối cùng, sửa rồi chạy lại ngay một lần.",
                "Open the backups, read the last error line, mend it, and run it once now.",
            ),
            link: "#/backups",
        });
    }
}

fn journal(damage: &[String], found: &mut Vec<StatusProblem>) {
    let Some((count, ranges)) = told(damage.iter().cloned()) else { return };
    found.push(StatusProblem {
        severity: "high",
        what: words(
            format!("{count} đoạn nhật ký ghi không đọc được, một phần dữ liệu đã mất: {ranges}"),
            format!("{count} range(s) of the journal cannot be read, some data is lost: {ranges}"),
        ),
        what_to_do: words(
            "Kiểm tra ổ đĩa của bộ thu thập (smartctl, dmesg); xem các khoảng trống của từng máy chủ.",
            "Check the collector's disk (smartctl, dmesg); look at the gaps of each host.",
        ),
        link: "#/hosts",
    });
}

/// What is lost for good is no alert that ends: it is told for a day, and stays on the host's page.
fn gaps(picture: &Picture, found: &mut Vec<StatusProblem>) {
    let hosts: BTreeSet<&str> = picture.gaps.iter().map(|gap| gap.host.as_str()).collect();
    let Some((_, names)) = told(hosts.iter().map(|host| (*host).to_owned())) else { return };
    let sum = |count: fn(&Gap) -> u64| picture.gaps.iter().map(|gap| count(&gap.gap)).sum::<u64>();
    let (reports, events) = (sum(Gap::reports), sum(|gap| gap.events));
    found.push(StatusProblem {
        severity: if events > 0 { "high" } else { "medium" },
        what: words(
            format!("{reports} báo cáo ({events} sự kiện) trong 24 giờ qua đã mất hẳn: {names}"),
            format!("{reports} report(s) ({events} events) of a day will never arrive: {names}"),
        ),
        what_to_do: words(
            "Mở trang máy chủ, mục Khoảng trống dữ liệu: có thời gian và lý do. Nếu hàng đợi đầy, \
             tăng spool.bytes_max trong agent.yml.",
            "Open the host: its gaps have the time and the reason. If the spool was full, raise \
             spool.bytes_max in agent.yml.",
        ),
        link: "#/hosts",
    });
}

fn files(reload: &Reload, found: &mut Vec<StatusProblem>) {
    let problems = reload.problems();
    let Some(first) = problems.first() else { return };
    let (count, groups) = (problems.len(), reload.refused().join(", "));
    found.push(StatusProblem {
        severity: "medium",
        what: words(
            format!("{count} lỗi trong các tệp cấu hình ({groups}); lỗi đầu tiên: {first}"),
            format!("{count} problem(s) in configuration files ({groups}); the first: {first}"),
        ),
        what_to_do: words(
            "Sửa tệp rồi chạy \"haidang reload\": lệnh này in ra mọi lỗi còn lại. Trong lúc đó, \
             cấu hình đang chạy vẫn giữ nguyên.",
            "Mend the file and run \"haidang reload\", which prints every problem that is left. \
             Until then what runs stays as it is.",
        ),
        link: "#/",
    });
}

/// How many there are, and the first few; `None` when there is none.
fn told(names: impl Iterator<Item = String>) -> Option<(usize, String)> {
    let names: Vec<String> = names.collect();
    if names.is_empty() {
        return None;
    }
    let mut text = names.iter().take(NAMES_MAX).cloned().collect::<Vec<_>>().join(", ");
    if names.len() > NAMES_MAX {
        text.push_str(", …");
    }
    Some((names.len(), text))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use agent_model::{Epoch, GapReason, HostId, Problem, Problems, Stream};
    use collector_inventory::HostGap;

    use super::*;
    use crate::health::Health;
    use crate::http::picture::Notifications;
    use crate::reload::{FileGroup, GroupReport};

    fn picture() -> Picture {
        Picture {
            now_ms: 0,
            revision: 0,
            alerts_digest: String::new(),
            hosts: Vec::new(),
            alerts: Vec::new(),
            backups: Vec::new(),
            services: BTreeMap::new(),
            notifications: Notifications { configured: true, ..Notifications::default() },
            gaps: Vec::new(),
            health: Health { ready: true, reasons: Vec::new(), free_bytes: 9 },
            newest_report_ms: None,
            province: Arc::default(),
        }
    }

    fn told_of(picture: &Picture, rule_problem: Option<&str>) -> Vec<(&'static str, String)> {
        let problem =
            |text: &str| Problem { file: "a.yml".into(), line: Some(3), message: text.to_owned() };
        let problems = Problems(rule_problem.map(problem).into_iter().collect());
        let groups = vec![GroupReport { group: FileGroup::Rules, problems }];
        let reload = Reload { at_ms: 0, by: "start".to_owned(), groups, remarks: Vec::new() };
        let found = super::problems(picture, &reload, &[], &[]);
        found.into_iter().map(|problem| (problem.severity, problem.what.en)).collect()
    }

    #[test]
    fn an_empty_collector_is_not_in_order() {
        assert_eq!(told_of(&picture(), None), [("medium", "no host is watched yet".to_owned())]);
    }

    #[test]
    fn what_is_lost_for_good_is_told_and_lost_events_weigh_more() {
        let gap = |events| HostGap {
            host: HostId::new("dc1-srv07").unwrap(),
            gap: Gap {
                stream: Stream::Metrics,
                epoch: Epoch(1),
                first_sequence: 4,
                last_sequence: 9,
                from_ms: 1,
                to_ms: 2,
                samples: 600,
                events,
                reason: GapReason::SpoolOverflow,
            },
            recorded_ms: 3,
        };
        let mut picture = picture();
        picture.gaps = vec![gap(0), gap(0)];
        let found = told_of(&picture, None);
        let text = "12 report(s) (0 events) of a day will never arrive: dc1-srv07";
        assert!(found.contains(&("medium", text.to_owned())), "{found:?}");
        picture.gaps.push(gap(5));
        assert!(told_of(&picture, None).iter().any(|(grade, _)| *grade == "high"));
    }

    #[test]
    fn the_worst_comes_first_and_nothing_hides_the_rest() {
        let mut picture = picture();
        picture.health = Health { ready: false, reasons: vec!["full".to_owned()], free_bytes: 0 };
        picture.notifications = Notifications { configured: false, outbox: 2, failing: 2, dead: 1 };
        let found = told_of(&picture, Some("no"));
        let grades: Vec<_> = found.iter().map(|(grade, _)| *grade).collect();
        assert_eq!(grades, ["critical", "high", "high", "high", "medium", "medium"]);
        assert!(found[0].1.contains("full"));
        assert!(found[5].1.ends_with("(rules); the first: a.yml:3: no"), "{found:?}");
    }
}
