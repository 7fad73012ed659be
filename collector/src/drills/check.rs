//! One check of an automatic step: ask the target or the metric store, say what was seen.
//!
//! Promises: a check ends within its time; what could not be asked (a name that does not resolve, a certificate that is
//! not trusted) never counts as silence. Evidence is Vietnamese: it stands in the minutes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use agent_model::Millis;
use reqwest::redirect::Policy;
use rules::drill::{Expectation, StepKind};
use rules_promql::{Limits, PromqlError, Value};
use tokio::net::TcpStream;

use crate::clock;
use crate::query::Query;

/// One check; a service that needs longer is not back.
const CHECK_TIME_MAX: Duration = Duration::from_secs(5);

/// What is read of a body: a page that says how it is says so early.
const BODY_BYTES_MAX: usize = 1 << 20;

const DAY_MS: Millis = 86_400_000;

/// Values shown in the evidence of one query.
const VALUES_SHOWN_MAX: usize = 5;

/// What a check saw.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    pub passed: bool,
    pub evidence: String,
    /// Of a query: its greatest value.
    pub value: Option<f64>,
}

impl Seen {
    fn new(passed: bool, evidence: impl Into<String>) -> Self {
        Self { passed, evidence: evidence.into(), value: None }
    }
}

pub struct Checker {
    query: Query,
    http: reqwest::Client,
}

/// What an HTTP answer must be beyond its status.
struct Wanted<'a> {
    body_matches: Option<&'a str>,
    certificate_ms_min: &'a Option<Millis>,
}

impl Wanted<'_> {
    /// What was seen of certificate and body, or which of them is not as it should be.
    async fn look(&self, answer: reqwest::Response, now_ms: Millis) -> Result<String, String> {
        let mut seen = String::new();
        let left_ms = certificate_end_ms(&answer).map(|end_ms| end_ms - now_ms);
        if let Some(left_ms) = left_ms {
            seen = format!("; chứng thư còn {} ngày", left_ms / DAY_MS);
        }
        if self.certificate_ms_min.is_some_and(|min_ms| left_ms.is_none_or(|left| left < min_ms)) {
            let none = "không có chứng thư".to_owned();
            return Err(
                left_ms.map_or(none, |left| format!("chứng thư chỉ còn {} ngày", left / DAY_MS))
            );
        }
        let Some(pattern) = self.body_matches else { return Ok(seen) };
        let wanted = regex::bytes::Regex::new(pattern).map_err(|error| error.to_string())?;
        let body = beginning(answer).await.map_err(|error| crate::describe(&error))?;
        if wanted.is_match(&body) {
            return Ok(format!("{seen}; nội dung khớp {pattern:?}"));
        }
        Err(format!("nội dung không khớp {pattern:?} ({} byte đã đọc)", body.len()))
    }
}

/// When the served certificate ends; the chain was verified, so it is good now.
fn certificate_end_ms(answer: &reqwest::Response) -> Option<Millis> {
    let info = answer.extensions().get::<reqwest::tls::TlsInfo>()?;
    let (_, certificate) = x509_parser::parse_x509_certificate(info.peer_certificate()?).ok()?;
    Some(certificate.validity().not_after.timestamp().saturating_mul(1_000))
}

/// A page that is longer than this is looked at in its beginning only.
async fn beginning(mut answer: reqwest::Response) -> Result<Vec<u8>, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        let room = BODY_BYTES_MAX.saturating_sub(body.len());
        body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if body.len() >= BODY_BYTES_MAX {
            break;
        }
    }
    Ok(body)
}

/// How a connection attempt ended.
enum Connected {
    Answers(String),
    Silent(String),
    /// The question could not be put.
    Unknown(String),
}

impl Checker {
    pub fn new(query: Query) -> Result<Self, reqwest::Error> {
        let http = reqwest::Client::builder()
            .user_agent(concat!("haidang/", env!("CARGO_PKG_VERSION")))
            .timeout(CHECK_TIME_MAX)
            .tls_info(true)
            .redirect(Policy::none())
            .no_proxy()
            .build()?;
        Ok(Self { query, http })
    }

    /// `None` for a manual step: a person sees.
    pub async fn step(&self, kind: &StepKind) -> Option<Seen> {
        match kind {
            StepKind::Manual { .. } => None,
            StepKind::Http { url, expect, body_matches, certificate_ms_min } => {
                let answer = Wanted { body_matches: body_matches.as_deref(), certificate_ms_min };
                Some(self.http(url, expect, &answer).await)
            }
            StepKind::Tcp { address, expect } => Some(match connect(address).await {
                Connected::Answers(what) => Seen::new(*expect != Expectation::Silent, what),
                Connected::Silent(what) => Seen::new(*expect == Expectation::Silent, what),
                Connected::Unknown(what) => Seen::new(false, what),
            }),
            StepKind::Query { expr } => Some(self.query(expr).await),
        }
    }

    async fn http(&self, url: &str, expect: &Expectation, wanted: &Wanted<'_>) -> Seen {
        let begun = clock::instant();
        let answer = match self.http.get(url).send().await {
            Ok(answer) => answer,
            Err(error) => return self.http_failed(url, expect, &error).await,
        };
        let status = answer.status().as_u16();
        let passed = match expect {
            Expectation::Answers => answer.status().is_success(),
            Expectation::Status(expected) => status == *expected,
            Expectation::Silent => false,
        };
        let took_ms = (clock::instant() - begun).as_millis();
        let evidence = format!("HTTP {status} sau {took_ms} ms");
        match wanted.look(answer, clock::now_ms()).await {
            Ok(more) => Seen::new(passed, format!("{evidence}{more}")),
            Err(why) => Seen::new(false, format!("{evidence}; {why}")),
        }
    }

    /// No answer is silence only when nobody takes the connection, or nobody speaks on it in time.
    async fn http_failed(&self, url: &str, expect: &Expectation, error: &reqwest::Error) -> Seen {
        let text = format!("không trả lời HTTP: {}", crate::describe(error));
        if *expect != Expectation::Silent {
            return Seen::new(false, text);
        }
        let address = reqwest::Url::parse(url).ok().and_then(|url| {
            let host = url.host_str()?.to_owned();
            Some(format!("{host}:{}", url.port_or_known_default()?))
        });
        let Some(address) = address else { return Seen::new(false, text) };
        match connect(&address).await {
            Connected::Silent(what) => Seen::new(true, what),
            Connected::Answers(_) => Seen::new(error.is_timeout(), text),
            Connected::Unknown(what) => Seen::new(false, what),
        }
    }

    /// Passes when there is a result and no value is 0 or not a number.
    pub async fn query(&self, expr: &str) -> Seen {
        let (source, expr, at_ms) = (self.query.clone(), expr.to_owned(), clock::now_ms());
        let cancel = Arc::new(AtomicBool::new(false));
        let limits = Limits { cancel: Some(Arc::clone(&cancel)), ..Limits::default() };
        let evaluation = tokio::task::spawn_blocking(move || {
            let expression = rules_promql::parse(&expr)?;
            rules_promql::evaluate_instant(&expression, at_ms, &source, &limits)
        });
        match tokio::time::timeout(CHECK_TIME_MAX, evaluation).await {
            Ok(Ok(value)) => judged(value),
            Ok(Err(_)) => Seen::new(false, "truy vấn bị gián đoạn"),
            Err(_) => {
                cancel.store(true, Ordering::Relaxed);
                Seen::new(false, "truy vấn quá thời gian cho phép")
            }
        }
    }
}

fn judged(value: Result<Value, PromqlError>) -> Seen {
    let values: Vec<f64> = match value {
        Err(error) => {
            return Seen::new(false, format!("truy vấn lỗi: {}", crate::describe(&error)));
        }
        Ok(Value::Scalar(sample)) => vec![sample.value],
        Ok(Value::Vector(vector)) => vector.iter().map(|(_, sample)| sample.value).collect(),
        Ok(Value::Matrix(_) | Value::Text(_)) => {
            return Seen::new(false, "truy vấn không cho giá trị tức thời");
        }
    };
    if values.is_empty() {
        return Seen::new(false, "truy vấn không có kết quả");
    }
    let passed = values.iter().all(|value| *value != 0.0 && !value.is_nan());
    let mut shown: Vec<String> =
        values.iter().take(VALUES_SHOWN_MAX).map(ToString::to_string).collect();
    if values.len() > VALUES_SHOWN_MAX {
        shown.push(format!("… ({} giá trị)", values.len()));
    }
    let value = values.into_iter().reduce(f64::max);
    Seen { passed, evidence: format!("giá trị {}", shown.join("; ")), value }
}

async fn connect(address: &str) -> Connected {
    let begun = clock::instant();
    match tokio::time::timeout(CHECK_TIME_MAX, tokio::net::lookup_host(address)).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => {
            return Connected::Unknown(format!("{address}: không phân giải được: {error}"));
        }
        Err(_) => return Connected::Unknown(format!("{address}: phân giải quá thời gian")),
    }
    match tokio::time::timeout(CHECK_TIME_MAX, TcpStream::connect(address)).await {
        Ok(Ok(_)) => {
            let took_ms = (clock::instant() - begun).as_millis();
            Connected::Answers(format!("{address} nhận kết nối sau {took_ms} ms"))
        }
        Ok(Err(error)) => Connected::Silent(format!("{address} không nhận kết nối: {error}")),
        Err(_) => Connected::Silent(format!("{address} không nhận kết nối: quá thời gian")),
    }
}
