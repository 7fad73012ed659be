//! Sentences of a detection: text with places to fill, `{{ $labels.user }}`, `{{ $event.CommandLine }}`,
//! `{{ $count }}`. Deliberately nothing more: what stands in an event is data and is never read as a template.

/// One piece of a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Label(String),
    Field(String),
    Count,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sentence(Vec<Piece>);

/// The longest value that is put into a sentence; a phone shows less.
const VALUE_CHARS_MAX: usize = 300;

impl Sentence {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            let Some((inside, after)) = after.split_once("}}") else {
                return Err("a \"{{\" has no \"}}\"".into());
            };
            if !before.is_empty() {
                pieces.push(Piece::Text(before.into()));
            }
            pieces.push(place(inside.trim())?);
            rest = after;
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.into()));
        }
        Ok(Self(pieces))
    }

    pub(crate) fn fill<'a>(
        &self,
        label: impl Fn(&str) -> Option<&'a str>,
        field: impl Fn(&str) -> Option<&'a str>,
        count: u64,
    ) -> String {
        let mut text = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(plain) => text.push_str(plain),
                Piece::Label(name) => push_value(&mut text, label(name)),
                Piece::Field(name) => push_value(&mut text, field(name)),
                Piece::Count => text.push_str(&count.to_string()),
            }
        }
        text
    }
}

fn place(inside: &str) -> Result<Piece, String> {
    let name = |name: &str| {
        let plain = |letter: char| letter.is_ascii_alphanumeric() || "_.-".contains(letter);
        (!name.is_empty() && name.chars().all(plain)).then(|| name.to_owned())
    };
    let found = if inside == "$count" {
        Some(Piece::Count)
    } else if let Some(label) = inside.strip_prefix("$labels.") {
        name(label).map(Piece::Label)
    } else if let Some(field) = inside.strip_prefix("$event.") {
        name(field).map(Piece::Field)
    } else {
        None
    };
    found.ok_or_else(|| {
        format!(
            "cannot fill \"{{{{ {inside} }}}}\"; a detection knows {{{{ $labels.NAME }}}}, \
             {{{{ $event.FIELD }}}} and {{{{ $count }}}}"
        )
    })
}

/// An absent value reads as "?", so that a sentence never silently lacks a word; control characters become spaces.
fn push_value(text: &mut String, value: Option<&str>) {
    let value = value.unwrap_or("?");
    let clean = value.chars().map(|letter| if letter.is_control() { ' ' } else { letter });
    text.extend(clean.take(VALUE_CHARS_MAX));
    if value.chars().nth(VALUE_CHARS_MAX).is_some() {
        text.push('…');
    }
}
