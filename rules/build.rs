//! Makes cargo notice a rule file that is added or removed; changed ones it sees by itself.
#![allow(clippy::print_stdout, reason = "this is how a build script speaks to cargo")]

fn main() {
    println!("cargo:rerun-if-changed=library");
}
