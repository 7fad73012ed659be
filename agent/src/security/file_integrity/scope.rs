//! Which files are watched: paths, patterns, and directories with what is in them.
//! Promises: links are not followed; a directory that cannot be read is named, so that its files do not count as deleted.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use glob::{MatchOptions, Pattern};

/// A `*` stays within one directory.
const OPTIONS: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: false,
};

#[derive(Clone, Debug, Default)]
pub(super) struct Scope {
    patterns: Vec<Pattern>,
    exclude: Vec<Pattern>,
    depth_max: usize,
    files_max: usize,
}

/// What a walk found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Sorted, so that a bound drops the same files every time.
    pub(super) files: Vec<PathBuf>,
    pub(super) directories: Vec<PathBuf>,
    /// Directories whose content is not known.
    pub(super) unreadable: Vec<PathBuf>,
    /// Files beyond the bound.
    pub(super) skipped: usize,
}

impl Scope {
    /// Patterns that do not parse are left out; they were refused when the configuration was checked.
    pub(super) fn new(
        patterns: &[String],
        exclude: &[String],
        depth_max: usize,
        files_max: usize,
    ) -> Self {
        let parse = |texts: &[String]| -> Vec<_> {
            texts.iter().filter_map(|text| Pattern::new(text).ok()).collect()
        };
        Self { patterns: parse(patterns), exclude: parse(exclude), depth_max, files_max }
    }

    pub(super) fn includes(&self, path: &Path) -> bool {
        let inside = |pattern: &Pattern| {
            let levels = path.ancestors().take(self.depth_max + 1);
            levels.into_iter().any(|ancestor| pattern.matches_path_with(ancestor, OPTIONS))
        };
        !self.excludes(path) && self.patterns.iter().any(inside)
    }

    fn excludes(&self, path: &Path) -> bool {
        self.exclude.iter().any(|pattern| {
            path.ancestors().any(|ancestor| pattern.matches_path_with(ancestor, OPTIONS))
        })
    }

    /// Everything that is watched now.
    pub(super) fn walk(&self) -> Found {
        let mut found = Found::default();
        for pattern in &self.patterns {
            for path in glob::glob_with(pattern.as_str(), OPTIONS).into_iter().flatten() {
                match path {
                    Ok(path) => self.add(path, self.depth_max, &mut found),
                    Err(error) => found.unreadable.push(error.path().to_owned()),
                }
            }
            // A file that is not there yet is waited for in its directory.
            if let Some(parent) = Path::new(pattern.as_str()).parent()
                && parent.is_dir()
            {
                found.directories.push(parent.to_owned());
            }
        }
        found.files.sort();
        found.files.dedup();
        found.directories.sort();
        found.directories.dedup();
        found.skipped = found.files.len().saturating_sub(self.files_max);
        found.files.truncate(self.files_max);
        found
    }

    /// Whether so many files are as many as may be watched.
    pub(super) fn is_full(&self, files: usize) -> bool {
        files >= self.files_max
    }

    fn add(&self, path: PathBuf, depth: usize, found: &mut Found) {
        if self.excludes(&path) {
            return;
        }
        let metadata = match fs::symlink_metadata(&path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(_) => {
                found.unreadable.push(path);
                return;
            }
        };
        if metadata.is_dir() {
            if depth == 0 {
                return;
            }
            match fs::read_dir(&path) {
                Ok(entries) => {
                    for entry in entries.flatten() {
                        self.add(entry.path(), depth - 1, found);
                    }
                    found.directories.push(path);
                }
                Err(_) => found.unreadable.push(path),
            }
        } else if metadata.is_file() || metadata.is_symlink() {
            found.files.push(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    #[test]
    fn files_patterns_and_directories_are_found_within_their_bounds() {
        let dir = TempDir::new().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir_all(at("www/a/b")).unwrap();
        for name in ["passwd", "www/1.php", "www/a/2.php", "www/a/b/3.php", "www/a/x.log"] {
            fs::write(at(name), name).unwrap();
        }
        let text = |name: &str| at(name).display().to_string();
        let patterns = [text("pass*"), text("www"), text("not-yet")];
        let scope = Scope::new(&patterns, &[text("www/**/*.log")], 2, 100);
        let names = |found: &Found| -> Vec<String> {
            let name =
                |path: &PathBuf| path.strip_prefix(dir.path()).unwrap().display().to_string();
            found.files.iter().map(name).collect()
        };
        let found = scope.walk();
        assert_eq!(names(&found), ["passwd", "www/1.php", "www/a/2.php"]);
        assert_eq!(found.skipped, 0);
        for (name, included) in [
            ("passwd", true),
            ("not-yet", true),
            ("www/a/2.php", true),
            ("www/a/b/3.php", false),
            ("www/a/x.log", false),
            ("other", false),
        ] {
            assert_eq!(scope.includes(&at(name)), included, "{name}");
        }
        let bounded = Scope { files_max: 2, ..scope.clone() }.walk();
        assert_eq!(
            (names(&bounded), bounded.skipped),
            (vec!["passwd".into(), "www/1.php".into()], 1)
        );
    }
}
