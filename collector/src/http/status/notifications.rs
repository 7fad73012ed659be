//! Notifications that do not reach people, as problems of the status: nobody to tell, a channel that fails, dead letters.

use super::{StatusProblem, words};
use crate::http::picture::Picture;

fn dead_letters(dead: u64, found: &mut Vec<StatusProblem>) {
    if dead == 0 {
        return;
    }
    found.push(StatusProblem {
        severity: "high",
        what: words(
            format!("{dead} thông báo đã bị bỏ vì gửi mãi không được"),
            format!("{dead} notification(s) were given up and never arrived"),
        ),
        what_to_do: words(
            "Sửa kênh gửi, rồi gửi lại hoặc ghi nhận đã xem: trang Cảnh báo, hoặc \"haidang notification list --dead\".",
            "Mend the channel, then send them again or note them as seen: \"haidang notification list --dead\".",
        ),
        link: "#/alerts",
    });
}

/// What is not told to people, as problems of the status.
pub(super) fn problems(picture: &Picture, found: &mut Vec<StatusProblem>) {
    if !picture.notifications.configured {
        found.push(StatusProblem {
            severity: "high",
            what: words(
                "Chưa có ai được báo khi có cảnh báo",
                "nobody is told when an alert fires",
            ),
            what_to_do: words(
                "Khai báo nơi nhận trong alerting.yml rồi chạy \"haidang reload\".",
                "Name a receiver in alerting.yml and run \"haidang reload\".",
            ),
            link: "#/alerts",
        });
    }
    dead_letters(picture.notifications.dead, found);
    let failed = picture.notifications.failing;
    if failed > 0 {
        found.push(StatusProblem {
            severity: "high",
            what: words(
                format!("{failed} thông báo chưa gửi được"),
                format!("{failed} notification(s) could not be delivered"),
            ),
            what_to_do: words(
                "Mở trang Cảnh báo, mục Thông báo đã gửi, và đọc lỗi; hệ thống vẫn gửi lại.",
                "Open the alerts, read the error under Notifications; they are tried again meanwhile.",
            ),
            link: "#/alerts",
        });
    }
}
