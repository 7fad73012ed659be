//! Inventory facts: what a host is, as it says itself (operating system, kernel, agent version …).

/// One fact; a later one of the same name replaces it. An empty value withdraws it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    pub name: String,
    pub value: String,
}
