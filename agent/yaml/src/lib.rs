//! YAML that people write: unknown keys refused, every problem at once, each with its line and what would be right.
//!
//! A file is parsed once to a tree with positions ([`Document`]), then read into any type that derives
//! [`deserr::Deserr`]; the derive collects all problems instead of stopping at the first.
//! Leaves to others: what the keys mean, and every check across keys (they add to the same [`Problems`]).

mod findings;
mod place;
mod scalars;
mod tree;

use std::fs;
use std::path::{Path, PathBuf};

use agent_model::{Problem, Problems};
use deserr::Deserr;
use marked_yaml::{LoadError, LoaderOptions, Marker, Node};

pub use findings::Findings;
pub use place::Place;
pub use scalars::{Address, At, Bytes, Duration, FilePath, Text};

/// The largest configuration file that is read: a rule pack of thousands of rules fits many times over, and a
/// device or a log named by mistake does not fill the memory.
pub const FILE_BYTES_MAX: u64 = 16 << 20;

/// A parsed file that remembers where everything stood.
#[derive(Debug)]
pub struct Document {
    file: PathBuf,
    root: Node,
}

impl Document {
    /// Reads and parses a file; a file that cannot be read is a problem like any other.
    pub fn open(file: &Path) -> Result<Self, Problems> {
        let refuse = |message: String| {
            Problems(vec![Problem { file: file.to_owned(), line: None, message }])
        };
        let size =
            fs::metadata(file).map_err(|error| refuse(format!("cannot be read: {error}")))?;
        if size.len() > FILE_BYTES_MAX {
            let bytes = size.len();
            return Err(refuse(format!("has {bytes} bytes; at most {FILE_BYTES_MAX} are read")));
        }
        let text = fs::read_to_string(file)
            .map_err(|error| refuse(format!("cannot be read as UTF-8 text: {error}")))?;
        Self::parse(file, &text)
    }

    /// Parses text; `file` only names it in problems.
    pub fn parse(file: &Path, text: &str) -> Result<Self, Problems> {
        let options = LoaderOptions::default().error_on_duplicate_keys(true);
        // A file of comments alone is an empty mapping: every key has its default.
        let empty = text.lines().all(|line| {
            let line = line.trim();
            line.is_empty() || line.starts_with('#') || line == "---"
        });
        let text = if empty { "{}" } else { text };
        match marked_yaml::parse_yaml_with_options(0, text, options) {
            Ok(root) => Ok(Self { file: file.to_owned(), root }),
            Err(error) => {
                let (line, message) = describe(&error);
                Err(Problems(vec![Problem { file: file.to_owned(), line, message }]))
            }
        }
    }

    /// Reads the whole document into a `T`, or says everything that is wrong with it.
    pub fn read<T: Deserr<Findings>>(&self) -> Result<T, Problems> {
        deserr::deserialize::<T, _, Findings>(tree::Value(self.root.clone())).map_err(|findings| {
            let problems = findings.0.into_iter();
            Problems(problems.map(|(place, message)| self.problem(&place, message)).collect())
        })
    }

    /// A problem at a place of this document, for checks made after reading.
    pub fn problem(&self, place: &Place, message: impl Into<String>) -> Problem {
        let line = tree::line_of(&self.root, place);
        Problem { file: self.file.clone(), line, message: message.into() }
    }

    pub fn file(&self) -> &Path {
        &self.file
    }
}

/// Opens and reads a file in one step, for those that make no checks of their own.
pub fn read_file<T: Deserr<Findings>>(file: &Path) -> Result<T, Problems> {
    Document::open(file)?.read()
}

fn describe(error: &LoadError) -> (Option<usize>, String) {
    let at = |marker: &Marker| Some(marker.line());
    match error {
        LoadError::TopLevelMustBeMapping(marker) | LoadError::TopLevelMustBeSequence(marker) => {
            (at(marker), "the file must hold `key: value` lines at its top level".to_owned())
        }
        LoadError::UnexpectedAnchor(marker) => {
            (at(marker), "anchors (`&name`) are not supported; write the value out".to_owned())
        }
        LoadError::MappingKeyMustBeScalar(marker) => {
            (at(marker), "a key must be plain text".to_owned())
        }
        LoadError::UnexpectedTag(marker) => {
            (at(marker), "tags (`!name`) are not supported".to_owned())
        }
        LoadError::ScanError(marker, error) => (at(marker), format!("is not YAML: {error}")),
        LoadError::DuplicateKey(keys) => {
            let first = keys.prev_key.span().start().map_or(0, Marker::line);
            let line = keys.key.span().start().map(Marker::line);
            let key = keys.key.as_str();
            (line, format!("`{key}` is given twice; the first is on line {first}"))
        }
    }
}

#[cfg(test)]
mod tests;
