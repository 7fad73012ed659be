//! Strings of labels, each held once and named by a number; a string that no series uses any more makes room.
//! Leaves to others: which series uses which string (the index counts them in and out).

use std::sync::Arc;

use hashbrown::{DefaultHashBuilder, HashTable};
use std::hash::BuildHasher;

/// Names a string for as long as a series uses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Symbol(u32);

#[derive(Debug, Default)]
pub(crate) struct Symbols {
    strings: Vec<Entry>,
    free: Vec<Symbol>,
    table: HashTable<Symbol>,
    hasher: DefaultHashBuilder,
}

#[derive(Debug)]
struct Entry {
    text: Arc<str>,
    uses: u32,
}

impl Symbols {
    pub(crate) fn get(&self, text: &str) -> Option<Symbol> {
        let same = |symbol: &Symbol| **self.text(*symbol) == *text;
        self.table.find(self.hasher.hash_one(text), same).copied()
    }

    pub(crate) fn text(&self, symbol: Symbol) -> &Arc<str> {
        &self.strings[symbol.0 as usize].text
    }

    /// The string's symbol, counted as used once more.
    pub(crate) fn take(&mut self, text: &str) -> Symbol {
        if let Some(symbol) = self.get(text) {
            self.retain(symbol);
            return symbol;
        }
        let entry = Entry { text: Arc::from(text), uses: 1 };
        let symbol = match self.free.pop() {
            Some(symbol) => {
                self.strings[symbol.0 as usize] = entry;
                symbol
            }
            None => {
                // Four billion strings do not fit into memory.
                let symbol = Symbol(u32::try_from(self.strings.len()).unwrap_or(u32::MAX));
                self.strings.push(entry);
                symbol
            }
        };
        let Self { strings, table, hasher, .. } = self;
        let hash = |symbol: &Symbol| hasher.hash_one(&*strings[symbol.0 as usize].text);
        table.insert_unique(hash(&symbol), symbol, hash);
        symbol
    }

    /// Counts one more use of a known string.
    pub(crate) fn retain(&mut self, symbol: Symbol) {
        self.strings[symbol.0 as usize].uses += 1;
    }

    /// Counts a use off; the last one frees the string.
    pub(crate) fn release(&mut self, symbol: Symbol) {
        let entry = &mut self.strings[symbol.0 as usize];
        entry.uses -= 1;
        if entry.uses > 0 {
            return;
        }
        let text = std::mem::take(&mut entry.text);
        let found = self.table.find_entry(self.hasher.hash_one(&*text), |other| *other == symbol);
        if let Ok(found) = found {
            found.remove();
        }
        self.free.push(symbol);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_string_is_held_once_until_its_last_use_ends() {
        let mut symbols = Symbols::default();
        let (one, again) = (symbols.take("a"), symbols.take("a"));
        let other = symbols.take("b");
        assert_eq!((one, symbols.get("b")), (again, Some(other)));
        symbols.release(one);
        assert_eq!(symbols.get("a"), Some(one));
        symbols.release(one);
        assert_eq!(symbols.get("a"), None);
        // Its number goes to the next string.
        assert_eq!(symbols.take("c"), one);
        assert_eq!((&**symbols.text(one), &**symbols.text(other)), ("c", "b"));
    }
}
