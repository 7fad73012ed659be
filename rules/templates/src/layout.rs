//! Go's layouts of time: the reference moment `Mon Jan 2 15:04:05 MST 2006` written as the time should look
//! (pkg.go.dev/time, "Constants").

use std::fmt::Write;

use jiff::civil::DateTime;

use crate::times::Moment;

/// Writes a part of a moment, which is given with its clock and calendar.
type Show = fn(&Moment, DateTime, &mut String);

/// What a piece of a layout stands for.
#[derive(Clone, Copy)]
enum Piece {
    Plain(char),
    Show(Show),
    /// So many digits of the fraction behind this mark; those at the end that are zero go or stay.
    Fraction {
        mark: char,
        digits: usize,
        trimmed: bool,
    },
}

/// The longer of two that begin alike stands first.
const PIECES: [(&str, Show); 34] = [
    ("January", |_, at, out| out.push_str(MONTHS[month(at)])),
    ("Jan", |_, at, out| out.push_str(&MONTHS[month(at)][..3])),
    ("Monday", |_, at, out| out.push_str(weekday(at))),
    ("Mon", |_, at, out| out.push_str(&weekday(at)[..3])),
    ("MST", |moment, _, out| out.push_str(&moment.zone)),
    ("002", |_, at, out| number(out, at.day_of_year().into(), 3)),
    ("01", |_, at, out| number(out, at.month().into(), 2)),
    ("02", |_, at, out| number(out, at.day().into(), 2)),
    ("03", |_, at, out| number(out, hour_12(at), 2)),
    ("04", |_, at, out| number(out, at.minute().into(), 2)),
    ("05", |_, at, out| number(out, at.second().into(), 2)),
    ("06", |_, at, out| number(out, i64::from(at.year()).rem_euclid(100), 2)),
    ("15", |_, at, out| number(out, at.hour().into(), 2)),
    ("1", |_, at, out| number(out, at.month().into(), 1)),
    ("2006", |_, at, out| number(out, at.year().into(), 4)),
    ("2", |_, at, out| number(out, at.day().into(), 1)),
    ("__2", |_, at, out| spaced(out, at.day_of_year().into(), 3)),
    ("_2006", |_, at, out| {
        out.push('_');
        number(out, at.year().into(), 4);
    }),
    ("_2", |_, at, out| spaced(out, at.day().into(), 2)),
    ("3", |_, at, out| number(out, hour_12(at), 1)),
    ("4", |_, at, out| number(out, at.minute().into(), 1)),
    ("5", |_, at, out| number(out, at.second().into(), 1)),
    ("PM", |_, at, out| out.push_str(if at.hour() < 12 { "AM" } else { "PM" })),
    ("pm", |_, at, out| out.push_str(if at.hour() < 12 { "am" } else { "pm" })),
    ("-070000", |moment, _, out| offset(moment, out, ["", ""], 3)),
    ("-07:00:00", |moment, _, out| offset(moment, out, [":", ":"], 3)),
    ("-0700", |moment, _, out| offset(moment, out, ["", ""], 2)),
    ("-07:00", |moment, _, out| offset(moment, out, [":", ":"], 2)),
    ("-07", |moment, _, out| offset(moment, out, ["", ""], 1)),
    ("Z070000", |moment, _, out| zulu(moment, out, ["", ""], 3)),
    ("Z07:00:00", |moment, _, out| zulu(moment, out, [":", ":"], 3)),
    ("Z0700", |moment, _, out| zulu(moment, out, ["", ""], 2)),
    ("Z07:00", |moment, _, out| zulu(moment, out, [":", ":"], 2)),
    ("Z07", |moment, _, out| zulu(moment, out, ["", ""], 1)),
];

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

pub(crate) const WEEKDAYS: [&str; 7] =
    ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

/// The moment as a layout shows it.
pub(crate) fn format(moment: &Moment, layout: &str) -> String {
    let at = moment.civil();
    let mut out = String::with_capacity(layout.len() + 8);
    let mut rest = layout;
    while let Some((piece, length)) = next(rest) {
        match piece {
            Piece::Plain(letter) => out.push(letter),
            Piece::Show(show) => show(moment, at, &mut out),
            Piece::Fraction { mark, digits, trimmed } => {
                fraction(&mut out, mark, at.subsec_nanosecond(), digits, trimmed);
            }
        }
        rest = &rest[length..];
    }
    out
}

/// The first piece and its bytes; none at the end.
fn next(rest: &str) -> Option<(Piece, usize)> {
    let first = rest.chars().next()?;
    if let Some(found) = fraction_piece(rest, first) {
        return Some(found);
    }
    let of_piece = |(text, _): &&(&str, Show)| {
        // `Month` and `Janus` are words, not a weekday and a month.
        let word = matches!(*text, "Jan" | "Mon");
        rest.strip_prefix(text).is_some_and(|behind| {
            !(word && behind.starts_with(|next: char| next.is_ascii_lowercase()))
        })
    };
    let found = PIECES.iter().find(of_piece);
    Some(found.map_or((Piece::Plain(first), first.len_utf8()), |(text, show)| {
        (Piece::Show(*show), text.len())
    }))
}

/// `.000`, `,999`: digits of the fraction, unless another digit follows.
fn fraction_piece(rest: &str, mark: char) -> Option<(Piece, usize)> {
    let behind = rest.strip_prefix(['.', ','])?;
    let digit = behind.chars().next().filter(|digit| matches!(digit, '0' | '9'))?;
    let digits = behind.len() - behind.trim_start_matches(digit).len();
    let longer = behind[digits..].starts_with(|next: char| next.is_ascii_digit());
    let piece = Piece::Fraction { mark, digits, trimmed: digit == '9' };
    (!longer).then_some((piece, 1 + digits))
}

fn fraction(out: &mut String, mark: char, nanoseconds: i32, digits: usize, trimmed: bool) {
    let all = format!("{nanoseconds:09}");
    let shown = all.get(..digits.min(9)).unwrap_or(&all);
    let shown = if trimmed { shown.trim_end_matches('0') } else { shown };
    if !shown.is_empty() {
        out.push(mark);
        out.push_str(shown);
    }
}

fn month(at: DateTime) -> usize {
    usize::try_from(at.month() - 1).unwrap_or(0).min(11)
}

fn weekday(at: DateTime) -> &'static str {
    let day = usize::try_from(at.weekday().to_monday_zero_offset()).unwrap_or(0);
    WEEKDAYS[day.min(6)]
}

fn hour_12(at: DateTime) -> i64 {
    match i64::from(at.hour()) % 12 {
        0 => 12,
        hour => hour,
    }
}

fn number(out: &mut String, value: i64, width: usize) {
    push(out, format_args!("{value:0width$}"));
}

fn spaced(out: &mut String, value: i64, width: usize) {
    push(out, format_args!("{value:width$}"));
}

fn offset(moment: &Moment, out: &mut String, between: [&str; 2], parts: usize) {
    let seconds = moment.offset.seconds();
    out.push(if seconds < 0 { '-' } else { '+' });
    let seconds = seconds.unsigned_abs();
    let all = [seconds / 3_600, seconds / 60 % 60, seconds % 60];
    for (at, part) in all.iter().take(parts).enumerate() {
        let mark = if at == 0 { "" } else { between[at - 1] };
        push(out, format_args!("{mark}{part:02}"));
    }
}

fn zulu(moment: &Moment, out: &mut String, between: [&str; 2], parts: usize) {
    if moment.offset.seconds() == 0 {
        out.push('Z');
    } else {
        offset(moment, out, between, parts);
    }
}

/// Writing to a text cannot fail.
fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    let written = out.write_fmt(text);
    debug_assert!(written.is_ok());
}
