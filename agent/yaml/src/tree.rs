//! The parsed tree as deserr wants to see it, and the way back from a place in it to a line of the file.

use deserr::{IntoValue, ValueKind};
use marked_yaml::Node;
use marked_yaml::types::{MarkedMappingNode, MarkedScalarNode};

use crate::place::{Place, Step};

pub(crate) struct Value(pub(crate) Node);

pub(crate) struct Sequence(Vec<Node>);

pub(crate) struct Map(MarkedMappingNode);

impl IntoValue for Value {
    type Sequence = Sequence;
    type Map = Map;

    fn kind(&self) -> ValueKind {
        match &self.0 {
            Node::Scalar(scalar) => scalar_value(scalar).kind(),
            Node::Mapping(_) => ValueKind::Map,
            Node::Sequence(_) => ValueKind::Sequence,
        }
    }

    fn into_value(self) -> deserr::Value<Self> {
        match self.0 {
            Node::Scalar(scalar) => scalar_value(&scalar),
            Node::Mapping(mapping) => deserr::Value::Map(Map(mapping)),
            Node::Sequence(sequence) => {
                deserr::Value::Sequence(Sequence(sequence.iter().cloned().collect()))
            }
        }
    }
}

impl deserr::Sequence for Sequence {
    type Value = Value;
    type Iter = std::iter::Map<std::vec::IntoIter<Node>, fn(Node) -> Value>;

    fn len(&self) -> usize {
        self.0.len()
    }

    fn into_iter(self) -> Self::Iter {
        self.0.into_iter().map(Value)
    }
}

impl deserr::Map for Map {
    type Value = Value;
    type Iter = std::vec::IntoIter<(String, Value)>;

    fn len(&self) -> usize {
        self.0.len()
    }

    fn remove(&mut self, key: &str) -> Option<Value> {
        self.0.remove(key).map(Value)
    }

    fn into_iter(self) -> Self::Iter {
        let pairs = self.0.iter().map(|(key, node)| (key.as_str().to_owned(), Value(node.clone())));
        pairs.collect::<Vec<_>>().into_iter()
    }
}

/// The YAML 1.2 core schema: an unquoted scalar is null, a boolean or a number where it looks like one.
fn scalar_value(scalar: &MarkedScalarNode) -> deserr::Value<Value> {
    let text = scalar.as_str();
    if !scalar.may_coerce() {
        return deserr::Value::String(text.to_owned());
    }
    if matches!(text, "" | "~" | "null" | "Null" | "NULL") {
        return deserr::Value::Null;
    }
    if let Some(boolean) = scalar.as_bool() {
        return deserr::Value::Boolean(boolean);
    }
    let numeric = text.starts_with(|first: char| first.is_ascii_digit() || "+-.".contains(first));
    if numeric {
        if let Ok(integer) = text.parse::<u64>() {
            return deserr::Value::Integer(integer);
        }
        if let Ok(integer) = text.parse::<i64>() {
            return deserr::Value::NegativeInteger(integer);
        }
        if let Ok(float) = text.parse::<f64>() {
            return deserr::Value::Float(float);
        }
    }
    deserr::Value::String(text.to_owned())
}

/// The line on which a place begins; of a place that is not there, the line of the nearest parent that is.
/// For a key of a mapping it is the key's own line, so that `expr: |` points at `expr`, not below it.
pub(crate) fn line_of(root: &Node, place: &Place) -> Option<usize> {
    let mut node = root;
    let mut line = start_line(node);
    for component in &place.0 {
        let child = match (component, node) {
            (Step::Key(key), Node::Mapping(mapping)) => {
                let found = mapping.iter().find(|(name, _)| name.as_str() == key);
                found.map(|(name, child)| (name.span().start().map(|mark| mark.line()), child))
            }
            (Step::Index(index), Node::Sequence(sequence)) => {
                sequence.get_node(*index).map(|child| (start_line(child), child))
            }
            _ => None,
        };
        let Some((child_line, child)) = child else { break };
        line = child_line.or(line);
        node = child;
    }
    line
}

fn start_line(node: &Node) -> Option<usize> {
    node.span().start().map(|mark| mark.line())
}
