//! The pages people look at, built from web/ and embedded.
