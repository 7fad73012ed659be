//! What an SMS can hold: letters without diacritics where a part of 160 is worth more than them, and parts of a length.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Vietnamese without its marks, and of everything else what a phone's plain alphabet has.
pub(in crate::notify) fn folded(text: &str) -> String {
    let plain = text.nfd().filter(|letter| !is_combining_mark(*letter));
    let mut out = String::with_capacity(text.len());
    for letter in plain {
        match letter {
            'đ' => out.push('d'),
            'Đ' => out.push('D'),
            '–' | '—' | '−' => out.push('-'),
            '“' | '”' => out.push('"'),
            '‘' | '’' => out.push('\''),
            '…' => out.push_str("..."),
            // Those of ASCII that a phone's alphabet does not have, or counts twice (3GPP TS 23.038, 6.2.1).
            '[' | '{' => out.push('('),
            ']' | '}' => out.push(')'),
            '`' | '^' => out.push('\''),
            '~' => out.push('-'),
            '\\' | '|' => out.push('/'),
            letter if letter.is_ascii() => out.push(letter),
            letter if letter.is_whitespace() => out.push(' '),
            _ => out.push('?'),
        }
    }
    out
}

/// Parts of so many characters, each with its number where there are several; cut at spaces where that is possible. What
/// is beyond the last is left out, which its end shows.
pub(super) fn parts(text: &str, chars_max: usize, parts_max: usize) -> Vec<String> {
    let words: Vec<char> = text.split_whitespace().collect::<Vec<_>>().join(" ").chars().collect();
    if words.len() <= chars_max {
        return vec![words.into_iter().collect()];
    }
    let number = format!("{parts_max}/{parts_max} ").chars().count();
    let room = chars_max.saturating_sub(number).max(1);
    let mut parts: Vec<String> = Vec::new();
    let mut rest = words.as_slice();
    while !rest.is_empty() && parts.len() < parts_max {
        let last = parts.len() + 1 == parts_max;
        let (part, behind) = if rest.len() <= room {
            (rest.iter().collect(), &rest[rest.len()..])
        } else if last {
            let kept = rest[..room.saturating_sub(3)].iter();
            (kept.copied().chain("...".chars()).collect(), &rest[rest.len()..])
        } else {
            // A word that is longer than half a part is cut.
            let space = (room / 2..=room).rev().find(|at| rest.get(*at) == Some(&' '));
            let end = space.unwrap_or(room);
            (rest[..end].iter().collect(), &rest[end + usize::from(space.is_some())..])
        };
        parts.push(part);
        rest = behind;
    }
    let all = parts.len();
    if all == 1 {
        return parts;
    }
    let numbered = parts.into_iter().enumerate();
    numbered.map(|(at, part)| format!("{}/{all} {part}", at + 1)).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn vietnamese_loses_its_marks_and_nothing_else() {
        assert_eq!(
            folded("[KHẨN CẤP] Một cửa – ổ đĩa đầy, ĐIỆN ngắt… “ký” 5°"),
            "(KHAN CAP) Mot cua - o dia day, DIEN ngat... \"ky\" 5?"
        );
        assert_eq!(folded(r"`a` {b} ^ ~ c\d|e"), "'a' (b) ' - c/d/e");
        // Decomposed before it came.
        assert_eq!(folded("e\u{302}\u{301}"), "e");
    }

    #[test]
    fn long_texts_are_cut_at_spaces_numbered_and_end_where_they_must() {
        assert_eq!(parts("a  b\nc", 5, 3), ["a b c"]);
        assert_eq!(parts("mot hai ba bon nam", 12, 9), ["1/3 mot hai", "2/3 ba bon", "3/3 nam"]);
        assert_eq!(parts("mot hai ba bon nam", 12, 2), ["1/2 mot hai", "2/2 ba bo..."]);
        assert_eq!(parts("0123456789abcdef", 10, 9), ["1/3 012345", "2/3 6789ab", "3/3 cdef"]);
        assert_eq!(parts("", 10, 3), [""]);
        assert_eq!(parts("một hai ba bốn", 8, 1), ["m..."]);
    }

    proptest! {
        #[test]
        fn no_part_is_too_long_and_nothing_is_lost(text in "[a-zđ ]{0,300}", max in 10_usize..200) {
            let parts = parts(&text, max, 99);
            prop_assert!(parts.iter().all(|part| part.chars().count() <= max));
            let whole: String = parts
                .iter()
                .map(|part| if parts.len() > 1 { part.split_once(' ').unwrap().1 } else { part })
                .collect();
            let bare = |text: &str| text.replace(' ', "");
            prop_assert_eq!(bare(&whole), bare(&text));
        }
    }
}
