//! How an event lies in the index: what can be searched, and the body from which it is read back.
//!
//! `when_ms` is the time an event is listed and filtered by: the host's time, unless that is evidently wrong, for
//! then an event could hide in the past or sit on top for ever; in that case the time of receipt.

use std::collections::BTreeMap;

use agent_model::{Event, EventClass, EventId, HostEvent, HostId, Millis, Severity};
use serde_json::{Value, json};
use tantivy::TantivyDocument;
use tantivy::schema::document::Value as _;
use tantivy::schema::{FAST, Field, INDEXED, IndexRecordOption, STORED, STRING, Schema};
use tantivy::schema::{TextFieldIndexing, TextOptions};
use tantivy::tokenizer::{RemoveLongFilter, SimpleTokenizer, TextAnalyzer};

use crate::Arrived;
use crate::day::DAY_MS;
use crate::fold::fold;

/// How far an event may lie before its receipt: a host may be cut off for so long and still be believed.
pub(crate) const BACKLOG_MS_MAX: Millis = 7 * DAY_MS;

/// How far it may lie after: clocks differ a little.
pub(crate) const AHEAD_MS_MAX: Millis = 60_000;

/// What an exact filter compares of a long value; the whole value is stored and found by its words.
pub(crate) const PAIR_BYTES_MAX: usize = 1_024;

pub(crate) const WHEN: &str = "when_ms";
pub(crate) const TIE: &str = "tie";
pub(crate) const PAIRS: &str = "pairs";

/// Splits folded text as `fold::words` does. Longer words than this are binary data; they are not found by it.
const WORD_BYTES_MAX: usize = 1_024;
pub(crate) const WORDS: &str = "words";

pub(crate) fn words_analyzer() -> TextAnalyzer {
    let words = TextAnalyzer::builder(SimpleTokenizer::default());
    words.filter(RemoveLongFilter::limit(WORD_BYTES_MAX)).build()
}

/// The fields of every index.
#[derive(Clone, Debug)]
pub(crate) struct Fields {
    pub(crate) schema: Schema,
    pub(crate) id: Field,
    pub(crate) when_ms: Field,
    /// The order of arrival, which orders events of one millisecond. (In days written by format 1: eight bytes of
    /// the id.)
    pub(crate) tie: Field,
    pub(crate) severity: Field,
    /// `host=…`, `class=…`, `source=…`, `severity=…`, and the event's own fields as `.Name=value`.
    pub(crate) pairs: Field,
    /// The words of message and field values, folded.
    pub(crate) text: Field,
    body: Field,
}

impl Fields {
    pub(crate) fn new() -> Self {
        let mut schema = Schema::builder();
        let words = TextFieldIndexing::default()
            .set_tokenizer(WORDS)
            .set_fieldnorms(false)
            .set_index_option(IndexRecordOption::WithFreqsAndPositions);
        Self {
            id: schema.add_bytes_field("id", INDEXED),
            when_ms: schema.add_i64_field(WHEN, FAST),
            tie: schema.add_u64_field(TIE, FAST),
            severity: schema.add_u64_field("severity", FAST),
            pairs: schema.add_text_field(PAIRS, STRING | FAST),
            text: schema.add_text_field("text", TextOptions::default().set_indexing_options(words)),
            body: schema.add_text_field("body", STORED),
            schema: schema.build(),
        }
    }

    pub(crate) fn document(&self, arrived: &Arrived) -> TantivyDocument {
        let event = &arrived.event;
        let mut document = TantivyDocument::default();
        document.add_bytes(self.id, &event.id.0);
        document.add_i64(self.when_ms, when_ms(event));
        document.add_u64(self.tie, arrived.arrival);
        document.add_u64(self.severity, u64::from(event.event.severity.id()));
        document.add_text(self.pairs, pair("host", event.host.as_str()));
        document.add_text(self.pairs, pair("class", event.event.class.name()));
        document.add_text(self.pairs, pair("source", &event.event.source));
        document.add_text(self.pairs, pair("severity", event.event.severity.name()));
        document.add_text(self.text, fold(&event.event.message));
        for (name, value) in &event.event.fields {
            document.add_text(self.pairs, pair(&field_name(name), value));
            document.add_text(self.text, fold(value));
        }
        document.add_text(self.body, body(event));
        document
    }

    /// `None` when the stored body is not ours.
    pub(crate) fn event(&self, document: &TantivyDocument) -> Option<HostEvent> {
        from_body(document.get_first(self.body)?.as_str()?)
    }
}

pub(crate) fn when_ms(event: &HostEvent) -> Millis {
    let (time_ms, received_ms) = (event.event.time_ms, event.received_ms);
    let believed =
        received_ms.saturating_sub(BACKLOG_MS_MAX)..=received_ms.saturating_add(AHEAD_MS_MAX);
    if believed.contains(&time_ms) { time_ms } else { received_ms }
}

/// An event's own field, told apart from what the collector says of it.
pub(crate) fn field_name(name: &str) -> String {
    format!(".{name}")
}

pub(crate) fn pair(name: &str, value: &str) -> String {
    let mut pair = format!("{name}={value}");
    if pair.len() > PAIR_BYTES_MAX {
        let end = (0..=PAIR_BYTES_MAX).rev().find(|at| pair.is_char_boundary(*at));
        pair.truncate(end.unwrap_or(0));
    }
    pair
}

fn body(event: &HostEvent) -> String {
    json!([
        hex::encode(event.id.0),
        event.host.as_str(),
        event.received_ms,
        event.event.time_ms,
        event.event.class.uid(),
        event.event.severity.id(),
        event.event.source,
        event.event.message,
        event.event.fields,
    ])
    .to_string()
}

fn from_body(body: &str) -> Option<HostEvent> {
    let body: Vec<Value> = serde_json::from_str(body).ok()?;
    let [id, host, received_ms, time_ms, class, severity, source, message, fields] =
        body.as_slice()
    else {
        return None;
    };
    let number = |value: &Value| u32::try_from(value.as_u64()?).ok();
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let pairs = fields.as_object()?.iter().map(|(name, value)| Some((name.clone(), text(value)?)));
    Some(HostEvent {
        id: EventId(hex::decode(id.as_str()?).ok()?.try_into().ok()?),
        host: HostId::new(host.as_str()?).ok()?,
        received_ms: received_ms.as_i64()?,
        event: Event {
            time_ms: time_ms.as_i64()?,
            class: EventClass::from_uid(number(class)?),
            severity: Severity::from_id(number(severity)?),
            source: text(source)?,
            message: text(message)?,
            fields: pairs.collect::<Option<BTreeMap<_, _>>>()?,
        },
    })
}
