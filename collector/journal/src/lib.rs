//! The journal: what was acknowledged, in order, on disk.
