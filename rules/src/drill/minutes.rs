//! The minutes of a drill: "biên bản diễn tập" as one HTML page to print and sign. Every value is escaped; what was
//! not measured and not run is said.

use std::fmt::Write;

use agent_model::Millis;
use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};

use super::plan::{Expectation, StepKind};
use super::run::DrillRun;
use super::state::{DrillState, StepState};

/// Vietnam keeps one time all year.
const VIETNAM: Offset = Offset::constant(7);

const STYLE: &str = "body{font:13pt/1.45 'Times New Roman',serif;max-width:19cm;margin:1cm auto;color:#000}\
h1{font-size:15pt;text-align:center;margin:1em 0 0}h2{font-size:13pt;margin:1.2em 0 .3em}\
.head,.sub{text-align:center}.sub{font-weight:bold}\
table{border-collapse:collapse;width:100%}td,th{border:1px solid #000;padding:.2em .4em;\
vertical-align:top;text-align:left}.sign{display:flex;justify-content:space-around;margin-top:2em;\
text-align:center;break-inside:avoid}.sign div{min-width:30%;padding-bottom:3cm}";

/// The whole page.
pub fn minutes_html(run: &DrillRun) -> String {
    let title = escape(&run.plan().title.vi);
    let mut html = format!(
        "<!doctype html>\n<html lang=\"vi\"><head><meta charset=\"utf-8\">\
         <title>Biên bản diễn tập – {title}</title><style>{STYLE}</style></head><body>\n\
         <p class=\"head\"><b>CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM</b><br>\
         <b>Độc lập - Tự do - Hạnh phúc</b></p>\n\
         <h1>BIÊN BẢN DIỄN TẬP</h1>\n<p class=\"sub\">{title}</p>\n"
    );
    general(&mut html, run);
    results(&mut html, run);
    preconditions(&mut html, run);
    steps(&mut html, run);
    html.push_str(
        "<h2>V. Ý kiến, kiến nghị</h2>\n\
         <p>…………………………………………………………………………………………</p>\n\
         <p>…………………………………………………………………………………………</p>\n\
         <div class=\"sign\"><div><b>Người chủ trì</b><br><i>(ký, ghi rõ họ tên)</i></div>\
         <div><b>Người thực hiện</b><br><i>(ký, ghi rõ họ tên)</i></div>\
         <div><b>Người lập biên bản</b><br><i>(ký, ghi rõ họ tên)</i></div></div>\n\
         </body></html>\n",
    );
    html
}

fn general(html: &mut String, run: &DrillRun) {
    html.push_str("<h2>I. Thông tin chung</h2>\n<table>\n");
    let plan = run.plan();
    row(html, "Kịch bản", &plan.id);
    row(html, "Địa điểm", &plan.site);
    row(html, "Phạm vi", or_dash(&plan.scope.vi));
    row(html, "Người khởi động", run.started_by());
    row(html, "Bắt đầu", &time(run.begun_ms()));
    row(html, "Kết thúc", &time(run.finished_ms()));
    let people = plan.participants.iter().map(|person| {
        let duty =
            if person.duty.is_empty() { String::new() } else { format!(" – {}", person.duty) };
        format!("{}{duty}", person.name)
    });
    row(html, "Thành phần tham gia", or_dash(&people.collect::<Vec<_>>().join("; ")));
    html.push_str("</table>\n");
}

fn results(html: &mut String, run: &DrillRun) {
    html.push_str("<h2>II. Kết quả</h2>\n<table>\n");
    let state = match run.state() {
        DrillState::Preparing => "Chưa bắt đầu",
        DrillState::Running => "Đang diễn ra",
        DrillState::Passed => "Hoàn thành tất cả các bước",
        DrillState::Failed => "Không đạt",
        DrillState::Aborted => "Đã hủy giữa chừng",
    };
    row(html, "Kết luận", state);
    if !run.ending().is_empty() {
        row(html, "Lý do", run.ending());
    }
    let objectives = run.plan().objectives;
    let committed = objectives.rto_ms.map(seconds);
    let measured = run.rto_ms().map(seconds);
    row(html, "RTO – thời gian phục hồi", &compared(measured, committed));
    let committed = objectives.rpo_ms.map(seconds);
    row(html, "RPO – mức mất dữ liệu", &compared(run.rpo_seconds(), committed));
    html.push_str("</table>\n");
}

fn preconditions(html: &mut String, run: &DrillRun) {
    html.push_str("<h2>III. Kiểm tra tiền điều kiện</h2>\n");
    if run.preconditions().is_empty() {
        html.push_str("<p>Kịch bản không đặt tiền điều kiện.</p>\n");
        return;
    }
    html.push_str(
        "<table>\n<tr><th>Điều kiện</th><th>Kết quả</th><th>Thời điểm</th><th>Chứng cứ</th></tr>\n",
    );
    for (planned, checked) in run.plan().preconditions.iter().zip(run.preconditions()) {
        let met = match checked.met {
            Some(true) => "Đạt",
            Some(false) => "Không đạt",
            None => "Chưa kiểm tra",
        };
        cells(html, &[&planned.title.vi, met, &time(checked.checked_ms), &checked.evidence]);
    }
    html.push_str("</table>\n");
}

fn steps(html: &mut String, run: &DrillRun) {
    html.push_str(
        "<h2>IV. Diễn biến các bước</h2>\n<table>\n<tr><th>TT</th><th>Bước</th>\
         <th>Bắt đầu</th><th>Kết thúc</th><th>Thời gian</th><th>Kết quả</th>\
         <th>Người thực hiện</th><th>Ghi chú, chứng cứ</th></tr>\n",
    );
    for (number, (planned, step)) in run.plan().steps.iter().zip(run.steps()).enumerate() {
        let took = match (step.started_ms, step.finished_ms) {
            (Some(started_ms), Some(finished_ms)) => length(seconds(finished_ms - started_ms)),
            _ => "–".to_owned(),
        };
        let state = match step.state {
            StepState::Waiting => "Chờ",
            StepState::Running => "Đang thực hiện",
            StepState::Passed => "Đạt",
            StepState::Failed => "Không đạt",
            StepState::TimedOut => "Quá thời hạn",
            StepState::NotRun => "Không thực hiện",
        };
        let who = match &planned.kind {
            StepKind::Manual { .. } => or_dash(&step.who),
            _ if step.finished_ms.is_some() && step.who.is_empty() => "Hệ thống tự kiểm tra",
            _ => or_dash(&step.who),
        };
        let mut notes: Vec<String> = vec![how(&planned.kind)];
        notes.extend([&step.detail, &step.evidence].into_iter().cloned());
        notes.retain(|note| !note.is_empty());
        let (number, notes) = ((number + 1).to_string(), notes.join(" | "));
        let (started, finished) = (time(step.started_ms), time(step.finished_ms));
        let title = &planned.title.vi;
        cells(html, &[&number, title, &started, &finished, &took, state, who, &notes]);
    }
    html.push_str("</table>\n");
}

fn how(kind: &StepKind) -> String {
    let (target, expect) = match kind {
        StepKind::Manual { .. } => return String::new(),
        StepKind::Query { expr } => return format!("Truy vấn: {expr}"),
        StepKind::Http { url, expect, .. } => (url, expect),
        StepKind::Tcp { address, expect } => (address, expect),
    };
    let mut text = match expect {
        Expectation::Answers => format!("Thăm dò {target}: có trả lời"),
        Expectation::Status(status) => format!("Thăm dò {target}: mã {status}"),
        Expectation::Silent => format!("Thăm dò {target}: không trả lời"),
    };
    if let StepKind::Http { body_matches: Some(wanted), .. } = kind {
        push(&mut text, format_args!(", nội dung khớp {wanted:?}"));
    }
    if let StepKind::Http { certificate_ms_min: Some(min_ms), .. } = kind {
        push(&mut text, format_args!(", chứng thư còn ít nhất {} ngày", min_ms / 86_400_000));
    }
    text
}

fn row(html: &mut String, name: &str, value: &str) {
    push(html, format_args!("<tr><th>{}</th><td>{}</td></tr>\n", escape(name), escape(value)));
}

fn cells(html: &mut String, values: &[&str]) {
    html.push_str("<tr>");
    for value in values {
        push(html, format_args!("<td>{}</td>", escape(value)));
    }
    html.push_str("</tr>\n");
}

/// Writing to a string cannot fail.
fn push(html: &mut String, text: std::fmt::Arguments) {
    html.write_fmt(text).unwrap_or_default();
}

fn or_dash(text: &str) -> &str {
    if text.is_empty() { "–" } else { text }
}

fn compared(measured: Option<f64>, committed: Option<f64>) -> String {
    let committed_text = committed.map_or("không cam kết".to_owned(), length);
    let Some(measured) = measured else {
        return format!("Thực đo: không đo được; cam kết: {committed_text}");
    };
    let verdict = match committed {
        Some(committed) if measured <= committed => " – ĐẠT",
        Some(_) => " – KHÔNG ĐẠT",
        None => "",
    };
    format!("Thực đo: {}; cam kết: {committed_text}{verdict}", length(measured))
}

fn seconds(ms: Millis) -> f64 {
    let length = std::time::Duration::from_millis(ms.unsigned_abs()).as_secs_f64();
    if ms < 0 { -length } else { length }
}

/// `2 giờ 05 phút`, `4 phút 07 giây`, `3,5 giây`.
fn length(seconds: f64) -> String {
    if seconds < 60.0 {
        return format!("{seconds:.1} giây").replace('.', ",");
    }
    let (minutes, rest) = ((seconds / 60.0).floor(), seconds % 60.0);
    if minutes < 60.0 {
        return format!("{minutes} phút {:02} giây", rest.floor());
    }
    format!("{} giờ {:02} phút", (minutes / 60.0).floor(), minutes % 60.0)
}

fn time(at_ms: Option<Millis>) -> String {
    let Some(at) = at_ms.and_then(|at_ms| Timestamp::from_millisecond(at_ms).ok()) else {
        return "–".to_owned();
    };
    at.to_zoned(TimeZone::fixed(VIETNAM)).strftime("%H:%M:%S %d/%m/%Y").to_string()
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}
