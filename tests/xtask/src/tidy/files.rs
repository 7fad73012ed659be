//! The shape of files: what each opens with, how long it may be, how it may be called, and what it must not tell.

use super::SourceFile;

/// One concept fits into this many lines; more needs a reason.
const LINES_MAX: usize = 400;
/// How the line at the head begins that says why a file is longer.
const REASON: &str = "//! Longer than 400 lines because";
/// The head of a file, where that line stands.
const HEAD_LINES: usize = 8;
/// Names without a noun: what is in them has no owner.
const NAMES_WITHOUT_A_NOUN: [&str; 5] = ["utils", "util", "common", "helpers", "manager"];

pub(super) fn problems(files: &[SourceFile]) -> Vec<String> {
    let rust = files.iter().filter(|file| file.path.ends_with(".rs"));
    rust.flat_map(rust_problems).collect()
}

fn rust_problems(file: &SourceFile) -> Vec<String> {
    let path = &file.path;
    let mut problems = Vec::new();
    if !file.text.starts_with("//! ") {
        problems
            .push(format!("{path}:1: opens without `//!`: say what it is and what it promises"));
    }
    let lines = file.text.lines().count();
    let excused = file.text.lines().take(HEAD_LINES).any(|line| line.starts_with(REASON));
    if lines > LINES_MAX && !excused {
        problems.push(format!(
            "{path}: {lines} lines; split it, or begin a line of its head with `{REASON}`"
        ));
    }
    let name = path.rsplit('/').next().unwrap_or_default().trim_end_matches(".rs");
    if name == "mod" {
        problems.push(format!("{path}: a module is `foo.rs` beside `foo/`, never `mod.rs`"));
    }
    if NAMES_WITHOUT_A_NOUN.contains(&name) {
        problems.push(format!("{path}: `{name}` names nothing; call it after what it holds"));
    }
    problems
}

/// Lines that tell where somebody's checkout or tools lie.
pub(super) fn machine_problems(files: &[SourceFile], machine_paths: &[String]) -> Vec<String> {
    let mut problems = Vec::new();
    for file in files {
        for (at, line) in file.text.lines().enumerate() {
            let told = machine_paths.iter().find(|path| line.contains(path.as_str()));
            if let Some(told) = told {
                let number = at + 1;
                problems.push(format!("{}:{number}: {told} is of one machine only", file.path));
            }
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, text: &str) -> Vec<String> {
        problems(&[SourceFile { path: path.to_owned(), text: text.to_owned() }])
    }

    #[test]
    fn a_file_says_what_it_is() {
        assert!(check("agent/src/spool.rs", "//! The spool.\n").is_empty());
        assert_eq!(check("agent/src/spool.rs", "use std::fs;\n").len(), 1);
    }

    #[test]
    fn a_long_file_needs_a_reason() {
        let long = |head: &str| format!("{head}{}", "\n".repeat(LINES_MAX));
        assert!(check("a.rs", &long("//! A.")).is_empty());
        assert_eq!(check("a.rs", &long("//! A.\n")).len(), 1);
        let excused = long("//! A.\n//! Longer than 400 lines because it is one table.\n");
        assert!(check("a.rs", &excused).is_empty());
    }

    #[test]
    fn names_without_a_noun_are_refused() {
        assert_eq!(check("agent/src/metrics/mod.rs", "//! M.\n").len(), 1);
        assert_eq!(check("agent/src/utils.rs", "//! U.\n").len(), 1);
        assert!(check("agent/src/manage.rs", "//! M.\n").is_empty());
    }

    #[test]
    fn a_path_of_one_machine_is_found() {
        let file = SourceFile {
            path: "deploy/config/agent.yml".to_owned(),
            text: "# ok\nstate_dir: /somewhere/checkout/state\n".to_owned(),
        };
        let found = machine_problems(&[file], &["/somewhere/checkout".to_owned()]);
        let expected = "deploy/config/agent.yml:2: /somewhere/checkout is of one machine only";
        assert_eq!(found, [expected]);
    }
}
