//! `/acknowledge/{link}`: the page behind the link of a message, for who has no session and perhaps a telephone only.
//!
//! Promises: to look changes nothing, whoever looks (mail scanners follow links); the button does what `haidang alert ack` does,
//! once, and it stands in the audit log. Leaves to others: what a link is, and whether it was used (`collector-alerting`).

use std::sync::{Arc, LazyLock};

use agent_model::Millis;
use axum::extract::rejection::FormRejection;
use axum::extract::{Form, Path, State};
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::{Extension, Router, routing};
use collector_alerting::{AlertingError, LinkOffer, LinkRefused, OfferedAlert, fingerprint_text};
use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};
use rules_templates::{Library, Template, TemplateError, Value, record, shown};
use serde::Deserialize;

use super::alerts::bounded;
use crate::clock;
use crate::http::{WebApi, audited};
use crate::serve::Peer;

/// Alerts written out; who takes more of them at once reads the first.
const ALERTS_WRITTEN_MAX: usize = 20;

/// A page of that many alerts.
const PAGE_BYTES_MAX: usize = 256 << 10;

/// The longest that the page offers.
const HOURS_MAX: u16 = 24;

const HOUR_MS: Millis = 3_600_000;

/// Wrong links are counted as wrong passwords of nobody are, address by address.
const GUESSER: &str = "/acknowledge";

static PAGE: LazyLock<Result<Template, TemplateError>> =
    LazyLock::new(|| Library::new(PAGE_BYTES_MAX).page(include_str!("acknowledge/page.tmpl")));

pub(super) fn routes() -> Router<Arc<WebApi>> {
    Router::new().route("/acknowledge/{link}", routing::get(look).post(take))
}

async fn look(
    State(api): State<Arc<WebApi>>,
    Extension(peer): Extension<Peer>,
    Path(link): Path<String>,
) -> Response {
    match api.alerting.link_offer(&link, clock::now_ms()).await {
        Ok(offer) => {
            let text = format!("Cảnh báo sẽ được ghi là do “{}” tiếp nhận.", offer.by);
            page(StatusCode::OK, "Tiếp nhận cảnh báo", &text, Some((&offer, true)))
        }
        Err(error) => refused(&api, &peer, error),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    #[serde(default)]
    note: String,
    /// Empty for as long as the alert goes on.
    #[serde(default)]
    hours: String,
}

impl Wish {
    fn until_ms(&self, now_ms: Millis) -> Option<Option<Millis>> {
        if self.hours.is_empty() {
            return Some(None);
        }
        let hours = self.hours.parse().ok().filter(|hours| (1..=HOURS_MAX).contains(hours))?;
        Some(Some(now_ms.saturating_add(Millis::from(hours) * HOUR_MS)))
    }
}

async fn take(
    State(api): State<Arc<WebApi>>,
    Extension(peer): Extension<Peer>,
    Path(link): Path<String>,
    wish: Result<Form<Wish>, FormRejection>,
) -> Response {
    let now_ms = clock::now_ms();
    let wish = wish.ok().filter(|wish| bounded("note", &wish.note).is_ok());
    let wish = wish.and_then(|Form(wish)| Some((wish.until_ms(now_ms)?, wish)));
    let Some((until_ms, wish)) = wish else {
        let text = format!("Ghi chú tối đa 1000 ký tự, thời hạn từ 1 đến {HOURS_MAX} giờ.");
        return page(StatusCode::BAD_REQUEST, "Yêu cầu không hợp lệ", &text, None);
    };
    let taken = api.alerting.acknowledge_by_link(&link, wish.note.trim(), until_ms, now_ms).await;
    let offer = match taken {
        Ok(offer) => offer,
        Err(error) => return refused(&api, &peer, error),
    };
    count(&api, "done");
    for alert in &offer.alerts {
        let object = format!("{} from {}", fingerprint_text(alert.fingerprint), peer.address.ip());
        audited::write(&api, &offer.by, "alert.acknowledge", &object, "done").await;
    }
    api.forget_picture().await;
    let text = format!("Đã ghi nhận “{}” tiếp nhận. Hãy bắt đầu xử lý.", offer.by);
    page(StatusCode::OK, "Đã tiếp nhận", &text, Some((&offer, false)))
}

/// What is wrong with a link, and what to do instead. A right link is never slowed by the wrong ones of others.
fn refused(api: &WebApi, peer: &Peer, error: AlertingError) -> Response {
    let instead = "Hãy đăng nhập trang Hải Đăng để xem và tiếp nhận cảnh báo.";
    let AlertingError::LinkRefused(refused) = error else {
        tracing::error!(error = %crate::describe(&error), "alerts are not taken by a link");
        let text = format!("Hệ thống đang gặp lỗi, xin thử lại sau ít phút. {instead}");
        return page(StatusCode::INTERNAL_SERVER_ERROR, "Chưa tiếp nhận được", &text, None);
    };
    let (status, title, text) = match &refused {
        LinkRefused::Forged => return guessed(api, peer),
        LinkRefused::Expired => {
            (StatusCode::GONE, "Liên kết đã hết hạn", "Liên kết này đã quá thời hạn.".to_owned())
        }
        LinkRefused::Unknown => (
            StatusCode::NOT_FOUND,
            "Không tìm thấy thông báo",
            "Thông báo có liên kết này không còn được lưu.".to_owned(),
        ),
        LinkRefused::Used { by, at_ms } => (
            StatusCode::GONE,
            "Liên kết đã được dùng",
            format!("“{by}” đã dùng liên kết này lúc {}.", time(*at_ms)),
        ),
        LinkRefused::Over => (
            StatusCode::CONFLICT,
            "Sự cố đã kết thúc",
            "Không còn cảnh báo nào của thông báo này đang xảy ra.".to_owned(),
        ),
    };
    count(api, refused.name());
    page(status, title, &format!("{text} {instead}"), None)
}

fn guessed(api: &WebApi, peer: &Peer) -> Response {
    let (address, now_ms) = (peer.address.ip(), clock::now_ms());
    if let Err(seconds) = api.gate.guesses.begin(GUESSER, address, now_ms) {
        count(api, "slowed");
        let text = format!("Quá nhiều liên kết sai. Xin thử lại sau {seconds} giây.");
        let page = page(StatusCode::TOO_MANY_REQUESTS, "Xin chờ", &text, None);
        return ([(header::RETRY_AFTER, seconds.to_string())], page).into_response();
    }
    count(api, LinkRefused::Forged.name());
    tracing::warn!(%address, "a link that was not made here, or was changed, was refused");
    let text = "Liên kết không đúng hoặc bị cắt mất một phần. Hãy mở lại nguyên vẹn liên kết trong tin nhắn, \
                hoặc đăng nhập trang Hải Đăng.";
    page(StatusCode::FORBIDDEN, "Liên kết không hợp lệ", text, None)
}

fn count(api: &WebApi, outcome: &str) {
    api.metrics.links.with_label_values(&[outcome]).inc();
}

fn page(
    status: StatusCode,
    title: &str,
    text: &str,
    offer: Option<(&LinkOffer, bool)>,
) -> Response {
    let alerts = offer.map_or(&[][..], |(offer, _)| &offer.alerts);
    let left_out = alerts.len().saturating_sub(ALERTS_WRITTEN_MAX);
    let written = alerts.iter().take(ALERTS_WRITTEN_MAX).map(shown_alert);
    let data = record(
        "Page",
        [
            ("Title", shown(title)),
            ("Text", shown(text)),
            ("Alerts", Value::List(written.collect())),
            ("LeftOut", Value::Int(i64::try_from(left_out).unwrap_or(i64::MAX))),
            ("Asks", Value::Bool(offer.is_some_and(|(_, asks)| asks))),
            ("Until", shown(offer.map(|(offer, _)| time(offer.expires_ms)).unwrap_or_default())),
        ],
    );
    let made = PAGE.as_ref().map_err(ToString::to_string);
    let made =
        made.and_then(|page| page.render(&data, Timestamp::UNIX_EPOCH).map_err(|e| e.to_string()));
    // The words alone, rather than nothing.
    let mut answer = match made {
        Ok(html) => (status, Html(html)).into_response(),
        Err(error) => {
            tracing::error!(error, "the page of a link cannot be made");
            (status, text.to_owned()).into_response()
        }
    };
    let no_store = header::HeaderValue::from_static("no-store");
    answer.headers_mut().insert(header::CACHE_CONTROL, no_store);
    answer
}

fn shown_alert(alert: &OfferedAlert) -> Value {
    let lines = alert.lines.iter().map(shown);
    record(
        "Alert",
        [
            ("Headline", shown(&alert.headline)),
            ("Lines", Value::List(lines.collect())),
            ("TakenBy", shown(alert.taken_by.as_deref().unwrap_or_default())),
        ],
    )
}

fn time(at_ms: Millis) -> String {
    // Vietnam has one time zone and no summer time.
    let zone = TimeZone::fixed(Offset::constant(7));
    let at = Timestamp::from_millisecond(at_ms).unwrap_or_default().to_zoned(zone);
    at.strftime("%H:%M ngày %d/%m/%Y").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_shows_what_is_taken_and_escapes_it() {
        let alert = OfferedAlert {
            fingerprint: 1,
            headline: "[KHẨN CẤP] <b>máy-1</b>".to_owned(),
            lines: vec!["Từ 08:12".to_owned()],
            taken_by: Some("lan".to_owned()),
        };
        let offer =
            LinkOffer { by: "via link, mail".to_owned(), expires_ms: 0, alerts: vec![alert; 22] };
        assert!(PAGE.is_ok(), "{:?}", PAGE.as_ref().err());
        let data = page(StatusCode::OK, "T", "“a” & b", Some((&offer, true)));
        let body =
            futures_util::FutureExt::now_or_never(axum::body::to_bytes(data.into_body(), 1 << 20));
        let text = String::from_utf8(body.unwrap().unwrap().to_vec()).unwrap();
        for part in [
            "&lt;b&gt;máy-1&lt;/b&gt;",
            "<form method=\"post\">",
            "“a” &amp; b",
            "Và 2 cảnh báo",
            "tiếp nhận: lan.",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(!text.contains("<b>"), "{text}");
        assert!(text.contains("07:00 ngày 01/01/1970"), "{text}");
    }

    #[test]
    fn only_hours_that_are_offered_are_taken() {
        let until = |hours: &str| Wish { note: String::new(), hours: hours.to_owned() }.until_ms(0);
        assert_eq!(until(""), Some(None));
        assert_eq!(until("24"), Some(Some(24 * HOUR_MS)));
        for wrong in ["0", "25", "-1", "x"] {
            assert_eq!(until(wrong), None, "{wrong}");
        }
    }
}
