//! Embeds the migrations anew when one is added; cargo sees only changes of files that are there.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
