//! Flags, signals and exit code of `haidang-agent`; all else is in the library.
fn main() {}
