//! The deepest expression that is accepted is evaluated on the stack of an ordinary thread.

#![allow(clippy::unwrap_used, reason = "an error fails the test")]

use rules_promql::{Limits, MemorySource, PromqlError, evaluate_range, parse};

/// What a thread of a runtime has; the test's own may have more.
const STACK_BYTES: usize = 2 << 20;

fn on_small_stack(text: String) -> Result<(), PromqlError> {
    let evaluate = move || {
        let expr = parse(&text)?;
        let source = MemorySource::default();
        evaluate_range(&expr, 0, 60_000, 60_000, &source, &Limits::default()).map(|_| ())
    };
    std::thread::Builder::new().stack_size(STACK_BYTES).spawn(evaluate).unwrap().join().unwrap()
}

fn nested(open: &str, inner: &str, close: &str, times: usize) -> String {
    open.repeat(times) + inner + &close.repeat(times)
}

#[test]
fn the_deepest_expressions_fit_the_stack_and_deeper_ones_are_refused() {
    for (open, inner, close) in [
        ("abs(", "a", ")"),
        ("sum by (x) (", "a", ")"),
        ("(a or ", "a", ")"),
        ("(a * on (x) group_left () ", "a", ")"),
        ("vector(scalar(", "a", "))"),
        ("-", "a", ""),
    ] {
        let levels = 1 + open.matches("scalar").count() + usize::from(open.starts_with('('));
        on_small_stack(nested(open, inner, close, 149 / levels)).unwrap();
        let deeper = on_small_stack(nested(open, inner, close, 400));
        let refused =
            matches!(deeper, Err(PromqlError::TooDeep { .. } | PromqlError::TooLong { .. }));
        assert!(refused, "{open}: {deeper:?}");
    }
    on_small_stack(nested("max_over_time(", "a", "[1m:30s])", 70)).unwrap();
    on_small_stack(vec!["a"; 149].join(" or ")).unwrap();
}
