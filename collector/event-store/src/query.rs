//! Questions to the store: free text and filters, checked before anything is opened.
//!
//! Free text: every word must occur, in any order; `"words in quotes"` and words with punctuation inside (an address,
//! a path) must occur next to each other; `-word` must not occur. Letters are compared folded.

use std::fmt;
use std::ops::Bound;
use std::str::FromStr;

use agent_model::{EventClass, HostId, Millis, Severity};
use tantivy::Term;
use tantivy::query::{AllQuery, BooleanQuery, Occur, PhraseQuery, Query, RangeQuery, TermQuery};
use tantivy::schema::IndexRecordOption;

use crate::Day;
use crate::document::{AHEAD_MS_MAX, BACKLOG_MS_MAX, Fields, field_name, pair};
use crate::fold::{fold, words};

/// Events on one page; a longer list is paged.
pub const LIMIT_MAX: usize = 1_000;

/// Words of a free text: more is a pasted log, which a phrase of its middle finds as well.
pub const WORDS_MAX: usize = 32;

/// Filters by field.
const FIELD_FILTERS_MAX: usize = 16;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventQuery {
    pub text: String,
    pub host: Option<HostId>,
    pub class: Option<EventClass>,
    pub severity_min: Option<Severity>,
    pub source: Option<String>,
    /// An event's own fields: name and exact value.
    pub fields: Vec<(String, String)>,
    /// Both ends belong to it.
    pub from_ms: Option<Millis>,
    pub to_ms: Option<Millis>,
    /// 1 to `LIMIT_MAX`.
    pub limit: usize,
    pub before: Option<Cursor>,
}

/// The last event of a page; shown as text for URLs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    pub(crate) when_ms: Millis,
    pub(crate) tie: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    #[error("a page holds 1 to {LIMIT_MAX} events, not {0}")]
    Limit(usize),
    #[error("the time range ends before it begins")]
    Range,
    #[error("a free text has at most {WORDS_MAX} words; this one has {0}")]
    Words(usize),
    #[error("at most {FIELD_FILTERS_MAX} fields are compared; these are {0}")]
    Fields(usize),
    #[error("{0:?} is not a place in a list of events")]
    Cursor(String),
    #[error("a histogram needs a time range and a step of at least 1 ms")]
    Step,
    #[error("a histogram has at most {max} steps; this one has {steps}")]
    Steps { steps: u64, max: u64 },
    #[error("a list of top values has 1 to {max} of them, not {asked}")]
    TopValues { asked: usize, max: usize },
}

impl Default for EventQuery {
    fn default() -> Self {
        Self {
            text: String::new(),
            host: None,
            class: None,
            severity_min: None,
            source: None,
            fields: Vec::new(),
            from_ms: None,
            to_ms: None,
            limit: 100,
            before: None,
        }
    }
}

impl EventQuery {
    pub(crate) fn check(&self) -> Result<(), QueryError> {
        if self.limit == 0 || self.limit > LIMIT_MAX {
            return Err(QueryError::Limit(self.limit));
        }
        if let (Some(from_ms), Some(to_ms)) = (self.from_ms, self.to_ms)
            && from_ms > to_ms
        {
            return Err(QueryError::Range);
        }
        if self.fields.len() > FIELD_FILTERS_MAX {
            return Err(QueryError::Fields(self.fields.len()));
        }
        let count: usize = phrases(&self.text).iter().map(|phrase| phrase.words.len()).sum();
        if count > WORDS_MAX { Err(QueryError::Words(count)) } else { Ok(()) }
    }

    /// Whether a day may hold an event of the asked time.
    pub(crate) fn touches(&self, day: Day) -> bool {
        let newest_ms = day.end_ms().saturating_add(AHEAD_MS_MAX);
        let oldest_ms = day.start_ms().saturating_sub(BACKLOG_MS_MAX);
        self.from_ms.is_none_or(|from_ms| newest_ms >= from_ms)
            && self.to_ms.is_none_or(|to_ms| oldest_ms <= to_ms)
    }

    /// Everything but `before`.
    pub(crate) fn compile(&self, fields: &Fields) -> Box<dyn Query> {
        let mut clauses: Vec<(Occur, Box<dyn Query>)> = Vec::new();
        let mut exact = |name: &str, value: &str| {
            let term = Term::from_field_text(fields.pairs, &pair(name, value));
            let query = TermQuery::new(term, IndexRecordOption::Basic);
            clauses.push((Occur::Must, Box::new(query)));
        };
        if let Some(host) = &self.host {
            exact("host", host.as_str());
        }
        if let Some(class) = self.class {
            exact("class", class.name());
        }
        if let Some(source) = &self.source {
            exact("source", source);
        }
        for (name, value) in &self.fields {
            exact(&field_name(name), value);
        }
        if let Some(severity) = self.severity_min {
            let term = Term::from_field_u64(fields.severity, u64::from(severity.id()));
            let range = RangeQuery::new(Bound::Included(term), Bound::Unbounded);
            clauses.push((Occur::Must, Box::new(range)));
        }
        if self.from_ms.is_some() || self.to_ms.is_some() {
            let bound = |at: Option<Millis>| match at {
                Some(at) => Bound::Included(Term::from_field_i64(fields.when_ms, at)),
                None => Bound::Unbounded,
            };
            let range = RangeQuery::new(bound(self.from_ms), bound(self.to_ms));
            clauses.push((Occur::Must, Box::new(range)));
        }
        clauses.extend(phrases(&self.text).into_iter().map(|phrase| phrase.compile(fields)));
        // Words that must not occur need something to be taken from.
        clauses.push((Occur::Must, Box::new(AllQuery)));
        Box::new(BooleanQuery::new(clauses))
    }
}

impl Cursor {
    /// What comes after this event in a list from the newest to the oldest.
    pub(crate) fn compile(self, fields: &Fields) -> Box<dyn Query> {
        let when = Term::from_field_i64(fields.when_ms, self.when_ms);
        let tie = Term::from_field_u64(fields.tie, self.tie);
        let older = RangeQuery::new(Bound::Unbounded, Bound::Excluded(when.clone()));
        let same = RangeQuery::new(Bound::Included(when.clone()), Bound::Included(when));
        let lower = RangeQuery::new(Bound::Unbounded, Bound::Excluded(tie));
        let same_but_lower = BooleanQuery::intersection(vec![Box::new(same), Box::new(lower)]);
        Box::new(BooleanQuery::union(vec![Box::new(older), Box::new(same_but_lower)]))
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}-{:016x}", self.when_ms, self.tie)
    }
}

impl FromStr for Cursor {
    type Err = QueryError;
    fn from_str(text: &str) -> Result<Self, QueryError> {
        let wrong = || QueryError::Cursor(text.chars().take(64).collect());
        // From the right: a time before 1970 begins with a dash.
        let (when_ms, tie) = text.rsplit_once('-').ok_or_else(wrong)?;
        Ok(Self {
            when_ms: when_ms.parse().map_err(|_| wrong())?,
            tie: u64::from_str_radix(tie, 16).map_err(|_| wrong())?,
        })
    }
}

/// Words that must stand next to each other, or must not.
struct Phrase {
    words: Vec<String>,
    excluded: bool,
}

impl Phrase {
    fn compile(self, fields: &Fields) -> (Occur, Box<dyn Query>) {
        let occur = if self.excluded { Occur::MustNot } else { Occur::Must };
        let mut terms: Vec<Term> =
            self.words.iter().map(|word| Term::from_field_text(fields.text, word)).collect();
        let query: Box<dyn Query> = if terms.len() == 1 {
            Box::new(TermQuery::new(terms.remove(0), IndexRecordOption::Basic))
        } else {
            Box::new(PhraseQuery::new(terms))
        };
        (occur, query)
    }
}

fn phrases(text: &str) -> Vec<Phrase> {
    let folded = fold(text);
    let mut phrases = Vec::new();
    let mut push = |part: &str, excluded: bool| {
        let words: Vec<String> = words(part).map(str::to_owned).collect();
        if !words.is_empty() {
            phrases.push(Phrase { words, excluded });
        }
    };
    for (at, part) in folded.split('"').enumerate() {
        // What stands between a first and a second quote is one phrase.
        if at % 2 == 1 {
            push(part, false);
            continue;
        }
        for word in part.split_whitespace() {
            match word.strip_prefix('-') {
                Some(word) => push(word, true),
                None => push(word, false),
            }
        }
    }
    phrases
}
