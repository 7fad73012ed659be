//! Folding: how text is compared in free-text search. Small letters, no diacritics, đ as d, so that `sao luu` finds
//! `Sao lưu` whichever way the accents were typed or encoded.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

pub fn fold(text: &str) -> String {
    // Most log lines are plain; they need no table.
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let lower = text.nfd().filter(|char| !is_combining_mark(*char)).flat_map(char::to_lowercase);
    lower.map(|char| if char == 'đ' { 'd' } else { char }).collect()
}

/// The words of a folded text: runs of letters and digits.
pub(crate) fn words(folded: &str) -> impl Iterator<Item = &str> {
    folded.split(|char: char| !char.is_alphanumeric()).filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vietnamese_folds_to_plain_letters_in_either_encoding() {
        for text in ["Sao lưu DỮ LIỆU", "Sao lu\u{31b}u DU\u{31b}\u{303} LIE\u{323}\u{302}U"] {
            assert_eq!(fold(text), "sao luu du lieu");
        }
        assert_eq!(fold("Đăng nhập thất bại"), "dang nhap that bai");
        assert_eq!(fold("Nguyễn Thị Ánh Tuyết, ơ ư ă â ê ô"), "nguyen thi anh tuyet, o u a a e o");
    }

    #[test]
    fn words_are_runs_of_letters_and_digits() {
        let folded = fold("sshd[812]: Failed password from 10.0.0.7");
        let words: Vec<_> = words(&folded).collect();
        assert_eq!(words, ["sshd", "812", "failed", "password", "from", "10", "0", "0", "7"]);
    }
}
