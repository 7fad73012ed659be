//! Comments: from `#` to the end of the line, outside of string literals. They are blanked before anything else looks at a
//! text, because a quote in one begins no literal. Each byte becomes a space, so places in the text stay what they are.

use std::borrow::Cow;

pub(super) fn blanked(text: &str) -> Cow<'_, str> {
    if !text.contains('#') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let (mut quote, mut is_escaped, mut is_comment) = (None, false, false);
    for character in text.chars() {
        is_comment = character != '\n' && (is_comment || (quote.is_none() && character == '#'));
        if is_comment {
            out.extend(std::iter::repeat_n(' ', character.len_utf8()));
            continue;
        }
        out.push(character);
        match quote {
            None if matches!(character, '"' | '\'' | '`') => quote = Some(character),
            Some(_) if is_escaped => is_escaped = false,
            Some('"' | '\'') if character == '\\' => is_escaped = true,
            Some(open) if open == character => quote = None,
            _ => {}
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_comments_are_blanked_and_places_stay() {
        let same = ["up", "up{a=\"#\"}", "up{a='\\'#'} # ", "up{a=`\\`,b=\"#\"}"];
        assert_eq!(
            same.map(|text| blanked(text).trim_end() == text.trim_end().trim_end_matches(" #")),
            [true; 4]
        );
        let text = "a # đừng 'quên'\n+ b # c";
        let out = blanked(text);
        assert_eq!(out.len(), text.len());
        assert_eq!(out.split_whitespace().collect::<Vec<_>>(), ["a", "+", "b"]);
        assert_eq!(out.find('+'), text.find('+'));
    }
}
