//! Go templates (text/template) as Prometheus and Alertmanager use them, on gotmpl, which knows neither methods nor what a
//! missing key of a map of texts is: a parsed template is rewritten so that every field is asked of [`fields`].
//!
//! Promises: what Go refuses when it loads a template is refused when it is loaded here (functions and variables that are not
//! there); a rendering is bounded in bytes, steps, work and depth, whatever the template says. Leaves to others: which
//! functions and data there are.

mod fields;
mod functions;
pub mod humanize;
mod layout;
mod numbers;
mod printing;
mod record;
mod rendering;
mod rewrite;
mod times;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, OnceLock};

use gotmpl::parse::{DefineNode, Expr, ListNode, Node, Parser};
use gotmpl::{FuncMap, MissingKey, html};
use jiff::Timestamp;

pub use fields::wrong;
pub use functions::{number_of, shown, text_of};
pub use gotmpl::{SafeKind, TemplateError as EngineError, Value, ValueFunc, url_encode};
pub use record::{fields as record_fields, kind, map, numbered, record, with_more};
pub use rendering::{now, stoppable};
pub use times::{date, duration, since, time, timestamp_of, tz};

/// Steps of all loops of one rendering: a group of thousands of alerts, each with its labels. What comes to more is longer
/// than anybody reads.
const RANGE_STEPS_MAX: u64 = 100_000;

/// Definitions of one library and text: files of templates that people share have dozens.
const DEFINITIONS_MAX: usize = 256;

/// What a value of a program's own answers to a name, with arguments as a method or without; none: it has no such thing.
pub type Methods = fn(&Value, &str, &[Value]) -> Option<Result<Value, EngineError>>;

/// What is wrong with a template, when it is loaded or when it is rendered.
#[derive(Debug)]
pub struct TemplateError {
    line: usize,
    message: String,
}

impl std::error::Error for TemplateError {}

/// With the line, unless it is the first: most texts have one only.
impl fmt::Display for TemplateError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 1 {
            write!(formatter, "line {}: ", self.line)?;
        }
        formatter.write_str(&self.message)
    }
}

impl TemplateError {
    pub fn new(text: impl Into<String>) -> Self {
        Self { line: 1, message: text.into() }
    }

    /// Where in the text it is, counted from 1; 1 also where nobody knows.
    pub fn line(&self) -> usize {
        self.line
    }

    /// What is wrong there.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl From<(usize, String)> for TemplateError {
    fn from((line, message): (usize, String)) -> Self {
        Self { line: line.max(1), message }
    }
}

/// Functions, methods and named templates; texts are rendered among them.
pub struct Library {
    functions: Vec<(String, ValueFunc)>,
    methods: Methods,
    /// What `{{ define }}` defines.
    named: BTreeMap<String, ListNode>,
    bytes_max: usize,
    /// The engines with all that is named, made once.
    texts: OnceLock<gotmpl::Template>,
    pages: OnceLock<html::Template>,
}

/// A text that was checked, ready to be rendered any number of times.
#[derive(Clone)]
pub struct Template {
    engine: Engine,
    bytes_max: usize,
    methods: Methods,
}

#[derive(Clone)]
enum Engine {
    Text(Arc<gotmpl::Template>),
    /// Every action is escaped for the place where it stands.
    Page(Arc<html::Template>),
}

impl Library {
    /// What both programs know: Go's own functions and those of texts, times and numbers. `bytes_max` bounds one rendering.
    pub fn new(bytes_max: usize) -> Self {
        let functions = functions::all().into_iter();
        let functions = functions.map(|(name, function)| (name.to_owned(), function)).collect();
        Self {
            functions,
            methods: |_, _, _| None,
            named: BTreeMap::new(),
            bytes_max,
            texts: OnceLock::new(),
            pages: OnceLock::new(),
        }
    }

    pub fn with_function(
        mut self,
        name: &str,
        function: impl Fn(&[Value]) -> Result<Value, EngineError> + Send + Sync + 'static,
    ) -> Self {
        self.functions.push((name.to_owned(), Arc::new(function)));
        self
    }

    pub fn with_methods(self, methods: Methods) -> Self {
        Self { methods, ..self }
    }

    /// Adds the templates that a text defines; of one name the last counts, unless it is blank. Functions come first.
    pub fn with_named(mut self, text: &str) -> Result<Self, TemplateError> {
        self.add_named(text)?;
        Ok(self)
    }

    /// The same for a text that may be wrong: the library then stays as it was.
    pub fn add_named(&mut self, text: &str) -> Result<(), TemplateError> {
        let (_, defines) = self.trees(text)?;
        for (name, tree) in defines {
            if !tree.is_empty_tree() || !self.named.contains_key(&name) {
                self.named.insert(name, tree);
            }
        }
        (self.texts, self.pages) = (OnceLock::new(), OnceLock::new());
        Ok(())
    }

    /// Checks a text.
    pub fn template(&self, text: &str) -> Result<Template, TemplateError> {
        let (main, defines) = self.trees(text)?;
        let named = || {
            let engine = gotmpl::Template::new("")
                .missing_key(MissingKey::ZeroValue)
                .max_range_iters(RANGE_STEPS_MAX)
                .funcs(self.all_functions());
            let named = self.named.iter();
            named.fold(engine, |engine, (name, tree)| engine.add_parse_tree(name, tree.clone()))
        };
        let engine = self.texts.get_or_init(named).clone().add_parse_tree(MAIN, main);
        let add = |engine: gotmpl::Template, (name, tree): (String, ListNode)| {
            engine.add_parse_tree(&name, tree)
        };
        let engine = defines.into_iter().fold(engine, add);
        Ok(Template {
            engine: Engine::Text(Arc::new(engine)),
            bytes_max: self.bytes_max,
            methods: self.methods,
        })
    }

    /// Checks a text that becomes a page, or a part of one: Go's `html/template`.
    pub fn page(&self, text: &str) -> Result<Template, TemplateError> {
        let (main, defines) = self.trees(text)?;
        let engine = match self.pages.get() {
            Some(engine) => engine.clone(),
            None => self.pages.get_or_init(|| self.named_pages()).clone(),
        };
        let mut engine = engine.parse(PAGE).map_err(told)?;
        for (name, tree) in std::iter::once((MAIN.to_owned(), main)).chain(defines) {
            engine = engine.add_parse_tree(&name, tree).map_err(told)?;
        }
        // The engine looks where each action stands when it first writes, which is too late for a file that is checked.
        let _rendering = rendering::begin(0, Timestamp::UNIX_EPOCH, self.methods);
        match engine.execute_fmt(&mut Bounded::new(0), &Value::Nil) {
            Err(error @ EngineError::Escape { .. }) => Err(told(error)),
            _ => Ok(Template {
                engine: Engine::Page(Arc::new(engine)),
                bytes_max: self.bytes_max,
                methods: self.methods,
            }),
        }
    }

    fn named_pages(&self) -> html::Template {
        let engine = html::Template::new("")
            .missing_key(MissingKey::ZeroValue)
            .max_range_iters(RANGE_STEPS_MAX)
            .funcs(self.all_functions());
        // Nothing was run yet, so nothing is refused.
        self.named.iter().fold(engine, |engine, (name, tree)| {
            engine.clone().add_parse_tree(name, tree.clone()).unwrap_or(engine)
        })
    }

    /// All functions, each call counted.
    fn all_functions(&self) -> FuncMap {
        let methods = self.methods;
        let field: ValueFunc = Arc::new(move |given| fields::field(given, methods));
        let own = [
            (rewrite::FIELD, field),
            (rewrite::WRITTEN, Arc::new(printing::written)),
            (rewrite::COMPARED, Arc::new(record::compared)),
            (rewrite::RANGED, Arc::new(fields::ranged)),
        ];
        let own = own.into_iter().map(|(name, function)| (name.to_owned(), function));
        let all = self.functions.iter().cloned().chain(own).map(|(name, function)| {
            let counted: ValueFunc = Arc::new(move |given: &[Value]| {
                let answer = function(given)?;
                rendering::count(given, &answer)?;
                Ok(answer)
            });
            (name, counted)
        });
        all.collect()
    }

    /// The text and what it defines, checked and rewritten.
    fn trees(&self, text: &str) -> Result<(ListNode, Vec<(String, ListNode)>), TemplateError> {
        let known = |name: &str| {
            functions::BUILTIN.contains(&name) || self.functions.iter().any(|(own, _)| own == name)
        };
        let (mut main, defines) = parsed(text)?;
        rewrite::rewrite(&mut main, &known)?;
        let mut trees = Vec::new();
        for mut define in defines {
            rewrite::rewrite(&mut define.body, &known)?;
            trees.push((define.name.to_string(), define.body));
        }
        let own: BTreeSet<&str> = trees.iter().map(|(name, _)| name.as_str()).collect();
        let more = own.iter().filter(|name| !self.named.contains_key(**name)).count();
        if self.named.len() + more > DEFINITIONS_MAX {
            return Err(TemplateError::new(format!(
                "more than {DEFINITIONS_MAX} templates are defined"
            )));
        }
        Ok((main, trees))
    }
}

/// The text itself among the named templates; no `{{ define }}` can have this name.
const MAIN: &str = "\0main";

/// A page is looked through from its beginning, which must have been parsed.
const PAGE: &str = "{{template \"\\x00main\" .}}";

/// The parser takes a block without its end, and nothing behind an end without its block. So each text gets an end of its
/// own, which must be the last of it.
const END: &str = "{{\"\\x00end\"}}";

fn parsed(text: &str) -> Result<(ListNode, Vec<DefineNode>), TemplateError> {
    let parse = |text: &str| Parser::new(text, "{{", "}}").and_then(Parser::parse).map_err(told);
    // For the words of its errors only.
    parse(text)?;
    let (mut tree, defines) = parse(&format!("{text}{END}"))?;
    let ends = |node: &Node| {
        let Node::Action(action) = node else { return false };
        let words = action.pipe.commands.first().map(|command| command.args.as_slice());
        matches!(words, Some([Expr::String(_, text)]) if text.as_ref() == "\0end")
    };
    if tree.nodes.pop().is_some_and(|last| ends(&last)) {
        return Ok((tree, defines));
    }
    let message = "a block has no {{end}}, or an {{end}} or {{else}} has no block";
    Err(TemplateError::new(message))
}

/// What stands behind a dot, for functions that look into what they are given.
pub fn field(of: &Value, name: &str) -> Result<Value, EngineError> {
    fields::field(&[of.clone(), shown(name)], |_, _, _| None)
}

/// In the parser's words, without its own name in front.
fn told(error: EngineError) -> TemplateError {
    match error {
        EngineError::Parse { line, message, .. } | EngineError::Lex { line, message, .. } => {
            (line, message).into()
        }
        EngineError::Escape { line, description, .. } => (line, description).into(),
        EngineError::Exec(message) => TemplateError::new(message),
        other => TemplateError::new(other.to_string()),
    }
}

impl Template {
    /// Stands where there is none; rendering it fails.
    pub fn nothing() -> Self {
        let engine = Engine::Text(Arc::new(gotmpl::Template::new("")));
        Self { engine, bytes_max: 0, methods: |_, _, _| None }
    }

    /// The text that the data makes of it, as of `now`.
    pub fn render(&self, data: &Value, now: Timestamp) -> Result<String, TemplateError> {
        let mut out = Bounded::new(self.bytes_max);
        let _rendering = rendering::begin(self.bytes_max, now, self.methods);
        let done = match &self.engine {
            Engine::Text(engine) => engine.execute_template_fmt(&mut out, MAIN, data),
            Engine::Page(engine) => engine.execute_fmt(&mut out, data),
        };
        match done {
            Ok(()) => Ok(out.text),
            Err(_) if out.full => {
                Err(TemplateError::new(format!("it becomes longer than {} bytes", self.bytes_max)))
            }
            Err(error) => Err(told(error)),
        }
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Template").finish_non_exhaustive()
    }
}

/// Takes so many bytes and then no more.
struct Bounded {
    text: String,
    bytes_max: usize,
    full: bool,
}

impl Bounded {
    fn new(bytes_max: usize) -> Self {
        Self { text: String::new(), bytes_max, full: false }
    }
}

impl fmt::Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.text.len() + text.len() > self.bytes_max {
            self.full = true;
            return Err(fmt::Error);
        }
        self.text.push_str(text);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
