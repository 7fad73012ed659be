//! haidang: the people's tool.
fn main() {}
