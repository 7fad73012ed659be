//! The words of a notification for people, in Vietnamese: what, since when, whom it hits, what to do first.
//! The pattern: `[Mức]` Đối tượng – hiện tượng. Từ HH:mm (đã X phút). Ảnh hưởng: … Nguyên nhân nghi ngờ: … Cần làm gì: …

use agent_model::{Labels, Millis};
use jiff::tz::{Offset, TimeZone};

use crate::alert::{Annotations, fingerprint_text};
use crate::detection::LATE_ANNOTATION;
use crate::notification::{Notification, NotifiedAlert};

/// Vietnam has one time zone and no summer time.
const VIETNAM: Offset = Offset::constant(7);

/// Alerts that are written out; a mail of thousands helps nobody. The rest is counted in the text.
pub(super) const ALERTS_WRITTEN_MAX: usize = 50;

/// What is written of one alert, line by line.
pub(super) struct Paragraph {
    pub(super) headline: String,
    pub(super) lines: Vec<String>,
    pub(super) link: String,
}

/// One line that says it all on a phone.
pub(super) fn subject(notification: &Notification) -> String {
    let Some(first) = notification.alerts.first() else {
        return "[THÔNG TIN] Không có cảnh báo".to_owned();
    };
    let more = match notification.alerts.len() - 1 {
        0 => String::new(),
        more => format!(" (và {more} cảnh báo khác)"),
    };
    format!("{}{}{more}", escalated(notification), headline(first))
}

/// Why somebody is told whose turn it was not.
pub(super) fn escalated(notification: &Notification) -> String {
    match notification.escalation_to_say() {
        Some(level) => format!("[CHƯA AI TIẾP NHẬN, MỨC {level}] "),
        None => String::new(),
    }
}

/// Where the pages show this one alert: their routes lie behind `#`.
pub(super) fn alert_address(external_url: &str, fingerprint: u64) -> String {
    format!("{external_url}/#/alerts?wanted={}", fingerprint_text(fingerprint))
}

pub(super) fn paragraph(alert: &NotifiedAlert, now_ms: Millis, external_url: &str) -> Paragraph {
    Paragraph {
        headline: headline(alert),
        lines: lines(alert, now_ms),
        link: alert_address(external_url, alert.fingerprint),
    }
}

pub(super) fn paragraphs(notification: &Notification, external_url: &str) -> Vec<Paragraph> {
    let shown = notification.alerts.iter().take(ALERTS_WRITTEN_MAX);
    let now_ms = notification.created_ms;
    let mut paragraphs: Vec<Paragraph> =
        shown.map(|alert| paragraph(alert, now_ms, external_url)).collect();
    if let Some(first) = paragraphs.first_mut() {
        first.headline.insert_str(0, &escalated(notification));
    }
    let left_out = notification.alerts.len().saturating_sub(ALERTS_WRITTEN_MAX);
    if left_out > 0 {
        paragraphs.push(Paragraph {
            headline: format!("Còn {left_out} cảnh báo khác"),
            lines: Vec::new(),
            link: format!("{external_url}/#/alerts"),
        });
    }
    paragraphs
}

/// One alert in a headline and what stands below it.
pub(crate) fn headline_and_lines(alert: &NotifiedAlert, now_ms: Millis) -> (String, Vec<String>) {
    (headline(alert), lines(alert, now_ms))
}

pub(super) fn plain_text(
    notification: &Notification,
    external_url: &str,
    acknowledge_url: &str,
) -> String {
    let mut text = String::new();
    for paragraph in paragraphs(notification, external_url) {
        text.push_str(&paragraph.headline);
        text.push('\n');
        for line in &paragraph.lines {
            text.push_str(line);
            text.push('\n');
        }
        text.push_str(&format!("Xem chi tiết: {}\n\n", paragraph.link));
    }
    if !acknowledge_url.is_empty() {
        text.push_str(&format!("Tiếp nhận (một lần): {acknowledge_url}\n\n"));
    }
    text
}

pub(super) fn html(
    notification: &Notification,
    external_url: &str,
    acknowledge_url: &str,
) -> String {
    let mut html = String::from("<!DOCTYPE html><html lang=\"vi\"><body>\n");
    for paragraph in paragraphs(notification, external_url) {
        html.push_str(&format!("<h3>{}</h3>\n<p>", escaped(&paragraph.headline)));
        let lines: Vec<String> = paragraph.lines.iter().map(|line| escaped(line)).collect();
        html.push_str(&lines.join("<br>\n"));
        let link = escaped(&paragraph.link);
        html.push_str(&format!("</p>\n<p><a href=\"{link}\">Xem chi tiết</a></p>\n"));
    }
    if !acknowledge_url.is_empty() {
        let link = escaped(acknowledge_url);
        html.push_str(&format!("<p><a href=\"{link}\">Tiếp nhận (một lần)</a></p>\n"));
    }
    html.push_str("</body></html>\n");
    html
}

/// One more paragraph behind a page.
pub(super) fn html_paragraph(text: &str) -> String {
    format!("<p>{}</p>\n", escaped(text))
}

pub(super) fn headline(alert: &NotifiedAlert) -> String {
    let state = if alert.resolved_ms.is_some() {
        "ĐÃ KHẮC PHỤC".to_owned()
    } else {
        severity(&alert.labels)
    };
    let late = if alert.annotations.contains_key(LATE_ANNOTATION) { " (báo muộn)" } else { "" };
    let subject = ["service", "host", "instance"].iter().find_map(|name| alert.labels.get(name));
    let what = annotation(&alert.annotations, "summary")
        .or_else(|| alert.labels.get("alertname"))
        .unwrap_or("cảnh báo không tên");
    match subject {
        Some(subject) if !what.contains(subject) => format!("[{state}] {subject} – {what}{late}"),
        _ => format!("[{state}] {what}{late}"),
    }
}

/// The levels of the product; rules of others say `warning`, `page` or nothing.
fn severity(labels: &Labels) -> String {
    match labels.get("severity").unwrap_or("") {
        "critical" | "page" => "KHẨN CẤP".to_owned(),
        "high" | "major" | "error" => "CAO".to_owned(),
        "medium" => "TRUNG BÌNH".to_owned(),
        "warning" => "CHÚ Ý".to_owned(),
        "low" | "minor" => "THẤP".to_owned(),
        "info" | "informational" | "none" => "THÔNG TIN".to_owned(),
        "" => "CẢNH BÁO".to_owned(),
        other => other.to_uppercase(),
    }
}

fn lines(alert: &NotifiedAlert, now_ms: Millis) -> Vec<String> {
    let mut lines = Vec::new();
    lines.push(match alert.resolved_ms {
        None => {
            let minutes = minutes(now_ms - alert.starts_ms);
            format!("Từ {} (đã {minutes}).", time(alert.starts_ms))
        }
        Some(resolved_ms) => {
            let minutes = minutes(resolved_ms - alert.starts_ms);
            let (from, to) = (time(alert.starts_ms), time(resolved_ms));
            format!("Từ {from} đến {to} (kéo dài {minutes}).")
        }
    });
    for (name, title) in [
        ("description", "Mô tả"),
        ("impact", "Ảnh hưởng"),
        ("cause", "Nguyên nhân nghi ngờ"),
        ("first_steps", "Cần làm gì"),
        ("runbook_url", "Hướng dẫn xử lý"),
    ] {
        let is_over = alert.resolved_ms.is_some() && name == "first_steps";
        if let Some(text) = annotation(&alert.annotations, name).filter(|_| !is_over) {
            lines.push(format!("{title}: {}", text.trim()));
        }
    }
    lines
}

/// The Vietnamese text where there is one, else the one without a language.
fn annotation<'a>(annotations: &'a Annotations, name: &str) -> Option<&'a str> {
    let vietnamese = annotations.get(&format!("{name}_vi"));
    vietnamese.or_else(|| annotations.get(name)).map(String::as_str).filter(|text| !text.is_empty())
}

fn time(time_ms: Millis) -> String {
    let Ok(timestamp) = jiff::Timestamp::from_millisecond(time_ms) else { return String::new() };
    timestamp.to_zoned(TimeZone::fixed(VIETNAM)).strftime("%H:%M ngày %d/%m/%Y").to_string()
}

fn minutes(span_ms: Millis) -> String {
    let minutes = span_ms.max(0) / 60_000;
    match (minutes / 1_440, minutes / 60, minutes) {
        (_, _, 0) => "chưa đến 1 phút".to_owned(),
        (_, 0, minutes) => format!("{minutes} phút"),
        (0, hours, minutes) => format!("{hours} giờ {} phút", minutes % 60),
        (days, hours, _) => format!("{days} ngày {} giờ", hours % 24),
    }
}

/// For what has no lines: behind the end of one would begin another header, or another message.
pub(super) fn one_line(text: &str) -> String {
    text.split(['\r', '\n'])
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace('"', "&quot;").replace('\n', "<br>\n")
}

#[cfg(test)]
mod tests;
