//! What values look like when they are written down: Go's `%v`, `print` and `printf`, and what is escaped. Nothing is
//! built that is longer than a rendering may become.

use std::fmt::{self, Write};
use std::sync::LazyLock;

use gotmpl::{TemplateError, Value};

use crate::fields::wrong;
use crate::numbers::float;
use crate::record::{self, is_hidden};
use crate::rendering;

/// Arguments of one `printf` beside the format.
const PRINTF_ARGUMENTS_MAX: usize = 32;

/// The engine takes no wider field, whatever is written.
const PRINTF_WIDTH_MAX: usize = 65_535;

/// What an action writes: Go's `%v`, and `<no value>` for nothing.
pub(crate) fn written(given: &[Value]) -> Result<Value, TemplateError> {
    match given {
        [Value::Nil] => Ok(Value::String("<no value>".into())),
        [value] => plain(value),
        _ => Err(wrong("one value is written at a time")),
    }
}

pub(crate) fn print(given: &[Value]) -> Result<Value, TemplateError> {
    let mut out = Text::new();
    for (at, value) in given.iter().enumerate() {
        // Go puts a space between two that are no texts.
        let space = at > 0 && !is_text(value) && !is_text(&given[at - 1]);
        let space = if space { " " } else { "" };
        out.take(space).and_then(|()| show(value, &mut out)).map_err(|_| rendering::too_long())?;
    }
    Ok(Value::String(out.text.into()))
}

pub(crate) fn println(given: &[Value]) -> Result<Value, TemplateError> {
    let mut out = Text::new();
    for (at, value) in given.iter().enumerate() {
        let space = if at > 0 { " " } else { "" };
        out.take(space).and_then(|()| show(value, &mut out)).map_err(|_| rendering::too_long())?;
    }
    out.take("\n").map_err(|_| rendering::too_long())?;
    Ok(Value::String(out.text.into()))
}

/// `html`, `js` and `urlquery` by the engine, of what a value is printed as.
pub(crate) fn escaped(given: &[Value], by: fn(&str) -> String) -> Result<Value, TemplateError> {
    let [value] = given else { return Err(wrong("one value is escaped at a time")) };
    let text = written(std::slice::from_ref(value))?;
    Ok(Value::String(by(&text.to_string()).into()))
}

/// `printf`, by the engine but for the values it does not know.
pub(crate) fn printf(given: &[Value]) -> Result<Value, TemplateError> {
    let Some((Value::String(format), values)) = given.split_first() else {
        return Err(wrong("printf wants a format first"));
    };
    let mut verbs = verbs(format);
    let values = values.iter().map(|value| {
        let verb = verbs.next().unwrap_or('v');
        match (record::number(value), verb) {
            (Some(number), 'd' | 'x' | 'X' | 'o' | 'b' | 'c' | 'U') => Ok(Value::Int(number)),
            (_, 'v' | 's' | 'q') => plain(value),
            _ => record::text(value)
                .map_or(Ok(value.clone()), |text| Ok(Value::String(std::sync::Arc::clone(text)))),
        }
    });
    let values = values.collect::<Result<Vec<_>, TemplateError>>()?;
    if longest(format, &values) > rendering::text_max().saturating_mul(4) {
        return Err(rendering::too_long());
    }
    by_engine(std::iter::once(given[0].clone()).chain(values).collect())
}

/// No less than what the format can come to: its widths and its values, each as often as it may be named.
fn longest(format: &str, values: &[Value]) -> usize {
    // A width that is an argument is no wider than the widest of them.
    let widest = values.iter().filter_map(Value::as_int).map(i64::unsigned_abs).max();
    let widest = usize::try_from(widest.unwrap_or(0)).unwrap_or(usize::MAX);
    let widths = format.split('%').skip(1).map(|verb| {
        let verb = verb.split(char::is_alphabetic).next().unwrap_or("");
        let digits = verb.split(|c: char| !c.is_ascii_digit());
        let written = digits.filter_map(|digits| digits.parse().ok()).max().unwrap_or(0);
        written.max(if verb.contains('*') { widest } else { 0 }).min(PRINTF_WIDTH_MAX)
    });
    let lengths = values.iter().map(|value| value.as_str().map_or(0, str::len));
    let named = format.matches('[').count() * lengths.clone().max().unwrap_or(0);
    format.len() + widths.sum::<usize>() + named + lengths.sum::<usize>()
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

/// One engine for each number of arguments: functions of the engine are reached through templates only.
static PRINTF: LazyLock<Vec<Option<gotmpl::Template>>> = LazyLock::new(|| {
    let of_count = |count: usize| {
        let places = (0..=count).map(|at| format!(" (index . {at})")).collect::<String>();
        gotmpl::Template::new("").parse(&format!("{{{{printf{places}}}}}")).ok()
    };
    (0..=PRINTF_ARGUMENTS_MAX).map(of_count).collect()
});

fn by_engine(given: Vec<Value>) -> Result<Value, TemplateError> {
    let engine = PRINTF.get(given.len().saturating_sub(1)).and_then(Option::as_ref);
    let engine = engine
        .ok_or_else(|| wrong(format!("printf takes at most {PRINTF_ARGUMENTS_MAX} values")))?;
    Ok(Value::String(engine.execute_to_string(&Value::List(given.into()))?.into()))
}

/// The value, as a text where the engine would write it otherwise than Go.
pub(crate) fn plain(value: &Value) -> Result<Value, TemplateError> {
    if !matches!(value, Value::Float(_) | Value::List(_) | Value::Map(_)) {
        return Ok(value.clone());
    }
    let mut out = Text::new();
    show(value, &mut out).map_err(|_| rendering::too_long())?;
    let as_the_engine = |number: &f64| out.text == number.to_string();
    Ok(match value {
        Value::Float(number) if as_the_engine(number) => value.clone(),
        _ => Value::String(out.text.into()),
    })
}

fn is_text(value: &Value) -> bool {
    matches!(value, Value::String(_) | Value::Safe { .. })
}

fn show(value: &Value, out: &mut Text) -> fmt::Result {
    if let Some(text) = record::text(value) {
        return out.take(text);
    }
    if matches!(value, Value::List(_) | Value::Map(_))
        && let Some(Value::String(text)) = rendering::printed(value)
    {
        return out.take(&text);
    }
    match value {
        Value::Float(number) => out.take(&float(*number)),
        Value::List(values) => {
            out.take("[")?;
            for (at, value) in values.iter().enumerate() {
                out.take(if at > 0 { " " } else { "" })?;
                show(value, out)?;
            }
            out.take("]")
        }
        Value::Map(map) if record::kind(value).is_some() => {
            out.take("{")?;
            for (at, (_, value)) in record::fields(map).enumerate() {
                out.take(if at > 0 { " " } else { "" })?;
                show(value, out)?;
            }
            out.take("}")
        }
        Value::Map(map) => {
            out.take("map[")?;
            for (at, (key, value)) in map.iter().filter(|(key, _)| !is_hidden(key)).enumerate() {
                out.take(if at > 0 { " " } else { "" })?;
                out.take(key)?;
                out.take(":")?;
                show(value, out)?;
            }
            out.take("]")
        }
        other => write!(out, "{other}"),
    }
}

/// A text that becomes no longer than a rendering may.
struct Text {
    text: String,
    bytes_max: usize,
}

impl Text {
    fn new() -> Self {
        Self { text: String::new(), bytes_max: rendering::text_max() }
    }

    fn take(&mut self, text: &str) -> fmt::Result {
        self.write_str(text)
    }
}

impl Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.text.len() + text.len() > self.bytes_max {
            return Err(fmt::Error);
        }
        self.text.push_str(text);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn spaces_stand_between_two_that_are_no_texts() {
        let given = [Value::Int(1), Value::Int(2), Value::String("a".into()), Value::Bool(true)];
        assert_eq!(print(&given).unwrap().to_string(), "1 2atrue");
        assert_eq!(println(&given).unwrap().to_string(), "1 2 a true\n");
        let many: Vec<Value> = (0..40).map(Value::Int).collect();
        let given: Vec<Value> = std::iter::once(Value::String("%d".into())).chain(many).collect();
        assert!(printf(&given).unwrap_err().to_string().contains("at most 32"));
    }
}
