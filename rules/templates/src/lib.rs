//! Go templates (text/template) as Prometheus and Alertmanager use them, on gotmpl, which knows neither methods nor what a
//! missing key of a map of texts is: a parsed template is rewritten so that every field is asked of [`fields`].
//!
//! Promises: what Go refuses when it loads a template is refused when it is loaded here (functions and variables that are not
//! there); a rendering is bounded in bytes, steps and depth. Leaves to others: which functions and data there are.

mod fields;
mod functions;
pub mod humanize;
mod layout;
mod numbers;
mod rewrite;
mod times;

use std::fmt;
use std::sync::Arc;

use gotmpl::MissingKey;
use gotmpl::parse::{DefineNode, Expr, ListNode, Node, Parser};

pub use fields::{map, record};
pub use functions::{number_of, shown, text_of};
pub use gotmpl::{TemplateError as EngineError, Value, ValueFunc, url_encode};
pub use times::time;

/// Steps of all loops of one rendering: the alerts of a large group, each with its labels, many times over.
const RANGE_STEPS_MAX: u64 = 1_000_000;

/// What a value of a program's own answers to a name, with arguments as a method or without; none: it has no such thing.
pub type Methods = fn(&Value, &str, &[Value]) -> Option<Result<Value, EngineError>>;

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct TemplateError(String);

impl TemplateError {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

/// Functions, methods and named templates; texts are rendered among them.
pub struct Library {
    functions: Vec<(String, ValueFunc)>,
    methods: Methods,
    /// Texts with `{{ define }}`.
    named: Vec<String>,
    bytes_max: usize,
}

/// A text that was checked, ready to be rendered any number of times.
#[derive(Clone)]
pub struct Template(Arc<gotmpl::Template>, usize);

impl Library {
    /// What both programs know: Go's own functions and those of texts, times and numbers. `bytes_max` bounds one rendering.
    pub fn new(bytes_max: usize) -> Self {
        let functions = functions::all().into_iter();
        let functions = functions.map(|(name, function)| (name.to_owned(), function)).collect();
        Self { functions, methods: |_, _, _| None, named: Vec::new(), bytes_max }
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

    /// Adds the templates that a text defines; a later one of the same name counts.
    pub fn with_named(mut self, text: &str) -> Result<Self, TemplateError> {
        self.template(text)?;
        self.named.push(text.to_owned());
        Ok(self)
    }

    /// Checks a text.
    pub fn template(&self, text: &str) -> Result<Template, TemplateError> {
        let mut engine = gotmpl::Template::new("")
            .missing_key(MissingKey::ZeroValue)
            .max_range_iters(RANGE_STEPS_MAX);
        for (name, function) in &self.functions {
            let function = Arc::clone(function);
            engine = engine.func(name, move |arguments| function(arguments));
        }
        let methods = self.methods;
        engine = engine.func(rewrite::FIELD, move |arguments| fields::field(arguments, methods));
        engine = engine.func(rewrite::WRITTEN, numbers::written);
        let known = |name: &str| {
            functions::BUILTIN.contains(&name) || self.functions.iter().any(|(own, _)| own == name)
        };
        for text in self.named.iter().map(String::as_str).chain([text]) {
            let (mut tree, defines) = parsed(text)?;
            rewrite::rewrite(&mut tree, &known).map_err(TemplateError)?;
            engine = engine.add_parse_tree(MAIN, tree);
            for mut define in defines {
                rewrite::rewrite(&mut define.body, &known).map_err(TemplateError)?;
                engine = engine.add_parse_tree(&define.name, define.body);
            }
        }
        Ok(Template(Arc::new(engine), self.bytes_max))
    }
}

/// The text itself among the named templates; no `{{ define }}` can have this name.
const MAIN: &str = "\0main";

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
    Err(TemplateError(message.to_owned()))
}

/// What stands behind a dot, for functions that look into what they are given.
pub fn field(of: &Value, name: &str) -> Result<Value, EngineError> {
    fields::field(&[of.clone(), shown(name)], |_, _, _| None)
}

/// In the parser's words, without its own name in front.
fn told(error: EngineError) -> TemplateError {
    match error {
        EngineError::Parse { line, message, .. } | EngineError::Lex { line, message, .. } => {
            TemplateError(if line > 1 { format!("line {line}: {message}") } else { message })
        }
        EngineError::Exec(message) => TemplateError(message),
        other => TemplateError(other.to_string()),
    }
}

impl Template {
    pub fn render(&self, data: &Value) -> Result<String, TemplateError> {
        let mut out = Bounded::new(self.1);
        let done = self.0.execute_template_fmt(&mut out, MAIN, data);
        match done {
            Ok(()) => Ok(out.text),
            Err(_) if out.full => {
                Err(TemplateError(format!("it becomes longer than {} bytes", self.1)))
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
