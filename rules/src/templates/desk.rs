//! What the functions of a template know beyond their arguments, for the time of one rendering.
//! The engine takes plain functions, so this lies where the thread finds it; nothing stays there afterwards.

use std::cell::RefCell;
use std::collections::HashMap;

use rules_templates::{EngineError, Value};

use super::TemplateData;

/// The answers so far, and the question that has none yet.
#[derive(Default)]
pub(super) struct Desk {
    external_url: String,
    answers: HashMap<String, Value>,
    question: Option<String>,
}

thread_local! {
    static LENT: RefCell<Desk> = RefCell::default();
}

impl Desk {
    pub(super) fn new(data: &TemplateData) -> Self {
        Self { external_url: data.around.external.url.clone(), ..Self::default() }
    }

    /// Renders with this desk in reach; returns the question that was asked in vain, if one was.
    pub(super) fn lend<T>(&mut self, render: impl FnOnce() -> T) -> (T, Option<String>) {
        LENT.set(std::mem::take(self));
        let rendered = render();
        *self = LENT.take();
        (rendered, self.question.take())
    }

    pub(super) fn answer(&mut self, question: String, answer: Value) {
        self.answers.insert(question, answer);
    }
}

/// The answer, or an error that ends this rendering.
pub(super) fn ask(question: &str) -> Result<Value, EngineError> {
    LENT.with_borrow_mut(|desk| match desk.answers.get(question) {
        Some(answer) => Ok(answer.clone()),
        None => {
            desk.question.get_or_insert_with(|| question.to_owned());
            Err(EngineError::Exec("the query is not answered yet".to_owned()))
        }
    })
}

pub(super) fn external_url() -> String {
    LENT.with_borrow(|desk| desk.external_url.clone())
}
