//! Rule files, backup policy and drill plans: load, check, evaluate; pure but for reading files.
