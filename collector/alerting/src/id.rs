//! Names made of what they name: the same parts give the same name, after a restart too. Pure.

use sha2::{Digest, Sha256};

#[derive(Default)]
pub(crate) struct Id(Sha256);

impl Id {
    /// Its length goes before it, so that `ab`, `c` is another name than `a`, `bc`.
    pub(crate) fn text(mut self, text: &str) -> Self {
        self.0.update((text.len() as u64).to_be_bytes());
        self.0.update(text.as_bytes());
        self
    }

    pub(crate) fn number(mut self, number: u64) -> Self {
        self.0.update(number.to_be_bytes());
        self
    }

    /// So many bytes of it, in hexadecimal digits.
    pub(crate) fn hex(self, bytes: usize) -> String {
        self.0.finalize().iter().take(bytes).map(|byte| format!("{byte:02x}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of groups and notifications are found by such names: they may not change.
    #[test]
    fn a_name_is_what_it_was_in_the_first_format() {
        let id = Id::default().text("phòng").text("máy").number(7).hex(6);
        assert_eq!(id, "e47e5d4c7644");
        assert_ne!(
            Id::default().text("ab").text("c").hex(6),
            Id::default().text("a").text("bc").hex(6)
        );
    }
}
