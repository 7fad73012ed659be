//! A parsed template is changed before it is run: each `.a.b` becomes a call of [`FIELD`], with the arguments that stand
//! behind it. On the way names are checked, as Go checks them when it parses: variables and functions that nobody made.

use gotmpl::parse::{BranchNode, CommandNode, Expr, ListNode, Node, PipeNode, Pos, SmolStr};

/// Names and parentheses within each other: each is a call within a call, on the stack of whoever renders.
pub(crate) const NESTED_MAX: usize = 100;

/// The function that fields are asked of; no template can write this name.
pub(crate) const FIELD: &str = "field of";

/// The function that what an action writes goes through.
pub(crate) const WRITTEN: &str = "written as";

/// The function that what is compared goes through: a month is a number then.
pub(crate) const COMPARED: &str = "compared as";

/// The function that what a loop goes over goes through.
pub(crate) const RANGED: &str = "ranged over";

/// Functions that compare.
const COMPARISONS: [&str; 6] = ["eq", "ne", "lt", "le", "gt", "ge"];

/// Functions that write already, and behind which the escaping of pages takes no other.
const ESCAPES: [&str; 3] = ["html", "js", "urlquery"];

/// Checks and rewrites the body of a template. `known` tells which functions there are. An error comes with its line.
pub(crate) fn rewrite(
    tree: &mut ListNode,
    known: &dyn Fn(&str) -> bool,
) -> Result<(), (usize, String)> {
    // `$` is there from the start.
    let mut walk = Walk { known, variables: vec!["$".into()], nested: 0, line: 1 };
    walk.list(tree).map_err(|message| (walk.line, message))
}

struct Walk<'a> {
    known: &'a dyn Fn(&str) -> bool,
    /// Those that are in force; the end of a block takes its own away.
    variables: Vec<SmolStr>,
    /// How many names and parentheses stand around this place.
    nested: usize,
    /// Where it has come to.
    line: usize,
}

impl Walk<'_> {
    fn list(&mut self, list: &mut ListNode) -> Result<(), String> {
        list.nodes.iter_mut().try_for_each(|node| self.node(node))
    }

    fn node(&mut self, node: &mut Node) -> Result<(), String> {
        match node {
            Node::List(list) => self.list(list),
            Node::Action(action) => {
                self.pipe(&mut action.pipe)?;
                if action.pipe.decl.is_empty() && !ends_escaped(&action.pipe) {
                    action.pipe.commands.push(call(action.pos, WRITTEN));
                }
                Ok(())
            }
            Node::If(branch) | Node::With(branch) => self.branch(branch),
            Node::Range(branch) => {
                self.branch(branch)?;
                branch.pipe.commands.push(call(branch.pipe.pos, RANGED));
                Ok(())
            }
            Node::Template(template) => {
                template.pipe.as_mut().map_or(Ok(()), |pipe| self.pipe(pipe))
            }
            // Bodies of definitions are given one by one.
            Node::Text(_) | Node::Define(_) | Node::Break(_) | Node::Continue(_) => Ok(()),
        }
    }

    fn branch(&mut self, branch: &mut BranchNode) -> Result<(), String> {
        let outside = self.variables.len();
        self.pipe(&mut branch.pipe)?;
        let inside = self.variables.len();
        self.list(&mut branch.body)?;
        self.variables.truncate(inside);
        if let Some(otherwise) = &mut branch.else_body {
            self.list(otherwise)?;
        }
        self.variables.truncate(outside);
        Ok(())
    }

    fn pipe(&mut self, pipe: &mut PipeNode) -> Result<(), String> {
        for (at, command) in pipe.commands.iter_mut().enumerate() {
            self.command(command, at > 0)?;
        }
        // What is piped into a comparison is compared too.
        for at in (1..pipe.commands.len()).rev() {
            if compares(&pipe.commands[at]) {
                pipe.commands.insert(at, call(pipe.pos, COMPARED));
            }
        }
        if pipe.is_assign {
            return pipe.decl.iter().try_for_each(|name| self.is_there(name));
        }
        self.variables.extend(pipe.decl.iter().cloned());
        Ok(())
    }

    /// `piped`: what stands before is one more argument.
    fn command(&mut self, command: &mut CommandNode, piped: bool) -> Result<(), String> {
        let takes_arguments = piped || command.args.len() > 1;
        let compares = compares(command);
        for argument in command.args.iter_mut().skip(1) {
            self.expression(argument)?;
            if compares {
                let inner = std::mem::replace(argument, Expr::Nil(command.pos));
                *argument = called(command.pos, COMPARED, vec![inner]);
            }
        }
        let Some(first) = command.args.first_mut() else { return Ok(()) };
        self.expression(first)?;
        // The last field of the first word takes the arguments: its call becomes the command.
        if takes_arguments && let Some(call) = field_call(first) {
            command.args.splice(..1, call);
        }
        Ok(())
    }

    fn expression(&mut self, expression: &mut Expr) -> Result<(), String> {
        self.line = expression.pos().line;
        let inside = match expression {
            Expr::Field(_, names) | Expr::Variable(_, _, names) | Expr::Chain(_, _, names) => {
                names.len()
            }
            _ => 1,
        };
        self.nested += inside;
        if self.nested > NESTED_MAX {
            return Err(format!("more than {NESTED_MAX} names and parentheses within each other"));
        }
        let checked = self.nested_expression(expression);
        self.nested -= inside;
        checked
    }

    fn nested_expression(&mut self, expression: &mut Expr) -> Result<(), String> {
        match expression {
            Expr::Identifier(_, name) if !(self.known)(name) => {
                Err(format!("function {name:?} not defined"))
            }
            Expr::Pipe(_, pipe) => self.pipe(pipe),
            Expr::Field(pos, names) => {
                *expression = asked(*pos, Expr::Dot(*pos), std::mem::take(names));
                Ok(())
            }
            Expr::Variable(pos, variable, names) => {
                self.is_there(variable)?;
                let alone = Expr::Variable(*pos, variable.clone(), Vec::new());
                *expression = asked(*pos, alone, std::mem::take(names));
                Ok(())
            }
            Expr::Chain(pos, inner, names) => {
                self.expression(inner)?;
                let inner = std::mem::replace(inner.as_mut(), Expr::Nil(*pos));
                *expression = asked(*pos, inner, std::mem::take(names));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn is_there(&self, variable: &SmolStr) -> Result<(), String> {
        let there = self.variables.contains(variable);
        if there { Ok(()) } else { Err(format!("undefined variable {variable:?}")) }
    }
}

/// One call for each name, the first innermost.
fn asked(pos: Pos, receiver: Expr, names: Vec<SmolStr>) -> Expr {
    names.into_iter().fold(receiver, |receiver, name| {
        called(pos, FIELD, vec![receiver, Expr::String(pos, name.as_str().into())])
    })
}

fn called(pos: Pos, function: &str, arguments: Vec<Expr>) -> Expr {
    let mut command = call(pos, function);
    command.args.extend(arguments);
    Expr::Pipe(pos, PipeNode { pos, decl: Vec::new(), commands: vec![command], is_assign: false })
}

fn call(pos: Pos, function: &str) -> CommandNode {
    CommandNode { pos, args: vec![Expr::Identifier(pos, function.into())] }
}

fn compares(command: &CommandNode) -> bool {
    matches!(command.args.first(), Some(Expr::Identifier(_, name)) if COMPARISONS.contains(&name.as_str()))
}

fn ends_escaped(pipe: &PipeNode) -> bool {
    let last = pipe.commands.last().and_then(|command| command.args.first());
    matches!(last, Some(Expr::Identifier(_, name)) if ESCAPES.contains(&name.as_str()))
}

/// The words of a call that [`asked`] has made.
fn field_call(expression: &mut Expr) -> Option<Vec<Expr>> {
    let Expr::Pipe(_, pipe) = expression else { return None };
    let [command] = pipe.commands.as_mut_slice() else { return None };
    let ours = matches!(command.args.first(), Some(Expr::Identifier(_, name)) if name == FIELD);
    (ours && pipe.decl.is_empty()).then(|| std::mem::take(&mut command.args))
}
