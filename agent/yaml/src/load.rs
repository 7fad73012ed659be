//! Text to tree, event by event: positions, anchors and aliases, merge keys (`<<`), and every bound.
//!
//! An alias shares its anchor's node, so a tree is never larger than its file; reading it copies, so what all aliases
//! would add together is bounded (a "billion laughs" file is refused). Nothing here recurses.

use std::collections::HashMap;
use std::sync::Arc;

use yaml_rust2::parser::{Event, Parser, Tag};
use yaml_rust2::scanner::{Marker, TScalarStyle};

use crate::FILE_BYTES_MAX;
use crate::tree::{Key, Kind, Node};

/// Lists in lists: rules and routes nest six deep, and what drops a tree recurses.
const DEPTH_MAX: usize = 100;

/// What a value takes besides its text, roughly.
const NODE_BYTES: u64 = 16;

/// The key that takes over the keys of another mapping (YAML 1.1, "merge key language-independent type").
const MERGE: &str = "<<";

/// A line and what is wrong there.
pub(crate) type Refusal = (Option<usize>, String);

/// A collection that is not at its end yet.
struct Open {
    line: usize,
    anchor: usize,
    parts: Parts,
}

enum Parts {
    Sequence(Vec<Arc<Node>>),
    Mapping(Pairs),
}

#[derive(Default)]
struct Pairs {
    whole: Vec<(Key, Arc<Node>)>,
    /// The key that waits for its value.
    waiting: Option<Key>,
    /// The line of every key so far.
    lines: HashMap<String, usize>,
}

#[derive(Default)]
struct Loader {
    open: Vec<Open>,
    anchors: HashMap<usize, Arc<Node>>,
    /// The bytes of what stands in the file itself.
    own_bytes: u64,
    documents: usize,
    root: Option<Arc<Node>>,
}

/// The one document of a text; a text without any is an empty mapping.
pub(crate) fn load(text: &str) -> Result<Node, Refusal> {
    let mut parser = Parser::new_from_str(text);
    let mut loader = Loader::default();
    loop {
        let (event, mark) = parser
            .next_token()
            .map_err(|error| (Some(error.marker().line()), format!("is not YAML: {error}")))?;
        if event == Event::StreamEnd {
            return loader.finish();
        }
        loader.take(event, mark).map_err(|message| (Some(mark.line()), message))?;
    }
}

impl Loader {
    fn take(&mut self, event: Event, mark: Marker) -> Result<(), String> {
        let line = mark.line();
        match event {
            Event::DocumentStart => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err("a second document begins (`---`); one file holds one".to_owned());
                }
            }
            Event::MappingStart(anchor, tag) => {
                refuse_tag(tag)?;
                self.begin(line, anchor, Parts::Mapping(Pairs::default()))?;
            }
            Event::SequenceStart(anchor, tag) => {
                refuse_tag(tag)?;
                self.begin(line, anchor, Parts::Sequence(Vec::new()))?;
            }
            Event::MappingEnd | Event::SequenceEnd => self.end()?,
            Event::Scalar(text, style, anchor, tag) => {
                refuse_tag(tag)?;
                self.own_bytes += NODE_BYTES + text.len() as u64;
                let kind = Kind::Scalar { text, plain: style == TScalarStyle::Plain };
                self.put(self.node(line, kind)?, anchor)?;
            }
            Event::Alias(anchor) => match self.anchors.get(&anchor).cloned() {
                Some(node) => self.put(node, 0)?,
                None => return Err("an alias stands within its own anchor".to_owned()),
            },
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
        }
        Ok(())
    }

    fn begin(&mut self, line: usize, anchor: usize, parts: Parts) -> Result<(), String> {
        if let Some(Open { parts: Parts::Mapping(pairs), .. }) = self.open.last()
            && pairs.waiting.is_none()
        {
            return Err("a key must be plain text".to_owned());
        }
        if self.open.len() == DEPTH_MAX {
            return Err(format!("nests deeper than {DEPTH_MAX} levels"));
        }
        self.own_bytes += NODE_BYTES;
        self.open.push(Open { line, anchor, parts });
        Ok(())
    }

    fn end(&mut self) -> Result<(), String> {
        let Some(Open { line, anchor, parts }) = self.open.pop() else { return Ok(()) };
        let kind = match parts {
            Parts::Sequence(nodes) => Kind::Sequence(nodes),
            Parts::Mapping(pairs) => Kind::Mapping(merged(pairs)?),
        };
        self.put(self.node(line, kind)?, anchor)
    }

    /// A node, if the aliases in it stay within their bound.
    fn node(&self, line: usize, kind: Kind) -> Result<Arc<Node>, String> {
        let parts: u64 = match &kind {
            Kind::Scalar { text, .. } => text.len() as u64,
            Kind::Sequence(nodes) => sum(nodes.iter()),
            Kind::Mapping(pairs) => sum(pairs.iter().map(|(_, node)| node)),
        };
        let bytes = parts.saturating_add(NODE_BYTES);
        if bytes > self.own_bytes.saturating_add(FILE_BYTES_MAX) {
            let message = format!("aliases (`*name`) repeat more than {FILE_BYTES_MAX} bytes");
            return Err(message);
        }
        Ok(Arc::new(Node { line, bytes, kind }))
    }

    /// A whole node goes where it belongs.
    fn put(&mut self, node: Arc<Node>, anchor: usize) -> Result<(), String> {
        if anchor > 0 {
            self.anchors.insert(anchor, Arc::clone(&node));
        }
        match self.open.last_mut().map(|open| &mut open.parts) {
            None => self.root = Some(node),
            Some(Parts::Sequence(nodes)) => nodes.push(node),
            Some(Parts::Mapping(pairs)) => match pairs.waiting.take() {
                Some(key) => pairs.whole.push((key, node)),
                None => pairs.waiting = Some(pairs.key(&node)?),
            },
        }
        Ok(())
    }

    fn finish(self) -> Result<Node, Refusal> {
        let Some(root) = self.root else { return Ok(Node::empty_mapping()) };
        match root.kind {
            Kind::Mapping(_) => Ok(Arc::unwrap_or_clone(root)),
            Kind::Scalar { ref text, plain: true } if text.is_empty() || text == "~" => {
                Ok(Node::empty_mapping())
            }
            Kind::Scalar { .. } | Kind::Sequence(_) => {
                let message = "the file must hold `key: value` lines at its top level";
                Err((Some(root.line), message.to_owned()))
            }
        }
    }
}

fn sum<'a>(nodes: impl Iterator<Item = &'a Arc<Node>>) -> u64 {
    nodes.fold(0, |sum, node| sum.saturating_add(node.bytes))
}

fn refuse_tag(tag: Option<Tag>) -> Result<(), String> {
    match tag {
        None => Ok(()),
        Some(_) => Err("tags (`!name`) are not supported".to_owned()),
    }
}

impl Pairs {
    /// A node as the key of the next pair; no key may come twice.
    fn key(&mut self, node: &Node) -> Result<Key, String> {
        let Kind::Scalar { text, plain } = &node.kind else {
            return Err("a key must be plain text".to_owned());
        };
        if let Some(first) = self.lines.insert(text.clone(), node.line) {
            return Err(format!("`{text}` is given twice; the first is on line {first}"));
        }
        Ok(Key { text: text.clone(), line: node.line, merges: *plain && text == MERGE })
    }
}

/// Puts the keys that `<<` names behind the mapping's own, which hold.
fn merged(pairs: Pairs) -> Result<Vec<(Key, Arc<Node>)>, String> {
    let Pairs { mut whole, mut lines, .. } = pairs;
    let Some(at) = whole.iter().position(|(key, _)| key.merges) else { return Ok(whole) };
    let (_, merge) = whole.remove(at);
    let from = match &merge.kind {
        Kind::Sequence(nodes) => &nodes[..],
        Kind::Mapping(_) | Kind::Scalar { .. } => std::slice::from_ref(&merge),
    };
    for node in from {
        let Kind::Mapping(others) = &node.kind else {
            return Err("`<<` wants a mapping or a list of them".to_owned());
        };
        for (key, value) in others {
            if lines.insert(key.text.clone(), key.line).is_none() {
                whole.push((key.clone(), Arc::clone(value)));
            }
        }
    }
    Ok(whole)
}
