//! Flags, signals and exit code of `haidang-collector`; all else is in the library.
fn main() {}
