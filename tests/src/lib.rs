//! Stories with the real binaries and real servers.
