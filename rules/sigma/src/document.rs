//! Splits a Sigma file into its documents, so that each keeps its own line numbers and one that is broken does
//! not take the others with it.

/// One YAML document of a file.
pub(crate) struct Document<'a> {
    /// As it stands in the file.
    text: &'a str,
    /// The line of the file at which `text` begins, counted from 1.
    first_line: usize,
}

/// Deeper brackets in a condition are nobody's rule, and the parser below descends once for each.
const BRACKETS_DEEP_MAX: usize = 200;
/// The same for "not not not …".
const NOTS_IN_A_ROW_MAX: usize = 50;

impl<'a> Document<'a> {
    /// The documents of a file; comments alone are no document. A file that uses Sigma's `action:` is one
    /// document, because its parts need each other.
    pub(crate) fn split(text: &'a str) -> Vec<Self> {
        if text.lines().any(|line| line.starts_with("action:")) {
            return vec![Self { text, first_line: 1 }];
        }
        let mut documents = Vec::new();
        let (mut begin, mut first_line) = (0, 1);
        let mut at = 0;
        for (index, line) in text.split_inclusive('\n').enumerate() {
            if line.trim_end() == "---" || line.starts_with("--- ") {
                documents.push(Self { text: &text[begin..at], first_line });
                (begin, first_line) = (at, index + 1);
            }
            at += line.len();
        }
        documents.push(Self { text: &text[begin..], first_line });
        documents.retain(|document| document.lines().next().is_some());
        documents
    }

    /// Lines with something to say: (line of the file, text without the blank end).
    pub(crate) fn lines(&self) -> impl Iterator<Item = (usize, &'a str)> {
        let numbered = self.text.lines().map(str::trim_end).enumerate();
        let first = self.first_line;
        numbered.map(move |(at, line)| (first + at, line)).filter(|(_, line)| {
            let line = line.trim_start();
            !line.is_empty() && !line.starts_with('#') && line != "---"
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.text.len()
    }

    /// The text behind as many empty lines as stand before it in the file: the parser then counts as people do.
    pub(crate) fn padded(&self) -> String {
        let mut padded = "\n".repeat(self.first_line - 1);
        padded.push_str(self.text);
        padded
    }

    /// The line of the first `key:`, at any depth; else the document's first line.
    pub(crate) fn line_of(&self, key: &str) -> Option<usize> {
        let opens = |line: &str| {
            let line = line.trim_start().trim_start_matches("- ").trim_start();
            line.strip_prefix(key).is_some_and(|rest| rest.starts_with([':', '|']))
        };
        let found = self.lines().find(|(_, line)| opens(line));
        found.or_else(|| self.lines().next()).map(|(line, _)| line)
    }

    /// Refuses what would make the parser's recursion too deep for a thread's stack.
    pub(crate) fn too_deep(&self) -> Option<String> {
        let (mut deep, mut deepest) = (0_usize, 0);
        let mut before = ' ';
        for letter in self.text.chars() {
            match letter {
                '(' if before != '\\' => deep += 1,
                ')' if before != '\\' => deep = deep.saturating_sub(1),
                _ => {}
            }
            deepest = deepest.max(deep);
            before = letter;
        }
        if deepest > BRACKETS_DEEP_MAX {
            return Some(format!("brackets are {deepest} deep; at most {BRACKETS_DEEP_MAX}"));
        }
        let (mut nots, mut most) = (0, 0);
        for word in self.text.split(|letter: char| !letter.is_alphanumeric()) {
            match word {
                "" => {}
                word if word.eq_ignore_ascii_case("not") => nots += 1,
                _ => nots = 0,
            }
            most = most.max(nots);
        }
        (most > NOTS_IN_A_ROW_MAX)
            .then(|| format!("\"not\" stands {most} times in a row; at most {NOTS_IN_A_ROW_MAX}"))
    }
}
