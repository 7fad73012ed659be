//! Numbers as Go writes them without being told how: the engine writes very large and very small ones, and infinity, as Rust does.

use gotmpl::{TemplateError, Value};

use crate::fields::wrong;

/// What an action writes: Go's `%v`, and `<no value>` for nothing.
pub(crate) fn written(given: &[Value]) -> Result<Value, TemplateError> {
    match given {
        [Value::Nil] => Ok(Value::String("<no value>".into())),
        [value] => Ok(plain(value)),
        _ => Err(wrong("one value is written at a time")),
    }
}

/// `print` and `println`, by the engine.
pub(crate) fn print(given: &[Value]) -> Result<Value, TemplateError> {
    by_engine("print", given.iter().map(plain).collect())
}

pub(crate) fn println(given: &[Value]) -> Result<Value, TemplateError> {
    by_engine("println", given.iter().map(plain).collect())
}

/// `printf`, by the engine but for what `%v` takes.
pub(crate) fn printf(given: &[Value]) -> Result<Value, TemplateError> {
    let Some((Value::String(format), values)) = given.split_first() else {
        return Err(wrong("printf wants a format first"));
    };
    let mut verbs = verbs(format);
    let values = values.iter().map(|value| match verbs.next() {
        Some('v') => plain(value),
        _ => value.clone(),
    });
    let given = std::iter::once(given[0].clone()).chain(values).collect();
    by_engine("printf", given)
}

/// The letters that end the verbs of a format, one for each value it takes.
fn verbs(format: &str) -> impl Iterator<Item = char> + '_ {
    let mut letters = format.chars();
    std::iter::from_fn(move || {
        loop {
            letters.find(|letter| *letter == '%')?;
            // A width of `*` takes a value of its own.
            match letters.find(|letter| letter.is_alphabetic() || matches!(letter, '%' | '*'))? {
                '%' => {}
                verb => return Some(verb),
            }
        }
    })
}

/// The engine's function on values that may not be written down.
fn by_engine(function: &str, given: Vec<Value>) -> Result<Value, TemplateError> {
    let places = (0..given.len()).map(|at| format!(" (index . {at})")).collect::<String>();
    let data = Value::List(given.into());
    let text = gotmpl::execute(&format!("{{{{{function}{places}}}}}"), &data)?;
    Ok(Value::String(text.into()))
}

/// The value, as a text where the engine would write it otherwise than Go.
fn plain(value: &Value) -> Value {
    match value {
        Value::Float(number) => {
            let shown = float(*number);
            if shown == number.to_string() { value.clone() } else { Value::String(shown.into()) }
        }
        Value::List(values) => Value::List(values.iter().map(plain).collect()),
        other => other.clone(),
    }
}

/// As Go's `%v`: the shortest digits that read back the same, with an exponent below 1e-4 and from 1e21 on.
pub(crate) fn float(number: f64) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "+Inf".to_owned() } else { "-Inf".to_owned() };
    }
    let shown = format!("{number:e}");
    let Some((digits, exponent)) = shown.split_once('e') else { return shown };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if number == 0.0 || (-4..21).contains(&exponent) {
        return number.to_string();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_go_writes_them() {
        for (number, wanted) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (12.5, "12.5"),
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
            (-1.25e22, "-1.25e+22"),
            (0.0001, "0.0001"),
            (0.000_012, "1.2e-05"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(float(number), wanted);
        }
    }

    #[test]
    fn formats_take_one_value_for_each_verb() {
        let of = |format: &str| verbs(format).collect::<String>();
        assert_eq!(of("%d of %5.2f%% %-10v|%*d"), "dfv*");
        let huge = Value::Float(1e300);
        let format = Value::String("%v|%.0e|%s".into());
        let text = printf(&[format, huge.clone(), huge, Value::String("x".into())]).unwrap();
        assert_eq!(text.to_string(), "1e+300|1e+300|x");
        assert_eq!(print(&[Value::Float(f64::INFINITY)]).unwrap().to_string(), "+Inf");
    }
}
