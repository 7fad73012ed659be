//! Parts of a message as phones join them: letters of the plain alphabet take a byte and 160 of them fit, any other text
//! takes two bytes a letter and 70 fit (3GPP TS 23.038); of several parts each begins with a header of six bytes
//! (3GPP TS 23.040, 9.2.3.24.1).

use rusmpp::values::DataCoding;

/// One alphabet: what a message by itself holds, and a part of several, in its units.
struct Alphabet {
    coding: DataCoding,
    alone: usize,
    joined: usize,
    units: fn(char) -> usize,
    bytes: fn(&str) -> Vec<u8>,
}

const PLAIN: Alphabet = Alphabet {
    coding: DataCoding::McSpecific,
    alone: 160,
    joined: 153,
    units: |_| 1,
    bytes: |text| text.chars().filter_map(plain).collect(),
};

const WIDE: Alphabet = Alphabet {
    coding: DataCoding::Ucs2,
    alone: 70,
    joined: 67,
    units: char::len_utf16,
    bytes: |text| text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
};

/// What says that a text goes on and was left out.
const CUT: &str = "...";

/// What joins the parts of a message; the same in every attempt, so that a part that comes late finds the others.
pub(super) fn reference(key: &str) -> u8 {
    key.bytes().fold(0, |sum: u8, byte| sum.wrapping_mul(31).wrapping_add(byte))
}

/// What each `submit_sm` carries. What is beyond the last part is left out, which its end shows.
pub(super) fn of(text: &str, parts_max: usize, reference: u8) -> (DataCoding, Vec<Vec<u8>>) {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let is_plain = text.chars().all(|letter| plain(letter).is_some());
    let alphabet = if is_plain { PLAIN } else { WIDE };
    let parts = cut(&text, &alphabet, parts_max);
    let all = parts.len();
    let numbered = (1_u8..).zip(&parts).map(|(at, part)| {
        let total = u8::try_from(all).unwrap_or(u8::MAX);
        let header = [5, 0, 3, reference, total, at];
        let header = if all > 1 { &header[..] } else { &[] };
        [header, &(alphabet.bytes)(part)].concat()
    });
    (alphabet.coding, numbered.collect())
}

fn cut<'a>(text: &'a str, alphabet: &Alphabet, parts_max: usize) -> Vec<String> {
    let fits = |rest: &'a str, room: usize| {
        let mut used = 0;
        let beyond = rest.char_indices().find(|(_, letter)| {
            used += (alphabet.units)(*letter);
            used > room
        });
        rest.split_at(beyond.map_or(rest.len(), |(at, _)| at))
    };
    if let (whole, "") = fits(text, alphabet.alone) {
        return vec![whole.to_owned()];
    }
    let room = if parts_max > 1 { alphabet.joined } else { alphabet.alone };
    let (mut parts, mut rest) = (Vec::new(), text);
    loop {
        let (part, behind) = fits(rest, room);
        if behind.is_empty() {
            parts.push(part.to_owned());
            return parts;
        }
        if parts.len() + 1 >= parts_max {
            parts.push(format!("{}{CUT}", fits(rest, room - CUT.len()).0));
            return parts;
        }
        parts.push(part.to_owned());
        rest = behind;
    }
}

/// A letter of ASCII in the plain alphabet, where that has it as one byte. Its other letters are no reason for a table: a
/// text that has them has Vietnamese ones as well.
fn plain(letter: char) -> Option<u8> {
    match letter {
        '@' => Some(0x00),
        '$' => Some(0x02),
        '_' => Some(0x11),
        '[' | '\\' | ']' | '^' | '`' | '{' | '|' | '}' | '~' => None,
        ' '..='~' => u8::try_from(letter).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_plain_alphabet_is_used_where_it_suffices() {
        let (coding, parts) = of("a_b@c  $1\nZ", 3, 7);
        assert_eq!((coding, parts), (DataCoding::McSpecific, vec![b"a\x11b\0c \x021 Z".to_vec()]));
        let (coding, parts) = of("đ[🔥", 3, 7);
        assert_eq!(coding, DataCoding::Ucs2);
        assert_eq!(parts, [[0x01, 0x11, 0, b'[', 0xd8, 0x3d, 0xdd, 0x25]]);
        assert_eq!(of("", 3, 7).1, [[0_u8; 0]]);
    }

    #[test]
    fn parts_are_as_long_as_phones_join_and_no_more_than_allowed() {
        for (letter, alone, joined, bytes) in [("a", 160, 153, 1), ("ạ", 70, 67, 2)] {
            assert_eq!(of(&letter.repeat(alone), 3, 7).1, [of(letter, 1, 0).1[0].repeat(alone)]);
            let two = of(&letter.repeat(alone + 1), 3, 7).1;
            assert_eq!(two.len(), 2);
            assert_eq!(two[0][..6], [5, 0, 3, 7, 2, 1]);
            assert_eq!(two[1][..6], [5, 0, 3, 7, 2, 2]);
            assert_eq!(two[0].len(), 6 + joined * bytes);
            assert_eq!(two[1].len(), 6 + (alone + 1 - joined) * bytes);
            let most = of(&letter.repeat(3 * joined), 3, 7).1;
            assert_eq!((most.len(), most[2].len()), (3, 6 + joined * bytes));
            let cut = of(&letter.repeat(3 * joined + 1), 3, 7).1;
            assert_eq!((cut.len(), cut[2].len()), (3, 6 + joined * bytes));
            assert!(
                cut[2]
                    .ends_with(&(if bytes == 1 { b"...".to_vec() } else { b"\0.\0.\0.".to_vec() }))
            );
            let one = of(&letter.repeat(alone + 1), 1, 7).1;
            assert_eq!((one.len(), one[0].len()), (1, alone * bytes));
        }
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_no_part_is_too_long(text in "[a-z🔥ạ]{0,400}") {
            let (coding, parts) = of(&text, 20, 9);
            let alphabet = if coding == DataCoding::Ucs2 { WIDE } else { PLAIN };
            let bytes_max = if coding == DataCoding::Ucs2 { 140 } else { 160 };
            let longest = parts.iter().map(Vec::len).max();
            prop_assert!(longest <= Some(bytes_max));
            let header = if parts.len() > 1 { 6 } else { 0 };
            let bodies: Vec<u8> = parts.iter().flat_map(|part| part[header..].to_vec()).collect();
            prop_assert_eq!(bodies, (alphabet.bytes)(&text));
        }
    }
}
