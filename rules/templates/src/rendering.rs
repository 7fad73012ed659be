//! What one rendering may cost and what it knows beside its data: how long a text may become, how much text all functions
//! together may read and write, and what time it is. The engine takes plain functions, so this lies where the thread
//! finds it; nothing stays there afterwards.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use gotmpl::{TemplateError, Value};
use jiff::Timestamp;

use crate::Methods;
use crate::fields::wrong;
use crate::record;

/// Bytes that all calls of functions of one rendering read and write: a message is some thousands of them, so this is a
/// template that would keep a processor busy for seconds.
pub(crate) const WORK_BYTES_MAX: usize = 32 << 20;

/// What a member of a list or a map costs.
const MEMBER_BYTES: usize = 8;

/// What a call costs that reads and writes nothing.
const CALL_BYTES: usize = 32;

#[derive(Clone, Copy)]
struct Rendering {
    text_max: usize,
    work_left: usize,
    now: Timestamp,
    methods: Methods,
}

/// Outside of any rendering nothing is bounded, and it is 1970.
const NONE: Rendering = Rendering {
    text_max: usize::MAX,
    work_left: usize::MAX,
    now: Timestamp::UNIX_EPOCH,
    methods: |_, _, _| None,
};

thread_local! {
    static CURRENT: Cell<Rendering> = const { Cell::new(NONE) };
    static STOP: RefCell<Option<Rc<dyn Fn() -> bool>>> = const { RefCell::new(None) };
}

/// Does work, of which every rendering fails once `stop` says so: whoever renders has a clock, this has none.
pub fn stoppable<T>(stop: impl Fn() -> bool + 'static, work: impl FnOnce() -> T) -> T {
    /// What was there before is there again, however the work ends.
    struct Before(Option<Rc<dyn Fn() -> bool>>);
    impl Drop for Before {
        fn drop(&mut self) {
            STOP.set(self.0.take());
        }
    }
    let _before = Before(STOP.replace(Some(Rc::new(stop))));
    work()
}

/// Ends the rendering when dropped.
pub(crate) struct Begun(Rendering);

impl Drop for Begun {
    fn drop(&mut self) {
        CURRENT.set(self.0);
    }
}

pub(crate) fn begin(text_max: usize, now: Timestamp, methods: Methods) -> Begun {
    Begun(CURRENT.replace(Rendering { text_max, work_left: WORK_BYTES_MAX, now, methods }))
}

/// As what a program's own value is printed: what its method `String` answers.
pub(crate) fn printed(value: &Value) -> Option<Value> {
    (CURRENT.get().methods)(value, "String", &[]).and_then(Result::ok)
}

/// As of when the rendering shows things.
pub fn now() -> Timestamp {
    CURRENT.get().now
}

/// How long a text may become.
pub(crate) fn text_max() -> usize {
    CURRENT.get().text_max
}

/// Counts a call; refuses what is too long and what is too much.
pub(crate) fn count(given: &[Value], answer: &Value) -> Result<(), TemplateError> {
    if answer.as_str().is_some_and(|text| text.len() > text_max()) {
        return Err(too_long());
    }
    spend(given.iter().chain([answer]).map(length).sum())
}

/// Counts work that is done by other than text.
pub(crate) fn spend(bytes: usize) -> Result<(), TemplateError> {
    let stop = STOP.with_borrow(Clone::clone);
    if stop.is_some_and(|stop| stop()) {
        return Err(wrong("it takes too long"));
    }
    let mut current = CURRENT.get();
    let left = current.work_left.checked_sub(bytes.saturating_add(CALL_BYTES));
    current.work_left = left.ok_or_else(|| {
        wrong(format!("its functions read and write more than {WORK_BYTES_MAX} bytes"))
    })?;
    CURRENT.set(current);
    Ok(())
}

pub(crate) fn too_long() -> TemplateError {
    wrong(format!("it becomes longer than {} bytes", text_max()))
}

/// Of a list and a map each member may be looked at, which takes as long as some letters; a record is only asked for one.
fn length(value: &Value) -> usize {
    match value {
        Value::List(values) => values.len() * MEMBER_BYTES,
        Value::Map(map) if record::kind(value).is_none() => map.len() * MEMBER_BYTES,
        other => other.as_str().map_or(0, str::len),
    }
}
