//! The metric store: samples by series, in memory and in immutable part files.
