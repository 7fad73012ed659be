//! What people read in a notification.

use std::sync::Arc;

use expect_test::expect;

use super::*;

fn notification(count: i64) -> Notification {
    let alerts = (0..count).map(|at| {
        let labels = Labels::new([
            ("alertname", "LoginFailing".to_owned()),
            ("severity", "critical".to_owned()),
            ("service", format!("Một cửa điện tử {at}")),
        ]);
        let annotations = [
            ("summary_vi", "không đăng nhập được <1>"),
            ("summary", "nobody can sign in"),
            ("impact_vi", "19 sở, 9 huyện, 101 xã."),
            ("cause_vi", "SSO (dc1-srv07) lỗi 5xx."),
            ("first_steps_vi", "1) Kiểm tra SSO. 2) Gọi người trực."),
        ];
        NotifiedAlert {
            fingerprint: labels.fingerprint(),
            given: labels.clone(),
            labels,
            annotations: Arc::new(
                annotations.map(|(name, text)| (name.to_owned(), text.to_owned())).into(),
            ),
            starts_ms: 1_795_223_520_000,
            resolved_ms: (at % 2 == 1).then_some(1_795_223_520_000 + 95 * 60_000),
            generator_url: None,
        }
    });
    Notification {
        idempotency_key: "k".to_owned(),
        receiver: "mail".into(),
        group_key: "{}:{}".to_owned(),
        group_labels: Labels::empty(),
        alerts: alerts.collect(),
        created_ms: 1_795_223_520_000 + 4 * 60_000,
        escalation: None,
    }
}

#[test]
fn the_subject_says_it_all_on_a_phone() {
    let expected =
        expect!["[KHẨN CẤP] Một cửa điện tử 0 – không đăng nhập được <1> (và 2 cảnh báo khác)"];
    expected.assert_eq(&subject(&notification(3)));
}

#[test]
fn the_text_follows_the_pattern_and_the_page_escapes_it() {
    let notification = notification(2);
    let expected = expect![[r#"
        [KHẨN CẤP] Một cửa điện tử 0 – không đăng nhập được <1>
        Từ 08:12 ngày 21/11/2026 (đã 4 phút).
        Ảnh hưởng: 19 sở, 9 huyện, 101 xã.
        Nguyên nhân nghi ngờ: SSO (dc1-srv07) lỗi 5xx.
        Cần làm gì: 1) Kiểm tra SSO. 2) Gọi người trực.
        Xem chi tiết: http://hd/#/alerts?wanted=c8d6cefbbdf32a14

        [ĐÃ KHẮC PHỤC] Một cửa điện tử 1 – không đăng nhập được <1>
        Từ 08:12 ngày 21/11/2026 đến 09:47 ngày 21/11/2026 (kéo dài 1 giờ 35 phút).
        Ảnh hưởng: 19 sở, 9 huyện, 101 xã.
        Nguyên nhân nghi ngờ: SSO (dc1-srv07) lỗi 5xx.
        Xem chi tiết: http://hd/#/alerts?wanted=21ba3c77d19f1c0a

    "#]];
    expected.assert_eq(&plain_text(&notification, "http://hd", ""));
    let expected = expect![[r#"
        <!DOCTYPE html><html lang="vi"><body>
        <h3>[KHẨN CẤP] Một cửa điện tử 0 – không đăng nhập được &lt;1&gt;</h3>
        <p>Từ 08:12 ngày 21/11/2026 (đã 4 phút).<br>
        Ảnh hưởng: 19 sở, 9 huyện, 101 xã.<br>
        Nguyên nhân nghi ngờ: SSO (dc1-srv07) lỗi 5xx.<br>
        Cần làm gì: 1) Kiểm tra SSO. 2) Gọi người trực.</p>
        <p><a href="http://hd/#/alerts?wanted=c8d6cefbbdf32a14">Xem chi tiết</a></p>
        <h3>[ĐÃ KHẮC PHỤC] Một cửa điện tử 1 – không đăng nhập được &lt;1&gt;</h3>
        <p>Từ 08:12 ngày 21/11/2026 đến 09:47 ngày 21/11/2026 (kéo dài 1 giờ 35 phút).<br>
        Ảnh hưởng: 19 sở, 9 huyện, 101 xã.<br>
        Nguyên nhân nghi ngờ: SSO (dc1-srv07) lỗi 5xx.</p>
        <p><a href="http://hd/#/alerts?wanted=21ba3c77d19f1c0a">Xem chi tiết</a></p>
        </body></html>
    "#]];
    expected.assert_eq(&html(&notification, "http://hd", ""));
}

#[test]
fn a_mail_of_thousands_is_cut_and_says_so() {
    let paragraphs = paragraphs(&notification(53), "http://hd");
    assert_eq!(paragraphs.len(), 51);
    assert_eq!(paragraphs[50].headline, "Còn 3 cảnh báo khác");
}

#[test]
fn spans_are_said_as_people_do() {
    let spans = [0, 4, 60, 95, 26 * 60 + 1].map(|count: i64| minutes(count * 60_000));
    assert_eq!(
        spans,
        ["chưa đến 1 phút", "4 phút", "1 giờ 0 phút", "1 giờ 35 phút", "1 ngày 2 giờ"]
    );
}

#[test]
fn who_is_told_by_an_escalation_reads_why() {
    let escalated = Notification { escalation: Some(2), ..notification(1) };
    assert!(subject(&escalated).starts_with("[CHƯA AI TIẾP NHẬN, MỨC 2] ["));
    let text = plain_text(&escalated, "https://giam-sat.example", "");
    assert!(text.starts_with("[CHƯA AI TIẾP NHẬN, MỨC 2] ["), "{text}");
    let mut over = escalated;
    over.alerts.iter_mut().for_each(|alert| alert.resolved_ms = Some(alert.starts_ms + 1));
    assert!(!subject(&over).contains("CHƯA AI"), "what is over needs nobody");
}
