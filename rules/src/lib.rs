//! Rule files, backup policy and drill plans: load, check, evaluate; pure but for reading files.

pub mod detection_tests;
pub mod library;
