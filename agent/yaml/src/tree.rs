//! The parsed tree, as deserr wants to see it, and the way back from a place in it to a line of the file.

use std::sync::Arc;

use deserr::{IntoValue, ValueKind};

use crate::place::{Place, Step};

/// A value and where it stands; an alias stands where its anchor does.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) line: usize,
    /// What it and all below it take, roughly, with every alias written out.
    pub(crate) bytes: u64,
    pub(crate) kind: Kind,
}

#[derive(Clone, Debug)]
pub(crate) enum Kind {
    /// `plain` without quotes or a block: it may be a number, a boolean or nothing.
    Scalar {
        text: String,
        plain: bool,
    },
    Sequence(Vec<Arc<Node>>),
    Mapping(Vec<(Key, Arc<Node>)>),
}

#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) text: String,
    pub(crate) line: usize,
    /// The `<<` that takes over the keys of another mapping.
    pub(crate) merges: bool,
}

impl Node {
    pub(crate) fn empty_mapping() -> Self {
        Self { line: 1, bytes: 0, kind: Kind::Mapping(Vec::new()) }
    }
}

pub(crate) struct Value(pub(crate) Arc<Node>);

pub(crate) struct Sequence(Arc<Node>);

pub(crate) struct Map(Vec<(Key, Arc<Node>)>);

impl IntoValue for Value {
    type Sequence = Sequence;
    type Map = Map;

    fn kind(&self) -> ValueKind {
        match &self.0.kind {
            Kind::Scalar { text, plain } => scalar(text, *plain).kind(),
            Kind::Mapping(_) => ValueKind::Map,
            Kind::Sequence(_) => ValueKind::Sequence,
        }
    }

    fn into_value(self) -> deserr::Value<Self> {
        match &self.0.kind {
            Kind::Scalar { text, plain } => scalar(text, *plain),
            Kind::Mapping(pairs) => deserr::Value::Map(Map(pairs.clone())),
            Kind::Sequence(_) => deserr::Value::Sequence(Sequence(self.0)),
        }
    }
}

impl Sequence {
    fn nodes(&self) -> &[Arc<Node>] {
        match &self.0.kind {
            Kind::Sequence(nodes) => nodes,
            Kind::Scalar { .. } | Kind::Mapping(_) => &[],
        }
    }
}

impl deserr::Sequence for Sequence {
    type Value = Value;
    type Iter = std::vec::IntoIter<Value>;

    fn len(&self) -> usize {
        self.nodes().len()
    }

    fn into_iter(self) -> Self::Iter {
        let values: Vec<_> = self.nodes().iter().cloned().map(Value).collect();
        IntoIterator::into_iter(values)
    }
}

impl deserr::Map for Map {
    type Value = Value;
    type Iter = std::vec::IntoIter<(String, Value)>;

    fn len(&self) -> usize {
        self.0.len()
    }

    fn remove(&mut self, key: &str) -> Option<Value> {
        let at = self.0.iter().position(|(name, _)| name.text == key)?;
        Some(Value(self.0.remove(at).1))
    }

    fn into_iter(self) -> Self::Iter {
        let pairs = self.0.into_iter().map(|(key, node)| (key.text, Value(node)));
        IntoIterator::into_iter(pairs.collect::<Vec<_>>())
    }
}

/// The YAML 1.2 core schema: a plain scalar is null, a boolean or a number where it looks like one. A number that
/// would be written otherwise (`1.10`, `007`, `1e3`) stays as it stands, for whoever wants text; [`crate::Number`]
/// reads both.
fn scalar(text: &str, plain: bool) -> deserr::Value<Value> {
    let as_text = || deserr::Value::String(text.to_owned());
    if !plain {
        return as_text();
    }
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return deserr::Value::Null,
        "true" | "True" | "TRUE" => return deserr::Value::Boolean(true),
        "false" | "False" | "FALSE" => return deserr::Value::Boolean(false),
        _ => {}
    }
    if !text.starts_with(|first: char| first.is_ascii_digit() || first == '-') {
        return as_text();
    }
    if let Some(integer) = text.parse::<u64>().ok().filter(|it| it.to_string() == text) {
        return deserr::Value::Integer(integer);
    }
    if let Some(integer) = text.parse::<i64>().ok().filter(|it| it.to_string() == text) {
        return deserr::Value::NegativeInteger(integer);
    }
    match text.parse::<f64>().ok().filter(|it| it.to_string() == text) {
        Some(float) => deserr::Value::Float(float),
        None => as_text(),
    }
}

/// The line on which a place begins; of a place that is not there, the line of the nearest parent that is.
/// For a key of a mapping it is the key's own line, so that `expr: |` points at `expr`, not below it.
pub(crate) fn line_of(root: &Node, place: &Place) -> usize {
    let mut node = root;
    let mut line = node.line;
    for component in &place.0 {
        let child = match (component, &node.kind) {
            (Step::Key(wanted), Kind::Mapping(pairs)) => {
                let found = pairs.iter().find(|(key, _)| key.text == *wanted);
                found.map(|(key, child)| (key.line, child))
            }
            (Step::Index(index), Kind::Sequence(nodes)) => {
                nodes.get(*index).map(|child| (child.line, child))
            }
            _ => None,
        };
        let Some((child_line, child)) = child else { break };
        line = child_line;
        node = child;
    }
    line
}
